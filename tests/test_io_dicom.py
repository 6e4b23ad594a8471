"""DICOM waveforms, written here and real."""

import sys
from contextlib import suppress
from datetime import datetime

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from skecg.io import ECGFormatError, read_ecg

NAMES = ("I", "II", "V1")
SAMPLES = np.array([[10, 20, 30, 40], [-5, -6, -7, -8], [100, 0, -100, 7]], dtype=np.int16)


def channel(name, *, unit="uV", sensitivity=2.5, correction=1, baseline=0, code=None, **more):
    source = Dataset()
    source.CodeValue, source.CodingSchemeDesignator = code or "5.6.3-9-0", "SCPECG"
    source.CodeMeaning = name
    units = Dataset()
    units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
    item = Dataset()
    item.ChannelSourceSequence = [source]
    item.ChannelSensitivity = sensitivity
    item.ChannelSensitivityUnitsSequence = [units]
    item.ChannelSensitivityCorrectionFactor = correction
    item.ChannelBaseline = baseline
    item.WaveformBitsStored = 16
    for name, value in more.items():
        setattr(item, name, value)
    return item


def group(channels=None, samples=SAMPLES, rate=500, originality="ORIGINAL", **more):
    item = Dataset()
    item.WaveformOriginality = originality
    item.ChannelDefinitionSequence = channels or [channel(name) for name in NAMES]
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = samples.shape
    item.SamplingFrequency = rate
    item.WaveformBitsAllocated = 16
    item.WaveformSampleInterpretation = "SS"
    item.WaveformData = samples.T.tobytes()
    for name, value in more.items():
        setattr(item, name, value)
    return item


def write(folder, *groups, big_endian=False, **more):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.TwelveLeadECGWaveformStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    if big_endian:
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    dataset.Modality = "ECG"
    if groups:
        dataset.WaveformSequence = list(groups)
    for name, value in more.items():
        setattr(dataset, name, value)
    dataset.save_as(folder / "ecg.dcm", enforce_file_format=True)
    return folder / "ecg.dcm"


@pytest.mark.parametrize(
    ("told", "factor", "offset"),
    [
        ({}, 2.5e-3, 0),
        ({"unit": "mV", "sensitivity": 0.01}, 0.01, 0),
        ({"unit": "nV", "sensitivity": 5000}, 5e-3, 0),
        ({"correction": 2}, 5e-3, 0),
        ({"baseline": 100}, 2.5e-3, 0.1),
    ],
)
def test_sensitivity_correction_baseline_and_unit_are_the_files(tmp_path, told, factor, offset):
    path = write(tmp_path, group([channel(name, **told) for name in NAMES]))
    ecg = read_ecg(path)
    expected = SAMPLES * factor + offset
    np.testing.assert_allclose(ecg.signal[[0, 1, 6]], expected, rtol=1e-5)
    assert ecg.format == "dicom"


@pytest.mark.parametrize(("code", "names"), [(None, ("I", "II", "V1")), ("numbers", ("?", "", ""))])
def test_leads_are_known_by_their_code_else_by_their_name(tmp_path, code, names):
    numbers = ["5.6.3-9-1", "2:2", "5.6.3-9-3"] if code else [None] * 3
    channels = [channel(name, code=number) for name, number in zip(names, numbers, strict=True)]
    ecg = read_ecg(write(tmp_path, group(channels)))
    assert ecg.missing_leads == ("V2", "V3", "V4", "V5", "V6")
    np.testing.assert_allclose(ecg.signal[6], SAMPLES[2] * 2.5e-3, rtol=1e-6)


def test_cabreras_minus_avr_is_turned_over_and_told(tmp_path):
    channels = [channel("x", code="5.6.3-9-65"), channel("I"), channel("V1")]
    ecg = read_ecg(write(tmp_path, group(channels)))
    np.testing.assert_allclose(ecg.signal[3], -SAMPLES[0] * 2.5e-3, rtol=1e-6)
    assert "aVR is the file's -aVR, turned over" in ecg.notes


@pytest.mark.parametrize(
    ("padding", "missing"),
    [(None, [(1, 3)]), (40, [(0, 3), (1, 3)]), (0, [(1, 3)])],
)
def test_padding_and_the_lowest_number_are_missing_samples_but_a_zero_in_one_lead_is_not(
    tmp_path, padding, missing
):
    samples = SAMPLES.copy()
    samples[1, 3] = -32768
    more = {} if padding is None else {"WaveformPaddingValue": np.int16(padding).tobytes()}
    signal = read_ecg(write(tmp_path, group(samples=samples, **more))).signal[[0, 1, 6]]
    assert [tuple(at) for at in np.argwhere(np.isnan(signal))] == missing


def test_big_endian_samples_are_read(tmp_path):
    samples = SAMPLES.astype(">i2")
    path = write(tmp_path, group(samples=samples), big_endian=True)
    np.testing.assert_allclose(read_ecg(path).signal[0], SAMPLES[0] * 2.5e-3, rtol=1e-6)


