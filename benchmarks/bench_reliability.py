"""Nothing lost, nothing let in: each claim with the figure that was found.

    python benchmarks/bench_reliability.py [resume] [memory] [models] [copies] [--quick]

resume: a fit with a checkpoint is killed (kill -9) at random moments and called again.
memory: a network and a forest are fitted and used fifty times in one process.
models: damaged and malicious model files are loaded by a process under watch.
copies: recordings of PTB-XL (in the folder SKECG_DATA) are copied, changed and searched for.

Without names all rows are made.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import butter, sosfiltfilt

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from skecg.io import read_ecgs
from skecg.model_selection import find_duplicates
from skecg.preprocessing import LeadStandardScaler

# -- resume ----------------------------------------------------------------------------

FIT = """
import sys, torch
torch.set_num_threads(1)
from test_base import hash_of
from skecg import SmartNetClassifier
from skecg.datasets import make_omi
from skecg.preprocessing import BeatCropper, LeadStandardScaler
X, y, groups = make_omi(60, prevalence=0.5, random_state=0)
X = LeadStandardScaler().fit_transform(BeatCropper().fit_transform(X))[:, :, ::4]
net = SmartNetClassifier(lr=1e-3, max_epochs=int(sys.argv[2]), batch_size=32, random_state=0)
print("fit", flush=True)
net.fit(X, y, groups=groups, checkpoint=sys.argv[1] or None)
print(hash_of(net), net.epochs_.drop(columns="seconds").to_json(), flush=True)
"""


def start_fit(path, epochs):
    program = subprocess.Popen(
        [sys.executable, "-c", FIT, str(path), str(epochs)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
    )
    program.stdout.readline()
    return program


def resume(quick):
    n_kills, epochs = (3, 4) if quick else (20, 6)
    begin = time.perf_counter()
    expected = start_fit("", epochs).communicate()[0]
    seconds = time.perf_counter() - begin
    draw, same, interrupted = random.Random(0), 0, 0
    for _ in range(n_kills):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "fit")
            program = start_fit(path, epochs)
            time.sleep(draw.uniform(0, seconds))
            program.send_signal(signal.SIGKILL)
            interrupted += not program.communicate()[0]
            again = start_fit(path, epochs).communicate()[0]
            same += again == expected and os.listdir(folder) == ["fit"]
    yield (
        "a fit killed at a random moment ends bit-identical, no other file left",
        f"{same} of {n_kills} ({interrupted} killed before the end)",
    )


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
    kept = np.delete(np.arange(len(X)), found["row"])[:100]

    def filtered(edge, kind):
        return sosfiltfilt(butter(2, edge, kind, fs=500, output="sos"), X[kept])

    changes = {
        "as they are": X[kept],
        "with a gain and an offset a lead": X[kept] * np.linspace(0.5, 2, 12)[:, None] + 0.1,
        "z-scored": LeadStandardScaler().fit_transform(X[kept]),
        "in steps of 5 uV": np.round(X[kept] / 0.005) * 0.005,
        "in steps of 10 uV": np.round(X[kept] / 0.01) * 0.01,
        "low-passed at 150 Hz": filtered(150, "low"),
        "low-passed at 40 Hz": filtered(40, "low"),
        "high-passed at 0.05 Hz": filtered(0.05, "high"),
        "high-passed at 0.5 Hz": filtered(0.5, "high"),
        "one sample later": np.roll(X[kept], 1, axis=-1),
    }
    for name, changed in changes.items():
        figures = []
        for r in (0.999, 0.99):
            found = find_duplicates(
                np.concatenate([X[kept], changed.astype(np.float32)]), min_correlation=r
            )
            right = found["row"] - found["duplicate_of"] == len(kept)
            figures.append(f"{right.sum()} of {len(kept)} (r >= {r}; {(~right).sum()} others)")
        yield f"copies found: {name}", ", ".join(figures)


ROWS = {"resume": resume, "memory": memory, "models": models, "copies": copies}


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
