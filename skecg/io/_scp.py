"""SCP-ECG (EN 1064, ISO 11073-91064), with the names of the standard.

A decoder of our own: the one package that has one, ecgdatakit, reads on after a wrong checksum
and brings 60 MB of other things. Two rare options on which published decoders contradict each
other are refused: bimodal compression, and changing between Huffman tables.
"""

import binascii
import struct
from datetime import datetime
from typing import NamedTuple

import numpy as np

from ._ecg import ECGFormatError, Stored
from ._huffman import decode_huffman, parse_section_2
from ._xml import MAX_SAMPLES, named, plausible_age, read_bytes, told, years_between

_HEADER = 16  # bytes of a section before its data
# Section 3, lead identification: the twelve and what may be recorded with them.
_LEADS = {
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 9: "V7",
    10: "V2R", 11: "V3R", 12: "V4R", 13: "V5R", 14: "V6R", 15: "V7R", 16: "X", 17: "Y", 18: "Z",
    61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR", 66: "V8", 67: "V9",
}  # fmt: skip
_YEARS = {1: 1, 2: 1 / 12, 3: 7 / 365.25, 4: 1 / 365.25, 5: 1 / 24 / 365.25}
_SEX = {1: "M", 2: "F"}
_NOTCH = {1: 60.0, 2: 50.0}


class _Lead(NamedTuple):
    name: str
    first: int  # sample, counted from 1
    last: int


class _Beats(NamedTuple):
    milliseconds: int  # of the reference beat
    fiducial: int  # sample of the reference beat, counted from 1
    zones: list  # of each QRS: type, first sample, fiducial point, last sample


class _Data(NamedTuple):
    nanovolts: int  # of one unit
    interval: int  # microseconds from sample to sample
    leads: list  # an array of integers each


def is_scp(head):
    """Tell whether a file's first bytes (at least 32) are those of an SCP-ECG record."""
    if len(head) < 32:
        return False
    section, length = struct.unpack_from("<HI", head, 8)
    pointer, index = struct.unpack_from("<H4xI", head, 22)  # from section 0 to itself
    mark = head[16:22] == b"SCPECG" or (pointer == 0 and index == 7)
    return section == 0 and length >= _HEADER + 10 and mark


def read_scp(path):
    """Read an SCP-ECG record: its rhythm and, where it has one, the reference beat."""
    with named(path):
        try:
            return _read(read_bytes(path))
        except struct.error:
            raise ECGFormatError("a section is shorter than what it should hold") from None


def _read(data):
    sections = _sections(data)
    if 3 not in sections or 6 not in sections:
        raise ECGFormatError("section 3 (lead definition) or 6 (rhythm data) is missing")
    leads, is_residual = _leads(sections[3])
    table = parse_section_2(sections[2]) if 2 in sections else None
    beats = _beats(sections[4], leads) if 4 in sections else None
    reference = None
    if 5 in sections and beats is not None and beats.milliseconds:
        reference = _data(sections[5], table, leads, beats.milliseconds)
    rhythm = _data(sections[6], table, leads)
    if is_residual:
        rhythm = _add_reference(rhythm, reference, beats, leads)
    names = [lead.name for lead in leads]
    stored = Stored(_in_time(rhythm, leads), 1e6 / rhythm.interval, names)
    if reference is not None:
        stored.median = np.stack(reference.leads) * (reference.nanovolts * 1e-6)
        stored.median_leads, stored.median_sampling_rate = names, 1e6 / reference.interval
        if 1 <= beats.fiducial <= stored.median.shape[1]:
            stored.median_r_index = beats.fiducial - 1
    if 1 in sections:
        _describe(stored, _tags(sections[1]))
    return stored


def _sections(data):
    """Return the data of sections 1 to 6 by number."""
    if not is_scp(data):
        raise ECGFormatError("no SCP-ECG record")
    checksum, length = struct.unpack_from("<HI", data)
    if length > len(data):
        raise ECGFormatError(f"{len(data)} bytes of a record of {length}")
    data = data[:length]
    if binascii.crc_hqx(data[2:], 0xFFFF) != checksum:
        raise ECGFormatError("the checksum of the record is wrong")
    (length,) = struct.unpack_from("<I", data, 10)
    if length > len(data) - 6:
        raise ECGFormatError(f"section 0 of {length} bytes is longer than the record")
    sections = {}
    for at in range(6 + _HEADER, 6 + length - 9, 10):
        number, size, index = struct.unpack_from("<HII", data, at)
        if not 1 <= number <= 6 or not size:
            continue
        start, end = index - 1, index - 1 + size
        if start < 0 or size < _HEADER or end > len(data):
            raise ECGFormatError(f"section {number} is not within the record")
        if struct.unpack_from("<H", data, start + 2) != (number,) or number in sections:
            raise ECGFormatError(f"there is no section {number}, or two, where section 0 says")
        sections[number] = data[start + _HEADER : end]
    return sections


def _leads(section):
    """Return the leads of section 3, and whether the reference beat was subtracted."""
    n_leads, flags = struct.unpack_from("<BB", section)
    leads = []
    for i in range(n_leads):
        first, last, code = struct.unpack_from("<IIB", section, 2 + 9 * i)
        if not 1 <= first <= last:
            raise ECGFormatError(f"lead {i + 1} goes from sample {first} to {last}")
        leads.append(_Lead(_LEADS.get(code, f"lead of code {code}"), first, last))
    if not leads:
        raise ECGFormatError("section 3 defines no lead")
    if len({lead.name for lead in leads}) < n_leads:
        raise ECGFormatError("a lead occurs twice")
    if n_leads * (max(lead.last for lead in leads) + 1) > MAX_SAMPLES:
        raise ECGFormatError(f"there are more than {MAX_SAMPLES} samples")
    return leads, bool(flags & 1)


