"""GE MUSE XML (RestingECG).

A walk of our own: ecgdatakit brings 60 MB of other things and reads on after a wrong checksum,
and the other packages parse XML unsafely.
"""

import zlib

import numpy as np

from ._ecg import ECGFormatError, Stored, millivolt_per
from ._xml import (
    add_lead,
    base64_bytes,
    frequency,
    lead_name,
    named,
    number,
    parse_xml,
    plausible_age,
    positive,
    sex_of,
    stack,
    text_of,
    timestamp,
    told,
    years_between,
)

_YEARS = {"YEARS": 1, "MONTHS": 1 / 12, "WEEKS": 7 / 365.25, "DAYS": 1 / 365.25}
_DATE = "%m-%d-%Y"
_MISSING = -32768  # the lowest 16-bit number stands for no sample


def read_muse(path):
    """Read a MUSE file: its rhythm strip and, where it has one, its median beat."""
    with named(path):
        root = parse_xml(path, "RestingECG")
        waveforms = {}
        for waveform in root.iter("Waveform"):
            kind = (text_of(waveform, "WaveformType") or "").lower()
            if kind in waveforms:
                raise ECGFormatError(f"there are two waveforms of type {kind!r}")
            waveforms[kind] = waveform
        if "rhythm" not in waveforms:
            raise ECGFormatError("there is no waveform of type Rhythm")
        rhythm, notes = waveforms["rhythm"], []
        signal, leads, sampling_rate = _waveform(rhythm, notes)
        stored = Stored(signal, sampling_rate, leads, notes=notes)
        if "median" in waveforms:
            stored.median, stored.median_leads, stored.median_sampling_rate = _waveform(
                waveforms["median"], notes
            )
        highpass = frequency(text_of(rhythm, "HighPassFilter"))
        stored.highpass = None if highpass is None else highpass / 100  # stored in 0.01 Hz
        stored.lowpass = frequency(text_of(rhythm, "LowPassFilter"))
        stored.notch = frequency(text_of(rhythm, "ACFilter"))
        _describe(stored, root)
        return stored


def _waveform(waveform, notes):
    kind = text_of(waveform, "SampleType")
    if kind not in (None, "CONTINUOUS_SAMPLES"):
        raise ECGFormatError(f"samples of type {kind[:40]!r} cannot be read")
    exponent = number(text_of(waveform, "SampleExponent") or 0, "SampleExponent")
    base = positive(text_of(waveform, "SampleBase"), "SampleBase")
    if not -6 <= exponent <= 6:
        raise ECGFormatError(f"SampleExponent is {exponent:g}")
    leads = {}
    for lead in waveform.iter("LeadData"):
        name = lead_name(text_of(lead, "LeadID"))
        add_lead(leads, name, _samples(lead, name))
        if text_of(lead, "LeadOff") == "TRUE":
            notes.append(f"electrode off in lead {name}")
    return stack(leads), list(leads), base * 10**exponent


def _samples(lead, name):
    for tag in ("LeadTimeOffset", "LeadOffsetFirstSample", "FirstSampleBaseline"):
        if number(text_of(lead, tag) or 0, tag) != 0:
            raise ECGFormatError(f"{tag} of lead {name} is not 0, which cannot be read")
    if number(text_of(lead, "LeadSampleSize") or 2, "LeadSampleSize") != 2:
        raise ECGFormatError(f"the samples of lead {name} are not of 16 bits")
    data = base64_bytes(text_of(lead, "WaveFormData"), f"lead {name}")
    n_samples = number(text_of(lead, "LeadSampleCountTotal"), "LeadSampleCountTotal")
    if len(data) != 2 * n_samples or not data:
        raise ECGFormatError(f"lead {name} has {len(data)} bytes for {n_samples:g} samples")
    checksum = text_of(lead, "LeadDataCRC32")
    if checksum is not None and number(checksum, "LeadDataCRC32") != zlib.crc32(data):
        raise ECGFormatError(f"the checksum of lead {name} is wrong")
    counts = np.frombuffer(data, "<i2")
    gain = positive(text_of(lead, "LeadAmplitudeUnitsPerBit"), "LeadAmplitudeUnitsPerBit")
    unit = millivolt_per(text_of(lead, "LeadAmplitudeUnits"))
    return np.where(counts == _MISSING, np.nan, counts * (gain * unit))


def _describe(stored, root):
    patient, test = "PatientDemographics/", "TestDemographics/"
    day = text_of(root, test + "AcquisitionDate")
    if day is not None:
        clock = text_of(root, test + "AcquisitionTime") or "00:00:00"
        stored.acquired = timestamp(f"{day.replace('/', '-')} {clock}", f"{_DATE} %H:%M:%S")
        if stored.acquired is None:
            stored.notes.append("acquisition time not understood")
    birth = text_of(root, patient + "DateofBirth")
    age = frequency(text_of(root, patient + "PatientAge"))
    unit = (text_of(root, patient + "AgeUnits") or "YEARS").upper()
    if age is not None and unit in _YEARS:
        stored.age = plausible_age(age * _YEARS[unit])
    else:
        birthday = timestamp((birth or "").replace("/", "-"), _DATE)
        stored.age = years_between(birthday, stored.acquired)
    stored.sex = sex_of(text_of(root, patient + "Gender"))
    names = (text_of(root, patient + f"Patient{which}Name") for which in ("First", "Last"))
    stored.identifiers = told(
        patient_name=" ".join(filter(None, names)),
        patient_id=text_of(root, patient + "PatientID"),
        birth_date=birth,
    )
