"""Tables of features a second on one core, and what each part of the work takes.

The beats are simulated ones of 12 leads and 600 samples. Each method runs in turns with the
others; the time is processor time, the median and the best over the turns.

    python benchmarks/bench_features.py [--quick]
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import argparse
import time

import numpy as np

from skecg._delineation import wave_bounds
from skecg.datasets import make_omi
from skecg.feature_extraction import BeatFeatures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    X = make_omi(250 if quick else 1000, random_state=0)[0][: 320 if quick else 1280]
    whole, crop = BeatFeatures().fit(X), BeatFeatures().fit(X[..., 150:550])
    methods = {
        "BeatFeatures, 12 x 600": lambda: whole.transform(X),
        "BeatFeatures, 12 x 400": lambda: crop.transform(X[..., 150:550]),
        "wave boundaries alone, 12 x 600": lambda: wave_bounds(X, 300, 500),
    }
    seconds = {name: [] for name in methods}
    for _ in range(5 if quick else 15):
        for name, method in methods.items():
            start = time.process_time()
            method()
            seconds[name].append((time.process_time() - start) / len(X))
    print(f"{len(X)} beats, {len(whole.get_feature_names_out())} features")
    print(f"{'':32s} {'us an ECG':>10s} {'ECGs a s':>10s} {'best':>10s}")
    for name, times in seconds.items():
        median, best = np.median(times), np.min(times)
        print(f"{name:32s} {1e6 * median:10.0f} {1 / median:10.0f} {1 / best:10.0f}")


if __name__ == "__main__":
    main()
