"""Tests of finished fits on disk."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skecg import ALVDClassifier
from skecg._fold_cache import fingerprint
from skecg.model_selection import cross_validate_rotation

Y = np.tile([0, 0, 1], 20)
FOLD = np.repeat(np.arange(4), 15)
X = np.random.default_rng(0).normal(size=(60, 5)) + Y[:, None]
MODELS = {
    "raw": LogisticRegression(),
    "scaled": make_pipeline(StandardScaler(), LogisticRegression()),
}


def validate(folder, models=MODELS, X=X, **params):
    params = {"fold": FOLD, "return_proba": True} | params
    return cross_validate_rotation(models, X, Y, cache_dir=folder, **params)


@pytest.fixture
def full(tmp_path):
    """A folder with eight finished fits, and what they gave."""
    return tmp_path, *validate(tmp_path)


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_second_call_fits_nothing_and_gives_the_same(full):
    folder, table, proba = full
    before = files_of(folder)
    again, proba_again = validate(folder)
    pd.testing.assert_frame_equal(again, table, check_exact=True)  # the seconds as well
    assert files_of(folder) == before
    assert len(before) == 8
    for name in MODELS:
        np.testing.assert_array_equal(proba_again[name], proba[name])


def test_the_table_is_that_without_a_cache(full):
    without, proba = validate(None)
    pd.testing.assert_frame_equal(
        full[1].drop(columns="seconds"), without.drop(columns="seconds"), check_exact=True
    )
    np.testing.assert_array_equal(full[2]["scaled"], proba["scaled"])


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "empty", "another's"])
def test_a_fit_that_is_missing_or_damaged_is_done_again(full, damage):
    folder, table, _ = full
    path, other = sorted(folder.iterdir())[:2]
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {
        "cut": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "empty": b"",
        "another's": other.read_bytes(),
    }
    path.unlink() if damage == "missing" else path.write_bytes(damaged[damage])
    before = files_of(folder)
    again = validate(folder)[0]
    assert {each for each, when in files_of(folder).items() if before.get(each) != when} == {path}
    pd.testing.assert_frame_equal(
        again.drop(columns="seconds"), table.drop(columns="seconds"), check_exact=True
    )


def nudged(X):
    X = X.copy()
    X[-1, -1] = np.nextafter(X[-1, -1], np.inf)
    return X


@pytest.mark.parametrize(
    ("change", "n_new"),
    [
        ({"X": nudged(X)}, 8),
        # Not float32, whose products on some CPUs raise a flag of an invalid value without one.
        ({"X": X.astype(np.float16)}, 8),
        ({"fold": (FOLD + 1) % 4}, 8),
        ({"groups": np.arange(60)}, 8),
        ({"alpha": 0.5}, 8),
        ({"pos_label": 0}, 8),
        ({"models": MODELS | {"raw": LogisticRegression(C=2.0)}}, 4),
        ({"models": {"renamed": MODELS["raw"]}}, 0),
        ({"n_jobs": 2}, 0),
    ],
    ids=["one bit", "float16", "folds", "patients", "alpha", "positive", "C", "name", "jobs"],
)
def test_only_what_decides_a_fit_makes_it_another(full, change, n_new):
    validate(full[0], **change)
    assert len(files_of(full[0])) == 8 + n_new


def test_a_memory_mapped_array_is_the_array_that_it_holds(full):
    np.save(full[0] / "X.npy", X)
    before = files_of(full[0])
    validate(full[0], X=np.load(full[0] / "X.npy", mmap_mode="r"))
    assert files_of(full[0]) == before


def test_fitted_estimators_are_not_kept(tmp_path):
    with pytest.raises(ValueError, match="cache_dir keeps scores and probabilities, not estim"):
        validate(tmp_path, return_estimator=True)


def test_an_object_that_tells_nothing_of_itself_is_refused(tmp_path):
    model = FunctionTransformer(np.square, kw_args={"where": memoryview(b"")})
    with pytest.raises(TypeError, match=r"cannot tell <memory at .* from another memoryview"):
        validate(tmp_path, {"odd": make_pipeline(model, LogisticRegression())})


def define(body):
    """Define a function and a network of the same names, with another body."""
    space = {"torch": torch, "__name__": "own"}
    exec(
        f"def f(x, by=2):\n    return x {body}\n"
        f"class Net(torch.nn.Module):\n    def forward(self, x):\n        return x {body}\n",
        space,
    )
    return space["f"], space["Net"]


@pytest.mark.parametrize("wrap", [lambda f: f, partial, FunctionTransformer, lambda f: {"a": [f]}])
@pytest.mark.parametrize("which", [0, 1], ids=["function", "class"])
def test_code_of_ones_own_is_part_of_the_fingerprint(which, wrap):
    first, same, other = (define(body)[which] for body in ("+ 1", "+ 1", "+ 2"))
    assert fingerprint(wrap(first)) == fingerprint(wrap(same)) != fingerprint(wrap(other))


PAIRS = [
    (1, 1.0), (0, False), ("1", 1), (b"a", "a"), ([1, 2], (1, 2)), ([[1], 2], [1, [2]]),
    (0.0, -0.0), ({"a": 1}, {"a": 2}), ({1, 2}, {1, 3}), (np.zeros(4), np.zeros((2, 2))),
    (np.array(["a"], dtype=object), np.array(["b"], dtype=object)),
    (np.zeros(2), np.zeros(2, "f4")),
    (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})), (torch.zeros(2), torch.ones(2)),
    (np.random.RandomState(0), np.random.RandomState(1)), (np.sin, np.cos), (len, max),
    (np.random.default_rng(0), np.random.default_rng(1)), (lambda: 1, lambda: 2),
    (ALVDClassifier(lr=1e-3), ALVDClassifier(lr=1e-4)), (ALVDClassifier, LogisticRegression),
    (torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)), (None, ...),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda value: type(value).__name__)
def test_unlike_values_have_unlike_fingerprints(a, b):
    assert fingerprint(a) == fingerprint(a)
    assert fingerprint(a) != fingerprint(b)


def test_a_fingerprint_is_the_same_in_every_process():
    program = """
        from test_fold_cache import MODELS, X, define, fingerprint
        print(fingerprint(MODELS, X, {"a", "b", "c"}, define("+ 1")))
    """
    environment = os.environ | {"PYTHONHASHSEED": "3"}  # sets are in another order
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        cwd=os.path.dirname(__file__),
        env=environment,
    )
    assert out.stdout.strip() == fingerprint(MODELS, X, {"c", "b", "a"}, define("+ 1"))


# A network whose epochs take a moment, so that a kill falls into a fit.
PROGRAM = """
import sys
import torch
torch.set_num_threads(1)
from skecg import ALVDClassifier
from skecg.datasets import make_omi
from skecg.model_selection import cross_validate_rotation
X, y, groups = make_omi(60, prevalence=0.4, random_state=0)
models = {"net": ALVDClassifier(lr=1e-3, max_epochs=4, batch_size=16, random_state=0)}
table = cross_validate_rotation(
    models, X, y, groups=groups, n_splits=4, random_state=0, cache_dir=sys.argv[1]
)
print(table.drop(columns="seconds").to_json(double_precision=15))
"""


@pytest.mark.slow
@pytest.mark.parametrize("n_finished", [1, 3])
def test_a_killed_run_resumes_at_the_missing_fits(tmp_path, n_finished):
    folder = tmp_path / "killed"
    run = [sys.executable, "-c", PROGRAM]
    process = subprocess.Popen([*run, folder], stdout=subprocess.PIPE)
    while not folder.exists() or len(list(folder.glob("*.fold"))) < n_finished:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.communicate()[0] == b""
    kept = {path: when for path, when in files_of(folder).items() if path.suffix == ".fold"}
    assert n_finished <= len(kept) < 4
    resumed = subprocess.run([*run, folder], capture_output=True, check=True).stdout
    assert kept.items() <= files_of(folder).items()
    whole = subprocess.run([*run, tmp_path / "whole"], capture_output=True, check=True).stdout
    assert resumed == whole
