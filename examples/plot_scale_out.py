"""
Millions of ECGs
================

Every step before a classifier works ECG by ECG, so an engine such as dask can spread it over
cores and machines. Here a small store of simulated ECGs stands for one larger than memory.
"""

# %%
# Raw recordings lie on disk in chunks: 12 leads of 10 s as 16-bit microvolts, 120 kB an ECG.
import tempfile
import time
from pathlib import Path

import dask.array as da
import dask.bag as db
import matplotlib.pyplot as plt
import numpy as np
import wfdb
import zarr
from dask.distributed import Client
from joblib import parallel_config
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.datasets import make_omi
from skecg.io import read_ecgs
from skecg.leads import LEADS
from skecg.model_selection import cross_validate_rotation
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

folder = tempfile.TemporaryDirectory()
X, y, groups = make_omi(150, form="ecg", prevalence=1 / 3, severity=2, random_state=0)
raw = zarr.open_array(
    f"{folder.name}/raw.zarr", mode="w", shape=X.shape, chunks=(50, *X.shape[1:]), dtype="int16"
)
raw[:] = np.rint(1000 * X)

# %%
# On a cluster, give the address of its scheduler instead: ``Client("scheduler:8786")``. With
# ``Client(n_workers=...)`` a script needs ``if __name__ == "__main__":``.
client = Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None)


# %%
# One function makes median beats of a chunk. An ECG of which none can be made is a row of NaN:
# rows keep their order and number, and no ECG stops the others.
def median_beats(microvolts):
    return MedianBeat(on_bad="nan").transform(microvolts / np.float32(1000))


ecgs = da.from_zarr(raw)
beats = ecgs.map_blocks(
    median_beats,
    chunks=(ecgs.chunks[0], (12,), (600,)),
    meta=np.empty((0, 0, 0), dtype=np.float32),
)
start = time.process_time()
beats.to_zarr(f"{folder.name}/beats.zarr")
rate = len(X) / (time.process_time() - start)
print(f"{len(X)} ECGs to median beats: {rate:.0f} ECGs a second on a core, reading and writing too")

# %%
# Folders of WFDB records go the same way, as a bag of paths.
for i in range(20):
    signal = {"d_signal": raw[i].T, "fmt": ["16"] * 12}
    scale = {"adc_gain": [1000] * 12, "baseline": [0] * 12, "units": ["mV"] * 12}
    name = f"ecg{i:02d}"
    wfdb.wrsamp(name, fs=500, sig_name=list(LEADS), write_dir=folder.name, **signal, **scale)


def read_and_average(paths):
    signals, _ = read_ecgs(list(paths))
    return [MedianBeat(on_bad="nan").transform(signals)]


paths = sorted(Path(folder.name).glob("*.hea"))
from_files = np.concatenate(
    db.from_sequence(paths, npartitions=4).map_partitions(read_and_average).compute()
)
stored = zarr.open_array(f"{folder.name}/beats.zarr", mode="r")
print(f"Largest difference from the beats in zarr: {np.abs(from_files - stored[:20]).max():.4f} mV")

# %%
# The folds of a cross-validation are joblib's work, and joblib can hand it to the cluster; on
# GPUs, start one worker for each and give the network ``device="cuda"``. With ``cache_dir`` a
# run that was interrupted does the missing fits only.
model = make_pipeline(
    BeatCropper(),
    LeadStandardScaler(),
    ALVDClassifier(lr=1e-3, max_epochs=3, batch_size=32, random_state=0),
)
with parallel_config(backend="dask"):
    table = cross_validate_rotation(
        {"ALVD": model},
        stored[:],
        y,
        groups=groups,
        n_splits=3,
        random_state=0,
        cache_dir=folder.name,
    )
print(table[["model", "fold", "test_auc"]].round(3))
client.close()

# %%
# What larger stores take, worked out from the rate above: cores do not wait for one another.
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
cores = np.array([1, 10, 100, 1000])
for n in (1_000_000, 100_000_000):
    hours = n / rate / 3600 / cores
    ax.loglog(cores, hours, marker="o", label=f"{n:,} ECGs")
    print(
        f"{n:11,d} ECGs: {hours[0]:8,.1f} hours on a core, {hours[2]:6.2f} on 100; "
        f"{n * 120e3 / 1e9:8,.0f} GB of raw ECGs, {n * 12 * 600 * 4 / 1e9:7,.0f} GB of beats"
    )
ax.set(xlabel="Cores", ylabel="Hours", title="Raw ECGs to median beats")
ax.legend()
fig.savefig("scale_out.png", dpi=150)
print("Figure: scale_out.png")
folder.cleanup()