def _beats(section, leads):
    """Return what section 4 tells of the reference beat and where it was subtracted."""
    milliseconds, fiducial, n_qrs = struct.unpack_from("<HHH", section)
    n_times = max(lead.last for lead in leads)
    if n_qrs > n_times // 10 + 1:
        raise ECGFormatError(f"{n_qrs} QRS complexes in {n_times} samples")
    zones = [struct.unpack_from("<HIII", section, 6 + 14 * i) for i in range(n_qrs)]
    return _Beats(milliseconds, fiducial, zones)


def _data(section, table, leads, milliseconds=None):
    """Decode section 6, or section 5 of the given length."""
    nanovolts, interval, difference, bimodal = struct.unpack_from("<HHBB", section)
    if not nanovolts or not interval:
        raise ECGFormatError("the amplitude multiplier or the sample interval is 0")
    if difference > 2:
        raise ECGFormatError(f"differences of order {difference}")
    if milliseconds is None and bimodal:
        raise ECGFormatError("bimodal compression is not supported")
    sizes = struct.unpack_from(f"<{len(leads)}H", section, 6)
    at = 6 + 2 * len(leads)
    decoded = []
    for lead, size in zip(leads, sizes, strict=True):
        chunk = section[at : at + size]
        at += size
        if milliseconds is None:
            n_samples = lead.last - lead.first + 1
        else:
            n_samples = milliseconds * 1000 // interval
        if len(chunk) < size or not n_samples:
            raise ECGFormatError(f"lead {lead.name} has {len(chunk)} of {size} bytes")
        if table is not None:
            values = decode_huffman(chunk, n_samples, table)
        elif 0 <= size - 2 * n_samples <= 1:
            values = np.frombuffer(chunk, "<i2", n_samples).astype(np.int64)
        else:
            raise ECGFormatError(f"lead {lead.name} has {size} bytes for {n_samples} samples")
        decoded.append(_sum_up(values, difference))
    return _Data(nanovolts, interval, decoded)


def _sum_up(values, difference):
    """Undo first or second differences; the first one or two samples stand as they are."""
    if difference == 2 and len(values) > 1:
        slope = np.cumsum(np.r_[values[1] - values[0], values[2:]])
        values = np.r_[values[0], values[0] + np.cumsum(slope)]
    elif difference == 1:
        values = np.cumsum(values)
    # Samples have 16 bits: a difference that did not fit into them comes right again here.
    return values.astype(np.int16).astype(np.int64)


def _add_reference(residual, reference, beats, leads):
    """Add the reference beat wherever it was subtracted: at each QRS of type 0."""
    if reference is None or reference.interval != residual.interval:
        raise ECGFormatError("the reference beat to add is missing or of another sampling rate")
    signals = [residual.nanovolts * signal for signal in residual.leads]
    for kind, first, fiducial, last in beats.zones:
        if kind != 0:
            continue
        for lead, signal, beat in zip(leads, signals, reference.leads, strict=True):
            to_beat = beats.fiducial - 1 - fiducial  # from a sample's number to its place in beat
            start = max(first, lead.first, -to_beat)
            end = min(last, lead.last, len(beat) - 1 - to_beat) + 1
            if start < end:
                added = beat[start + to_beat : end + to_beat]
                signal[start - lead.first : end - lead.first] += reference.nanovolts * added
    return _Data(1, residual.interval, signals)


def _in_time(rhythm, leads):
    """Return the signal in mV, NaN where a lead was not recorded."""
    start = min(lead.first for lead in leads)
    n_times = max(lead.last for lead in leads) + 1 - start
    signal = np.full((len(leads), n_times), np.nan)
    for row, lead, samples in zip(signal, leads, rhythm.leads, strict=True):
        row[lead.first - start : lead.last + 1 - start] = samples
    return signal * (rhythm.nanovolts * 1e-6)


def _tags(section):
    """Return the values of section 1 by tag, of each tag the first."""
    tags, at = {}, 0
    while at + 3 <= len(section):
        tag, size = struct.unpack_from("<BH", section, at)
        if tag == 255:
            break
        value = section[at + 3 : at + 3 + size]
        if len(value) < size:
            raise ECGFormatError(f"tag {tag} of section 1 is longer than the section")
        tags.setdefault(tag, value)
        at += 3 + size
    return tags


def _describe(stored, tags):
    def values(tag, form):
        return struct.unpack_from(form, tags[tag]) if tags.get(tag) else None

    def text(tag):
        return tags.get(tag, b"").split(b"\0")[0].decode("latin-1").strip()

    birth = _date(values(5, "<HBB"))
    stored.acquired = _date(values(25, "<HBB"), values(26, "<BBB"))
    age, unit = values(4, "<HB") or (0, 0)
    if age and unit in _YEARS:
        stored.age = plausible_age(age * _YEARS[unit])
    else:
        stored.age = years_between(birth, stored.acquired)
    stored.sex = _SEX.get((values(8, "<B") or (0,))[0])
    stored.highpass = (values(27, "<H") or (0,))[0] / 100 or None  # stored in 0.01 Hz
    stored.lowpass = float((values(28, "<H") or (0,))[0]) or None
    stored.notch = _NOTCH.get((values(29, "<B") or (0,))[0] & 3)
    stored.identifiers = told(
        patient_name=" ".join(filter(None, (text(1), text(0)))),
        patient_id=text(2),
        birth_date=birth and f"{birth:%Y%m%d}",
    )


def _date(day, clock=None):
    try:
        return datetime(*day, *(clock or ())) if day else None
    except ValueError:
        return None
