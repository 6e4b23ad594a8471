"""WFDB records: a text header (.hea) beside one or more signal files.

Samples of 16 bits, in which almost all ECGs are kept, are read here, other formats by the wfdb
package. Multi-segment records are put together here: that package fills up or cuts segments that
are not as long as their header says.
"""

import re
import warnings
from contextlib import suppress
from itertools import groupby

import numpy as np

from skecg.leads import match_lead

from ._ecg import ECGFormatError, Stored, check_size, millivolt_per
from ._wfdb_header import DEFAULT_GAIN, file_beside, header_of, read_header
from ._wfdb_strict import verify
from ._xml import plausible_age, sex_of

MISSING = -32768  # the mark of a sample without a value in format 16
_BYTES = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5, "310": 4 / 3}
_BYTES |= {"311": 4 / 3, "508": 0, "516": 0, "524": 0}  # per sample; 0: FLAC
_MAX_PER_BYTE = 8  # samples in FLAC; no ECG takes less than a bit each, but zeros would
_MAX_GAP = 100  # times as long as what was recorded


def read_wfdb(path, start=0, stop=None):
    """Read a WFDB record.

    Parameters
    ----------
    path : path-like
        The record, with or without the extension .hea, .dat or .mat.
    start, stop : int, default=0 and None
        The first sample to read, and the one after the last; None reads to the end.

    Returns
    -------
    signal : ndarray of shape (n_leads, n_times), float32
        In mV, converted from the unit that the header gives for each lead. Samples marked
        as missing are NaN. It ends where the signal files do, if the header claims more.
    sampling_rate : float
        In Hz.
    leads : list of str
        Lead names as the header spells them.

    Raises
    ------
    FileNotFoundError
        If the header or a signal file is missing; the message names it.
    ECGFormatError
        If the record is damaged, or a lead's unit is not V, mV, uV or nV, in any case.
    """
    stored = read_wfdb_stored(path, start, stop)
    return stored.signal, stored.sampling_rate, stored.leads


def read_wfdb_stored(path, start=0, stop=None, strict=False):
    """Read a WFDB record, of one or more segments, with what its comments tell.

    Signals that are neither a voltage nor one of the twelve leads are left out, and so are
    those sampled more slowly than the fastest. Samples between segments are NaN. Where
    `strict`, a record whose header does not prove its samples is refused, before it is read.
    """
    header = read_header(header_of(path))
    if strict:
        verify(header, read_counts)
    if header.segments:
        stored = _read_segments(header)
        stored.signal = stored.signal[:, start:stop]
    else:
        stored = _read_signals(header, start, stop)
    stored.acquired = header.acquired
    _read_comments(header.comments, stored)
    return stored


def n_frames_of(header):
    """Return how many frames a record has: what the header claims, or its files hold if less."""
    n_frames = []
    for file, signals in _by_file(header):
        file_beside(header.path, file.name)
        fmt, per_frame = signals[0].fmt, [signal.per_frame for signal in signals]
        if fmt not in _BYTES or {signal.fmt for signal in signals} != {fmt}:
            raise ECGFormatError(f"{header.path} gives {file.name} the unknown format {fmt}.")
        if min(per_frame) < 1:
            raise ECGFormatError(f"{header.path} gives {file.name} frames without samples.")
        size = file.stat().st_size - signals[0].offset
        # Of compressed files only the header tells.
        held = int(size / (sum(per_frame) * _BYTES[fmt])) if _BYTES[fmt] else header.n_frames or 0
        if held < 1:
            raise ECGFormatError(f"{header.path} names {file.name}, which holds no samples.")
        n_frames.append(min(held, header.n_frames or held))
        check_size(sum(per_frame), n_frames[-1])
        if not _BYTES[fmt] and sum(per_frame) * held > _MAX_PER_BYTE * size:
            raise ECGFormatError(f"{header.path} claims {held} samples in {size} bytes of FLAC.")
        if max(signal.skew for signal in signals) >= n_frames[-1]:
            raise ECGFormatError(f"{header.path} gives {file.name} a skew beyond its end.")
    return min(n_frames)


