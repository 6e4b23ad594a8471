"""Prediction beside the bare network, and how long a single ECG waits.

eager      the network in eval mode, float32, at the batch size that is best for it
skecg      the classifier's predict_proba, and in bfloat16 where the CPU has it
onnx       ONNXClassifier with the file of export_onnx (extra `onnx`)

The networks are the pretrained ones and the ECGs simulated. All predict the same ECGs in turns;
ratios are the medians of those within a turn. |dp| is the largest difference of a probability from
that of the bare network. GFLOP/s are the multiplications and additions of the network over the
time, and "of matmul" the share of what float32 products of 1024 x 1024 reach in the same turns;
then the wait for one ECG in ms. Time is processor time on one thread, else that of the clock.

    python benchmarks/bench_predict.py [--quick] [--threads 1] [--model smart alvd] [--no-onnx]
"""

import argparse
import os
import statistics
import tempfile
import time

import numpy as np
import torch
from bench_fit import MODELS, classifier, machine, matmul, simulate, timed
from sklearn.metrics import roc_auc_score
from torch.utils.flop_counter import FlopCounterMode

from skecg.datasets import make_omi
from skecg.persistence import ONNXClassifier, export_onnx, load_pretrained

NAMES = {"smart": "smartnet", "alvd": "alvd"}
BATCHES = (8, 16, 32, 64, 128, 256)


def eager(net, X, batch_size):
    """Return probabilities by the bare network."""
    with torch.no_grad():
        parts = torch.from_numpy(X).split(batch_size)
        return torch.cat([net(part).softmax(dim=1) for part in parts]).numpy()


def copies(name, folder, with_onnx):
    """Return the pretrained network in each way to predict by it, and what scales its ECGs."""
    cls, _, lr = MODELS[name]
    *scaling, net = (step for _, step in load_pretrained(f"{NAMES[name]}-sim").steps)
    ways = {"skecg": net}
    fast = classifier(cls, lr, simulate(128, 0), simulate(32, 1), 1, precision="auto")
    if fast.precision_ == "bf16":
        fast.module_.load_state_dict(net.module_.state_dict())
        ways["skecg bf16"] = fast
    if with_onnx:
        path = os.path.join(folder, "model.onnx")
        export_onnx(net, path)
        ways["onnx"] = ONNXClassifier(path, n_jobs=torch.get_num_threads())
    return ways, scaling


def compare(name, n, turns, waits, with_onnx, folder):
    """Print the rows of a model."""
    ways, scaling = copies(name, folder, with_onnx)
    net = MODELS[name][1]().eval()
    net.load_state_dict(ways["skecg"].module_.state_dict())
    X, y, _ = make_omi(n, prevalence=0.5, random_state=1)
    X, y = X[:n], y[:n]
    for step in scaling:
        X = step.transform(X)
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    sizes = [size for size in BATCHES if size <= n]
    tried = {size: timed(lambda size=size: eager(net, X, size), clock)[0] for size in sizes * 2}
    best = min(tried, key=tried.get)
    with FlopCounterMode(display=False) as counter:
        expected = eager(net, X, best)
    runs = {f"eager, batch {best}": lambda X: eager(net, X, best)}
    runs |= {way: clf.predict_proba for way, clf in ways.items()}
    seconds, rates = {run: [] for run in runs}, []
    for _ in range(turns):
        for run, predict in runs.items():
            seconds[run].append(timed(lambda predict=predict: predict(X), clock)[0])
        taken, operations = timed(matmul, clock)
        rates.append(operations / taken)
    waited = {run: [] for run in runs}
    for i in range(waits):
        for run, predict in runs.items():
            row = X[i % n : i % n + 1]
            waited[run].append(1000 * timed(lambda p=predict, row=row: p(row), clock)[0])
    base = seconds[f"eager, batch {best}"]
    for run, predict in runs.items():
        taken = statistics.median(seconds[run])
        ratio = statistics.median(a / b for a, b in zip(base, seconds[run], strict=True))
        achieved = counter.get_total_flops() / taken
        proba = predict(X)
        difference, auc = abs(proba - expected).max(), roc_auc_score(y, proba[:, 1])
        print(
            f"{name:6s} {run:17s} {n / taken:8.1f} {ratio:8.2f} {difference:8.0e} {auc:8.4f} "
            f"{achieved / 1e9:8.1f} {achieved / statistics.median(rates):9.2f} "
            f"{np.median(waited[run]):8.2f} {np.quantile(waited[run], 0.99):8.2f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--no-onnx", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(machine())
    print(
        f"{'model':6s} {'':17s} {'ECGs/s':>8s} {'ratio':>8s} {'|dp|':>8s} {'AUC':>8s} "
        f"{'GFLOP/s':>8s} {'of matmul':>9s} {'one, ms':>8s} {'p99, ms':>8s}"
    )
    for name in arguments.model:
        n, turns, waits = (128, 3, 100) if name == "smart" else (2048, 9, 500)
        if arguments.quick:
            n, turns, waits = (64, 2, 10) if name == "smart" else (256, 3, 50)
        with tempfile.TemporaryDirectory() as folder:
            compare(name, n, turns, waits, not arguments.no_onnx, folder)


if __name__ == "__main__":
    main()
