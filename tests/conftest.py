"""Settings and data shared by all tests."""

import os
import warnings

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before scipy is imported, for check_array_api_input

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # every claim of bit-identity is for one torch thread


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.fixture(scope="session")
def data_dir():
    """Folder of real recordings: SKECG_DATA, else ../shared/data seen from the project's root."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("SKECG_DATA", default))
    if not path.is_dir():
        if os.environ.get("SKECG_REQUIRE_DATA") == "1":
            pytest.fail(f"real recordings are required, but {path} is not a folder")
        pytest.skip(f"no real recordings at {path} (set SKECG_DATA)")
    return path


@pytest.fixture(scope="session")
def wfdb():
    """Return the package wfdb, whose import warns of a pandas that is older than ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import wfdb
    return wfdb
