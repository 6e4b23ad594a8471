"""Philips SierraECG 1.03 and 1.04.

The package sierraecg decodes the XLI compression; the walk around it is our own, because its
reader limits no sizes and tells neither units nor what was recorded of whom.
"""

import numpy as np

from ._ecg import ECGFormatError, Stored
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

_LIMB = ["I", "II", "III", "aVR", "aVL", "aVF"]
_STANDARD = [*_LIMB, "V1", "V2", "V3", "V4", "V5", "V6"]
_MAX_SAMPLES = 2_000_000  # of all leads: 12 of 500 Hz for 5 min; XLI is decoded one by one
_MISSING = 32767  # in representative beats, the number for no sample
_VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
_YEARS = {"years": 1, "months": 1 / 12, "weeks": 7 / 365.25, "days": 1 / 365.25}


def read_sierra(path):
    """Read a Philips file: its rhythm strip and, where it has them, its representative beats."""
    with named(path):
        root = parse_xml(path, "restingecgdata")
        version = text_of(root, "documentinfo/documentversion")
        if version not in _VERSIONS:
            raise ECGFormatError(f"version {str(version)[:20]!r} is none of {', '.join(_VERSIONS)}")
        acquisition = root.find("dataacquisition/signalcharacteristics")
        waves = root.find(".//parsedwaveforms")
        if acquisition is None or waves is None:
            raise ECGFormatError("there are no signalcharacteristics or no parsedwaveforms")
        stored = _rhythm(waves, acquisition)
        beats = root.find(".//repbeats")
        if beats is not None:
            _representative_beats(stored, beats)
        _describe(stored, root)
        return stored


def _rhythm(waves, acquisition):
    def told_by(attribute, *tags):
        # Version 1.04 repeats as attributes what 1.03 says in signalcharacteristics only.
        values = [waves.get(attribute), *(text_of(acquisition, tag) for tag in tags)]
        return next((value for value in values if value), None)

    sampling_rate = positive(told_by("samplespersecond", "samplingrate"), "the sampling rate")
    duration = positive(waves.get("durationperchannel"), "durationperchannel")
    names = _lead_names(waves, acquisition)
    n_samples = round(duration * sampling_rate / 1000)
    if not 0 < n_samples * len(names) <= _MAX_SAMPLES:
        raise ECGFormatError(f"{len(names)} leads of {n_samples} samples are none or too many")
    if told_by("signalsigned", "signalsigned") not in (None, "True", "true"):
        raise ECGFormatError("unsigned samples cannot be read")
    if number(told_by("bitspersample", "bitspersample") or 16, "bitspersample") != 16:
        raise ECGFormatError("the samples are not of 16 bits")
    encoding = waves.get("dataencoding")
    if encoding != "Base64":
        raise ECGFormatError(f"dataencoding is {str(encoding)[:40]!r}, not 'Base64'")
    data = base64_bytes(waves.text, "parsedwaveforms")
    compression = waves.get("compression") or waves.get("compressmethod") or "Uncompressed"
    if compression == "XLI":
        counts = _decode_xli(data, names, n_samples)
    elif compression == "Uncompressed":
        if len(data) != 2 * n_samples * len(names):
            raise ECGFormatError(f"{len(data)} bytes for {len(names)} leads of {n_samples} samples")
        counts = np.frombuffer(data, "<i2").reshape(len(names), n_samples).astype(np.int64)
    else:
        raise ECGFormatError(f"compression {compression[:40]!r} cannot be read")
    counts -= int(number(told_by("signaloffset", "signaloffset") or 0, "signaloffset"))
    # The schema gives the resolution in uV.
    gain = positive(told_by("resolution", "resolution", "signalresolution"), "the resolution")
    notes = []
    counts = _without_calibration(counts, round(1000 / gain), sampling_rate, notes)
    stored = Stored(counts * (gain / 1000), sampling_rate, names, notes=notes)
    band = (text_of(acquisition, "signalbandwidth") or "-").split("-")
    stored.highpass = frequency(told_by("hipass", "hipass") or band[0])
    stored.lowpass = frequency(told_by("lowpass", "lowpass") or band[-1])
    if told_by("notchfiltered", "notchfiltered") in ("True", "true"):
        stored.notch = frequency(told_by("notchfilterfreqs", "notchfilterfreqs"))
    return stored


def _lead_names(waves, acquisition):
    names = (waves.get("leadlabels") or "").split()
    if names:
        n_leads = number(waves.get("numberofleads") or len(names), "numberofleads")
    else:
        kind = text_of(acquisition, "acquisitiontype") or text_of(acquisition, "leadset")
        if kind not in ("STD-12", "10-WIRE"):
            raise ECGFormatError(f"the leads of type {str(kind)[:40]!r} have no names")
        names = _STANDARD
        n_leads = number(text_of(acquisition, "numberchannelsallocated"), "numberchannelsallocated")
    if not 0 < n_leads <= len(names):
        raise ECGFormatError(f"there are {len(names)} lead names for {n_leads:g} leads")
    names = [lead_name(name) for name in names[: int(n_leads)]]
    if len(set(names)) < len(names):
        raise ECGFormatError("a lead occurs twice")
    return names