def read_counts(header, start=0, stop=None):
    """Read the stored integers of a record in format 16: an array for each signal."""
    formats = {signal.fmt for signal in header.signals}
    if formats != {"16"}:
        raise ECGFormatError(f"{header.path} gives the formats {sorted(formats)}, not only 16.")
    n_frames = n_frames_of(header)
    stop = n_frames if stop is None else min(stop, n_frames)
    counts = []
    for file, signals in _by_file(header):
        ends = np.cumsum([signal.per_frame for signal in signals])
        values = np.fromfile(
            file,
            dtype="<i2",
            count=(stop - start) * ends[-1],
            offset=signals[0].offset + 2 * start * ends[-1],
        )
        frames = values.reshape(-1, ends[-1])
        counts += [part.ravel() for part in np.split(frames, ends[:-1], axis=1)]
    return counts


def _by_file(header):
    groups = groupby(header.signals, key=lambda signal: signal.file)
    groups = [(file, list(signals)) for file, signals in groups]
    if len(dict(groups)) < len(groups):
        raise ECGFormatError(f"{header.path} lists the signals of one file apart.")
    return groups


def _read_signals(header, start=0, stop=None):
    signals, notes = header.signals, list(header.notes)
    per_frame = max(signal.per_frame for signal in signals)
    scale, chosen = [], []
    for i, signal in enumerate(signals):
        try:
            factor = millivolt_per(signal.unit)
        except ECGFormatError as error:
            if match_lead(signal.name):
                raise ECGFormatError(f"{header.path} {error}") from None
            factor = None
        if factor is None or signal.per_frame < per_frame:
            notes.append(f"signal {signal.name} in {signal.unit} left out")
        else:
            chosen.append(i)
            scale.append(factor)
    if not chosen:
        names = ", ".join(signal.name for signal in signals)
        raise ECGFormatError(f"{header.path} lists no ECG lead, but {names}.")
    n_frames = n_frames_of(header)
    uncalibrated = [signals[i].name for i in chosen if not signals[i].is_calibrated]
    if uncalibrated:
        notes.append(
            f"{', '.join(uncalibrated)} not calibrated: {DEFAULT_GAIN:g} units a mV, as WFDB has it"
        )
    if n_frames < (header.n_frames or 0):
        notes.append(f"the file ends after {n_frames} of {header.n_frames} samples")
    stop = n_frames if stop is None else min(stop, n_frames)
    if all(signal.fmt == "16" and not signal.skew for signal in signals):
        counts = read_counts(header, start, stop)
        if (start, stop) == (0, header.n_frames):
            notes += _check_sums(counts, signals)
        values = [_physical(counts[i], signals[i]) for i in chosen]
    else:
        values = _read_by_wfdb(header, chosen, start, stop)
    signal = np.empty((len(chosen), len(values[0])), dtype=np.float32)
    for row, lead, factor in zip(signal, values, scale, strict=True):
        np.multiply(lead, factor, out=row, casting="same_kind")
    return Stored(
        signal=signal,
        sampling_rate=header.sampling_rate * per_frame,
        leads=[signals[i].name for i in chosen],
        notes=notes,
    )


def _physical(counts, signal):
    values = (counts - float(signal.baseline)) / signal.gain
    values[counts == MISSING] = np.nan
    return values


def _check_sums(counts, signals):
    wrong = [
        signal.name
        for signal, values in zip(signals, counts, strict=True)
        if signal.checksum and (values.sum(dtype=np.int64) - signal.checksum) % 2**16
    ]
    return [f"samples of {', '.join(wrong)} differ from the header's checksum"] if wrong else []


