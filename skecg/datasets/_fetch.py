"""Downloads of public sets of ECGs: the only code of skecg that uses the network."""

import logging
import os
import re
import stat
import tempfile
import zipfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from joblib import Parallel, delayed
from tqdm import tqdm

_PHYSIONET = "https://physionet.org/files/"
_FIGSHARE = "https://ndownloader.figshare.com/files/"
_N_DOWNLOADS = 3  # at a time
_BYTES = {"unit": "B", "unit_scale": True}

# Figshare's own file ids and MD5 sums of version 1 of article 29925314, the folder in each
# archive, and the most that its files may take: 19,955 recordings of 120,000 bytes with their
# headers, and as many median beats of 12,000 bytes, fit with room to spare.
_ACS_ARCHIVES = {
    "tables": ("62951134", "1cb46279c0e68e6512bd39214fc56528", "CSV", 50e6),
    "raw": ("62951395", "acea6ca86a2d0b937ecfe7d1df6d30a2", "row_data", 3e9),
    "median": ("62951137", "4da1650cdbfb9817aa66df58c66564e1", "med_data", 0.5e9),
}


def fetch_ptbxl(data_home=None, *, sampling_rate=500, progressbar=False):
    """Download PTB-XL 1.0.3 (CC BY 4.0) from PhysioNet, unless it is there already.

    PhysioNet's list of SHA-256 checksums is downloaded first and kept. Every file is checked
    against it, those that are there already as well, and only those that are absent or
    damaged are downloaded, three at a time.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder for all sets. None takes the environment variable ``SKECG_HOME``, else the
        user's cache folder.
    sampling_rate : {500, 100}, default=500
        Which of the two copies of each recording to download, in Hz: 2.6 GB or 0.5 GB in
        43,598 files.
    progressbar : bool, default=False
        Show the progress on standard error.

    Returns
    -------
    Path
        The set's folder, for `load_ptbxl`.

    Raises
    ------
    OSError
        If a download fails. Call again: files that are complete are kept, and one that was cut
        off goes on where it stopped, if the server can do so, else from its beginning.
    ValueError
        If a file does not have its published checksum; it is deleted.

    Examples
    --------
    >>> from skecg.datasets import fetch_ptbxl, load_ptbxl
    >>> ptbxl = load_ptbxl(fetch_ptbxl(progressbar=True))  # doctest: +SKIP
    """
    if sampling_rate not in (500, 100):
        raise ValueError(f"sampling_rate must be 500 or 100, got {sampling_rate!r}.")
    wanted = ("LICENSE.txt", "ptbxl_database.csv", "scp_statements.csv", f"records{sampling_rate}/")
    return _fetch_physionet("ptb-xl", "1.0.3", wanted, data_home, progressbar)


def fetch_ludb(data_home=None, *, progressbar=False):
    """Download LUDB 1.0.1 (ODC-By 1.0) from PhysioNet, unless it is there already.

    Parameters, returned folder and errors are those of `fetch_ptbxl`; about 2,800 small files.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder for all sets, see `fetch_ptbxl`.
    progressbar : bool, default=False
        Show the progress on standard error.

    Returns
    -------
    Path
        The set's folder, for `load_ludb`.
    """
    wanted = ("LICENSE.txt", "ludb.csv", "data/")
    return _fetch_physionet("ludb", "1.0.1", wanted, data_home, progressbar)


def fetch_staff3(data_home=None, *, progressbar=False):
    """Download STAFF III 1.0.0 (ODC-By 1.0) from PhysioNet, unless it is there already.

    Parameters, returned folder and errors are those of `fetch_ptbxl`; about 1,200 files.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder for all sets, see `fetch_ptbxl`.
    progressbar : bool, default=False
        Show the progress on standard error.

    Returns
    -------
    Path
        The set's folder, for `load_staff3`.
    """
    wanted = ("LICENSE.txt", "STAFF-III-Database-Annotations.xlsx", "data/")
    return _fetch_physionet("staffiii", "1.0.0", wanted, data_home, progressbar)