def _decode_xli(data, names, n_samples):
    try:
        from sierraecg.lzw import LzwDecoder
        from sierraecg.xli import xli_decode_deltas
    except ImportError as error:
        raise ImportError(
            "Reading a Philips ECG needs the sierraecg package: pip install 'skecg[sierra]'."
        ) from error
    if n_samples < 3:
        raise ECGFormatError(f"{n_samples} samples are too few for XLI")
    counts = np.empty((len(names), n_samples), np.int64)
    at = 0
    for name, row in zip(names, counts, strict=True):
        # Each lead: its size in bytes, two unknown bytes, its first second difference, its codes.
        size = int.from_bytes(data[at : at + 4], "little")
        first = int.from_bytes(data[at + 6 : at + 8], "little", signed=True)
        codes = data[at + 8 : at + 8 + size]
        if not size or len(codes) < size:
            raise ECGFormatError(f"the data end within lead {name}")
        at += 8 + size
        decoder = LzwDecoder(codes, bits=10)
        try:
            row[:] = xli_decode_deltas(decoder.read_bytes(2 * n_samples), first)
            finished = decoder.read() < 0
        except (IndexError, OverflowError):
            finished = False
        if not finished:
            raise ECGFormatError(f"lead {name} does not hold {n_samples} samples")
    if names[:6] == _LIMB:
        lead_i, lead_ii = counts[:2]
        counts[2] = lead_ii - lead_i - counts[2]
        counts[3] = -((lead_i + lead_ii) // 2) - counts[3]
        counts[4] = (lead_i - counts[2]) // 2 - counts[4]
        counts[5] = (lead_ii + counts[2]) // 2 - counts[5]
    elif set(names) & set(_LIMB[2:]):
        raise ECGFormatError(f"leads {' '.join(names)} are not in the order that XLI needs")
    return counts


def _without_calibration(counts, one_mv, sampling_rate, notes):
    """Cut off the 1 mV pulse that follows the ECG, between zeros and the same in all leads."""
    differ = np.flatnonzero((counts != counts[0]).any(axis=0))
    end = differ[-1] + 1 if len(differ) else 0
    tail = counts[0, end:]
    if not end or not (tail == one_mv).any() or not np.isin(tail, (0, one_mv)).all():
        return counts
    pulse = end + np.flatnonzero(tail == one_mv)[0]
    end = max(end, pulse - round(0.1 * sampling_rate))  # 0.1 s of zeros come before it
    notes.append(f"calibration pulse after {end / sampling_rate:g} s cut off")
    return counts[:, :end]


def _representative_beats(stored, beats):
    sampling_rate, resolution = beats.get("samplespersec"), beats.get("resolution")
    if not sampling_rate or not resolution or beats.get("dataencoding") != "Base64":
        stored.notes.append("representative beats without sampling rate, resolution or Base64")
        return
    sampling_rate = positive(sampling_rate, "samplespersec")
    gain = positive(resolution, "the resolution of repbeats")
    leads = {}
    for beat in beats.iter("repbeat"):
        name = lead_name(beat.get("leadname"))
        wave = beat.find("waveform")
        wave = beat if wave is None else wave  # version 1.03
        data = base64_bytes(wave.text, f"the beat of lead {name}")
        n_samples = positive(wave.get("duration"), "duration") * sampling_rate / 1000
        if len(data) != 2 * round(n_samples):
            raise ECGFormatError(f"the beat of {name} has {len(data)} bytes, not 2 * {n_samples:g}")
        counts = np.frombuffer(data, "<i2")
        add_lead(leads, name, np.where(counts == _MISSING, np.nan, counts * (gain / 1000)))
    median = stack(leads)
    recorded = np.flatnonzero(np.isfinite(median).any(axis=0))
    if not len(recorded):
        raise ECGFormatError("the representative beats hold no samples")
    # A beat of 1.2 s may be filled up to 2.4 s with the number for no sample.
    stored.median, stored.median_leads = median[:, : recorded[-1] + 1], list(leads)
    stored.median_sampling_rate = sampling_rate


def _describe(stored, root):
    acquisition = root.find("dataacquisition")
    day, clock = acquisition.get("date"), acquisition.get("time") or "00:00:00"
    stored.acquired = timestamp(f"{day} {clock}", "%Y-%m-%d %H:%M:%S")
    patient = "patient/generalpatientdata/"
    birth = text_of(root, patient + "age/dateofbirth")
    stored.age = years_between(timestamp(birth, "%Y-%m-%d"), stored.acquired)
    for unit, years in _YEARS.items():
        age = frequency(text_of(root, f"{patient}age/{unit}"))
        if age is not None:
            stored.age = plausible_age(age * years)
            break
    stored.sex = sex_of(text_of(root, patient + "sex"))
    names = (text_of(root, f"{patient}name/{name}") for name in ("firstname", "lastname"))
    stored.identifiers = told(
        patient_name=" ".join(filter(None, names)),
        patient_id=text_of(root, patient + "patientid"),
        birth_date=birth,
    )
