"""One fold of the paper's size on a GPU, beside the loop of bench_fit on the same one.

7,574 ECGs to train on, 1,117 to validate on in each of 100 epochs; then ECGs a second in
prediction. Times are the clock's, after a short fit that warms up.

    python benchmarks/bench_gpu.py [--quick] [--device cuda] [--model smart alvd]
"""

import argparse
import time

import torch
from bench_fit import MODELS, classifier, loop, machine, simulate, timed


def compare(name, n, n_valid, epochs, device, precision):
    """Print the row of a model."""
    cls, network, lr = MODELS[name]
    data = simulate(n, 0), simulate(n_valid, 1)
    small = simulate(256, 2), simulate(64, 3)
    loop(network, lr, *small, 1, device)
    classifier(cls, lr, *small, 1, device=device, precision=precision)
    by_hand, score = timed(lambda: loop(network, lr, *data, epochs, device), time.perf_counter)
    own, net = timed(
        lambda: classifier(cls, lr, *data, epochs, device=device, precision=precision),
        time.perf_counter,
    )
    predicted, _ = timed(lambda: net.predict_proba(data[0][0]), time.perf_counter)
    print(
        f"{name:6s} {net.precision_:9s} {by_hand:9.1f} {own:9.1f} {by_hand / own:8.2f} "
        f"{score:8.3f} {net.epochs_['valid_score'].max():8.3f} {n / predicted:9.0f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--precision", choices=("float32", "bf16", "auto"), default="auto")
    arguments = parser.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        parser.exit(0, "torch sees no GPU: nothing is measured (--device cpu to try the script)\n")
    print(torch.cuda.get_device_name() if arguments.device.startswith("cuda") else machine())
    print(
        f"{'model':6s} {'precision':9s} {'loop, s':>9s} {'skecg, s':>9s} {'ratio':>8s} "
        f"{'score':>8s} {'skecg':>8s} {'ECGs/s':>9s}"
    )
    size = (128, 64, 1) if arguments.quick else (7_574, 1_117, 100)
    for name in arguments.model:
        compare(name, *size, arguments.device, arguments.precision)


if __name__ == "__main__":
    main()
