"""Nothing lost, nothing let in: each claim with the figure that was found.

    python benchmarks/bench_reliability.py [name ...] [--quick]

models: damaged and malicious model files are loaded by a process under watch.
resume: a fit with a checkpoint is killed (kill -9) at random moments and called again.
files: tests of interrupted and full disks, and of files of ECGs that lead elsewhere.
folds: bench_resume_folds.py, a cross-validation with cache_dir that is killed.
leaks: tests of six planted leaks and of permuted labels.
copies: recordings of PTB-XL (in the folder SKECG_DATA) are copied, changed and searched for.
memory: a network and a forest are fitted and used fifty times in one process.
ways: tests of the same fit in one process, several, threads and a cluster.
network: tests of the guard that all tests run behind, and of a process without it.

Without names all rows are made. Readers under damaged files have fuzz_readers.py.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import argparse
import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.signal import butter, resample_poly, sosfiltfilt

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from test_base import hash_of

from skecg import ALVDClassifier
from skecg._files import read_archive
from skecg.datasets import make_omi
from skecg.io import read_ecgs
from skecg.model_selection import find_duplicates
from skecg.preprocessing import LeadStandardScaler, MedianBeat

# -- what other scripts and tests print -------------------------------------------------


def last_line(*command):
    """Run a program from the project's folder and return the last line that it prints."""
    run = subprocess.run(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return run.stdout.rstrip().rpartition("\n")[2] if run.stdout else f"exit code {run.returncode}"


def tests(name, *options):
    """Return what pytest says of a file of tests."""
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/test_{name}.py", *options)
    return last_line(*command).partition(" in ")[0]


def folds(quick):
    figure = last_line("benchmarks/bench_resume_folds.py", *["--quick"] * quick)
    yield "a cross-validation killed at a random moment resumes to the same table", figure


def ways(quick):
    claim = "weights and scores are the same bits: run twice, n_jobs 1 and 2, loky, threads, dask"
    yield claim, tests("scale_out", *["--slow"] * (not quick))


def files(quick):
    yield "Ctrl-C writes, a full disk raises, other data are refused", tests("checkpoint")
    yield "paths, links and bombs in files of ECGs", tests("io_attacks")


def leaks(quick):
    yield "six leaks are caught; permuted labels give an AUC of .5", tests("leaks")


def network(quick):
    yield "no socket to another machine", tests("network", *["--slow"] * (not quick))


# -- resume ----------------------------------------------------------------------------


def fit(pipe, data, path, epochs):
    """Fit, and send a hash of the weights and the table of epochs."""
    X, y, groups = data
    net = ALVDClassifier(lr=1e-3, max_epochs=epochs, batch_size=16, random_state=0)
    net.fit(X, y, groups=groups, checkpoint=path)
    pipe.send((hash_of(net), net.epochs_.drop(columns="seconds").to_json()))


def start_fit(*given):
    """Start a fit in a process of its own."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=fit, args=(theirs, *given))
    process.start()
    theirs.close()
    return process, ours


def resume(quick):
    n_kills, epochs = (3, 4) if quick else (20, 8)
    torch.set_num_threads(1)
    # torch imports its compiler at the first optimizer, which each process would do before epoch 1.
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    data = make_omi(40, prevalence=0.5, random_state=0)
    begin = time.perf_counter()
    expected = start_fit(data, None, epochs)[1].recv()
    seconds = time.perf_counter() - begin
    draw, same, n_killed, n_epochs = random.Random(0), 0, 0, Counter()
    while n_killed < n_kills:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "fit")
            process = start_fit(data, path, epochs)[0]
            time.sleep(draw.uniform(0, seconds))
            process.kill()
            process.join()
            if process.exitcode == 0:  # it had ended
                continue
            n_killed += 1
            n_epochs[epochs_in(path)] += 1
            again = start_fit(data, path, epochs)[1].recv()
            same += again == expected and os.listdir(folder) == ["fit"]
    kept = ", ".join(f"{n} after {epoch}" for epoch, n in sorted(n_epochs.items()))
    yield (
        "a fit killed at a random moment (kill -9) ends bit-identical, no other file left",
        f"{same} of {n_kills} (kills by finished epochs of {epochs}: {kept})",
    )


def epochs_in(path):
    """Return the number of epochs that a checkpoint holds."""
    if not path.exists():
        return 0
    with open(path, "rb") as file:
        return read_archive(file)[0]["epoch"]


# -- memory ----------------------------------------------------------------------------


def memory(quick):
    from test_long_runs import run_50_times

    with tempfile.TemporaryDirectory() as folder:
        found = run_50_times(10 if quick else 60, folder)
        files = os.listdir(folder)
    growth = found["sizes"][49] / found["sizes"][4] - 1
    yield "resident memory after the 50th fit and predict, beside the 5th", f"{growth:+.2%}"
    changed = ", ".join(found["changed"]) or "none"
    yield "generators, threads, settings and descriptors changed by fifty fits", changed
    yield "files left behind by fifty fits; warnings", f"{len(files)}; 0"


# -- model files -----------------------------------------------------------------------


def models(quick):
    import attacks
    from test_persistence_attacks import WATCHED

    with tempfile.TemporaryDirectory() as folder:
        paths = [attacks.GOLDEN / f"{name}.skecg" for name in attacks.NAMES]
        n_good = len(paths)
        for attack in attacks.REFUSED:
            for name, content in list(attack())[: 5 if quick else None]:
                kind = "network" if "network" in name else "table"
                paths.append(Path(folder, f"{kind}{len(paths)}.skecg"))
                paths[-1].write_bytes(content)
        run = subprocess.run(
            [sys.executable, "-c", WATCHED, str(ROOT / "tests")],
            input="\n".join(map(str, paths)),
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    rows = [json.loads(line) for line in run.stdout.splitlines()][n_good:]
    outcomes = Counter(outcome for _, outcome, *_ in rows)
    n = len(paths) - n_good
    yield (
        "damaged and malicious model files refused with ModelFileError",
        (f"{outcomes['refused']} of {n}"),
    )
    others = sum(bool(events) for *_, events, _ in rows)
    yield (
        "of these, files that ran code or opened anything else; crashes",
        (f"{others}; {n - len(rows)}"),
    )
    yield "memory that the process grew by, at most", f"{max(row[-1] for row in rows) / 1e3:.0f} MB"


# -- copies ----------------------------------------------------------------------------


def copies(quick):
    folder = Path(os.environ.get("SKECG_DATA", ROOT.parent / "shared" / "data"), "ptbxl")
    names = pd.read_csv(folder / "ptbxl_database.csv")["filename_hr"][: 100 if quick else 500]
    X, _ = read_ecgs([folder / name for name in names])
    start = time.process_time()
    found = find_duplicates(X)
    seconds = time.process_time() - start
    yield f"recordings that {len(X)} ECGs of PTB-XL hold twice", f"{len(found)} ({seconds:.1f} s)"
    X = np.delete(X, found["row"], axis=0)
    beats, first = MedianBeat(on_bad="nan").transform(X), X[:100]

    def filtered(edge, kind):
        return sosfiltfilt(butter(2, edge, kind, fs=500, output="sos"), first)

    def stored_at(rate):
        return resample_poly(resample_poly(first, rate, 500, axis=-1), 500, rate, axis=-1)

    changes = {
        "as they are": first,
        "with a gain and an offset a lead": first * np.linspace(0.5, 2, 12)[:, None] + 0.1,
        "z-scored": LeadStandardScaler().fit_transform(first),
        "in steps of 5 uV": np.round(first / 0.005) * 0.005,
        "in steps of 10 uV": np.round(first / 0.01) * 0.01,
        "low-passed at 150 Hz": filtered(150, "low"),
        "low-passed at 40 Hz": filtered(40, "low"),
        "high-passed at 0.05 Hz": filtered(0.05, "high"),
        "high-passed at 0.5 Hz": filtered(0.5, "high"),
        "stored at 250 Hz": stored_at(250),
        "stored at 100 Hz": stored_at(100),
        "one sample later": np.roll(first, 1, axis=-1),
        "without the first 0.6 s": first[..., 300:],
        "without the last 2 s": first[..., :-1000],
        "without the first 5 s": first[..., 2500:],
    }
    for name, changed in changes.items():
        changed = changed.astype(np.float32)
        figures = [
            f"{share_found(beats, MedianBeat(on_bad='nan').transform(changed), 0.98)} by median "
            "beats, r >= 0.98"
        ]
        if changed.shape == first.shape:
            figures.insert(0, f"{share_found(X, changed, 0.999)} by recordings, r >= 0.999")
        yield f"copies found: {name}", "; ".join(figures)


def share_found(X, changed, r):
    """Say how many changed copies of the first rows are found, and what else is."""
    found = find_duplicates(np.concatenate([X, changed]), min_correlation=r)
    right = found["row"] - found["duplicate_of"] == len(X)
    return f"{right.sum()} of {len(changed)} and {(~right).sum()} others"


ROWS = (models, resume, files, folds, leaks, copies, memory, ways, network)
ROWS = {row.__name__: row for row in ROWS}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="row")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    print("| claim | figure | command |\n|---|---|---|")
    for name in args.rows or ROWS:
        command = f"python benchmarks/bench_reliability.py {name}{' --quick' * args.quick}"
        for claim, figure in ROWS[name](args.quick):
            print(f"| {claim} | {figure} | `{command}` |", flush=True)


if __name__ == "__main__":
    main()
