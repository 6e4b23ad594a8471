"""Headless Chromium: what a page looks like, and what it complains of."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 120  # a busy machine takes 20 s


def find_chromium():
    """Return where Chromium is; skip the test where there is none, unless CI promises one."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        if os.environ.get("SKECG_REQUIRE_BROWSER") == "1":
            pytest.fail(f"a browser is required, but none of {', '.join(_NAMES)} is on the PATH")
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    return found


def open_page(page, *, width=1280, height=1600):
    """Open a page as a reader would, without any network.

    Parameters
    ----------
    page : path-like or str
        A file, or a whole URL (file://...) where something follows the name, such as ?q=word.
    width, height : int
        Size of the window, in pixels.

    Returns
    -------
    dom : str
        The page after its scripts have run.
    console : list of str
        What the browser wrote on its console: errors, refused scripts and resources.
    png : bytes
        A picture of the window.
    """
    chromium = find_chromium()
    url = page if str(page).startswith("file:") else Path(page).resolve().as_uri()
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "page.png"
        command = [
            chromium,
            "--headless",
            "--no-sandbox",  # CI runs as root
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            f"--user-data-dir={folder}/profile",
            f"--window-size={width},{height}",
            f"--screenshot={picture}",
            "--dump-dom",
            url,
        ]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, start_new_session=True, **pipes) as browser:
            try:
                dom, errors = browser.communicate(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(browser.pid, signal.SIGKILL)  # with its children, who hold the pipes
                raise
        if browser.returncode:
            raise RuntimeError(f"Chromium failed: {errors.decode(errors='replace')[-2000:]}")
        errors = errors.decode(errors="replace").splitlines()
        return (
            dom.decode(),
            [line for line in errors if "CONSOLE" in line],
            picture.read_bytes(),
        )
