"""Downloads, from a server on this machine that holds made-up sets."""

import functools
import hashlib
import http.server
import io
import sys
import threading
import zipfile
from types import SimpleNamespace

import pytest

from skecg.datasets import (
    _fetch,
    fetch_acs_ecg,
    fetch_ludb,
    fetch_mimic_iv_ecg,
    fetch_ptbxl,
    fetch_staff3,
)

LONG = bytes(range(256)) * 4000  # longer than a chunk
LUDB = {"LICENSE.txt": b"ODC-By", "ludb.csv": b"ID\n1\n", "data/1.dat": LONG, "data/1.hea": b"1"}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves a dict of files by path, in part where asked, and cuts off those in `cut`."""

    def __init__(self, state, *args):
        self.state = state
        super().__init__(*args)

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.state.requests.append((self.path, start))
        body = self.state.files.get(self.path)
        if body is None or start >= len(body) > 0:
            self.send_error(404 if body is None else 416)
            return
        ranged = start > 0 and self.state.ranges
        body = body[start:] if ranged else body
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.state.cut.get(self.path)])
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """The state of a running server: what it serves, and (path, first byte) of each request."""
    state = SimpleNamespace(files={}, cut={}, requests=[], ranges=True)
    handler = functools.partial(Handler, state)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        host = f"http://127.0.0.1:{httpd.server_port}"
        monkeypatch.setattr(_fetch, "_PHYSIONET", f"{host}/files/")
        monkeypatch.setattr(_fetch, "_FIGSHARE", f"{host}/figshare/")
        yield state
        httpd.shutdown()
        thread.join()


def serve_project(server, project, files, lie=()):
    """Serve files with their checksums as PhysioNet does; of those in `lie`, other bytes."""
    sums = [f"{hashlib.sha256(body).hexdigest()} {name}" for name, body in files.items()]
    files = {"SHA256SUMS.txt": ("\n".join(sums) + "\n").encode()} | files
    for name, body in files.items():
        server.files[f"/files/{project}/{name}"] = b"x" + body if name in lie else body


def contents(folder):
    """Return all files below a folder by their path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_set_is_downloaded_to_its_own_folder(server, tmp_path):
    serve_project(server, "ludb/1.0.1", {**LUDB, "RECORDS": b"1"})
    folder = fetch_ludb(tmp_path)
    assert folder == tmp_path / "ludb-1.0.1"
    found = contents(folder)
    assert found.pop("SHA256SUMS.txt").count(b"\n") == 5
    assert found == LUDB  # what the loader does not use is not downloaded


def test_a_second_call_downloads_nothing(server, tmp_path):
    serve_project(server, "ludb/1.0.1", LUDB)
    fetch_ludb(tmp_path)
    server.requests.clear()
    fetch_ludb(tmp_path)
    assert server.requests == []


def test_a_damaged_file_is_downloaded_again(server, tmp_path):
    serve_project(server, "ludb/1.0.1", LUDB)
    (fetch_ludb(tmp_path) / "data/1.hea").write_bytes(b"2")
    server.requests.clear()
    assert contents(fetch_ludb(tmp_path))["data/1.hea"] == b"1"
    assert server.requests == [("/files/ludb/1.0.1/data/1.hea", 0)]


def test_a_wrong_hash_is_refused_and_nothing_of_the_file_is_left(server, tmp_path):
    serve_project(server, "ludb/1.0.1", LUDB, lie=["data/1.dat"])
    with pytest.raises(ValueError, match=r"hash of downloaded file .*1\.dat.* does not match"):
        fetch_ludb(tmp_path)
    assert [name for name in contents(tmp_path) if "1.dat" in name or "tmp" in name] == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on_where_it_stopped(server, tmp_path, ranges):
    serve_project(server, "ludb/1.0.1", LUDB)
    url = "/files/ludb/1.0.1/data/1.dat"
    server.cut[url] = 700_000
    with pytest.raises(OSError, match="IncompleteRead"):
        fetch_ludb(tmp_path)
    kept = (tmp_path / "ludb-1.0.1/data/1.dat.part").stat().st_size
    assert 0 < kept <= 700_000
    server.cut.clear()
    server.ranges = ranges  # a server that knows no ranges sends the whole file
    folder = fetch_ludb(tmp_path)
    assert (url, kept) in server.requests
    assert {name: body for name, body in contents(folder).items() if name in LUDB} == LUDB
    assert not list(folder.rglob("*.part"))


def test_a_part_that_is_whole_is_not_downloaded_again(server, tmp_path):
    serve_project(server, "ludb/1.0.1", LUDB)
    part = tmp_path / "ludb-1.0.1/data/1.dat.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(LONG)
    assert contents(fetch_ludb(tmp_path))["data/1.dat"] == LONG
    assert not part.exists()


