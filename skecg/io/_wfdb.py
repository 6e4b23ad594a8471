"""WFDB records: a text header (.hea) beside one or more signal files.

Headers and samples are parsed by the wfdb package. What it does not do is done here: it
drops the micro sign of a unit, opens whatever file a header names, and fills up or cuts
segments of a multi-segment record that are not as long as their header says.
"""

import re
import warnings
from math import ceil
from pathlib import Path

import numpy as np

from skecg.leads import match_lead

from ._ecg import ECGFormatError, Stored, check_size, millivolt_per

_MAX_HEADER = 2**20  # bytes

_BYTES = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5}
_BYTES |= {"310": 4 / 3, "311": 4 / 3, "508": 0, "516": 0, "524": 0}  # per sample; 0: FLAC


def read_wfdb(path):
    """Read a WFDB record.

    Parameters
    ----------
    path : path-like
        The record, with or without the extension .hea, .dat or .mat.

    Returns
    -------
    signal : ndarray of shape (n_leads, n_times), float32
        In mV, converted from the unit that the header gives for each lead. Samples marked
        as missing are NaN.
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
    stored = read_wfdb_stored(path)
    return stored.signal, stored.sampling_rate, stored.leads


def read_wfdb_stored(path):
    """Read a WFDB record, of one or more segments, with what its comments tell.

    Signals that are neither a voltage nor one of the twelve leads are left out, and so are
    those sampled more slowly than the fastest. Samples between segments are NaN.
    """
    header = header_of(path)
    record, lines = _read_header(header)
    if hasattr(record, "seg_name"):
        stored = _read_segments(header, record)
    else:
        stored = _read_signals(header, record, lines)
    stored.acquired = getattr(record, "base_datetime", None)
    stored.age, stored.sex = _read_comments(record.comments)
    return stored


def header_of(path):
    """Return the header that a path belongs to: the record, its header or a signal file."""
    path = Path(path)
    headers = [Path(f"{path}.hea"), path.with_suffix(".hea")] if path.name else [path]
    for header in headers:
        if header.is_file():
            return header
    known = path.suffix in (".hea", ".dat", ".mat")
    raise FileNotFoundError(f"There is no WFDB header {headers[known]}.")


def is_header(path):
    """Return whether a file begins as a WFDB header does: a record's name and whole numbers."""
    lines = _specifications(path)
    return bool(lines) and bool(re.match(r"\s*[\w-]+(/\d+)?\s+\d+(\s|$)", lines[0]))


def names_file(header, path):
    """Return whether a header lists `path` among its signal files."""
    return any(line.split()[0] == Path(path).name for line in _specifications(header)[1:])


