"""Schiller XML (SchillerEDI).

A walk of our own, since no package on the index reads it.
"""

from ._ecg import ECGFormatError, Stored, millivolt_per
from ._xml import (
    add_lead,
    compact_time,
    frequency,
    integers,
    lead_name,
    named,
    number,
    parse_xml,
    positive,
    sex_of,
    stack,
    text_of,
    told,
    years_between,
)

_ROOT = "com.xiriuz.sema.xml.schillerEDI.SchillerEDI"


def read_schiller(path):
    """Read a Schiller file: its rhythm strip and, where it has one, its average beat."""
    with named(path):
        root = parse_xml(path, _ROOT)
        waves = {}
        for event in root.iter("event"):
            for wave in event.iter("wavedata"):
                kind = text_of(wave, "type")
                if kind in waves:
                    raise ECGFormatError(f"there are two wavedata of type {kind!r}")
                waves[kind] = wave, event
        if "ECG_RHYTHMS" not in waves:
            raise ECGFormatError("there are no wavedata of type ECG_RHYTHMS")
        wave, event = waves["ECG_RHYTHMS"]
        signal, leads, sampling_rate = _waveform(wave)
        stored = Stored(signal, sampling_rate, leads)
        if "ECG_AVERAGES" in waves:
            stored.median, stored.median_leads, stored.median_sampling_rate = _waveform(
                waves["ECG_AVERAGES"][0]
            )
        filters = {
            text_of(item, "name"): text_of(item, "value")
            for item in event.iterfind("filters_data/filter")
        }
        stored.highpass = frequency(filters.get("HIGHPASS_CUTOFF_FREQ"))
        stored.lowpass = frequency(filters.get("LOWPASS_CUTOFF_FREQ"))
        stored.notch = frequency(filters.get("MAINS"))
        _describe(stored, root)
        return stored


def _waveform(wave):
    rate = "resolution/samplerate/"
    if number(text_of(wave, rate + "exponent") or 1, "the exponent of samplerate") != 1:
        raise ECGFormatError("the exponent of samplerate is not 1, which cannot be read")
    sampling_rate = positive(text_of(wave, rate + "value"), "samplerate")
    gain = positive(text_of(wave, "resolution/yres/unitperbit"), "unitperbit")
    unit = millivolt_per(text_of(wave, "resolution/yres/units"))
    leads = {}
    for channel in wave.iter("channel"):
        name = lead_name(text_of(channel, "name"))
        kind = text_of(channel, "datastype")
        if kind != "COMMASEPARATE":
            raise ECGFormatError(f"lead {name} has data of type {str(kind)[:40]!r}")
        counts = integers(text_of(channel, "data"), f"lead {name}", separator=",")
        n_samples = number(text_of(channel, "samplecount"), "samplecount")
        if len(counts) != n_samples:
            raise ECGFormatError(f"lead {name} has {len(counts)} samples, not {n_samples:g}")
        add_lead(leads, name, counts * (gain * unit))
    return stack(leads), list(leads), sampling_rate


def _describe(stored, root):
    start = "examdescript/startdatetime/"
    day, clock = text_of(root, start + "date"), text_of(root, start + "time")
    # The time is hours, minutes, seconds and milliseconds: 091500250.
    stored.acquired = compact_time(f"{day}{(clock or '')[:6]}")
    patient = "patdata/"
    birth = text_of(root, patient + "birthdate")
    stored.age = years_between(compact_time(birth), stored.acquired)
    stored.sex = sex_of(text_of(root, patient + "gender"))
    names = (text_of(root, patient + name) for name in ("firstname", "lastname"))
    stored.identifiers = told(
        patient_name=" ".join(filter(None, names)),
        patient_id=text_of(root, patient + "id"),
        birth_date=birth,
    )
