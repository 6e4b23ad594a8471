"""EDF, EDF+ and their 24-bit sister BDF."""

import re
from contextlib import suppress
from datetime import datetime

import numpy as np

from skecg.leads import match_lead

from ._ecg import ECGFormatError, Stored, check_size, millivolt_per


def is_edf(head):
    """Return whether a file that begins with these bytes is EDF or BDF."""
    return head.startswith((b"0       ", b"\xffBIOSEMI"))


def read_edf(path):
    """Read the ECG leads of an EDF or BDF file; all other signals are left out."""
    try:
        import edfio
    except ImportError as error:
        raise ImportError(
            "Reading EDF and BDF needs the edfio package: pip install 'skecg[edf]'"
        ) from error
    with path.open("rb") as file:
        head = file.read(256)
    reader = edfio.read_bdf if head.startswith(b"\xff") else edfio.read_edf
    edf = reader(path, header_encoding="latin-1")
    stored = _read_signals(edf)
    claimed = int(head[236:244])  # -1: not filled in
    if claimed not in (-1, edf.num_data_records):
        raise ECGFormatError(
            f"claims {claimed} data records, but holds {edf.num_data_records} whole ones."
        )
    return stored


def _read_signals(edf):
    chosen = [signal for signal in edf.signals if match_lead(signal.label)]
    others = [signal.label for signal in edf.signals if not match_lead(signal.label)]
    if not chosen:
        raise ECGFormatError(f"None of the twelve leads is among {others}.")
    rates = {signal.sampling_frequency for signal in chosen}
    if len(rates) > 1:
        raise ECGFormatError(f"holds leads of different sampling rates: {sorted(rates)} Hz.")
    if not edf.is_continuous:
        raise ECGFormatError("is discontinuous (EDF+D), which is not read.")
    check_size(len(chosen), edf.num_data_records * chosen[0].samples_per_data_record)
    signal = np.stack([_millivolt(lead) for lead in chosen])
    stored = Stored(signal, float(rates.pop()), [lead.label for lead in chosen])
    stored.notes += [f"signals left out: {', '.join(others)}"] if others else []
    stored.highpass = _filter(chosen, "HP", max)
    stored.lowpass = _filter(chosen, "LP", min)
    stored.notch = _filter(chosen, "N", min)
    _read_patient(edf, stored)
    return stored


def _millivolt(lead):
    span = lead.physical_max - lead.physical_min  # NaN, too, is no scale
    if lead.digital_min >= lead.digital_max or not abs(span) > 0:
        raise ECGFormatError(
            f"calibrates lead {lead.label} by {lead.digital_min}..{lead.digital_max} = "
            f"{lead.physical_min}..{lead.physical_max}, which is no scale."
        )
    return (lead.data * millivolt_per(lead.physical_dimension)).astype(np.float32)


def _filter(chosen, name, worst):
    # "HP:0.05Hz LP:150Hz N:50Hz"
    pattern = rf"\b{name}:\s*(\d+(?:\.\d+)?)\s*(?:Hz|\s|$)"
    found = [re.search(pattern, lead.prefiltering, re.IGNORECASE) for lead in chosen]
    values = [float(match[1]) for match in found if match]
    return worst(values) if values and min(values) > 0 else None


def _read_patient(edf, stored):
    stored.identifiers = {
        "local_patient_identification": edf.local_patient_identification,
        "local_recording_identification": edf.local_recording_identification,
    }
    stored.sex = {"M": "M", "F": "F"}.get(edf.patient.sex)
    with suppress(ValueError):  # unknown, or not in the form of EDF+
        acquired = edf.startdatetime
        # What is written where the date is not to be told.
        stored.acquired = acquired if acquired.date() != datetime(1985, 1, 1).date() else None
    with suppress(ValueError):
        if stored.acquired:
            stored.age = (stored.acquired.date() - edf.patient.birthdate).days / 365.25
