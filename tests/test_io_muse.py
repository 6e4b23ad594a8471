"""GE MUSE XML, written here and real."""

import base64
import zlib
from datetime import datetime

import numpy as np
import pytest

from skecg.io._ecg import ECGFormatError
from skecg.io._muse import read_muse
from skecg.leads import INDEPENDENT_LEADS

COUNTS = {"I": [100, -200, 300], "II": [0, 1, -32768]}
PATIENT = """<PatientDemographics><PatientID>123</PatientID><PatientAge>18</PatientAge>
<AgeUnits>MONTHS</AgeUnits><DateofBirth>01-02-1950</DateofBirth><Gender>FEMALE</Gender>
<PatientLastName>Doe</PatientLastName><PatientFirstName>Jane</PatientFirstName>
</PatientDemographics><TestDemographics><AcquisitionDate>07-01-2020</AcquisitionDate>
<AcquisitionTime>09:10:11</AcquisitionTime></TestDemographics>"""


def lead(name, counts, gain=4.88, unit="MICROVOLTS", n_samples=None, crc=None, extra=""):
    data = np.array(counts, "<i2").tobytes()
    crc = zlib.crc32(data) if crc is None else crc
    return f"""<LeadData><LeadSampleCountTotal>{n_samples or len(counts)}</LeadSampleCountTotal>
<LeadAmplitudeUnitsPerBit>{gain}</LeadAmplitudeUnitsPerBit>
<LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits><LeadID>{name}</LeadID>{extra}
<LeadDataCRC32>{crc}</LeadDataCRC32>
<WaveFormData>\n{base64.encodebytes(data).decode()}</WaveFormData></LeadData>"""


def waveform(kind="Rhythm", leads=None, base=500, exponent=0):
    leads = leads or [lead(name, counts) for name, counts in COUNTS.items()]
    return f"""<Waveform><WaveformType>{kind}</WaveformType>
<SampleType>CONTINUOUS_SAMPLES</SampleType><SampleBase>{base}</SampleBase>
<SampleExponent>{exponent}</SampleExponent><HighPassFilter>5</HighPassFilter>
<LowPassFilter>150</LowPassFilter><ACFilter>NONE</ACFilter>{"".join(leads)}</Waveform>"""


def write(folder, *parts):
    path = folder / "muse.xml"
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">'
    path.write_text(f"{text}\n<RestingECG>{''.join(parts)}</RestingECG>", encoding="latin-1")
    return path


def test_counts_become_millivolts_and_the_lowest_count_is_missing(tmp_path):
    stored = read_muse(write(tmp_path, waveform()))
    assert stored.leads == ["I", "II"]
    assert stored.sampling_rate == 500
    expected = np.array([[100, -200, 300], [0, 1, np.nan]]) * 0.00488
    np.testing.assert_allclose(stored.signal, expected, rtol=1e-12)
    assert stored.median is None


@pytest.mark.parametrize(("unit", "factor"), [("MICROVOLTS", 1e-3), ("MILLIVOLTS", 1)])
def test_the_unit_is_taken_at_the_files_word(tmp_path, unit, factor):
    stored = read_muse(write(tmp_path, waveform(leads=[lead("I", [1, 2], gain=2.5, unit=unit)])))
    np.testing.assert_allclose(stored.signal, [[2.5 * factor, 5 * factor]])


def test_the_median_beat_is_read_beside_the_rhythm(tmp_path):
    beat = waveform("Median", [lead("V1", [1, 2, 3, 4])], base=25, exponent=1)
    stored = read_muse(write(tmp_path, beat, waveform()))
    np.testing.assert_allclose(stored.median, [[0.00488, 0.00976, 0.01464, 0.01952]])
    assert (stored.median_leads, stored.median_sampling_rate) == (["V1"], 250)
    assert stored.median_r_index is None


def test_filters_age_sex_time_and_identifiers_are_read(tmp_path):
    stored = read_muse(write(tmp_path, PATIENT, waveform()))
    assert (stored.highpass, stored.lowpass, stored.notch) == (0.05, 150, None)
    assert (stored.age, stored.sex) == (1.5, "F")
    assert stored.acquired == datetime(2020, 7, 1, 9, 10, 11)
    identifiers = {"patient_name": "Jane Doe", "patient_id": "123", "birth_date": "01-02-1950"}
    assert stored.identifiers == identifiers


