"""Time and memory against the number of ECGs, from folds to predictions of an array on disk.

Processor seconds of each step at several n, the slope of log(time) against log(n), and the peak
of the process's own memory (RssAnon: pages of the memory-mapped file do not count).

    python benchmarks/bench_growth.py [--quick] [--figure growth.png]
"""

import argparse
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold

from skecg import NetClassifier
from skecg.datasets import make_omi
from skecg.model_selection import DuplicateECGWarning, rotate_folds
from skecg.preprocessing import LeadStandardScaler
from skecg.sampling import BalancedBatchSampler

POSITIVE = 0.088  # share in the paper's cohort
CHUNK = 5000  # ECGs scaled and written at a time


class TinyNet(torch.nn.Module):
    """One strided convolution: what it leaves to measure is the way of the data."""

    def __init__(self, n_leads, n_classes):
        super().__init__()
        self.conv = torch.nn.Conv1d(n_leads, 8, 16, stride=16)
        self.fc = torch.nn.Linear(8, n_classes)

    def forward(self, x):  # noqa: D102
        return self.fc(torch.relu(self.conv(x)).mean(dim=-1))


def labels_of(n):
    """Return labels, and patients: seven in ten ECGs are some patient's first."""
    rng = np.random.default_rng(0)
    first = np.arange(round(0.7 * n))
    groups = rng.permutation(np.append(first, rng.choice(first, n - len(first))))
    return (rng.random(n) < POSITIVE).astype(int), groups


def deal(n, folder):
    y, groups = labels_of(n)
    yield
    rotate_folds(y, groups, random_state=0)


def split(n, folder):
    y, groups = labels_of(n)
    yield
    list(StratifiedGroupKFold(10, shuffle=True, random_state=0).split(y, y, groups))


def sample(n, folder):
    sampler = BalancedBatchSampler(labels_of(n)[0], random_state=0)
    yield
    for _ in sampler:
        pass


def scale(n, folder):
    """Write n scaled beats to disk, chunk by chunk: what the next two steps read."""
    beats = make_omi(1000, prevalence=0.5, random_state=0)[0][:, :, 150:550]
    shape = (n, *beats.shape[1:])
    yield
    out = np.lib.format.open_memmap(folder / f"{n}.npy", "w+", dtype=np.float32, shape=shape)
    for start in range(0, n, CHUNK):
        rows = np.arange(start, min(start + CHUNK, n)) % len(beats)
        out[start : start + len(rows)] = LeadStandardScaler().transform(beats[rows])
    out.flush()


def make_net():
    return NetClassifier(TinyNet, lr=1e-3, max_epochs=1, sampling=None, random_state=0)


def fit(n, folder):
    X, y = np.load(folder / f"{n}.npy", mmap_mode="r"), labels_of(n)[0]
    fold = rotate_folds(y, random_state=0)
    make_net().fit(X[:1000], y[:1000])  # torch imports its compiler at the first optimizer
    yield
    make_net().fit(X, y, fold=fold)


def predict(n, folder):
    X, y = np.load(folder / f"{n}.npy", mmap_mode="r"), labels_of(n)[0]
    net = make_net().fit(X[:1000], y[:1000])
    yield
    net.predict_proba(X)


def watch(peak, stop):
    while not stop.wait(0.02):
        with open("/proc/self/status") as status:
            anonymous = next(line for line in status if line.startswith("RssAnon"))
        peak.append(int(anonymous.split()[1]) * 1024)


def measure_here(step, n, folder, pipe):
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DuplicateECGWarning)  # a thousand beats, again and again
    peak, stop = [], threading.Event()
    prepared = step(n, folder)
    next(prepared)
    watcher = threading.Thread(target=watch, args=(peak, stop))
    watcher.start()
    start = time.process_time()
    for _ in prepared:
        pass
    seconds = time.process_time() - start
    stop.set()
    watcher.join()
    pipe.send((seconds, max(peak, default=0)))


def measure(step, n, folder):
    """Return seconds and peak memory of a step, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure_here, args=(step, n, folder, sender))
    process.start()
    sender.close()
    found = receiver.recv()
    process.join()
    return found


def draw(results, path):
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
    for name, found in results.items():
        ns, seconds = zip(*((n, each[0]) for n, each in found.items()), strict=True)
        ax.loglog(ns, seconds, marker="o", label=name)
    ax.axline((1e5, 1), (1e6, 10), color="grey", linestyle=":", label="slope 1")
    ax.set(xlabel="ECGs", ylabel="Processor seconds")
    ax.grid(alpha=0.3)
    fig.legend(loc="outside right upper")
    fig.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--figure")
    arguments = parser.parse_args()
    quick = arguments.quick
    beats = [1000, 4000, 16_000] if quick else [12_500, 50_000, 200_000]
    steps = {
        "rotate_folds": (deal, [10_000, 100_000] if quick else [10_000, 100_000, 1_000_000]),
        "StratifiedGroupKFold": (split, [1000, 10_000] if quick else [1000, 10_000, 100_000]),
        "sampler, an epoch": (sample, [10**5, 10**6] if quick else [10**5, 10**6, 10**7]),
        "scale to disk": (scale, beats),
        "fit, an epoch, from disk": (fit, beats),
        "predict_proba from disk": (predict, beats),
    }
    results = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        needed = 2 * sum(beats) * 12 * 400 * 4
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise SystemExit(
                f"{needed / 1e9:.1f} GB of disk are needed, {free / 1e9:.1f} are free."
            )
        print(f"{'':26s} {'n':>10s} {'seconds':>9s} {'RssAnon, MB':>12s} {'slope':>6s}")
        for name, (step, ns) in steps.items():
            found = {n: measure(step, n, Path(folder)) for n in ns}
            seconds = [each[0] for each in found.values()]
            slope = np.polyfit(np.log(ns), np.log(seconds), 1)[0]
            for n, (time_taken, peak) in found.items():
                last = f"{slope:6.2f}" if n == ns[-1] else ""
                print(f"{name:26s} {n:10d} {time_taken:9.2f} {peak / 1e6:12.0f} {last}", flush=True)
            results[name] = found
    if arguments.figure:
        draw(results, arguments.figure)


if __name__ == "__main__":
    main()
