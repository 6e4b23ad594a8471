"""HL7 annotated ECG (aECG).

A walk of our own: the package aecg cannot be installed beside the others, and ecgdatakit brings
60 MB of other things.
"""

from ._ecg import ECGFormatError, Stored, millivolt_per
from ._xml import (
    add_lead,
    compact_time,
    integers,
    lead_name,
    named,
    number,
    parse_xml,
    plausible_age,
    positive,
    sex_of,
    stack,
    text_of,
    told,
    years_between,
)

_LEAD = "MDC_ECG_LEAD_"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_YEARS = {"a": 1, "mo": 1 / 12, "wk": 7 / 365.25, "d": 1 / 365.25}
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_REPORTED_AGE = "21612-7"  # LOINC


def read_aecg(path):
    """Read an aECG file: its rhythm series and, where it has one, the representative beat."""
    with named(path):
        root = parse_xml(path, "AnnotatedECG")
        rhythms = [series for series in root.iter("series") if _code(series) == "RHYTHM"]
        if len(rhythms) != 1:
            raise ECGFormatError(f"there are {len(rhythms)} series of code RHYTHM, not one")
        rhythm = rhythms[0]
        notes = []
        signal, leads, sampling_rate, _ = _leads(rhythm, notes)
        stored = Stored(signal, sampling_rate, leads, notes=notes)
        derived = rhythm.iterfind("derivation/derivedSeries")
        beats = [series for series in derived if _code(series) == "REPRESENTATIVE_BEAT"]
        if len(beats) > 1:
            raise ECGFormatError(f"there are {len(beats)} series of code REPRESENTATIVE_BEAT")
        for beat in beats:
            stored.median, stored.median_leads, sampling_rate, start = _leads(beat, notes)
            stored.median_sampling_rate = sampling_rate
            stored.median_r_index = _r_index(beat, start, sampling_rate)
        stored.highpass = _filter(rhythm, "HIGH_PASS")
        stored.lowpass = _filter(rhythm, "LOW_PASS")
        stored.notch = _filter(rhythm, "NOTCH")
        _describe(stored, root, rhythm)
        return stored


def _code(element):
    code = element.find("code")
    return None if code is None else code.get("code")


def _quantity(element, path, units, what):
    """Return the value at a path, by the factor that `units` has for its unit."""
    found = element.find(path)
    if found is None:
        raise ECGFormatError(f"{what} is missing")
    unit = found.get("unit")
    if unit not in units:
        raise ECGFormatError(f"the unit of {what} is {str(unit)[:40]!r}")
    return number(found.get("value"), what) * units[unit]


def _leads(series, notes):
    sets = series.findall("component/sequenceSet")
    if len(sets) != 1:
        raise ECGFormatError(f"a series has {len(sets)} sequence sets: its leads are not parallel")
    leads, start, interval = {}, None, None
    for sequence in sets[0].iterfind("component/sequence"):
        code, value = _code(sequence) or "", sequence.find("value")
        if value is None:
            raise ECGFormatError(f"sequence {code[:40]} has no value")
        if code in ("TIME_ABSOLUTE", "TIME_RELATIVE"):
            interval = positive(_quantity(value, "increment", _SECONDS, "increment"), "increment")
            if code == "TIME_RELATIVE":
                start = _quantity(value, "head", _SECONDS, "head")
        elif code.startswith(_LEAD):
            name = lead_name(code.removeprefix(_LEAD))
            add_lead(leads, name, _samples(value, name))
        else:
            notes.append(f"sequence {code[:40]} left out")
    if interval is None:
        raise ECGFormatError("there is no sequence of times")
    return stack(leads), list(leads), 1 / interval, start


def _samples(value, name):
    kind = value.get(_TYPE)
    if kind != "SLIST_PQ":
        raise ECGFormatError(f"lead {name} is of type {str(kind)[:40]!r}, not SLIST_PQ")
    origin, scale = value.find("origin"), value.find("scale")
    if origin is None or scale is None:
        raise ECGFormatError(f"lead {name} has no origin or no scale")
    zero = number(origin.get("value"), "origin") * millivolt_per(origin.get("unit"))
    gain = positive(scale.get("value"), "scale") * millivolt_per(scale.get("unit"))
    return integers(value.findtext("digits"), f"lead {name}") * gain + zero


def _r_index(beat, start, sampling_rate):
    """Return the sample at which the file marks R, where it marks one time for all leads."""
    times = set()
    for annotation in beat.iter("annotation"):
        value = annotation.find("value")
        if value is None or value.get("code") != "MDC_ECG_WAVC_RWAVE":
            continue
        for boundary in annotation.iterfind("support/supportingROI/component/boundary"):
            time = boundary.find("value")
            if _code(boundary) == "TIME_RELATIVE" and time is not None and time.get("value"):
                times.add(_quantity(boundary, "value", _SECONDS, "the time of R"))
    if start is None or len(times) != 1:
        return None
    return round((times.pop() - start) * sampling_rate)


def _filter(series, name):
    """Return the frequency of a filter in Hz, or None where it is not told."""
    for variable in series.iterfind("controlVariable/controlVariable"):
        if _code(variable) != f"MDC_ECG_CTL_VBL_ATTR_FILTER_{name}":
            continue
        for part in variable.iterfind("component/controlVariable"):
            if _code(part) in (
                "MDC_ECG_CTL_VBL_ATTR_FILTER_CUTOFF_FREQ",
                "MDC_ECG_CTL_VBL_ATTR_FILTER_NOTCH_FREQ",
            ):
                value = _quantity(part, "value", {"Hz": 1.0}, "the filter's frequency")
                return value if value > 0 else None
    return None


def _time(element, path):
    found = element.find(path)
    return None if found is None else compact_time(found.get("value"))


def _describe(stored, root, rhythm):
    for element, path in (
        (rhythm, "effectiveTime/low"),
        (root, "effectiveTime/low"),
        (root, "effectiveTime/center"),
    ):
        stored.acquired = stored.acquired or _time(element, path)
    subject = root.find(".//trialSubject")
    if subject is None:
        return
    person = "subjectDemographicPerson/"
    stored.age = years_between(_time(subject, person + "birthTime"), stored.acquired)
    reported = _reported_age(root)
    if stored.age is None:
        stored.age = reported
    elif reported is not None and abs(stored.age - reported) > 1:
        stored.notes.append(f"age {stored.age:.1f} by the dates, but {reported:g} reported")
    gender = subject.find(person + "administrativeGenderCode")
    stored.sex = sex_of(None if gender is None else gender.get("code"))
    birth, identity = subject.find(person + "birthTime"), subject.find("id")
    stored.identifiers = told(
        patient_name=text_of(subject, person + "name"),
        patient_id=None if identity is None else identity.get("extension"),
        birth_date=None if birth is None else birth.get("value"),
    )


def _reported_age(root):
    for observation in root.iterfind("controlVariable/relatedObservation"):
        if _code(observation) == _REPORTED_AGE:
            return plausible_age(_quantity(observation, "value", _YEARS, "the reported age"))
    return None
