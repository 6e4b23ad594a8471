"""Files that lead elsewhere, and files that claim more than they hold."""

import gzip
import os
import sys
import tracemalloc
import zipfile
import zlib

import numpy as np
import pydicom
import pytest
from test_io_fuzz import made

from skecg.io import ECGFormatError, read_ecg
from skecg.leads import LEADS

REFUSED = (ECGFormatError, FileNotFoundError)
NAMES = [
    *(
        "../one.dat",
        "../../one.dat",
        "..",
        ".",
        "./one.dat",
        "../outside/secret.dat",
        "a/../one.dat",
    ),
    *("/etc/passwd", "//etc/passwd", "/proc/self/environ", "/dev/zero", "/dev/stdin", "/"),
    *("~/one.dat", "~root/one.dat", "$HOME/one.dat", "${HOME}", "`id`", "|id", "one.dat;id"),
    *("C:\\one.dat", "C:one.dat", "C:/one.dat", "\\\\host\\share\\one.dat", "\\one.dat"),
    *(
        "..\\one.dat",
        "..\\..\\secret.dat",
        "\\\\?\\C:\\one.dat",
        "\\\\.\\pipe\\one",
        "//host/share/one",
    ),
    *("http://host/one.dat", "https://host/one.dat", "ftp://host/one.dat", "file:///etc/passwd"),
    *(
        "s3://bucket/one.dat",
        "gs://bucket/one.dat",
        "azureml://one",
        "github://o:r@/one",
        "zip://a::b",
    ),
    *("memory://one.dat", "data:,one", "mitdb/100", "one.dat\0", "\0/etc/passwd", "%2e%2e/one.dat"),
    *(
        "..%2fone.dat",
        2 * "\N{FULLWIDTH FULL STOP}" + "/one.dat",
        "\N{FULLWIDTH SOLIDUS}etc",
        "\N{DIVISION SLASH}etc",
        "one.dat:x",
    ),
]
LINKS = ["file", "chain", "folder", "/dev/zero", "/proc/self/environ", "/etc/passwd"]
LISTENERS = []  # lists that events are put into while a test listens


def listen(event, args):
    for events in LISTENERS:
        if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
            events.append(os.path.realpath(os.fsdecode(args[0])))
        elif event.startswith(("socket.", "urllib.", "subprocess.", "os.system", "os.exec")):
            events.append(event)


@pytest.fixture(scope="session", autouse=True)
def hook():
    sys.addaudithook(listen)  # cannot be taken back


@pytest.fixture
def folder(tmp_path):
    """A folder of a record, with a secret and a signal file of its name beside the folder."""
    (tmp_path / "outside").mkdir()
    for path in (tmp_path / "one.dat", tmp_path / "outside" / "secret.dat"):
        np.arange(20, dtype="<i2").tofile(path)
    folder = tmp_path / "folder"
    folder.mkdir()
    np.arange(20, dtype="<i2").tofile(folder / "one.dat")
    write(folder, "one.dat", "212")
    read_ecg(folder / "one")  # imports what is imported for a format but 16
    return folder


def write(folder, name, fmt="16"):
    line = f"{name} {fmt} 1000/mV 16 0 0 0 0 I"
    (folder / "one.hea").write_text(f"one 1 500 10\n{line}\n", encoding="utf-8")


def opened(path, **options):
    """Return what was opened, connected to or run while a file is read, and what came of it."""
    events, outcome = [], None
    LISTENERS.append(events)
    try:
        outcome = read_ecg(path, **options)
    except REFUSED as error:
        outcome = error
    finally:
        LISTENERS.clear()
    return events, outcome


def test_what_is_opened_is_heard(folder):
    write(folder, "one.dat")
    events, ecg = opened(folder / "one")
    assert {os.path.realpath(folder / name) for name in ("one.hea", "one.dat")} == set(events)
    assert ecg.signal.shape == (12, 10)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fmt", ["16", "212", "segment"])
