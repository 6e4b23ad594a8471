"""
Bring your own files
====================

From a folder of ECG files and a list of diagnoses to a score for each ECG. Any format that
:func:`skecg.io.read_ecg` knows will do, mixed as well. It needs ``pip install 'skecg[plot]'``.
"""

# %%
# A folder such as yours may be, made here from simulated recordings in WFDB format. One record has
# lost its signal file, and one was made with the arm electrodes swapped.
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from skecg import FeatureForestClassifier, STEMICriteriaClassifier
from skecg.datasets import make_omi
from skecg.io import read_ecgs
from skecg.leads import LEADS
from skecg.plotting import ECGDisplay
from skecg.preprocessing import MedianBeat

folder = Path(tempfile.mkdtemp())


def write_wfdb(name, signal):
    """Write a recording of twelve leads in mV at 500 Hz."""
    samples = np.round(signal * 1000).astype("<i2")  # microvolt
    samples.T.tofile(folder / f"{name}.dat")
    leads = [
        f"{name}.dat 16 1000/mV 16 0 {row[0]} {row.sum(dtype='i2')} 0 {lead}"
        for lead, row in zip(LEADS, samples, strict=True)
    ]
    header = [f"{name} 12 500 {samples.shape[1]}", *leads, ""]
    (folder / f"{name}.hea").write_text("\n".join(header))


recordings, omi, patients = make_omi(80, prevalence=0.4, severity=2, form="ecg", random_state=1)
recordings[2] = recordings[2][[0, 2, 1, 4, 3, 5, *range(6, 12)]] * np.array([[-1]] + [[1]] * 11)
for i, recording in enumerate(recordings):
    write_wfdb(f"ecg{i:03}", recording)
(folder / "ecg005.dat").unlink()
diagnoses = pd.DataFrame({"omi": omi, "patient": patients})

# %%
# Reading never stops: what cannot be read is a row that says why. Look at these rows first.
X_raw, files = read_ecgs(sorted(folder.glob("*.hea")))
noted = files[files["error"].notna() | (files["notes"].str.len() > 0)]
for row in noted.itertuples():
    print(Path(row.path).name, row.error if pd.notna(row.error) else row.notes, sep=": ")

# %%
# Median beats, and a verdict on each recording. A swap of electrodes is reported, not repaired:
# whether to leave such an ECG out is your decision. An ECG without a median beat has to go.
median_beat = MedianBeat()
quality = median_beat.report(X_raw)
print(quality["quality"].value_counts().to_string())
for i in quality.index[quality["quality"] != "good"][:5]:
    print(f"ecg{i:03}: {quality.loc[i, 'remarks']}")
keep = (quality["quality"] != "unusable").to_numpy()
X, y = median_beat.transform(X_raw[keep]), diagnoses.loc[keep, "omi"].to_numpy()
groups = diagnoses.loc[keep, "patient"].to_numpy()

# %%
# Train on two thirds of the patients and score the others, beside what the STEMI criteria say.
# Some sixty patients are far too few for a model to be of any use; the way is the same.
train = groups % 3 > 0
forest = FeatureForestClassifier(n_estimators=100, random_state=0).fit(
    X[train], y[train], groups=groups[train]
)
criteria = STEMICriteriaClassifier().fit(X[train], y[train]).reasons(X[~train])
scores = pd.DataFrame(
    {
        "file": files["path"][keep][~train].map(lambda path: Path(path).name).to_numpy(),
        "score": forest.risk_score(X[~train]).round(1),
        "risk": forest.risk_group(X[~train]),
        "STEMI": criteria["positive"].to_numpy(),
        "OMI": y[~train] == 1,
    }
)
print(scores.sort_values("score", ascending=False).head(8).to_string(index=False))

# %%
# The recording with the highest score, on paper.
top = np.flatnonzero(keep)[np.flatnonzero(~train)[scores["score"].argmax()]]
display = ECGDisplay.from_ecg(X_raw[top], title=Path(files["path"][top]).name)
display.figure_.savefig("own_files.png")
print("Figure: own_files.png")
