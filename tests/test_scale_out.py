"""Tests of the same results however the fits are spread over processes and machines."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from skorch.hf import AccelerateMixin
from test_base import hash_of

from skecg import ALVDClassifier
from skecg.datasets import make_omi

WAYS = ["again", "n_jobs=1", "loky", "threading", "dask"]


def fit_in(way):
    """Return what determinism.py says, from a process of its own with one thread."""
    run = subprocess.run(
        [sys.executable, Path(__file__).parent / "determinism.py", way],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def sequential():
    return fit_in("sequential")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_weights_and_scores_are_the_same_bits_in_every_way(sequential, way):
    assert fit_in(way) == sequential


class AcceleratedALVD(AccelerateMixin, ALVDClassifier):
    """ALVDClassifier whose devices are Accelerate's."""


def test_accelerate_trains_our_classifiers_to_the_same_weights():
    X, y, groups = make_omi(60, prevalence=0.4, random_state=0)
    params = {"lr": 1e-3, "max_epochs": 2, "batch_size": 16, "random_state": 0}
    accelerated = AcceleratedALVD(accelerator=Accelerator(cpu=True), **params)
    accelerated.fit(X, y, groups=groups)
    plain = ALVDClassifier(**params).fit(X, y, groups=groups)
    assert hash_of(accelerated) == hash_of(plain)


def test_accelerate_in_several_processes_is_refused_in_words():
    several = SimpleNamespace(num_processes=2, device_placement=True, device=torch.device("cpu"))
    net = AcceleratedALVD(accelerator=several, max_epochs=1)
    X, y, _ = make_omi(20, prevalence=0.4, random_state=0)
    with pytest.raises(ValueError, match=r"Accelerate runs 2 processes.* best epoch by a part of"):
        net.fit(X, y)
