"""Settings and data shared by all tests."""

import os
import socket
import warnings

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before scipy is imported, for check_array_api_input

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # every claim of bit-identity is for one torch thread


class NetworkError(RuntimeError):
    """A test wanted to reach another machine."""


def pytest_configure(config):
    """Forbid sockets to other machines, for all tests and doctests of this process."""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    for name in ("connect", "connect_ex", "sendto"):
        patch.setattr(socket.socket, name, _local_only(getattr(socket.socket, name)))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        patch.setattr(socket, name, _local_only(getattr(socket, name)))


def _local_only(function):
    def guarded(*args, **kwargs):
        first = args[0] if args else kwargs["host"]
        family = getattr(first, "family", None)  # of a socket, which is followed by an address
        host = first if family is None else args[-1][0]
        if family != getattr(socket, "AF_UNIX", -1) and not _is_local(host):
            raise NetworkError(f"no test may reach another machine, but one asked for {host!r}")
        return function(*args, **kwargs)

    return guarded


def _is_local(host):
    host = host.decode() if isinstance(host, bytes) else host
    return host in (None, "", "localhost", "::1", "0.0.0.0") or host.startswith("127.")


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