def test_a_part_of_another_file_is_refused_and_the_next_call_begins_anew(server, tmp_path):
    serve_project(server, "ludb/1.0.1", LUDB)
    part = tmp_path / "ludb-1.0.1/data/1.dat.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"y" * 1000)
    with pytest.raises(ValueError, match="does not match"):
        fetch_ludb(tmp_path)
    assert contents(fetch_ludb(tmp_path))["data/1.dat"] == LONG


def test_a_missing_file_is_an_error_that_names_it(server, tmp_path):
    serve_project(server, "ludb/1.0.1", LUDB)
    del server.files["/files/ludb/1.0.1/data/1.hea"]
    with pytest.raises(OSError, match=r"404.*data/1\.hea"):
        fetch_ludb(tmp_path)


@pytest.mark.parametrize("name", ["data/../../escape", "data/..", "data/C:\\escape"])
def test_a_checksum_of_a_file_outside_the_folder_is_refused(server, tmp_path, name):
    serve_project(server, "ludb/1.0.1", {**LUDB, name: b"bad"})
    with pytest.raises(ValueError, match="impossible line"):
        fetch_ludb(tmp_path / "home")
    assert list(contents(tmp_path)) == ["home/ludb-1.0.1/SHA256SUMS.txt"]


def test_a_list_without_the_files_that_are_needed_is_an_error(server, tmp_path):
    serve_project(server, "ludb/1.0.1", {"LICENSE.txt": b"", "ludb.csv": b""})
    with pytest.raises(ValueError, match="does not list data/"):
        fetch_ludb(tmp_path)


@pytest.mark.parametrize("rate", [500, 100])
def test_ptbxl_is_downloaded_at_one_rate(server, tmp_path, rate):
    tables = {"LICENSE.txt": b"", "ptbxl_database.csv": b"1", "scp_statements.csv": b"2"}
    signals = {"records500/00000/00001_hr.dat": b"3", "records100/00000/00001_lr.dat": b"4"}
    serve_project(server, "ptb-xl/1.0.3", tables | signals)
    found = set(contents(fetch_ptbxl(tmp_path, sampling_rate=rate)))
    expected = {name for name in signals if name.startswith(f"records{rate}")}
    assert found == {"SHA256SUMS.txt", *tables, *expected}


def test_staff3_is_downloaded(server, tmp_path):
    files = {"LICENSE.txt": b"", "STAFF-III-Database-Annotations.xlsx": b"1", "data/1.dat": b"2"}
    serve_project(server, "staffiii/1.0.0", files)
    folder = fetch_staff3(tmp_path)
    assert folder.name == "staffiii-1.0.0"
    assert set(contents(folder)) == {"SHA256SUMS.txt", *files}


def test_of_mimic_iv_ecg_only_tables_and_the_recordings_named_are_downloaded(server, tmp_path):
    tables = {"LICENSE.txt": b"", "record_list.csv": b"1", "machine_measurements.csv": b"2"}
    record = "files/p1000/p10000032/s40689238/40689238"
    other = "files/p1000/p10000032/s44458630/44458630"
    signals = {f"{name}.{end}": b"3" for name in (record, other) for end in ("hea", "dat")}
    serve_project(server, "mimic-iv-ecg/1.0", tables | signals)
    assert set(contents(fetch_mimic_iv_ecg(tmp_path))) == {"SHA256SUMS.txt", *tables}
    found = set(contents(fetch_mimic_iv_ecg(tmp_path, records=[record])))
    assert found == {"SHA256SUMS.txt", *tables, f"{record}.hea", f"{record}.dat"}
    with pytest.raises(ValueError, match=r"does not list files/p1\.dat"):
        fetch_mimic_iv_ecg(tmp_path, records=["files/p1"])


