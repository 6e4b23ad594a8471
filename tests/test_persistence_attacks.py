"""Attacks on model files: every one is loaded by a process of its own kind, under watch."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import attacks
import pytest

# Loads each file named on stdin and judges rows with what it gets; tells what happened, what else
# was opened or run meanwhile, and how much memory the process took.
WATCHED = """
import json, os, resource, sys, warnings
sys.path.insert(0, sys.argv[1])
import numpy as np
from saved_models import ecgs, table
from skecg.persistence import ModelFileError, load_model, read_manifest

warnings.simplefilter("error")
X, T = ecgs()[0], table()[0]

def judge(path):
    try:
        read_manifest(path)
        model = load_model(path)
    except ModelFileError as error:
        return "refused", str(error)
    try:
        with np.errstate(all="ignore"):
            proba = model.predict_proba(X if path.split(os.sep)[-1].startswith("network") else T)
    except Exception as error:
        return "loaded, then " + type(error).__name__, str(error)
    return "loaded", proba.tolist()

paths = sys.stdin.read().split("\\n")
for path in paths[:4]:
    judge(path)
watching, events = False, []

def watch(event, args):
    if watching and event.startswith(("open", "exec", "compile", "import", "os.", "subprocess",
                                      "socket", "pickle", "ctypes", "marshal", "shutil")):
        events.append((event, str(args[0])[:200] if args else ""))

sys.addaudithook(watch)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in paths:
    watching, events[:] = True, []
    try:
        found = judge(path)
    except BaseException as error:
        found = "raised " + type(error).__name__, str(error)
    watching = False
    others = [event for event in events if event != ("open", path)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([path, *found, others, grown]), flush=True)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What came of each file, by attack and name: outcome, details, other events, kB of growth."""
    folder = tmp_path_factory.mktemp("attacks")
    good = [str(attacks.GOLDEN / f"{name}.skecg") for name in attacks.NAMES]
    paths = {path: ("good", Path(path).stem) for path in good}
    for attack in attacks.REFUSED + attacks.HARMLESS:
        for name, content in attack():
            kind = "network" if "network" in name else "table"
            path = folder / f"{kind}{len(paths)}.skecg"
            path.write_bytes(content)
            paths[str(path)] = (attack.__name__, name)
    run = subprocess.run(
        [sys.executable, "-c", WATCHED, str(Path(__file__).parent)],
        input="\n".join(paths),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    told = {paths[path]: rest for path, *rest in lines}
    last = list(told)[-1] if told else "before the first"
    assert run.returncode == 0, f"the process died after {last}: {run.stderr[-2000:]}"
    assert len(told) == len(paths)  # no two of one name
    assert not (folder / "EXECUTED").exists()
    print(len(paths), Counter((key[0], rest[0]) for key, rest in told.items()))
    print(max(rest[3] for rest in told.values()), "kB of growth")
    return told


def outcomes(found, attack):
    return {name: rest[0] for (kind, name), rest in found.items() if kind == attack}


def test_good_files_load_among_bad_ones(found):
    assert outcomes(found, "good") == dict.fromkeys(attacks.NAMES, "loaded")


@pytest.mark.parametrize("attack", [each.__name__ for each in attacks.REFUSED])
def test_malicious_files_are_refused_in_words(found, attack):
    assert {name for name, came in outcomes(found, attack).items() if came != "refused"} == set()


@pytest.mark.parametrize("attack", [each.__name__ for each in attacks.HARMLESS])
def test_damaged_files_raise_no_other_error(found, attack):
    assert {name for name, came in outcomes(found, attack).items() if "raised" in came} == set()


def test_a_bit_that_does_not_matter_changes_no_probability(found):
    loaded = {key: rest[1] for key, rest in found.items() if rest[0] == "loaded"}
    for (attack, name), proba in loaded.items():
        if attack == "cut_or_flipped":
            assert proba == loaded["good", name.split()[0]]


def test_nothing_else_is_opened_imported_or_run(found):
    assert {key: rest[2] for key, rest in found.items() if rest[2]} == {}


def test_memory_stays_bounded(found):
    assert max(rest[3] for rest in found.values()) < 300_000  # kB


def test_there_are_three_hundred_attacks(found):
    assert sum(rest[0] == "refused" for rest in found.values()) >= 300
