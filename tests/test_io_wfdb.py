"""WFDB records, written here and real."""

import sys
from datetime import datetime

import numpy as np
import pytest

from skecg.io import ECGFormatError, read_ecg
from skecg.io._wfdb import read_counts, read_wfdb
from skecg.io._wfdb_header import read_header

SAMPLES = np.array([[100, -200], [300, -32768], [500, 700]], dtype="<i2")


def write(folder, units=("mV", "mV"), gain=1000, names=("I", "II"), comments=""):
    SAMPLES.tofile(folder / "one.dat")
    lines = [f"one {len(names)} 500 3"]
    for unit, name in zip(units, names, strict=True):
        lines.append(f"one.dat 16 {gain}/{unit} 16 0 0 0 0 {name}")
    (folder / "one.hea").write_text("\n".join(lines) + f"\n{comments}\n", encoding="utf-8")
    return folder / "one"


def rewrite(record, old, new):
    header = record.with_suffix(".hea")
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_a_record_is_read_with_its_rate_and_names(tmp_path, suffix):
    signal, rate, names = read_wfdb(f"{write(tmp_path)}{suffix}")
    assert signal.dtype == np.float32
    np.testing.assert_allclose(signal[0], [0.1, 0.3, 0.5])
    np.testing.assert_allclose(signal[1], [-0.2, np.nan, 0.7])  # -32768 marks a missing sample
    assert (rate, names) == (500.0, ["I", "II"])


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        *[("mv", 1), ("uV", 1e-3), ("UV", 1e-3), ("nV", 1e-6)],
        *[("\N{MICRO SIGN}V", 1e-3), ("\N{GREEK SMALL LETTER MU}V", 1e-3), ("V", 1e3)],
    ],
)
def test_the_unit_of_each_lead_is_turned_into_millivolt(tmp_path, unit, factor):
    signal, _, _ = read_wfdb(write(tmp_path, units=("mV", unit), gain=1))
    np.testing.assert_allclose(signal[:, 2], [500, 700 * factor], rtol=1e-6)


def test_an_unknown_unit_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ValueError, match="gives the unit mmHg; V, mV, uV or nV are known"):
        read_wfdb(write(tmp_path, units=("mV", "mmHg")))


def test_what_is_neither_a_voltage_nor_a_lead_is_left_out_and_told(tmp_path):
    ecg = read_ecg(write(tmp_path, units=("mV", "mmHg"), names=("I", "ABP")))
    assert "signal ABP in mmHg left out" in ecg.notes
    assert "II" in ecg.missing_leads


@pytest.mark.parametrize(
    ("calibration", "value"),
    [("1000(100)/mV", 0.4), ("1000/mV 16 100", 0.4), ("1000(-100)/mV 16 7", 0.6), ("2000", 0.25)],
)
def test_gain_and_baseline_are_the_headers_and_the_baseline_is_the_adc_zero_if_not_told(
    tmp_path, calibration, value
):
    record = write(tmp_path)
    header = f"one 2 500 3\none.dat 16 {calibration}\none.dat 16 {calibration}\n"
    record.with_suffix(".hea").write_text(header)
    assert read_wfdb(record)[0][0, 2] == pytest.approx(value)


@pytest.mark.parametrize("line", ["one.dat 16", "one.dat 16 0 16 0 0 0 0 I"])
def test_a_gain_or_rate_that_is_not_told_is_that_of_the_format_and_noted(tmp_path, line):
    record = write(tmp_path)
    record.with_suffix(".hea").write_text(f"one 2\n{line}\none.dat 16 1000/mV 16 0 0 0 0 II\n")
    stored = read_wfdb(record)
    np.testing.assert_allclose(stored[0][0], [0.5, 1.5, 2.5])  # 200 units a mV
    assert stored[1] == 250
    if line.endswith("I"):
        notes = read_ecg(record).notes
        assert "sampling rate not told: 250 Hz, as WFDB has it" in notes
        assert "I not calibrated: 200 units a mV, as WFDB has it" in notes


def test_age_sex_and_time_are_read(tmp_path):
    record = write(tmp_path, comments="# <age>: 51  <sex>: F <diagnoses> none")
    rewrite(record, "one 2 500 3", "one 2 500/500(0) 3 20:26:05.5 27/09/1995")
    ecg = read_ecg(record)
    assert (ecg.age, ecg.sex) == (51, "F")
    assert ecg.acquired == datetime(1995, 9, 27, 20, 26, 5, 500000)


