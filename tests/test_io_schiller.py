"""Schiller XML, written here and real."""

from datetime import datetime

import numpy as np
import pytest

from skecg.io._ecg import ECGFormatError
from skecg.io._schiller import read_schiller
from skecg.leads import LEADS

ROOT = "com.xiriuz.sema.xml.schillerEDI.SchillerEDI"
PATIENT = """<patdata><id>123</id><lastname>Doe</lastname><firstname>Jane</firstname>
<birthdate>19500701</birthdate><gender>FEMALE</gender></patdata>
<examdescript><startdatetime><date>20200701</date><time>091011250</time></startdatetime>
</examdescript>"""
FILTERS = """<filters_data><filter><name>MAINS</name><value>OFF</value></filter>
<filter><name>HIGHPASS_CUTOFF_FREQ</name><value>0.05</value></filter>
<filter><name>LOWPASS_CUTOFF_FREQ</name><value>150</value></filter></filters_data>"""


def channel(name, data, n_samples=3, kind="COMMASEPARATE"):
    return f"""<channel><annotation_lead><name>R_AMPL</name><value>0.7</value></annotation_lead>
<name>{name}</name><data>{data}</data><datastype>{kind}</datastype>
<samplecount>{n_samples}</samplecount></channel>"""


def wave(*channels, kind="ECG_RHYTHMS", gain="2.5", unit="UV", rate=500, exponent=1):
    return f"""<wavedata><type>{kind}</type><resolution><samplerate><exponent>{exponent}</exponent>
<value>{rate}</value></samplerate><yres><unitperbit>{gain}</unitperbit><units>{unit}</units></yres>
</resolution>{"".join(channels)}</wavedata>"""


def write(folder, *waves, patient=""):
    path = folder / "schiller.xml"
    events = f"<eventdata><event>{''.join(waves)}{FILTERS}</event></eventdata>"
    path.write_text(f'<?xml version="1.0"?>\n<{ROOT}>{patient}{events}</{ROOT}>')
    return path


@pytest.mark.parametrize(("unit", "factor"), [("UV", 1e-3), ("MV", 1), ("NV", 1e-6)])
def test_the_unit_is_taken_at_the_files_word(tmp_path, unit, factor):
    leads = [channel("I", "1,-2,3"), channel("AVR", "0, 4,-5,")]
    stored = read_schiller(write(tmp_path, wave(*leads, unit=unit)))
    np.testing.assert_allclose(stored.signal, np.array([[2.5, -5, 7.5], [0, 10, -12.5]]) * factor)
    assert (stored.leads, stored.sampling_rate, stored.median) == (["I", "AVR"], 500, None)


def test_the_average_beat_is_read_beside_the_rhythm(tmp_path):
    average = wave(channel("II", "1,2", 2), kind="ECG_AVERAGES", rate=1000, gain=1)
    stored = read_schiller(write(tmp_path, average, wave(channel("I", "1,2,3"))))
    np.testing.assert_allclose(stored.median, [[0.001, 0.002]])
    assert (stored.median_leads, stored.median_sampling_rate) == (["II"], 1000)
    assert stored.leads == ["I"]


def test_filters_age_sex_time_and_identifiers_are_read(tmp_path):
    stored = read_schiller(write(tmp_path, wave(channel("I", "1,2,3")), patient=PATIENT))
    assert (stored.highpass, stored.lowpass, stored.notch) == (0.05, 150, None)
    assert (stored.age, stored.sex) == (pytest.approx(70, abs=0.01), "F")
    assert stored.acquired == datetime(2020, 7, 1, 9, 10, 11)
    identifiers = {"patient_name": "Jane Doe", "patient_id": "123", "birth_date": "19500701"}
    assert stored.identifiers == identifiers


@pytest.mark.parametrize(
    ("waves", "cause"),
    [
        ([wave(channel("I", "1,2"))], "lead I has 2 samples, not 3"),
        ([wave(channel("I", "1,2.5,3"))], "samples of lead I are not all whole numbers"),
        ([wave(channel("I", "1,2,3", kind="BASE64"))], "lead I has data of type 'BASE64'"),
        ([wave(channel("I", "1,2,3"), channel("I", "1,2,3"))], "lead I occurs twice"),
        ([wave(channel("I", "1,2,3"), channel("II", "1,2", 2))], "the leads have 2 to 3 samples"),
        (
            [wave(channel("I", "1,2,3"), unit="LSB")],
            "gives the unit LSB; V, mV",
        ),
        ([wave(channel("I", "1,2,3"), rate=0)], "samplerate is '0', not above 0"),
        ([wave(channel("I", "1,2,3"), exponent=2)], "the exponent of samplerate is not 1"),
        ([wave()], "there are no leads"),
        ([wave(channel("I", "1,2,3"), kind="ECG_AVERAGES")], "no wavedata of type ECG_RHYTHMS"),
        ([wave(channel("I", "1,2,3"))] * 2, "two wavedata of type 'ECG_RHYTHMS'"),
    ],
)
def test_damage_is_an_error_that_names_file_and_cause(tmp_path, waves, cause):
    with pytest.raises(ECGFormatError, match=rf"schiller\.xml: .*{cause}"):
        read_schiller(write(tmp_path, *waves))


@pytest.mark.parametrize("size", [100, 30_000, 290_000])
def test_a_truncated_file_is_refused(data_dir, tmp_path, size):
    path = tmp_path / "cut.xml"
    real = data_dir / "formats/schiller/cardio_sample_schiller.xml"
    path.write_bytes(real.read_bytes()[:size])
    with pytest.raises(ECGFormatError, match=r"cut\.xml: damaged XML"):
        read_schiller(path)


def test_a_real_file_obeys_the_laws_of_the_limb_leads(data_dir):
    stored = read_schiller(data_dir / "formats/schiller/cardio_sample_schiller.xml")
    assert [name.upper() for name in LEADS] == stored.leads == stored.median_leads
    assert (stored.signal.shape, stored.median.shape) == ((12, 5000), (12, 500))
    assert (stored.highpass, stored.lowpass, stored.notch) == (0.05, 150, 50)
    lead_i, lead_ii, lead_iii, avr, avl, avf = stored.signal[:6]
    np.testing.assert_allclose(lead_i + lead_iii, lead_ii, atol=1e-12)
    for derived, law in [
        (avr, -(lead_i + lead_ii) / 2),
        (avl, (lead_i - lead_iii) / 2),
        (avf, (lead_ii + lead_iii) / 2),
    ]:
        np.testing.assert_allclose(derived, law, atol=0.001)  # 1 uV, the resolution
    # By the file: QRS of the average beat from sample 184 to 231, R of 0.73 mV in lead I.
    assert 184 < stored.median[0].argmax() < 231
    assert np.ptp(stored.median[0, 184:231]) == pytest.approx(0.73 + 0.12, abs=0.05)
