"""Readers of ECG files under mutated files: what they read, refuse, and what else happens.

Files are read in a process that is watched: more than 5 s of its time for a file, or a minute by
the clock, is a hang, its end a crash; memory is what it takes at most above what it had before
the file. A WFDB record whose original is read with ``strict=True`` is read both ways and compared
with the original: a reading that differs in signal, lead order or sampling rate is silently wrong.

    python benchmarks/fuzz_readers.py [--quick] [--format wfdb] [--seed 0]

The files are those below SKECG_DATA; copies are written to a temporary folder. Linux only, where
the peak of a process's memory can be reset.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import argparse
import functools
import multiprocessing
import random
import re
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mutations import change_all_gains, mutate, mutate_record
from test_io_fuzz import TOLD, made

from skecg.io import ECGFormatError, read_ecg

HANG, WAIT = 5, 60  # s of the process, and by the clock
LIMIT = 2**30  # bytes of address space above the start, so that no file takes the machine's
MOST = 300  # MB
ACCEPTED = (ECGFormatError, FileNotFoundError)
FOLDERS = {
    "aecg": "formats/aecg",
    "muse": "formats/ge_muse",
    "sierra": "formats/philips_sierra",
    "scp": "formats/scp",
    "dicom": "formats/dicom",
    "schiller": "formats/schiller",
}
RECORDS = (
    *("ptbxl/records500/*/*.hea", "cinc2021_sample/*.hea", "cpsc2018_sample/*.hea"),
    *("ludb/data/*.hea", "ptbdb_patient001/s0014lre.hea"),
)
N_FILES = {"wfdb": 10_000, **dict.fromkeys((*FOLDERS, "edf"), 2000), "csv": 500, "npy": 500}
N_FILES |= {"schiller": 500, "wfdb, all gains": 500}


def originals(kind, data_dir):
    """Return the files to mutate: their content, or for WFDB header, signal file and path."""
    if kind.startswith("wfdb"):
        patterns = RECORDS[:3] if "gains" in kind else RECORDS
        found = []
        for pattern in patterns:
            for path in sorted(data_dir.glob(pattern))[:20]:
                signal = path.parent / path.read_text("latin-1").split("\n")[1].split()[0]
                found.append((path.read_bytes(), signal.read_bytes(), path))
        return found
    if kind in FOLDERS:
        return [path.read_bytes() for path in sorted((data_dir / FOLDERS[kind]).iterdir())]
    with tempfile.TemporaryDirectory() as folder:
        return [made(kind, Path(folder))]


def attempt(path, **options):
    """Read a file; return the ECG or None, and what happened."""
    try:
        with warnings.catch_warnings(record=True) as leaked:
            warnings.simplefilter("always")
            ecg = read_ecg(path, **options)
    except ACCEPTED as error:
        if str(path.parent) not in str(error):
            return None, "other: an error that does not name the file"
        return None, "refused"
    except Exception as error:
        return None, f"other: {type(error).__name__}: {error}"
    if leaked or np.isinf(ecg.signal).any() or ecg.signal.shape[0] != 12:
        return ecg, f"other: {leaked or 'a signal of infinite voltages or other shape'}"
    return ecg, "read"


def same(ecg, original):
    return (
        ecg.sampling_rate == original.sampling_rate
        and ecg.signal.shape == original.signal.shape
        and np.allclose(ecg.signal, original.signal, rtol=0, atol=1e-4, equal_nan=True)
    )


@functools.cache
def original_of(path):
    """Return a sound record, and whether it is read with ``strict=True``."""
    try:
        return read_ecg(path, strict=True), True
    except ECGFormatError:
        return read_ecg(path), False


def peak_memory():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024 / 1e6


def one_file(kind, files, rng, folder):
    """Mutate one of the files, read it; return what happened, and what was done."""
    chosen = rng.choice(files)
    if not kind.startswith("wfdb"):
        content, names = mutate(chosen, kind, rng)
        path = folder / "mutated"
        path.write_bytes(content)
        return (attempt(path, **TOLD.get(kind, {}))[1],), names
    header, data, source = chosen
    file = header.split(b"\n")[1].split()[0].decode()
    edits = [change_all_gains] if "gains" in kind else None
    new_header, new_data, names = mutate_record(header, data, rng, edits)
    path = folder / f"{source.stem}.hea"
    path.write_bytes(new_header)
    (folder / file).write_bytes(new_data)
    (folder / "other.dat").write_bytes(data[::-1])
    for further in source.parent.glob(f"{source.stem}.xyz"):
        (folder / further.name).write_bytes(further.read_bytes())
    ecg, outcome = attempt(path)
    strict, strict_outcome = attempt(path, strict=True)
    original, is_provable = original_of(source)
    found = [outcome, f"strict {strict_outcome}"]
    if not is_provable:
        return found, names
    if ecg is None:
        found.append("unreadable")
    else:
        found.append("as before" if same(ecg, original) else "other numbers")
        if found[-1] == "other numbers" and set(ecg.notes) <= set(original.notes):
            found.append("other numbers without a note")
    if strict is not None and not same(strict, original):
        found.append("strict silently wrong")
        if strict.sampling_rate == original.sampling_rate:  # what sampling_rate= would leave
            found.append("at the same rate")
    return found, names


def work(pipe, kind, files, seed):
    """Read the files whose numbers come through a pipe, and send what happened."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with tempfile.TemporaryDirectory() as parent:
        while (i := pipe.recv()) is not None:
            folder = Path(parent, str(i))
            folder.mkdir()
            Path("/proc/self/clear_refs").write_text("5")  # makes the peak the memory of now
            before, start = peak_memory(), time.process_time()
            found, names = one_file(kind, files, random.Random(f"{seed} {kind} {i}"), folder)
            seconds = time.process_time() - start
            pipe.send((found, names, peak_memory() - before, seconds))
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()