def test_no_file_outside_the_folder_of_a_header_is_opened(folder, name, fmt):
    if fmt == "segment":
        (folder / "one.hea").write_text(f"one/1 1 500 10\n{name} 10\n", encoding="utf-8")
    else:
        write(folder, name, fmt)
    events, outcome = opened(folder / "one.hea")
    assert isinstance(outcome, REFUSED)
    assert {event for event in events if not event.startswith(str(folder))} == set()


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
@pytest.mark.parametrize("target", LINKS)
@pytest.mark.parametrize("fmt", ["16", "212", "segment"])
def test_no_link_out_of_the_folder_of_a_header_is_followed(folder, target, fmt):
    secret = folder.parent / "outside" / "secret.dat"
    link = folder / ("s.hea" if fmt == "segment" else "one.dat")
    link.unlink(missing_ok=True)
    if target == "chain":
        (folder / "between").symlink_to(secret)
        link.symlink_to("between")
    elif target == "folder":
        (folder / "between").symlink_to(secret.parent)
        link.symlink_to("between/secret.dat")
    else:
        link.symlink_to(secret if target == "file" else target)
    if fmt == "segment":
        (folder / "one.hea").write_text("one/1 1 500 10\ns 10\n")
    else:
        write(folder, "one.dat", fmt)
    events, outcome = opened(folder / "one")
    assert isinstance(outcome, REFUSED)
    assert set(events) <= {str(folder / "one.hea")}


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_record_whose_files_are_all_links_into_one_folder_is_read(folder):
    write(folder, "one.dat")
    links = folder.parent / "links"
    links.mkdir()
    for name in ("one.hea", "one.dat"):
        (links / name).symlink_to(folder / name)
    assert read_ecg(links / "one").signal.shape == (12, 10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("name", ["one.dat", "one.hea"])
def test_a_named_pipe_is_not_waited_for(folder, name):
    write(folder, "one.dat")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(REFUSED, match=name):
        read_ecg(folder / "one.hea")


@pytest.mark.parametrize("path", ["", "\0", "a\0b.hea", "//", "http://host/one.xml", "x" * 5000])
def test_a_path_that_is_none_is_refused(path):
    with pytest.raises(REFUSED):
        read_ecg(path)


def test_nothing_is_fetched_for_a_doctype(data_dir, tmp_path):
    text = (data_dir / "formats/ge_muse/braveheart_example1.xml").read_text("latin-1")
    start = text.index("<RestingECG>")
    path = tmp_path / "one.xml"
    doctype = '<!DOCTYPE RestingECG SYSTEM "http://localhost:9/restecg.dtd">'
    path.write_text(f'<?xml version="1.0"?>{doctype}{text[start:]}', encoding="latin-1")
    read_ecg(path)  # imports what it needs
    events, ecg = opened(path)
    assert ecg.format == "muse"
    assert set(events) == {str(path)}


# Files that claim more than they hold


def bomb(kind, folder):
    zeros = bytes(2**24)
    path = folder / "bomb"
    if kind == "gzip":
        path.write_bytes(gzip.compress(zeros))
    elif kind == "npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("signal.npy", zeros)
    elif kind == "mat 5":
        packed = zlib.compress(zeros)
        head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
        path.write_bytes(head + b"\x0f\0\0\0" + len(packed).to_bytes(4, "little") + packed)
    elif kind == "mat 7.3":
        path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(1000))
    elif kind == "npy":
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (12, 99999999), }\n"
        path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(64))
    elif kind == "edf":
        fields = (b"0".ljust(184), b"512".ljust(52), b"99999999", b"1".ljust(8), b"1".ljust(4))
        signal = b"I".ljust(96), b"mV".ljust(8), b"-1".ljust(8), b"1".ljust(8), b"-32768".ljust(8)
        rest = b"32767".ljust(8), bytes(80).replace(b"\0", b" "), b"99999999", b" " * 32
        path.write_bytes(b"".join((*fields, *signal, *rest, bytes(2000))))
    elif kind == "one line":
        path.write_bytes(b"1," * 2**22 + b"1")
    elif kind == "wide names":
        path.write_bytes(b"I," * 2**20 + b"II\n" + b"1," * 2**20 + b"1\n")
    elif kind == "one segment again and again":
        path = folder / "one.hea"
        (folder / "s.dat").write_bytes(bytes(20_000))
        (folder / "s.hea").write_text("s 1 500 10000\ns.dat 16 1000/mV 16 0 0 0 0 I\n")
        path.write_text("one/10000 1 500 100000000\n" + "s 10000\n" * 10_000)
    elif kind == "nested xml":
        path.write_bytes(b"<RestingECG>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</RestingECG>")
    else:
        (folder / "one.dat").write_bytes(bytes(60))
        path = folder / "one.hea"
        path.write_text(
            {
                "flac": "one 1 500 99999999\none.dat 516 1000/mV 16 0 0 0 0 I\n",
                "skew": "one 1 500 30\none.dat 16:99999999 1000/mV 16 0 0 0 0 I\n",
                "gap": "one/2 1 500 99999999\none_s 30\n~ 99999969\n",
                "samples": "one 1 500 99999999999\none.dat 16x99999999 1000/mV 16 0 0 0 0 I\n",
                "name": f"one 1 500 30\none.dat 16 1/mV 16 0 0 0 0 I{' ' * 500_000}x\n",
            }[kind]
        )
    return path


