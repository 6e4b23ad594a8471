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
from skecg.persistence import ModelFileError, load_model

warnings.simplefilter("error")
X, T = ecgs()[0], table()[0]

def judge(path):
    try:
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


def under_watch(folder, files):
    """Return by name what came of each file: outcome, details, other events, kB of growth."""
    folder.mkdir()
    good = [str(attacks.GOLDEN / f"{name}.skecg") for name in attacks.NAMES]
    paths = {}
    for number, (name, content) in enumerate(files):
        kind = "network" if "network" in name else "table"
        path = folder / f"{kind}{number}.skecg"
        path.write_bytes(content)
        paths[str(path)] = name
    run = subprocess.run(
        [sys.executable, "-c", WATCHED, str(Path(__file__).parent)],
        input="\n".join([*good, *paths]),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert run.returncode == 0, f"the process died ({run.returncode}): {run.stderr[-2000:]}"
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) == len(good) + len(paths)
    assert not (folder / "EXECUTED").exists()
    names = paths | {path: Path(path).stem for path in good}
    return {names[path]: rest for path, *rest in lines}


@pytest.fixture(scope="module", params=attacks.REFUSED + attacks.HARMLESS, ids=lambda f: f.__name__)
def family(request, tmp_path_factory):
    files = list(request.param())
    assert len(dict(files)) == len(files)  # no two of one name
    found = under_watch(tmp_path_factory.mktemp("attacks") / "files", files)
    print(request.param.__name__, len(files), Counter(outcome for outcome, *_ in found.values()))
    return request.param, found


def test_attacks_are_refused_in_words(family):
    attack, found = family
    outcomes = {name: outcome for name, (outcome, *_) in found.items()}
    for name in attacks.NAMES:
        assert outcomes.pop(name) == "loaded"
    if attack in attacks.REFUSED:
        assert {name for name, outcome in outcomes.items() if outcome != "refused"} == set()
    else:
        assert not [name for name, outcome in outcomes.items() if outcome.startswith("raised")]


def test_nothing_else_is_opened_imported_or_run(family):
    assert {name: others for name, (_, _, others, _) in family[1].items() if others} == {}


def test_memory_stays_bounded(family):
    assert max(grown for *_, grown in family[1].values()) < 300_000  # kB


def test_a_bit_that_does_not_matter_changes_no_probability(tmp_path):
    found = under_watch(tmp_path / "files", attacks.cut_or_flipped())
    for name, (outcome, details, *_) in found.items():
        if outcome != "refused" and name not in attacks.NAMES:
            assert details == found[name.split()[0]][1]


def test_there_are_three_hundred_attacks():
    assert sum(1 for attack in attacks.REFUSED for _ in attack()) >= 300
