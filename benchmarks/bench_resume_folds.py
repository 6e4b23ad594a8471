"""Kill a cross-validation with `cache_dir` at random moments and compare what it ends with.

Each trial starts the same run, kills it (SIGKILL) after a random time, resumes it, and compares
the table and the probabilities with those of a run that was left alone.

    python benchmarks/bench_resume_folds.py [--quick]
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def run_folds(folder):
    """Print a hash of table and probabilities."""
    import torch

    from skecg import ALVDClassifier, FeatureForestClassifier
    from skecg.datasets import make_omi
    from skecg.model_selection import cross_validate_rotation

    torch.set_num_threads(1)
    X, y, groups = make_omi(60, prevalence=0.4, random_state=0)
    models = {
        "net": ALVDClassifier(lr=1e-3, max_epochs=3, batch_size=16, random_state=0),
        "forest": FeatureForestClassifier(n_estimators=20, random_state=0),
    }
    print("started", flush=True)
    options = {"n_splits": 4, "random_state": 0, "return_proba": True, "cache_dir": folder}
    table, proba = cross_validate_rotation(models, X, y, groups=groups, **options)
    text = table.drop(columns="seconds").to_csv(float_format="%.17g").encode()
    data = b"".join(each.tobytes() for each in proba.values())
    print(hashlib.sha256(text + data).hexdigest())


def start(folder):
    """Start a run and wait until it begins to fit."""
    command = [sys.executable, __file__, "--folder", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    process.stdout.readline()
    return process, time.perf_counter()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        run_folds(arguments.folder)
        return
    rng = np.random.default_rng(0)
    n_kills = 2 if arguments.quick else 10
    equal = 0
    with tempfile.TemporaryDirectory() as work:
        process, began = start(Path(work, "whole"))
        expected = process.communicate()[0]
        length = time.perf_counter() - began
        print(f"{'killed after':>14s} {'fits kept of 8':>15s} {'equal':>6s}")
        for i in range(n_kills):
            folder = Path(work, str(i))
            process, began = start(folder)
            moment = rng.uniform(0, length)
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kept = len(list(folder.glob("*.fold"))) if folder.exists() else 0
            same = start(folder)[0].communicate()[0] == expected
            equal += same
            print(f"{moment:12.2f} s {kept:15d} {'yes' if same else 'NO':>6s}", flush=True)
    print(f"{equal} of {n_kills} tables equal")


if __name__ == "__main__":
    main()
