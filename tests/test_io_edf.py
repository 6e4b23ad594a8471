"""EDF and BDF files, written here by edfio and by hand."""

import sys
from datetime import date, datetime, time

import edfio
import numpy as np
import pytest

from skecg.io import ECGFormatError, read_ecg

COUNTS = np.arange(-1000, 1000).reshape(2, 1000)


def signal(label, counts, unit="uV", rate=500, **more):
    """Return a signal of which one count is one unit."""
    limits = (-32768, 32767)
    return edfio.EdfSignal(
        counts.astype(float),
        rate,
        label=label,
        physical_dimension=unit,
        physical_range=limits,
        digital_range=limits,
        **more,
    )


def write(folder, signals, **more):
    edfio.Edf(signals, **more).write(folder / "ecg.edf")
    return folder / "ecg.edf"


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e-3), ("mV", 1), ("nV", 1e-6), ("V", 1e3)])
@pytest.mark.parametrize("names", [("I", "II"), ("ECG I", "ECG II"), ("ecg II", "LEAD I")])
def test_leads_are_known_in_any_spelling_and_units_are_the_files(tmp_path, names, unit, factor):
    path = write(tmp_path, [signal(n, c, unit) for n, c in zip(names, COUNTS, strict=True)])
    ecg = read_ecg(path)
    order = slice(None, None, -1 if "II" in names[0] else 1)
    np.testing.assert_allclose(ecg.signal[:2], COUNTS[order] * factor, rtol=1e-5)
    assert (ecg.format, ecg.sampling_rate) == ("edf", 500)
    assert ecg.derived_leads == ("III", "aVR", "aVL", "aVF")


def test_other_signals_are_left_out_and_told(tmp_path):
    signals = [signal("I", COUNTS[0]), signal("Resp", COUNTS[0, :200], "", rate=100)]
    assert "signals left out: Resp" in read_ecg(write(tmp_path, signals)).notes


def test_bdf_with_its_24_bits_is_read(tmp_path):
    samples = COUNTS[0] * 1000.0
    lead = edfio.BdfSignal(
        samples, 500, label="V2", physical_dimension="uV", physical_range=(-8388608, 8388607)
    )
    edfio.Bdf([lead]).write(tmp_path / "ecg.bdf")
    ecg = read_ecg(tmp_path / "ecg.bdf")
    np.testing.assert_allclose(ecg.signal[7], samples / 1000, atol=1e-3)


def test_filters_time_age_and_sex_are_read_and_nobody_is_named_unasked(tmp_path):
    filters = ("HP:0.05Hz LP:150Hz N:50Hz", "HP:0.5Hz LP:40Hz N:50Hz")
    signals = [
        signal(name, counts, prefiltering=text)
        for name, counts, text in zip(("I", "II"), COUNTS, filters, strict=True)
    ]
    path = write(
        tmp_path,
        signals,
        patient=edfio.Patient(code="X77", sex="F", birthdate=date(1980, 1, 1), name="Doe"),
        recording=edfio.Recording(startdate=date(2020, 1, 1)),
        starttime=time(12, 30),
    )
    ecg = read_ecg(path)
    assert (ecg.highpass, ecg.lowpass, ecg.notch) == (0.5, 40, 50)
    assert (ecg.sex, ecg.acquired) == ("F", datetime(2020, 1, 1, 12, 30))
    assert ecg.age == pytest.approx(40, abs=0.01)
    assert "Doe" not in repr(vars(ecg))
    kept = read_ecg(path, keep_identifiers=True).identifiers
    assert "Doe" in kept["local_patient_identification"]


def test_without_a_date_and_filters_none_are_told(tmp_path):
    ecg = read_ecg(write(tmp_path, [signal("I", COUNTS[0])]))
    assert (ecg.acquired, ecg.age, ecg.sex) == (None, None, None)
    assert (ecg.highpass, ecg.lowpass, ecg.notch) == (None, None, None)


@pytest.mark.parametrize(
    ("signals", "cause"),
    [
        ([signal("EEG Fp1", COUNTS[0])], "None of the twelve leads is among"),
        ([signal("I", COUNTS[0], "mmHg")], "gives the unit mmHg"),
        ([signal("I", COUNTS[0]), signal("II", COUNTS[0, :500], rate=250)], "different sampling"),
        ([signal("I", COUNTS[0]), signal("Lead I", COUNTS[0])], "Lead I occurs twice"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_file_and_cause(tmp_path, signals, cause):
    with pytest.raises(ECGFormatError, match=rf"ecg\.edf.*{cause}"):
        read_ecg(write(tmp_path, signals))


@pytest.mark.parametrize(
    ("at", "new", "cause"),
    [
        (236, b"9       ", "claims 9 data records, but holds 2 whole ones"),
        # Of one signal, after 256 bytes: label 16, transducer 80, unit 8, then the limits.
        (360, b"7       7       ", "which is no scale"),
        (376, b"7       7       ", "which is no scale"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path, at, new, cause):
    path = write(tmp_path, [signal("I", COUNTS[0])], data_record_duration=1)
    content = path.read_bytes()
    path.write_bytes(content[:at] + new + content[at + len(new) :])
    with pytest.raises(ECGFormatError, match=cause):
        read_ecg(path)


def test_a_recording_with_a_break_is_refused(tmp_path):
    note = edfio.EdfAnnotation(0, None, "start")
    path = write(tmp_path, [signal("I", COUNTS[0])], annotations=[note], data_record_duration=1)
    assert read_ecg(path).signal.shape == (12, 1000)
    content = path.read_bytes()
    assert content.count(b"+1\x14\x14") == 1  # when the second record begins, in seconds
    path.write_bytes(content.replace(b"+1\x14\x14", b"+5\x14\x14"))
    with pytest.raises(ECGFormatError, match="is discontinuous"):
        read_ecg(path)


def test_a_file_cut_short_is_refused(tmp_path):
    path = write(tmp_path, [signal("I", COUNTS[0])], data_record_duration=1)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ECGFormatError, match="claims 2 data records, but holds 1 whole ones"):
        read_ecg(path)


def test_without_edfio_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path, [signal("I", COUNTS[0])])
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[edf\]'"):
        read_ecg(path)