def _read_by_wfdb(header, chosen, start, stop):
    try:
        with warnings.catch_warnings():
            # wfdb 4.3 is imported with words of pandas that pandas 3.1 deprecates.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            import wfdb
    except ImportError as error:
        raise ImportError(
            "Reading WFDB records in other formats than 16 needs the wfdb package: "
            "pip install 'skecg[wfdb]'"
        ) from error
    name = str(header.path.with_suffix(""))
    try:
        theirs = wfdb.rdheader(name)
        theirs = zip(theirs.file_name, theirs.fmt, theirs.adc_gain, theirs.baseline, strict=True)
        ours = [(s.file.name, s.fmt, s.gain, s.baseline) for s in header.signals]
        if list(theirs) != ours:
            raise ECGFormatError("the wfdb package understands its lines otherwise.")
        record = wfdb.rdrecord(
            name,
            channels=chosen,
            sampfrom=start,
            sampto=stop,
            smooth_frames=False,
        )
    except Exception as error:  # of many types
        raise ECGFormatError(f"{header.path} cannot be read: {error}") from error
    return record.e_p_signal


def _read_segments(header):
    n_times = sum(length for _, length in header.segments)
    if header.n_frames not in (None, n_times):
        raise ECGFormatError(
            f"{header.path} claims {header.n_frames} samples, but its segments {n_times}."
        )
    check_size(header.n_signals, n_times)
    recorded = sum(length for name, length in header.segments if name != "~")
    names = [name for name, length in header.segments if length and name != "~"]
    if len(set(names)) < len(names):
        raise ECGFormatError(f"{header.path} names a segment twice.")
    if n_times > _MAX_GAP * recorded:
        raise ECGFormatError(f"{header.path} has {recorded} samples recorded of {n_times}.")
    layout = [name for name, length in header.segments if length == 0 and name != "~"]
    leads = []
    if layout:
        leads = [signal.name for signal in read_header(_segment(header, layout[0])).signals]
    rows, start, notes = dict.fromkeys(leads), 0, list(header.notes)
    for name, length in header.segments:
        if name == "~" and length:
            begin = start / header.sampling_rate
            notes.append(
                f"nothing recorded from {begin:g} s for {length / header.sampling_rate:g} s"
            )
        elif length:
            part = _read_segment(header, name, length)
            notes += [note for note in part.notes if note not in notes]
            for lead, values in zip(part.leads, part.signal, strict=True):
                if rows.get(lead) is None:
                    rows[lead] = np.full(n_times, np.nan, dtype=np.float32)
                rows[lead][start : start + length] = values
        start += length
    rows = {lead: row for lead, row in rows.items() if row is not None}
    if not rows:
        raise ECGFormatError(f"{header.path} has only empty segments.")
    return Stored(np.stack(list(rows.values())), header.sampling_rate, list(rows), notes=notes)


def _segment(header, name):
    return file_beside(header.path, f"{name}.hea", "segment")


def _read_segment(header, name, length):
    file = _segment(header, name)
    segment = read_header(file)
    if segment.segments:
        raise ECGFormatError(f"{file} is a segment that has segments itself.")
    part = _read_signals(segment)
    if len(set(part.leads)) < len(part.leads) or part.signal.shape[1] != length:
        raise ECGFormatError(
            f"{file} holds {part.signal.shape[1]} samples of {part.leads}; {header.path.name} "
            f"claims {length}, each lead once."
        )
    if part.sampling_rate != header.sampling_rate:
        raise ECGFormatError(
            f"{file} has {part.sampling_rate} Hz, {header.path.name} {header.sampling_rate} Hz."
        )
    return part


def _read_comments(comments, stored):
    # "#Age: 78", "# sex: female", "# <age>: 51 <sex>: F"
    found = dict(re.findall(r"[#<\s](age|sex)>?\s*:\s*(\S+)", "\n".join(comments).lower()))
    with suppress(KeyError, ValueError):
        stored.age = plausible_age(float(found["age"]))
    stored.sex = sex_of(found.get("sex"))
