"""Fit and predict many times: memory, threads and settings are as they were."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import skecg

# Fits and predicts again and again in a folder; prints what it finds afterwards.
PROGRAM = """
import ctypes, gc, json, os, random, sys, threading, warnings
import joblib, matplotlib, numpy as np, torch
from sklearn import get_config
from skecg import ALVDClassifier, FeatureForestClassifier
from skecg.datasets import make_omi
torch.set_num_threads(1)

def found():
    return {
        "numpy": repr(np.random.get_state()), "random": repr(random.getstate()),
        "torch": torch.get_rng_state().tolist(), "torch threads": torch.get_num_threads(),
        "dtype": str(torch.get_default_dtype()), "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "numpy errors": np.geterr(), "printing": repr(np.get_printoptions()),
        "scikit-learn": repr(get_config()), "filters": repr(warnings.filters),
        "matplotlib": repr(dict(matplotlib.rcParams)), "environment": repr(dict(os.environ)),
        "threads": threading.active_count(), "folder": os.listdir(),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }

# What is free and only not yet handed back to the system, now more and now less, does not count.
trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)

def resident():
    gc.collect()
    trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def run():
    net = ALVDClassifier(lr=1e-3, max_epochs=1, random_state=0).fit(X, y, groups=groups)
    forest = FeatureForestClassifier(n_estimators=5, random_state=0).fit(X, y, groups=groups)
    return [model.predict_proba(X).tolist() for model in (net, forest)]

# torch imports its compiler at the first optimizer, which sets a filter and a variable.
torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
X, y, groups = make_omi(int(sys.argv[1]), prevalence=0.5, random_state=0)
before, first, sizes = found(), run(), []
same = True
for _ in range(50):
    same &= run() == first
    sizes.append(resident())
after = found()
print(json.dumps({
    "changed": [name for name in before if before[name] != after[name]],
    "same": same, "sizes": sizes,
}))
"""


def run_50_times(n_patients, folder):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(n_patients)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(Path(skecg.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
    )
    assert (run.returncode, run.stderr) == (0, "")
    return json.loads(run.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_fifty_fits_leave_memory_threads_settings_and_folder_as_found(tmp_path):
    found = run_50_times(10, tmp_path)
    assert found["changed"] == []
    assert found["same"]
    assert found["sizes"][49] < 1.05 * found["sizes"][4]
    assert not list(tmp_path.iterdir())
