"""Training beside the loop that a researcher would write, and beside plain skorch.

A   a DataLoader over a TensorDataset, shuffled batches of 128, undersampled in the batch, float32,
    Adam, and each epoch a validation pass with AUC and AP; the network's layers in torch's default
    layout
B   skorch.NeuralNetClassifier with a DataLoader that is fed the batches of BalancedBatchSampler,
    and the same scores
skecg  the classifier, in the precision asked for

All three train the same network on the same rows from the same seed for the same epochs, in turns;
"over skecg" is the median of the ratios within a turn, above 1 where skecg is faster. Time is
processor time on one thread, else that of the clock. GFLOP/s are the multiplications and additions
of the network over the time of the whole fit, and "of matmul" the share of what float32 products of
1024 x 1024 reach in the same turns. The score is the best validation score.

    python benchmarks/bench_fit.py [--quick] [--threads 1] [--model smart alvd] [--precision auto]

With --auc the classifier alone learns simulated ECGs in float32 and in bfloat16, from the same
seeds, and the highest validation AUC of each fit is printed.
"""

import argparse
import platform
import statistics
import time

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochScoring
from skorch.helper import predefined_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from skecg import ALVDClassifier, SmartNetClassifier
from skecg.datasets import make_omi
from skecg.networks import ALVDNet, SmartNet
from skecg.preprocessing import BeatCropper, LeadStandardScaler
from skecg.sampling import BalancedBatchSampler


class PlainALVDNet(ALVDNet):
    """The layers of ALVDNet, called one after the other."""

    def forward(self, x):  # noqa: D102
        x = self.spatial(self.temporal(x.unsqueeze(1))).mean(dim=(2, 3))
        return self.fc(self.hidden(x))


MODELS = {
    "smart": (SmartNetClassifier, SmartNet, 1e-4),
    "alvd": (ALVDClassifier, PlainALVDNet, 1e-3),
}
AUC_SIZES = {"smart": (1000, 5, 4), "alvd": (600, 12, 8)}  # patients, epochs, seeds
PREVALENCE = 956 / 10_893  # the paper's


def simulate(n, seed):
    """Return standardised noise of which the positives have a bump, and labels."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 12, 400), dtype=np.float32)
    y = np.zeros(n, dtype=np.int64)
    y[rng.permutation(n)[: round(PREVALENCE * n)]] = 1
    X[y == 1, :, 200:230] += 0.7
    return X, y


def loop(network, lr, train, valid, epochs, device="cpu"):
    """Train as baseline A; return the best validation score."""
    torch.manual_seed(0)
    net = network().to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    loaders = [
        DataLoader(TensorDataset(*map(torch.from_numpy, data)), 128, shuffle=shuffle)
        for data, shuffle in ((train, True), (valid, False))
    ]
    best = 0.0
    for _ in range(epochs):
        net.train()
        for x, y in loaders[0]:
            positive, negative = (torch.nonzero(y == code)[:, 0] for code in (1, 0))
            n = min(len(positive), len(negative))
            if n:
                keep = torch.cat(
                    [positive[torch.randperm(len(positive))[:n]],
                     negative[torch.randperm(len(negative))[:n]]]
                )  # fmt: skip
                optimizer.zero_grad()
                logits = net(x[keep].to(device))
                nn.functional.cross_entropy(logits, y[keep].to(device)).backward()
                optimizer.step()
        net.eval()
        with torch.no_grad():
            proba = torch.cat([net(x.to(device)).softmax(1)[:, 1].cpu() for x, _ in loaders[1]])
        score = roc_auc_score(valid[1], proba) * 2 / 3
        best = max(best, score + average_precision_score(valid[1], proba) / 3)
    return best


def plain_skorch(network, lr, train, valid, epochs):
    """Train as baseline B; return the best validation score."""
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        network,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=lr,
        max_epochs=epochs,
        iterator_train=DataLoader,
        iterator_train__batch_sampler=BalancedBatchSampler(train[1], 128, random_state=0),
        iterator_train__batch_size=1,
        iterator_train__shuffle=False,
        batch_size=128,
        train_split=predefined_split(TensorDataset(*map(torch.from_numpy, valid))),
        callbacks=[
            EpochScoring("roc_auc", lower_is_better=False, name="auc"),
            EpochScoring("average_precision", lower_is_better=False, name="ap"),
        ],
        verbose=0,
    )
    net.fit(*train)
    auc, ap = np.array(net.history[:, "auc"]), np.array(net.history[:, "ap"])
    return (auc * 2 / 3 + ap / 3).max()


def classifier(cls, lr, train, valid, epochs, **params):
    """Train the classifier; return it."""
    net = cls(lr=lr, max_epochs=epochs, random_state=0, **params)
    return net.fit(*train, X_val=valid[0], y_val=valid[1])


def matmul(size=1024, n=8):
    """Multiply matrices; return the floating-point operations."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    for _ in range(n):
        a @ b
    return 2 * size**3 * n


