"""HL7 annotated ECGs, written here and real."""

from datetime import datetime

import numpy as np
import pytest

from skecg.io._aecg import read_aecg
from skecg.io._ecg import ECGFormatError

XSI = "http://www.w3.org/2001/XMLSchema-instance"
SUBJECT = """<componentOf><trialSubject><id extension="123"/><subjectDemographicPerson>
<name>Doe</name><administrativeGenderCode code="F"/><birthTime value="{birth}"/>
</subjectDemographicPerson></trialSubject></componentOf>"""
REPORTED = """<controlVariable><relatedObservation><code code="21612-7"/>
<value value="{age}" unit="{unit}"/></relatedObservation></controlVariable>"""


def sequence(code, kind, *children):
    return f"""<component><sequence><code code="{code}"/>
<value xsi:type="{kind}">{"".join(children)}</value></sequence></component>"""


def times(increment=2, unit="ms", code="TIME_RELATIVE"):
    kind = "GLIST_TS" if code == "TIME_ABSOLUTE" else "GLIST_PQ"
    head = '<head value="20200701"/>' if code == "TIME_ABSOLUTE" else '<head value="-4" unit="ms"/>'
    return sequence(code, kind, head, f'<increment value="{increment}" unit="{unit}"/>')


def lead(name, digits="1 -2\n3", scale=2.5, origin=0, unit="uV", kind="SLIST_PQ"):
    return sequence(
        f"MDC_ECG_LEAD_{name}",
        kind,
        f'<origin value="{origin}" unit="{unit}"/><scale value="{scale}" unit="{unit}"/>',
        f"<digits>{digits}</digits>",
    )


def sequences(*parts):
    return f"<component><sequenceSet>{''.join(parts)}</sequenceSet></component>"


def filter_variable(name, part, value, unit="Hz"):
    prefix = "MDC_ECG_CTL_VBL_ATTR_FILTER_"
    return f"""<controlVariable><controlVariable><code code="{prefix}{name}"/><component>
<controlVariable><code code="{prefix}{part}"/><value value="{value}" unit="{unit}"/>
</controlVariable></component></controlVariable></controlVariable>"""


def beat(*parts):
    return f"""<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT"/>{"".join(parts)}
</derivedSeries></derivation>"""


def r_mark(time, unit="ms"):
    return f"""<subjectOf><annotationSet><component><annotation><code code="MDC_ECG_WAVC"/>
<value code="MDC_ECG_WAVC_RWAVE"/><support><supportingROI><component><boundary>
<code code="TIME_RELATIVE"/><value value="{time}" unit="{unit}"/></boundary></component>
</supportingROI></support></annotation></component></annotationSet></subjectOf>"""


def series(*parts):
    time = '<effectiveTime><low value="20200701091011.000"/></effectiveTime>'
    return (
        f"""<component><series><code code="RHYTHM"/>{time}{"".join(parts)}</series></component>"""
    )


def write(folder, *parts):
    path = folder / "aecg.xml"
    root = f'<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="{XSI}">'
    path.write_text(f"{root}{''.join(parts)}</AnnotatedECG>")
    return path


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e-3), ("mV", 1), ("nV", 1e-6)])
def test_origin_and_scale_are_taken_in_the_files_unit(tmp_path, unit, factor):
    leads = [lead("I", unit=unit), lead("AVR", origin=10, unit=unit)]
    stored = read_aecg(write(tmp_path, series(sequences(times(), *leads))))
    expected = np.array([[2.5, -5, 7.5], [12.5, 5, 17.5]]) * factor
    np.testing.assert_allclose(stored.signal, expected, rtol=1e-12)
    assert stored.leads == ["I", "AVR"]
    assert stored.median is None


@pytest.mark.parametrize("code", ["TIME_ABSOLUTE", "TIME_RELATIVE"])
@pytest.mark.parametrize(("increment", "unit"), [(0.004, "s"), (4, "ms"), (4000, "us")])
def test_the_sampling_rate_comes_from_the_increment(tmp_path, code, increment, unit):
    path = write(tmp_path, series(sequences(times(increment, unit, code), lead("I"))))
    assert read_aecg(path).sampling_rate == pytest.approx(250)


def test_the_representative_beat_is_read_with_the_one_time_that_marks_r(tmp_path):
    derived = beat(sequences(times(), lead("II", "5 6 7 8")), r_mark(0), r_mark(0))
    stored = read_aecg(write(tmp_path, series(sequences(times(), lead("I")), derived)))
    np.testing.assert_allclose(stored.median, [[0.0125, 0.015, 0.0175, 0.02]])
    assert (stored.median_leads, stored.median_sampling_rate) == (["II"], 500)
    assert stored.median_r_index == 2  # the first sample is at -4 ms


@pytest.mark.parametrize("marks", [(), (0, 2)])
def test_without_one_time_of_r_for_all_leads_none_is_told(tmp_path, marks):
    derived = beat(sequences(times(), lead("II")), *map(r_mark, marks))
    stored = read_aecg(write(tmp_path, series(sequences(times(), lead("I")), derived)))
    assert stored.median_r_index is None