@pytest.mark.parametrize("missing", ["one.hea", "one.dat"])
def test_a_missing_file_is_named(tmp_path, missing):
    record = write(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        read_wfdb(record)


@pytest.mark.parametrize(("start", "stop"), [(1, None), (0, 2), (1, 2), (2, 9)])
def test_a_part_of_a_record_is_read(tmp_path, start, stop):
    record = write(tmp_path)
    part, _, _ = read_wfdb(record, start, stop)
    np.testing.assert_array_equal(part, read_wfdb(record)[0][:, start:stop])


def test_signals_in_several_files_and_after_other_bytes_are_read(tmp_path):
    (tmp_path / "a.mat").write_bytes(bytes(24) + SAMPLES.tobytes())
    SAMPLES[:, 0].tofile(tmp_path / "b.dat")
    lines = ["a 3 500 3", *(f"a.mat 16+24 1000/mV 16 0 0 0 0 {lead}" for lead in ("II", "V1"))]
    (tmp_path / "a.hea").write_text("\n".join([*lines, "b.dat 16 2000/mV 16 0 0 0 0 I"]))
    signal, _, names = read_wfdb(tmp_path / "a.mat")
    assert names == ["II", "V1", "I"]
    np.testing.assert_allclose(signal[:, 2], [0.5, 0.7, 0.25])


def test_signals_sampled_more_slowly_are_left_out_and_told(tmp_path):
    np.arange(9, dtype="<i2").tofile(tmp_path / "a.dat")  # frames of 2 samples of I, one of II
    lines = ["a 2 250 3", "a.dat 16x2 1/mV 16 0 0 0 0 I", "a.dat 16 1/mV 16 0 0 0 0 II"]
    (tmp_path / "a.hea").write_text("\n".join(lines))
    ecg = read_ecg(tmp_path / "a")
    np.testing.assert_array_equal(ecg.signal[0], [0, 1, 3, 4, 6, 7])
    assert ecg.sampling_rate == 500
    assert "signal II in mV left out" in ecg.notes


def test_a_file_that_ends_before_its_header_says_is_read_to_its_end_and_this_is_told(tmp_path):
    record = write(tmp_path)
    rewrite(record, "one 2 500 3", "one 2 500 3000000000")
    ecg = read_ecg(record)
    assert ecg.signal.shape == (12, 3)
    assert "the file ends after 3 of 3000000000 samples" in ecg.notes


@pytest.mark.parametrize(("sums", "told"), [((900, -32268), 0), ((901, -32268), 1), ((0, 0), 0)])
def test_a_checksum_that_is_given_and_differs_is_told(tmp_path, sums, told):
    record = write(tmp_path)
    for total, name in zip(sums, ("I", "II"), strict=True):
        rewrite(record, f"16 0 0 0 0 {name}\n", f"16 0 0 {total} 0 {name}\n")
    notes = [note for note in read_ecg(record).notes if "checksum" in note]
    assert notes == ["samples of I differ from the header's checksum"] * told


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("one 2 500 3", "one 2 0 3", "gives a sampling rate of 0.0 Hz"),
        ("one 2 500 3", "one 2 abc 3", "is no WFDB header: could not convert"),
        ("one 2 500 3", "one 3 500 3", "lists 2 signals, not 3"),
        ("one 2 500 3", "one 0 500 3", "lists no signals"),
        ("dat 16 ", "dat 17 ", r"gives one.dat the unknown format 17"),
        ("dat 16 ", "dat 16x0 ", "frames without samples"),
        ("dat 16 ", "dat sixteen ", "has a line that describes no signal"),
        ("dat 16 ", "dat 16+99 ", "names one.dat, which holds no samples"),
        ("1000/mV", "1e999/mV", "gives a gain of 1e999 units"),
        ("1000/mV", "1000/mmHg", "gives the unit mmHg"),
    ],
)
def test_damage_is_an_error_that_names_header_and_cause(tmp_path, old, new, cause):
    record = write(tmp_path)
    rewrite(record, old, new)
    with pytest.raises(ECGFormatError, match=rf"one\.hea.*{cause}"):
        read_ecg(record)


@pytest.mark.parametrize(
    "name", ["../one.dat", "/etc/passwd", "http://host/one.dat", "s3://x", "..", "C:\\one.dat"]
)
def test_a_header_may_name_files_of_its_own_folder_only(tmp_path, name):
    record = write(tmp_path)
    rewrite(record, "one.dat", name)
    with pytest.raises(ECGFormatError, match="is not a file beside it"):
        read_ecg(record)


# Other formats than 16


def write_212(folder):
    # Two samples of 12 bits in three bytes.
    a, b = np.array([100, 300, 500]), np.array([-200, -2048, 700])
    octets = np.stack([a & 255, (a >> 8 & 15) | (b >> 8 & 15) << 4, b & 255], axis=1)
    octets.astype(np.uint8).tofile(folder / "two.dat")
    lines = ["two 2 500 3", *(f"two.dat 212 1000/uV 12 0 0 0 0 {lead}" for lead in ("I", "II"))]
    (folder / "two.hea").write_text("\n".join(lines))
    return folder / "two"


def test_samples_of_12_bits_are_read(tmp_path):
    signal, _, _ = read_wfdb(write_212(tmp_path))
    np.testing.assert_allclose(signal[0], [1e-4, 3e-4, 5e-4], rtol=1e-6)
    np.testing.assert_allclose(signal[1], [-2e-4, np.nan, 7e-4], rtol=1e-6)
    np.testing.assert_array_equal(read_wfdb(tmp_path / "two", 1, 2)[0], signal[:, 1:2])