def zipped(members):
    """Return a zip archive of a dict of members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return stream.getvalue()


@pytest.fixture
def figshare(server, monkeypatch):
    """Serve archives in place of those of ACS-ECG: a function of their members."""

    def serve(max_bytes=5e6, **members):
        archives = {}
        for part, (file_id, _, content, _) in _fetch._ACS_ARCHIVES.items():
            body = zipped(members.get(part, {f"{content}/1": part.encode()}))
            server.files[f"/figshare/{file_id}"] = body
            archives[part] = (file_id, hashlib.md5(body).hexdigest(), content, max_bytes)
        monkeypatch.setattr(_fetch, "_ACS_ARCHIVES", archives)

    return serve


@pytest.mark.parametrize(("form", "folder"), [("raw", "row_data"), ("median", "med_data")])
def test_acs_ecg_is_unpacked_once_and_its_archives_deleted(
    server, figshare, tmp_path, form, folder
):
    figshare(tables={"CSV/train.csv": b"1", "__MACOSX/x": b"2"})
    path = fetch_acs_ecg(tmp_path, form=form)
    assert contents(path) == {"CSV/train.csv": b"1", f"{folder}/1": form.encode()}
    server.requests.clear()
    assert fetch_acs_ecg(tmp_path, form=form) == path
    assert server.requests == []


def test_an_archive_that_was_cut_off_goes_on_where_it_stopped(server, figshare, tmp_path):
    figshare(raw={"row_data/1": LONG})
    url = "/figshare/62951395"
    server.cut[url] = 700_000
    with pytest.raises(OSError, match="IncompleteRead"):
        fetch_acs_ecg(tmp_path)
    kept = (tmp_path / "acs-ecg/row_data.zip.part").stat().st_size
    assert 0 < kept <= 700_000
    server.cut.clear()
    assert contents(fetch_acs_ecg(tmp_path))["row_data/1"] == LONG
    assert server.requests[-1] == (url, kept)


def test_an_archive_with_a_wrong_hash_is_refused(server, figshare, tmp_path):
    figshare()
    server.files["/figshare/62951134"] += b"x"
    with pytest.raises(ValueError, match=r"MD5 hash of downloaded file .* does not match"):
        fetch_acs_ecg(tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("name", ["row_data/../../escape", "row_data/..\\escape"])
def test_an_archive_with_a_path_that_leaves_its_folder_is_refused(figshare, tmp_path, name):
    figshare(raw={"row_data/1": b"1", name: b"bad"})
    with pytest.raises(ValueError, match="leaves its folder"):
        fetch_acs_ecg(tmp_path / "home")
    assert [path for path in contents(tmp_path) if "row_data.zip" not in path] == [
        "home/acs-ecg/CSV/1"
    ]


def test_an_archive_with_a_link_is_refused(figshare, tmp_path):
    link = zipfile.ZipInfo("row_data/link")
    link.external_attr = 0o120777 << 16
    figshare(raw={link: b"/etc"})
    with pytest.raises(ValueError, match="leaves its folder: 'row_data/link'"):
        fetch_acs_ecg(tmp_path)


def test_an_archive_that_would_fill_the_disk_is_refused(figshare, tmp_path):
    figshare(raw={"row_data/zeros": bytes(6_000_000)})
    with pytest.raises(ValueError, match="would unpack to 6000000 bytes, more than 5000000"):
        fetch_acs_ecg(tmp_path)
    assert not (tmp_path / "acs-ecg/row_data").exists()


def test_an_archive_of_something_else_is_refused(figshare, tmp_path):
    figshare(raw={"other/1": b"1"})
    with pytest.raises(ValueError, match=r"row_data\.zip has no folder row_data"):
        fetch_acs_ecg(tmp_path)


def test_the_folder_is_skecg_home_else_the_users_cache(server, tmp_path, monkeypatch):
    serve_project(server, "ludb/1.0.1", LUDB)
    monkeypatch.setenv("SKECG_HOME", str(tmp_path / "home"))
    assert fetch_ludb() == tmp_path / "home/ludb-1.0.1"
    monkeypatch.delenv("SKECG_HOME")
    import pooch

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    assert fetch_ludb() == tmp_path / "cache/skecg/ludb-1.0.1"


@pytest.mark.parametrize("progressbar", [False, True])
def test_progress_is_shown_only_when_asked_for(server, figshare, tmp_path, capfd, progressbar):
    serve_project(server, "ludb/1.0.1", LUDB)
    figshare()
    fetch_ludb(tmp_path, progressbar=progressbar)
    fetch_acs_ecg(tmp_path, progressbar=progressbar)
    out, err = capfd.readouterr()
    assert out == ""
    assert [text in err for text in ("ludb-1.0.1: 100%", "4/4", "row_data.zip: 100%")] == [
        progressbar
    ] * 3
    assert progressbar or err == ""


@pytest.mark.parametrize(
    ("fetch", "kwargs", "message"),
    [
        (fetch_ptbxl, {"sampling_rate": 250}, "sampling_rate must be 500 or 100, got 250"),
        (fetch_acs_ecg, {"form": "x"}, "form must be 'raw' or 'median', got 'x'"),
    ],
)
def test_another_choice_is_an_error_before_any_download(server, tmp_path, fetch, kwargs, message):
    with pytest.raises(ValueError, match=message):
        fetch(tmp_path, **kwargs)
    assert server.requests == []


def test_without_pooch_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[datasets\]'"):
        fetch_ludb(tmp_path)
