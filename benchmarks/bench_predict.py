"""Prediction beside the bare network, and how long a single ECG waits.

eager      the network in eval mode, float32, at the batch size that is best for it
skecg      the classifier's predict_proba
onnx       the file of export_onnx in ONNX Runtime (extra `onnx`)

All predict the same ECGs in turns; ratios are the medians of those within a turn. |dp| is the
largest difference of a probability from that of the bare network. GFLOP/s are the multiplications
and additions of the network over the time, and "of matmul" the share of what float32 products of
1024 x 1024 reach in the same turns. Below, the wait for one ECG in ms. Time is processor time on
one thread, else that of the clock.

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
from torch.utils.flop_counter import FlopCounterMode

from skecg.persistence import export_onnx

BATCHES = (8, 16, 32, 64, 128, 256)


def eager(net, X, batch_size):
    """Return probabilities by the bare network."""
    with torch.no_grad():
        parts = torch.from_numpy(X).split(batch_size)
        return torch.cat([net(part).softmax(dim=1) for part in parts]).numpy()


def onnx_session(clf):
    """Return a function that predicts by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        export_onnx(clf, path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def predict(X):
        parts = [X[start : start + 16] for start in range(0, len(X), 16)]
        return np.concatenate([session.run(None, {"ecg": part})[0] for part in parts])

    return predict


def compare(name, n, turns, waits, with_onnx):
    """Print the rows of a model."""
    cls, network, lr = MODELS[name]
    clf = classifier(cls, lr, simulate(128, 0), simulate(32, 1), 1)
    net = network().eval()
    net.load_state_dict(clf.module_.state_dict())
    X = simulate(n, 2)[0]
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    sizes = [size for size in BATCHES if size <= n]
    tried = {size: timed(lambda size=size: eager(net, X, size), clock)[0] for size in sizes * 2}
    best = min(tried, key=tried.get)
    with FlopCounterMode(display=False) as counter:
        expected = eager(net, X, best)
    runs = {f"eager, batch {best}": lambda X: eager(net, X, best), "skecg": clf.predict_proba}
    if with_onnx:
        runs["onnx"] = onnx_session(clf)
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
        difference = abs(predict(X) - expected).max()
        print(
            f"{name:6s} {run:17s} {n / taken:8.1f} {ratio:8.2f} {difference:8.0e} "
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
        f"{'model':6s} {'':17s} {'ECGs/s':>8s} {'ratio':>8s} {'|dp|':>8s} {'GFLOP/s':>8s} "
        f"{'of matmul':>9s} {'one, ms':>8s} {'p99, ms':>8s}"
    )
    for name in arguments.model:
        n, turns, waits = (128, 3, 100) if name == "smart" else (2048, 9, 500)
        if arguments.quick:
            n, turns, waits = (64, 2, 10) if name == "smart" else (256, 3, 50)
        compare(name, n, turns, waits, not arguments.no_onnx)


if __name__ == "__main__":
    main()