@pytest.mark.parametrize(
    "kind",
    [
        *("gzip", "npz", "mat 5", "mat 7.3", "npy", "edf", "nested xml"),
        *("flac", "skew", "gap", "samples", "name"),
        *("one line", "wide names", "one segment again and again"),
    ],
)
def test_a_file_that_claims_more_than_it_holds_is_refused_without_memory_for_it(tmp_path, kind):
    path = bomb(kind, tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(ECGFormatError, match=str(tmp_path)):
            read_ecg(path)
        assert tracemalloc.get_traced_memory()[1] < 150e6
    finally:
        tracemalloc.stop()


def test_a_deflated_dicom_is_not_expanded(tmp_path):
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = pydicom.uid.TwelveLeadECGWaveformStorage, "1.2.3"
    dataset.add_new(0x54001010, "OW", bytes(2**24))
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    path = tmp_path / "bomb"
    dataset.save_as(path, enforce_file_format=True)
    assert path.stat().st_size < 2**17
    tracemalloc.start()
    try:
        with pytest.raises(ECGFormatError, match=r"compressed as a whole \(deflated\)"):
            read_ecg(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_dicom_of_empty_items_is_not_parsed(tmp_path, data_dir):
    content = (data_dir / "formats/dicom/cardio_sample.dcm").read_bytes()
    item, undefined = b"\xfe\xff\x00\xe0", b"\xff\xff\xff\xff"
    at = content.index(b"\x00\x54\x00\x01")  # the sequence of waveforms
    (tmp_path / "bomb").write_bytes(content[: at + 4] + undefined + (item + bytes(4)) * 100_000)
    with pytest.raises(ECGFormatError, match="more than 10000 items of sequences"):
        read_ecg(tmp_path / "bomb")


def test_a_path_that_looks_like_an_address_is_that_of_a_file(tmp_path, monkeypatch):
    (tmp_path / "outside.csv").write_text("I,II\n777,888\n")
    monkeypatch.chdir(tmp_path)
    inside = tmp_path / f"file:{tmp_path}/outside.csv"
    inside.parent.mkdir(parents=True)
    inside.write_text("I,II\n1,2\n")
    events, ecg = opened(f"file:{tmp_path}/outside.csv", sampling_rate=500, unit="mV")
    assert (ecg.signal[:2, 0] == [1, 2]).all()
    assert str(inside) in events
    assert str(tmp_path / "outside.csv") not in events


@pytest.mark.parametrize("extension", ["gz", "bz2", "zst", "zip"])
def test_the_name_of_a_text_does_not_make_it_compressed(tmp_path, extension):
    path = tmp_path / f"one.csv.{extension}"
    path.write_text("I,II\n1,2\n")
    assert read_ecg(path, sampling_rate=500, unit="mV").signal[1, 0] == 2


@pytest.mark.parametrize("rate", ["0", "-500", "nan", "inf", "1e-320", "0.5", "1e7", "1e300"])
def test_a_sampling_rate_of_no_ecg_is_refused(folder, rate):
    write(folder, "one.dat")
    text = (folder / "one.hea").read_text()
    (folder / "one.hea").write_text(text.replace(" 500 ", f" {rate} "))
    with pytest.raises(ECGFormatError, match="gives a sampling rate of"):
        read_ecg(folder / "one")


@pytest.mark.parametrize("sensitivity", ["0", "-1.25"])
def test_a_dicom_without_a_scale_above_0_is_refused(tmp_path, data_dir, sensitivity):
    dataset = pydicom.dcmread(data_dir / "formats/dicom/cardio_sample.dcm")
    for channel in dataset.WaveformSequence[0].ChannelDefinitionSequence:
        channel.ChannelSensitivity = sensitivity
    dataset.save_as(tmp_path / "one")
    with pytest.raises(ECGFormatError, match="a sensitivity of"):
        read_ecg(tmp_path / "one")


def test_an_edf_without_a_scale_is_refused(tmp_path):
    content = bytearray(made("edf", tmp_path))
    highest = 256 + 12 * (16 + 80 + 8 + 8)
    content[highest : highest + 12 * 8] = b"nan     " * 12
    (tmp_path / "one").write_bytes(content)
    with pytest.raises(ECGFormatError, match="which is no scale"):
        read_ecg(tmp_path / "one")


def test_a_csv_of_long_rows_is_read_as_one_of_columns(tmp_path):
    X = np.random.default_rng(0).normal(size=(12, 1500)).round(3)
    for name, array in (("rows", X), ("columns", X.T)):
        np.savetxt(tmp_path / name, array, "%.3f", ",")
    rows, columns = (
        read_ecg(tmp_path / name, sampling_rate=500, unit="mV", leads=LEADS)
        for name in ("rows", "columns")
    )
    np.testing.assert_array_equal(rows.signal, columns.signal)
    with (tmp_path / "rows").open("a") as file:
        file.write("1,2,x\n")
    with pytest.raises(ECGFormatError, match="other than a number in row 12"):
        read_ecg(tmp_path / "rows", sampling_rate=500, unit="mV", leads=LEADS)