def fetch_mimic_iv_ecg(data_home=None, *, records=(), progressbar=False):
    """Download the tables of MIMIC-IV-ECG 1.0 (ODbL 1.0) from PhysioNet, and some recordings.

    The list of checksums, 176 MB, comes first. The whole database is 96 GB in 1.6 million
    files: ask for the recordings that you need, or get it all by PhysioNet's own means.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder for all sets, see `fetch_ptbxl`.
    records : iterable of str, default=()
        Recordings to download, as in the column ``path`` of ``record_list.csv``.
    progressbar : bool, default=False
        Show the progress on standard error.

    Returns
    -------
    Path
        The set's folder, for `load_mimic_iv_ecg`.

    Raises
    ------
    OSError, ValueError
        As `fetch_ptbxl`; ValueError also if the database has no such recording.

    Examples
    --------
    >>> import pandas as pd
    >>> from skecg.datasets import fetch_mimic_iv_ecg, load_mimic_iv_ecg
    >>> folder = fetch_mimic_iv_ecg()  # doctest: +SKIP
    >>> paths = pd.read_csv(folder / "record_list.csv")["path"]  # doctest: +SKIP
    >>> mimic = load_mimic_iv_ecg(fetch_mimic_iv_ecg(records=paths[:100]))  # doctest: +SKIP
    """
    tables = ("LICENSE.txt", "record_list.csv", "machine_measurements.csv")
    signals = [f"{record}.{end}" for record in records for end in ("hea", "dat")]
    return _fetch_physionet("mimic-iv-ecg", "1.0", (*tables, *signals), data_home, progressbar)


def fetch_acs_ecg(data_home=None, *, form="raw", progressbar=False):
    """Download ACS-ECG (CC0) from figshare and unpack it, unless it is there already.

    Archives are checked against the MD5 sums that figshare publishes; of what was unpacked
    only the presence is checked.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder for all sets, see `fetch_ptbxl`.
    form : {"raw", "median"}, default="raw"
        10 s recordings, 1.28 GB, which take 2.4 GB unpacked, or median beats, 140 MB. The
        archives are deleted after they were unpacked.
    progressbar : bool, default=False
        Show the progress on standard error.

    Returns
    -------
    Path
        The set's folder, for `load_acs_ecg`.

    Raises
    ------
    OSError, ValueError
        As `fetch_ptbxl`; ValueError also if an archive is not what it should be.
    """
    if form not in ("raw", "median"):
        raise ValueError(f"form must be 'raw' or 'median', got {form!r}.")
    folder = _data_home(data_home) / "acs-ecg"
    for part in ("tables", form):
        file_id, md5, content, max_bytes = _ACS_ARCHIVES[part]
        if (folder / content).is_dir():
            continue
        archive = folder / f"{content}.zip"
        with _downloads(progressbar, desc=archive.name, **_BYTES) as (session, bar):
            _download(f"{_FIGSHARE}{file_id}", archive, f"md5:{md5}", session, bar)
        _unzip(archive, content, max_bytes)
        archive.unlink()
    return folder


def _data_home(data_home):
    if data_home is None:
        data_home = os.environ.get("SKECG_HOME") or _pooch().os_cache("skecg")
    return Path(data_home).expanduser()


def _pooch():
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "Downloading needs the pooch package: pip install 'skecg[datasets]'"
        ) from error
    return pooch


@contextmanager
def _downloads(progressbar, **kwargs):
    """Give a session, whose connections are used again, and a bar; pooch is silent meanwhile."""
    logger = _pooch().get_logger()
    import requests  # pooch depends on it

    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with requests.Session() as session, tqdm(disable=not progressbar, **kwargs) as bar:
            yield session, bar
    finally:
        logger.setLevel(level)