def test_the_age_comes_from_the_dates_where_it_is_not_told(tmp_path):
    patient = PATIENT.replace("<PatientAge>18</PatientAge>", "")
    assert read_muse(write(tmp_path, patient, waveform())).age == pytest.approx(70.5, abs=0.01)


def test_a_date_that_cannot_be_one_is_noted(tmp_path):
    stored = read_muse(write(tmp_path, PATIENT.replace("07-01-2020", "31-01-2020"), waveform()))
    assert stored.acquired is None
    assert stored.notes == ["acquisition time not understood"]


def test_an_electrode_that_was_off_is_noted(tmp_path):
    leads = [lead("V1", [1, 2], extra="<LeadOff>TRUE</LeadOff>")]
    assert read_muse(write(tmp_path, waveform(leads=leads))).notes == ["electrode off in lead V1"]


@pytest.mark.parametrize(
    ("leads", "cause"),
    [
        ([lead("I", [1, 2], crc=1)], "the checksum of lead I is wrong"),
        ([lead("I", [1, 2], n_samples=3)], "lead I has 4 bytes for 3 samples"),
        ([lead("I", [1, 2]), lead("I", [1, 2])], "lead I occurs twice"),
        ([lead("I", [1, 2]), lead("II", [1])], "the leads have 1 to 2 samples"),
        ([lead("I", [1, 2], unit="mm")], "gives the unit mm; V, mV"),
        ([lead("I", [1, 2], gain="x")], "LeadAmplitudeUnitsPerBit is 'x', not a number"),
        ([lead("I", [1, 2], gain="1e400")], "LeadAmplitudeUnitsPerBit is '1e400', not a number"),
        ([lead("I", [1, 2], gain=0)], "LeadAmplitudeUnitsPerBit is '0', not above 0"),
        ([lead("", [1, 2])], "a lead has a name of 0 characters"),
        ([lead("I", [1], extra="<LeadTimeOffset>2500</LeadTimeOffset>")], "LeadTimeOffset"),
        ([lead("I", [1], extra="<LeadSampleSize>4</LeadSampleSize>")], "not of 16 bits"),
        (["<LeadData/>"], "a lead has a name of 0 characters"),
        (["<Other/>"], "there are no leads"),
    ],
)
def test_damage_is_an_error_that_names_file_and_cause(tmp_path, leads, cause):
    with pytest.raises(ECGFormatError, match=rf"muse\.xml: .*{cause}"):
        read_muse(write(tmp_path, waveform(leads=leads)))


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ([waveform("Median")], "there is no waveform of type Rhythm"),
        ([waveform(), waveform()], "there are two waveforms of type 'rhythm'"),
        ([waveform(base=-500)], "SampleBase is '-500', not above 0"),
        ([waveform(exponent=99)], "SampleExponent is 99"),
        ([waveform().replace("CONTINUOUS", "SPARSE")], "samples of type 'SPARSE_SAMPLES'"),
    ],
)
def test_waveforms_that_cannot_be_understood_are_refused(tmp_path, parts, cause):
    with pytest.raises(ECGFormatError, match=cause):
        read_muse(write(tmp_path, *parts))


@pytest.mark.parametrize("size", [100, 5000, 140_000])
def test_a_truncated_file_is_refused(data_dir, tmp_path, size):
    path = tmp_path / "cut.xml"
    real = data_dir / "formats/ge_muse/braveheart_example1.xml"
    path.write_bytes(real.read_bytes()[:size])
    with pytest.raises(ECGFormatError, match=r"cut\.xml: damaged XML"):
        read_muse(path)


@pytest.mark.parametrize("name", ["1", "2"])
def test_real_files_hold_eight_leads_and_their_median(data_dir, name):
    stored = read_muse(data_dir / f"formats/ge_muse/braveheart_example{name}.xml")
    assert tuple(stored.leads) == INDEPENDENT_LEADS == tuple(stored.median_leads)
    assert (stored.signal.shape, stored.median.shape) == ((8, 5000), (8, 600))
    assert (stored.sampling_rate, stored.median_sampling_rate) == (500, 500)
    assert (stored.highpass, stored.lowpass, stored.notch) == (0.16, 150, 60)
    counts = stored.signal / 0.00488
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    # The R wave of lead II is upright, and between the file's Q onset and offset (216, 264).
    assert 216 < stored.median[1].argmax() < 264
    assert 0.5 < np.ptp(stored.median[1]) < 3