def test_a_median_beat_is_read_beside_the_rhythm_with_the_trigger_as_r(tmp_path):
    beat = group(
        samples=SAMPLES[:, :3].copy(),
        rate=250,
        originality="DERIVED",
        MultiplexGroupLabel="MEDIAN BEAT",
        TriggerSamplePosition=2,  # counted from 1
    )
    ecg = read_ecg(write(tmp_path, group(MultiplexGroupLabel="RHYTHM"), beat))
    np.testing.assert_allclose(ecg.median[1], SAMPLES[1, :3] * 2.5e-3, rtol=1e-6)
    assert (ecg.median_sampling_rate, ecg.median_r_index) == (250, 1)
    assert ecg.signal.shape == (12, 4)


def test_of_several_groups_the_one_with_most_leads_is_read_and_the_others_told(tmp_path):
    few = group([channel("I")], samples=SAMPLES[:1].copy())
    ecg = read_ecg(write(tmp_path, few, group()))
    assert "V1" not in ecg.missing_leads
    assert "1 further groups of waveforms are not read" in ecg.notes


def test_the_narrowest_filters_of_the_channels_are_told(tmp_path):
    filters = [(0.05, 150), (0.5, 40), (0, 0)]
    channels = [
        channel(name, FilterLowFrequency=low, FilterHighFrequency=high, NotchFilterFrequency=50)
        for name, (low, high) in zip(NAMES, filters, strict=True)
    ]
    ecg = read_ecg(write(tmp_path, group(channels)))
    assert (ecg.highpass, ecg.lowpass, ecg.notch) == (0.5, 40, 50)
    assert ecg.st_reliable is False


@pytest.mark.parametrize(
    ("told", "age"),
    [
        ({"PatientAge": "061Y"}, 61),
        ({"PatientAge": "006M"}, 0.5),
        ({"PatientBirthDate": "19800101"}, 40),
        ({"PatientBirthDate": "20300101"}, None),
        ({}, None),
    ],
)
def test_the_age_is_as_told_else_by_the_dates(tmp_path, told, age):
    ecg = read_ecg(write(tmp_path, group(), AcquisitionDateTime="20200101120000.5+0100", **told))
    assert ecg.age == (age if age is None else pytest.approx(age, abs=0.01))
    assert ecg.acquired == datetime(2020, 1, 1, 12, 0, 0, 500000)


def test_sex_and_identifiers_are_read_and_nobody_is_named_unasked(tmp_path):
    path = write(tmp_path, group(), PatientSex="F", PatientName="Doe^Jane", PatientID="77")
    assert read_ecg(path).sex == "F"
    assert "Doe" not in repr(vars(read_ecg(path)))
    kept = read_ecg(path, keep_identifiers=True).identifiers
    assert (kept["PatientName"], kept["PatientID"]) == ("Doe^Jane", "77")


@pytest.mark.parametrize(
    ("groups", "cause"),
    [
        ([], "is a DICOM object without waveforms"),
        ([group(originality="DERIVED")], "holds a median beat, but no recording"),
        ([group([channel(name, unit="mm[Hg]") for name in NAMES])], "gives the unit mm"),
        ([group(ChannelDefinitionSequence=[channel("I")])], "claims 3 channels of 4 samples"),
        ([group(NumberOfWaveformSamples=5)], "claims 3 channels of 5 samples, which take 30 bytes"),
        ([group(NumberOfWaveformSamples=2**30)], "more than 134217728 values are not read"),
        ([group(WaveformSampleInterpretation="MB")], "holds samples in mu-law"),
        ([group(SamplingFrequency=0)], "gives a sampling rate of 0.0 Hz"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_file_and_cause(tmp_path, groups, cause):
    path = write(tmp_path, *groups)
    with pytest.raises(ECGFormatError, match=rf"ecg\.dcm.*{cause}"):
        read_ecg(path)


def test_a_channel_without_a_unit_is_not_guessed(tmp_path):
    item = channel("I")
    del item.ChannelSensitivityUnitsSequence
    path = write(tmp_path, group([item, channel("II"), channel("V1")]))
    with pytest.raises(ECGFormatError, match="does not tell the unit of channel I"):
        read_ecg(path)


def test_without_pydicom_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path, group())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[dicom\]'"):
        read_ecg(path)


@pytest.mark.parametrize(
    ("name", "median", "filters"),
    [
        ("cardio_sample", ((12, 600), 500, None), (0.16, 150, None)),
        ("ecgtoolkit_Example", ((12, 600), 500, None), (None, None, None)),
        ("pydicom_waveform_ecg", ((12, 1200), 1000, 500), (0.05, 300, None)),
    ],
)
def test_real_files_tell_their_median_beat_and_filters(data_dir, name, median, filters):
    ecg = read_ecg(data_dir / "formats" / "dicom" / f"{name}.dcm")
    assert (ecg.median.shape, ecg.median_sampling_rate, ecg.median_r_index) == median
    assert (ecg.highpass, ecg.lowpass, ecg.notch) == filters


def test_what_breaks_the_standard_is_not_quoted_in_a_warning(tmp_path, recwarn):
    path = write(tmp_path, group(), PatientID="77")
    content, syntax = path.read_bytes(), b"1.2.840.10008.1.2.1"
    assert content.count(syntax) == 1
    path.write_bytes(content.replace(syntax, b"1.2.840.10008.Doe^J"))
    with suppress(ECGFormatError):
        read_ecg(path)
    assert [str(warning.message) for warning in recwarn] == []