def _fetch_physionet(name, version, wanted, data_home, progressbar):
    """Download the files of a PhysioNet project that are named, or lie in a folder named."""
    folder = _data_home(data_home) / f"{name}-{version}"
    url = f"{_PHYSIONET}{name}/{version}/"
    sums = folder / "SHA256SUMS.txt"
    if not sums.is_file():
        sums.with_name(f"{sums.name}.part").unlink(missing_ok=True)  # no hash would judge it
        with _downloads(progressbar, desc=sums.name, **_BYTES) as (session, bar):
            _download(url + sums.name, sums, None, session, bar)
    hashes = _read_hashes(sums, wanted)
    kwargs = {"desc": folder.name, "unit": "file", "total": len(hashes)}
    with _downloads(progressbar, **kwargs) as (session, bar):
        jobs = (
            delayed(_download)(url + file, folder / file, f"sha256:{known}", session)
            for file, known in hashes.items()
        )
        parallel = Parallel(_N_DOWNLOADS, backend="threading", return_as="generator_unordered")
        for _ in parallel(jobs):
            bar.update()
    return folder


def _read_hashes(file, wanted):
    """Return the checksums of the wanted files, by their path in the project."""
    names = {name for name in wanted if not name.endswith("/")}
    folders = tuple(set(wanted) - names)
    hashes = {}
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            known, _, name = line.strip().partition(" ")
            name = name.strip()
            if name in names or name.startswith(folders):
                if not re.fullmatch("[0-9a-f]{64}", known) or not _stays_inside(name):
                    raise ValueError(f"{file} has an impossible line: {line!r}. Delete the file.")
                hashes[name] = known
    absent = sorted(names - set(hashes) - {"LICENSE.txt"}) + [
        name for name in folders if not any(file.startswith(name) for file in hashes)
    ]
    if absent:
        raise ValueError(f"{file} does not list {', '.join(absent[:5])}. Check the name.")
    return hashes


def _stays_inside(name):
    """Tell whether a relative path with slashes names something below its folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and not set(name) & set("\\:\0")


def _download(url, file, known_hash, session, bar=None):
    """Download a file unless it is there with this hash; a wrong one is never kept."""
    # pooch checks what is there, downloads beside it, checks that, and only then puts it there.
    part = file.with_name(f"{file.name}.part")
    _pooch().retrieve(
        url,
        known_hash=known_hash,
        path=file.parent,
        fname=file.name,
        downloader=partial(_resume, part=part, session=session, bar=bar),
    )


def _resume(url, output_file, pooch, *, part, session, bar):
    """Download to `part`, going on where an earlier call was cut off, then to `output_file`."""
    start = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with session.get(url, headers=headers, stream=True, timeout=60) as response:
        if response.status_code != 416:  # else all is there; its hash will be looked at
            response.raise_for_status()
            start *= response.status_code == 206  # a server may send all of it instead
            if bar is not None:
                bar.total = start + int(response.headers.get("Content-Length", 0))
                bar.update(start)
            with open(part, "ab" if start else "wb") as stream:
                for chunk in response.iter_content(1 << 16):
                    stream.write(chunk)
                    if bar is not None:
                        bar.update(len(chunk))
    os.replace(part, output_file)


def _unzip(archive, content, max_bytes):
    """Unpack the folder `content` of an archive beside it, whole or not at all."""
    try:
        with zipfile.ZipFile(archive) as source:
            members = [m for m in source.infolist() if m.filename.startswith(f"{content}/")]
            _check_members(archive, content, members, max_bytes)
            with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
                source.extractall(folder, members)
                Path(folder, content).rename(archive.parent / content)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive} is damaged: {error}. Delete it and download again.") from error


def _check_members(archive, content, members, max_bytes):
    if not members:
        raise ValueError(f"{archive} has no folder {content}.")
    for member in members:
        if not _stays_inside(member.filename) or stat.S_ISLNK(member.external_attr >> 16):
            raise ValueError(f"{archive} has a member that leaves its folder: {member.filename!r}.")
    # zipfile reads no more of a member than the size that it declares.
    size = sum(member.file_size for member in members)
    if size > max_bytes:
        raise ValueError(f"{archive} would unpack to {size} bytes, more than {max_bytes:.0f}.")