def timed(function, clock):
    start = clock()
    result = function()
    return clock() - start, result


def machine():
    """Return the machine in words."""
    return (
        f"{platform.processor() or platform.machine()}, "
        f"{torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads"
    )


def compare(name, n, n_valid, epochs, turns, precision):
    """Print the rows of a model."""
    cls, network, lr = MODELS[name]
    train, valid = simulate(n, 0), simulate(n_valid, 1)
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    data = lr, train, valid, epochs
    runs = {
        "A": lambda: loop(network, *data),
        "B": lambda: plain_skorch(network, *data),
        "skecg": lambda: classifier(cls, *data, precision=precision),
    }
    with FlopCounterMode(display=False) as counter:
        net = classifier(cls, *data)
    flops = counter.get_total_flops()
    seconds, results, rates = {run: [] for run in runs}, {}, []
    for _ in range(turns):
        for run, function in runs.items():
            taken, results[run] = timed(function, clock)
            seconds[run].append(taken)
        taken, operations = timed(matmul, clock)
        rates.append(operations / taken)
    net = results["skecg"]
    results["skecg"] = net.epochs_["valid_score"].max()
    rate = statistics.median(rates)
    for run, label in (("A", "loop"), ("B", "skorch"), ("skecg", f"skecg {net.precision_}")):
        pairs = zip(seconds[run], seconds["skecg"], strict=True)
        ratio = statistics.median(other / own for other, own in pairs)
        taken = statistics.median(seconds[run])
        print(
            f"{name:6s} {run:6s} {label:14s} {taken:9.2f} {ratio:12.2f} {flops / taken / 1e9:9.1f} "
            f"{flops / taken / rate:10.2f} {results[run]:8.3f}",
            flush=True,
        )


def compare_auc(name, n_patients, epochs, seeds):
    """Print the best validation AUC of fits in float32 and bfloat16, and the mean difference."""
    cls, _, lr = MODELS[name]
    X, y, groups = make_omi(n_patients, prevalence=0.5, random_state=0)
    X = LeadStandardScaler().fit_transform(BeatCropper().fit_transform(X))
    valid = np.isin(groups, np.unique(groups)[: len(np.unique(groups)) // 4])
    aucs = {}
    for precision in ("float32", "bf16"):
        fits = (
            cls(lr=3 * lr, max_epochs=epochs, batch_size=32, random_state=seed, precision=precision)
            .fit(X[~valid], y[~valid], X_val=X[valid], y_val=y[valid])
            for seed in range(seeds)
        )  # fmt: skip
        aucs[precision] = np.array([net.epochs_["valid_auc"].max() for net in fits])
        print(f"{name:6s} {precision:8s} AUC {np.round(aucs[precision], 4)}", flush=True)
    difference = aucs["bf16"] - aucs["float32"]
    print(
        f"{name:6s} bf16 - float32: mean {difference.mean():+.4f}, SD {difference.std(ddof=1):.4f}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--precision", choices=("float32", "bf16", "auto"), default="auto")
    parser.add_argument("--turns", type=int)
    parser.add_argument("--auc", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(machine())
    if arguments.auc:
        for name in arguments.model:
            compare_auc(name, *((60, 1, 2) if arguments.quick else AUC_SIZES[name]))
        return
    print(
        f"{'model':6s} {'':21s} {'seconds':>9s} {'over skecg':>12s} {'GFLOP/s':>9s} "
        f"{'of matmul':>10s} {'score':>8s}"
    )
    for name in arguments.model:
        small = name == "smart"
        n, n_valid, epochs, turns = (512, 128, 1, 3) if small else (2560, 384, 2, 5)
        if arguments.quick:
            n, n_valid, epochs, turns = (128, 32, 1, 2) if small else (512, 128, 1, 2)
        compare(name, n, n_valid, epochs, arguments.turns or turns, arguments.precision)


if __name__ == "__main__":
    main()