def test_filters_are_read_and_one_without_a_frequency_is_not_told(tmp_path):
    filters = [
        filter_variable("LOW_PASS", "CUTOFF_FREQ", 150),
        filter_variable("NOTCH", "NOTCH_FREQ", 60),
        filter_variable("HIGH_PASS", "DESCRIPTION", "FIR", ""),
    ]
    stored = read_aecg(write(tmp_path, series(*filters, sequences(times(), lead("I")))))
    assert (stored.highpass, stored.lowpass, stored.notch) == (None, 150, 60)


@pytest.mark.parametrize(
    ("birth", "reported", "age", "n_notes"),
    [
        ("19500701", None, 70, 0),
        ("19500701", (70, "a"), 70, 0),
        ("19500701", (46, "a"), 70, 1),
        ("", (18, "mo"), 1.5, 0),
        ("", None, None, 0),
    ],
)
def test_the_age_comes_from_the_dates_else_as_reported(tmp_path, birth, reported, age, n_notes):
    parts = [SUBJECT.format(birth=birth), series(sequences(times(), lead("I")))]
    if reported:
        parts.append(REPORTED.format(age=reported[0], unit=reported[1]))
    stored = read_aecg(write(tmp_path, *parts))
    assert stored.age == pytest.approx(age, abs=0.01) if age else stored.age is None
    assert len(stored.notes) == n_notes


def test_sex_time_and_identifiers_are_read(tmp_path):
    subject = SUBJECT.format(birth="19500701")
    stored = read_aecg(write(tmp_path, subject, series(sequences(times(), lead("I")))))
    assert stored.sex == "F"
    assert stored.acquired == datetime(2020, 7, 1, 9, 10, 11)
    identifiers = {"patient_name": "Doe", "patient_id": "123", "birth_date": "19500701"}
    assert stored.identifiers == identifiers


def test_a_sequence_that_is_no_lead_is_noted(tmp_path):
    other = sequence("MDC_PRESS_BLD", "SLIST_PQ")
    stored = read_aecg(write(tmp_path, series(sequences(times(), lead("I"), other))))
    assert stored.notes == ["sequence MDC_PRESS_BLD left out"]


ONE = sequences(times(), lead("I"))


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ([], "there are 0 series of code RHYTHM, not one"),
        ([series(ONE), series(ONE)], "there are 2 series of code RHYTHM"),
        ([series(ONE, ONE)], "a series has 2 sequence sets"),
        ([series(sequences(lead("I")))], "there is no sequence of times"),
        ([series(sequences(times()))], "there are no leads"),
        ([series(sequences(times(0), lead("I")))], "increment is '0.0', not above 0"),
        ([series(sequences(times(unit="min"), lead("I")))], "the unit of increment is 'min'"),
        (
            [series(sequences(times(), lead("I", unit="mm")))],
            "gives the unit mm; V, mV",
        ),
        ([series(sequences(times(), lead("I", scale="x")))], "scale is 'x', not a number"),
        ([series(sequences(times(), lead("I", scale="nan")))], "scale is 'nan', not a number"),
        ([series(sequences(times(), lead("I", kind="SLIST_INT")))], "is of type 'SLIST_INT'"),
        ([series(sequences(times(), lead("I", "1 x")))], "are not all whole numbers"),
        ([series(sequences(times(), lead("I", "")))], "lead I has no samples"),
        ([series(sequences(times(), lead("I"), lead("I")))], "lead I occurs twice"),
        ([series(sequences(times(), lead("I"), lead("V1", "1")))], "have 1 to 3 samples"),
    ],
)
def test_damage_is_an_error_that_names_file_and_cause(tmp_path, parts, cause):
    with pytest.raises(ECGFormatError, match=rf"aecg\.xml: .*{cause}"):
        read_aecg(write(tmp_path, *parts))


@pytest.mark.parametrize("size", [3000, 200_000, 490_000])
def test_a_truncated_file_is_refused(data_dir, tmp_path, size):
    path = tmp_path / "cut.xml"
    real = data_dir / "formats/aecg/hl7_2003_Example_aECG.xml"
    path.write_bytes(real.read_bytes()[:size])
    with pytest.raises(ECGFormatError, match=r"cut\.xml: damaged XML"):
        read_aecg(path)


@pytest.mark.parametrize(
    ("name", "shape", "rate", "beat_shape", "filters"),
    [
        ("hl7_2003_Example_aECG", (12, 5000), 500, (12, 599), (None, 150, 60)),
        ("cvrg_hl7aecg-Example2", (12, 10_000), 1000, (12, 1200), (None, None, None)),
        ("liryc_hl7aecg_example", (12, 1000), 100, (12, 500), (0.56, 35, 50)),
    ],
)
def test_real_files_are_read(data_dir, name, shape, rate, beat_shape, filters):
    stored = read_aecg(data_dir / f"formats/aecg/{name}.xml")
    assert (stored.signal.shape, stored.sampling_rate) == (shape, rate)
    assert (stored.median.shape, stored.median_sampling_rate) == (beat_shape, rate)
    assert (stored.highpass, stored.lowpass, stored.notch) == filters
    assert np.nanmax(np.abs(stored.signal)) < 3
