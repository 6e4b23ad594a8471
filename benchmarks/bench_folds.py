"""The same folds in one process of two threads, and in two processes of one thread.

Ten folds (four with --quick) of the four networks and the forest. The two ways take turns,
model by model, and the time of each is the median over the turns.

    python benchmarks/bench_folds.py [--quick] [--model FeatureForestClassifier ...]
"""

import argparse
import time

import numpy as np
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skecg import (
    ALVDClassifier,
    FeatureForestClassifier,
    ResNetClassifier,
    SmartNetClassifier,
    TemporalResNetClassifier,
)
from skecg.datasets import make_omi
from skecg.model_selection import cross_validate_rotation, rotate_folds
from skecg.preprocessing import BeatCropper, LeadStandardScaler

NETWORKS = (SmartNetClassifier, TemporalResNetClassifier, ResNetClassifier, ALVDClassifier)


def make_models(max_epochs):
    params = {"lr": 1e-4, "max_epochs": max_epochs, "batch_size": 64, "random_state": 0}
    scale = (BeatCropper(), LeadStandardScaler())
    models = {each.__name__: make_pipeline(*scale, each(**params)) for each in NETWORKS}
    return models | {"FeatureForestClassifier": FeatureForestClassifier(random_state=0)}


def seconds(model, data, n_jobs):
    X, y, groups, fold = data
    torch.set_num_threads(2 if n_jobs == 1 else 1)
    start = time.perf_counter()
    with parallel_config(backend="loky"):
        cross_validate_rotation(
            {"model": clone(model)}, X, y, groups=groups, fold=fold, n_jobs=n_jobs
        )
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", nargs="+", choices=make_models(1), default=list(make_models(1)))
    arguments = parser.parse_args()
    quick = arguments.quick
    n_patients, n_splits, n_turns, epochs = (60, 4, 1, 1) if quick else (200, 10, 1, 1)
    X, y, groups = make_omi(n_patients, prevalence=0.3, random_state=0)
    data = (X, y, groups, rotate_folds(y, groups, n_splits=n_splits, random_state=0))
    print(f"{len(X)} ECGs, {n_splits} folds, {epochs} epochs; seconds, medians of {n_turns}")
    print(f"{'':26s} {'1 x 2 threads':>14s} {'2 x 1 thread':>14s} {'ratio':>7s}")
    sums = np.zeros(2)
    seconds(make_models(1)["ALVDClassifier"], data, 2)  # processes start
    for name in arguments.model:
        model = make_models(epochs)[name]
        turns = [[seconds(model, data, n_jobs) for n_jobs in (1, 2)] for _ in range(n_turns)]
        times = np.median(turns, axis=0)
        sums += times
        print(
            f"{name:26s} {times[0]:14.1f} {times[1]:14.1f} {times[0] / times[1]:7.2f}", flush=True
        )
    print(f"{'sum':26s} {sums[0]:14.1f} {sums[1]:14.1f} {sums[0] / sums[1]:7.2f}")


if __name__ == "__main__":
    main()
