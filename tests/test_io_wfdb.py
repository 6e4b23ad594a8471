"""WFDB records, written here and real."""

import sys

import numpy as np
import pytest

from skecg.io._wfdb import read_wfdb


def write(folder, units=("mV", "mV"), gain=1000, names=("I", "II")):
    samples = np.array([[100, -200], [300, -32768], [500, 700]], dtype="<i2")
    samples.tofile(folder / "one.dat")
    lines = [f"one {len(names)} 500 3"]
    for unit, name in zip(units, names, strict=True):
        lines.append(f"one.dat 16 {gain}/{unit} 16 0 0 0 0 {name}")
    (folder / "one.hea").write_text("\n".join(lines) + "\n")
    return folder / "one"


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_a_record_is_read_with_its_rate_and_names(tmp_path, suffix):
    signal, rate, names = read_wfdb(f"{write(tmp_path)}{suffix}")
    assert signal.dtype == np.float32
    np.testing.assert_allclose(signal[0], [0.1, 0.3, 0.5])
    np.testing.assert_allclose(signal[1], [-0.2, np.nan, 0.7])  # -32768 marks a missing sample
    assert (rate, names) == (500.0, ["I", "II"])


@pytest.mark.parametrize(("unit", "factor"), [("mv", 1), ("uV", 1e-3), ("UV", 1e-3), ("nV", 1e-6)])
def test_the_unit_of_each_lead_is_turned_into_millivolt(tmp_path, unit, factor):
    signal, _, _ = read_wfdb(write(tmp_path, units=("mV", unit), gain=1))
    np.testing.assert_allclose(signal[:, 2], [500, 700 * factor], rtol=1e-6)


def test_an_unknown_unit_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ValueError, match="gives the unit mmHg; V, mV, uV or nV are known"):
        read_wfdb(write(tmp_path, units=("mV", "mmHg")))


@pytest.mark.parametrize("missing", ["one.hea", "one.dat"])
def test_a_missing_file_is_named(tmp_path, missing):
    record = write(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        read_wfdb(record)


def test_without_wfdb_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[wfdb\]'"):
        read_wfdb(write(tmp_path))


@pytest.mark.parametrize(
    ("record", "shape", "rate"),
    [
        ("ptbxl/records500/00000/00001_hr", (12, 5000), 500),
        ("ludb/data/1", (12, 5000), 500),
        ("cinc2021_sample/E07500.mat", (12, 5000), 500),
    ],
)
def test_real_records_are_read(data_dir, record, shape, rate):
    signal, found, names = read_wfdb(data_dir / record)
    assert (signal.shape, found, len(names)) == (shape, rate, 12)
    assert 0.1 < np.abs(signal).max() < 10
    by_name = dict(zip([name.upper() for name in names], signal, strict=True))
    assert np.corrcoef(by_name["I"] + by_name["III"], by_name["II"])[0, 1] > 0.95