def fuzz(kind, n_files, data_dir, seed):
    files, counts, wrong = originals(kind, data_dir), Counter(), Counter()
    most = slowest = 0.0
    context = multiprocessing.get_context("fork")
    pipe = process = None
    for i in range(n_files):
        if process is None:
            pipe, end = context.Pipe()
            process = context.Process(target=work, args=(end, kind, files, seed), daemon=True)
            process.start()
            end.close()
        pipe.send(i)
        try:
            answer = pipe.recv() if pipe.poll(WAIT) else None
            failure = "hang"
        except EOFError:
            answer, failure = None, "crash"
        if answer is None:
            process.kill()
            process = None
            counts[failure] += 1
            print(f"  {kind} {i}: {failure}", flush=True)
            continue
        found, names, memory, seconds = answer
        if seconds > HANG:
            counts["hang"] += 1
            print(f"  {kind} {i}: {seconds:.1f} s after {names}", flush=True)
        slowest = max(slowest, seconds)
        most = max(most, memory)
        if memory > MOST:
            print(f"  {kind} {i}: {memory:.0f} MB after {names}", flush=True)
        for outcome in found:
            if "other:" in outcome:
                print(f"  {kind} {i}: {outcome} after {names}", flush=True)
            counts[outcome.partition(":")[0]] += 1
        if "strict silently wrong" in found:
            wrong[" + ".join(names)] += 1
    if process is not None:
        pipe.send(None)
        process.join()
    return counts, wrong, most, slowest


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--format", choices=N_FILES)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data_dir = Path(os.environ["SKECG_DATA"])
    columns = ("read", "refused", "other", "hang", "crash")
    print(
        f"{'format':16s} {'files':>6s} "
        + " ".join(f"{c:>8s}" for c in columns)
        + "  most MB  slowest s"
    )
    for kind in [args.format] if args.format else N_FILES:
        n_files = max(50, N_FILES[kind] // 20) if args.quick else N_FILES[kind]
        counts, wrong, most, slowest = fuzz(kind, n_files, data_dir, args.seed)
        values = " ".join(
            f"{counts[c] + counts[f'strict {c}'] * (c == 'other'):8d}" for c in columns
        )
        print(f"{kind:16s} {n_files:6d} {values} {most:8.0f} {slowest:10.2f}", flush=True)
        if kind.startswith("wfdb"):
            changed = counts["other numbers"]
            print(
                f"    strict=True read {counts['strict read']}, refused {counts['strict refused']}"
            )
            print(
                f"    other numbers {changed}, of which {counts['other numbers without a note']} "
                f"without a note; unreadable {counts['unreadable']}; "
                f"as before {counts['as before']}"
            )
            n, at_rate = counts["strict silently wrong"], counts["at the same rate"]
            print(
                f"    strict=True silently wrong: {n} of {changed} ({n / max(changed, 1):.2%}); "
                f"with the sampling rate given {at_rate}; after {dict(wrong)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