def _specifications(header):
    with header.open("rb") as file:
        text = file.read(_MAX_HEADER).decode("utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _read_header(header):
    try:
        with warnings.catch_warnings():
            # wfdb 4.3 is imported with words of pandas that pandas 3.1 deprecates.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            import wfdb
    except ImportError as error:
        raise ImportError(
            "Reading WFDB records needs the wfdb package: pip install 'skecg[wfdb]'"
        ) from error
    if header.stat().st_size > _MAX_HEADER:
        raise ECGFormatError(f"{header} has {header.stat().st_size} bytes: no WFDB header.")
    lines = _specifications(header)
    if not lines:
        raise ECGFormatError(f"{header} is empty.")
    for line in lines[1:]:
        # wfdb would open a path or an address that stands where a file name should.
        if not re.fullmatch(r"~|[\w-]+(\.\w+)?", line.split()[0]):
            raise ECGFormatError(
                f"{header} names {line.split()[0]!r}, which is not a file beside it."
            )
    try:
        record = wfdb.rdheader(str(header.with_suffix("")))
    except Exception as error:  # of many types
        raise ECGFormatError(f"{header} is no WFDB header: {error}") from error
    if not record.fs or not record.fs > 0:
        raise ECGFormatError(f"{header} gives a sampling rate of {record.fs} Hz.")
    if not record.n_sig:
        raise ECGFormatError(f"{header} lists no signals.")
    return record, lines


def _read_signals(header, record, lines):
    import wfdb

    if len(lines) - 1 != record.n_sig:
        raise ECGFormatError(f"{header} lists {len(lines) - 1} signals, not {record.n_sig}.")
    per_frame = max(record.samps_per_frame)
    names = [str(name or "").strip() for name in record.sig_name]
    # wfdb ignores what is not ASCII and would take uV, spelt with a micro sign, for V.
    units = [(line.split() + [""] * 3)[2].partition("/")[2] or "mV" for line in lines[1:]]
    scale, chosen, notes = [], [], []
    for i, (name, unit) in enumerate(zip(names, units, strict=True)):
        try:
            factor = millivolt_per(unit)
        except ECGFormatError as error:
            if match_lead(name):
                raise ECGFormatError(f"{header} {error}") from None
            factor = None
        if factor is None or record.samps_per_frame[i] < per_frame:
            notes.append(f"signal {name} in {unit} left out")
        else:
            chosen.append(i)
            scale.append(factor)
    _check_files(header, record)
    if not chosen:
        raise ECGFormatError(f"{header} lists no ECG lead, but {', '.join(names)}.")
    try:
        data = wfdb.rdrecord(str(header.with_suffix("")), channels=chosen, smooth_frames=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{header} names a file that is missing: {error}.") from error
    except Exception as error:  # of many types
        raise ECGFormatError(f"{header} cannot be read: {error}") from error
    signal = np.empty((len(chosen), len(data.e_p_signal[0])), dtype=np.float32)
    for row, factor, lead in zip(signal, scale, data.e_p_signal, strict=True):
        row[:] = lead * factor
    return Stored(
        signal=signal,
        sampling_rate=float(record.fs * per_frame),
        leads=[names[i] for i in chosen],
        notes=notes,
    )


def _check_files(header, record):
    frame = {}
    for name, fmt, offset, n in zip(
        record.file_name, record.fmt, record.byte_offset, record.samps_per_frame, strict=True
    ):
        before = frame.get(name, (fmt, offset, 0))
        frame[name] = (fmt, offset, before[2] + n)
    for name, (fmt, offset, n_per_frame) in frame.items():
        file = header.parent / name
        if not file.is_file():
            raise FileNotFoundError(f"{header} names a file that is missing: {file}.")
        if fmt not in _BYTES:
            raise ECGFormatError(f"{header} gives {name} the unknown format {fmt}.")
        size, frame_bytes = file.stat().st_size, n_per_frame * _BYTES[fmt]
        n_frames = record.sig_len
        if n_frames is None and frame_bytes:
            n_frames = int((size - (offset or 0)) / frame_bytes)
        check_size(n_per_frame, n_frames or 0)
        needed = (offset or 0) + ceil(n_frames * frame_bytes)
        if size < needed:
            raise ECGFormatError(
                f"{file} has {size} bytes, but {header.name} claims {n_frames} samples a "
                f"signal, which take {needed}."
            )


def _read_segments(header, record):
    segments = list(zip(record.seg_name, map(int, record.seg_len), strict=True))
    layout = [name for name, n_times in segments if n_times == 0 and name != "~"]
    n_times = sum(n for _, n in segments)
    if record.sig_len not in (None, n_times):
        raise ECGFormatError(
            f"{header} claims {record.sig_len} samples, but its segments {n_times}."
        )
    check_size(record.n_sig, n_times)
    leads = list(_read_header(header.parent / f"{layout[0]}.hea")[0].sig_name) if layout else []
    rows, start, notes = dict.fromkeys(leads), 0, []
    for name, length in segments:
        if name == "~" and length:
            notes.append(
                f"nothing recorded from {start / record.fs:g} s for {length / record.fs:g} s"
            )
        elif length:
            part = _read_segment(header, record, name, length)
            notes += [note for note in part.notes if note not in notes]
            for lead, values in zip(part.leads, part.signal, strict=True):
                if rows.get(lead) is None:
                    rows[lead] = np.full(n_times, np.nan, dtype=np.float32)
                rows[lead][start : start + length] = values
        start += length
    rows = {lead: row for lead, row in rows.items() if row is not None}
    if not rows:
        raise ECGFormatError(f"{header} has only empty segments.")
    return Stored(np.stack(list(rows.values())), float(record.fs), list(rows), notes=notes)


def _read_segment(header, record, name, length):
    file = header.parent / f"{name}.hea"
    if not file.is_file():
        raise FileNotFoundError(f"{header} names a segment that is missing: {file}.")
    segment, lines = _read_header(file)
    if hasattr(segment, "seg_name"):
        raise ECGFormatError(f"{file} is a segment that has segments itself.")
    part = _read_signals(file, segment, lines)
    if len(set(part.leads)) < len(part.leads) or part.signal.shape[1] != length:
        raise ECGFormatError(
            f"{file} holds {part.signal.shape[1]} samples of {part.leads}; {header.name} "
            f"claims {length}, each lead once."
        )
    if part.sampling_rate != record.fs:
        raise ECGFormatError(f"{file} has {part.sampling_rate} Hz, {header.name} {record.fs} Hz.")
    return part


def _read_comments(comments):
    # "Age: 78", "<age>: 51", "sex: female"
    found = dict(re.findall(r"(?im)^\W*(age|sex)\W*:\s*(\S+)", "\n".join(comments).lower()))
    age = found.get("age", "")
    sex = {"m": "M", "male": "M", "f": "F", "female": "F"}.get(found.get("sex"))
    return (float(age) if re.fullmatch(r"\d+(\.\d+)?", age) else None), sex
