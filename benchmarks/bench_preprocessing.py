"""Median beats a second, beside NeuroKit2, and the memory that they take.

NeuroKit2 does what its user would write: `ecg_clean` on each of twelve leads, `ecg_peaks` on
lead II, and the mean of the windows around the peaks. Both work on the same ECGs in turns, on
one core; the time of an ECG is the median over the turns.

    python benchmarks/bench_preprocessing.py [--quick]
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import argparse
import time
import tracemalloc

import neurokit2 as nk
import numpy as np

from skecg.datasets import make_omi
from skecg.preprocessing import MedianBeat, r_peaks

TURN = 50  # ECGs


def average_by_neurokit(ecg, sampling_rate=500):
    clean = np.array([nk.ecg_clean(lead, sampling_rate=sampling_rate) for lead in ecg])
    _, info = nk.ecg_peaks(clean[1], sampling_rate=sampling_rate)
    peaks = [r for r in info["ECG_R_Peaks"] if 300 <= r <= clean.shape[1] - 300]
    return np.mean([clean[:, r - 300 : r + 300] for r in peaks], axis=0)


def seconds_each(methods, X, n_turns):
    times = {name: [] for name in methods}
    for turn in range(n_turns):
        part = X[np.arange(turn * TURN, (turn + 1) * TURN) % len(X)]
        for name, method in methods.items():
            start = time.perf_counter()
            method(part)
            times[name].append((time.perf_counter() - start) / TURN)
    return {name: np.median(each) for name, each in times.items()}


def working_memory(X):
    """Return the peak of memory beyond input and output, in bytes."""
    tracemalloc.start()
    out = MedianBeat(on_bad="nan").transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - out.nbytes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    X = make_omi(100 if quick else 300, form="ecg", random_state=0)[0]
    methods = {
        "MedianBeat.transform": MedianBeat(on_bad="nan").transform,
        "MedianBeat.report": MedianBeat().report,
        "r_peaks": r_peaks,
        "NeuroKit2 clean, peaks, mean": lambda part: [average_by_neurokit(ecg) for ecg in part],
    }
    for method in methods.values():  # warm up
        method(X[:TURN])
    times = seconds_each(methods, X, 3 if quick else 12)
    slowest = times["NeuroKit2 clean, peaks, mean"]
    print(f"{'12 leads, 10 s, 500 Hz':30s} {'ms an ECG':>10s} {'ECGs a s':>10s} {'ratio':>8s}")
    for name, each in times.items():
        print(f"{name:30s} {1e3 * each:10.2f} {1 / each:10.0f} {slowest / each:7.1f}x")
    print(f"\n{'ECGs':30s} {'MB beyond input and output':>28s}")
    for n in (50, 200, 800) if quick else (100, 1000, 10_000):
        print(f"{n:<30d} {working_memory(np.broadcast_to(X[:1], (n, *X.shape[1:]))) / 1e6:28.2f}")


if __name__ == "__main__":
    main()