def test_a_header_that_the_wfdb_package_understands_otherwise_is_refused(tmp_path):
    record = write_212(tmp_path)
    rewrite(record, "212 1000/uV 12 0 0 0 0 I\n", "212 1000.(5)/uV 12 0 0 0 0 I\n")
    assert read_wfdb(record)[0][0, 0] == pytest.approx(95e-6)
    rewrite(record, "1000.(5)", "1E3(5)")  # to that package a gain of 1
    with pytest.raises(ECGFormatError, match="the wfdb package understands its lines otherwise"):
        read_wfdb(record)


def test_without_wfdb_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[wfdb\]'"):
        read_ecg(write_212(tmp_path))


def test_stored_integers_are_those_of_format_16_only(tmp_path):
    counts = read_counts(read_header(write(tmp_path).with_suffix(".hea")))
    np.testing.assert_array_equal(counts, SAMPLES.T)
    with pytest.raises(ECGFormatError, match=r"gives the formats \['212'\], not only 16"):
        read_counts(read_header(write_212(tmp_path).with_suffix(".hea")))


# Segments


def write_segment(folder, name, leads, n_times, file=None):
    samples = 1000 * np.arange(1, len(leads) + 1) + np.arange(n_times)[:, None]
    samples.astype("<i2").tofile(folder / f"{name}.dat")
    lines = [f"{name} {len(leads)} 500 {n_times}"]
    lines += [f"{file or f'{name}.dat'} 16 1000/mV 16 0 0 0 0 {lead}" for lead in leads]
    (folder / f"{name}.hea").write_text("\n".join(lines))


@pytest.fixture
def segmented(tmp_path):
    """A record of 10 samples: I and II for 4, nothing for 3, II and V1 for 3."""
    write_segment(tmp_path, "layout", ["I", "II", "V1"], 0, file="~")
    write_segment(tmp_path, "s1", ["I", "II"], 4)
    write_segment(tmp_path, "s2", ["II", "V1"], 3)
    (tmp_path / "all.hea").write_text("all/4 3 500 10\nlayout 0\ns1 4\n~ 3\ns2 3\n")
    return tmp_path / "all"


def test_segments_are_put_together_by_lead_with_nan_between(segmented):
    signal, rate, names = read_wfdb(segmented)
    nan = np.nan
    expected = [
        [1, 1.001, 1.002, 1.003, nan, nan, nan, nan, nan, nan],
        [2, 2.001, 2.002, 2.003, nan, nan, nan, 1, 1.001, 1.002],
        [nan, nan, nan, nan, nan, nan, nan, 2, 2.001, 2.002],
    ]
    np.testing.assert_allclose(signal, expected, rtol=1e-6)
    assert (rate, names) == (500, ["I", "II", "V1"])
    ecg = read_ecg(segmented)
    assert ecg.signal.shape == (12, 10)
    assert "nothing recorded from 0.008 s for 0.006 s" in ecg.notes
    np.testing.assert_array_equal(read_wfdb(segmented, 2, 5)[0], signal[:, 2:5])


def test_segments_are_read_as_the_wfdb_package_reads_them(segmented, wfdb):
    record = wfdb.rdrecord(str(segmented), m2s=True)
    assert record.sig_name == ["I", "II", "V1"]
    np.testing.assert_allclose(read_wfdb(segmented)[0], record.p_signal.T, rtol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "error", "cause"),
    [
        ("s1 4", "gone 4", FileNotFoundError, "names a segment that is missing"),
        ("s1 4\n~ 3", "s1 5\n~ 2", ECGFormatError, r"s1\.hea holds 4 samples"),
        ("500 10", "500 11", ECGFormatError, "claims 11 samples, but its segments 10"),
        ("500 10", "250 10", ECGFormatError, r"s1\.hea has 500.0 Hz"),
        ("all/4", "all/5", ECGFormatError, "lists 4 segments, not 5"),
        ("s1 4", "all 4", ECGFormatError, "is a segment that has segments itself"),
        ("s1 4", "../s1 4", ECGFormatError, "is not a file beside it"),
        ("~ 3\ns2 3", "~ -3\ns2 9", ECGFormatError, "a segment of less than no samples"),
    ],
)
def test_segments_that_do_not_fit_are_refused(segmented, old, new, error, cause):
    rewrite(segmented, old, new)
    with pytest.raises(error, match=cause):
        read_ecg(segmented)


# Real records


@pytest.mark.parametrize(
    ("record", "shape", "rate"),
    [
        ("ptbxl/records500/00000/00001_hr", (12, 5000), 500),
        ("ludb/data/1", (12, 5000), 500),
        ("cinc2021_sample/E07500.mat", (12, 5000), 500),
        ("ptbdb_patient001/s0014lre", (15, 115200), 1000),
    ],
)
def test_real_records_are_read_as_the_wfdb_package_reads_them(data_dir, wfdb, record, shape, rate):
    signal, found, names = read_wfdb(data_dir / record)
    assert (signal.shape, found, len(names)) == (shape, rate, shape[0])
    assert 0.1 < np.abs(signal).max() < 10
    peer = wfdb.rdrecord(str((data_dir / record).with_suffix("")))
    assert (names, found) == (peer.sig_name, peer.fs)
    np.testing.assert_allclose(signal, peer.p_signal.T, atol=1e-6)
