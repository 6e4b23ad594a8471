"""Nothing reaches another machine: all other tests run behind this guard."""

import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import torch

import skecg
from skecg.datasets import fetch_ludb

ELSEWHERE = "192.0.2.1"  # reserved for documentation, RFC 5737
CALLS = {
    "connect": lambda: socket.create_connection((ELSEWHERE, 80), timeout=1),
    "connect_ex": lambda: socket.socket().connect_ex((ELSEWHERE, 80)),
    "sendto": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"ECG", (ELSEWHERE, 80)),
    "getaddrinfo": lambda: socket.getaddrinfo("example.org", 443),
    "getaddrinfo by name": lambda: socket.getaddrinfo(host="example.org", port=443),
    "gethostbyname": lambda: socket.gethostbyname("example.org"),
    "urlopen": lambda: urllib.request.urlopen("http://example.org"),
    "torch.hub": lambda: torch.hub.load_state_dict_from_url("https://example.org/weights.pth"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_the_guard_stops_what_would_reach_another_machine(call, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="no test may reach another machine"):
        CALLS[call]()


def test_the_guard_stops_a_download(tmp_path):
    with pytest.raises(RuntimeError, match=r"another machine.*physionet\.org"):
        fetch_ludb(tmp_path)


def test_the_guard_lets_this_machine_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1]), timeout=5).close()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no AF_UNIX here")
def test_the_guard_lets_sockets_of_files_be_reached(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)


# What needs a process of its own: importing, and everything from file to probability.
USE = """
import sys

def watch(event, args):
    if event.startswith(("socket.", "urllib.")):
        print(event, args, flush=True)

sys.addaudithook(watch)
from skecg import ALVDClassifier, FeatureForestClassifier
from skecg.datasets import make_omi
from skecg.model_selection import cross_validate_rotation
from skecg.persistence import load_model, save_model
X, y, groups = make_omi(60, prevalence=0.5, random_state=0)
nets = {"net": ALVDClassifier(max_epochs=1, random_state=0)}
cross_validate_rotation(nets, X, y, groups=groups, n_splits=3)
forest = FeatureForestClassifier(n_estimators=10, random_state=0).fit(X, y)
save_model(forest, sys.argv[1])
load_model(sys.argv[1]).predict_proba(X)
"""


@pytest.mark.slow
def test_a_process_that_imports_trains_saves_and_loads_opens_no_socket(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "model")],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(skecg.__file__).parents[1],
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
