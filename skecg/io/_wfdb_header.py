"""Headers of WFDB records (.hea), by header(5) of the WFDB Applications Guide.

A parser of our own: that of the wfdb package takes ten times as long as reading the samples,
drops what is not ASCII, so that a unit with a micro sign becomes V, and lets a header name files
anywhere.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ._ecg import ECGFormatError

_MAX_BYTES = 2**20
_RECORD = re.compile(r"\s*[\w-]+(/\d+)?\s+\d+(\s|$)")
_FILE = re.compile(r"~|[\w-]+(\.\w+)?", re.ASCII)  # in the header's own folder
_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")
_GAIN = re.compile(r"([-+.\deE]+)(?:\(([-+]?\d+)\))?(?:/(\S+))?")
_DEFAULT_RATE = 250.0  # Hz, where the header does not tell
DEFAULT_GAIN = 200.0  # units in one mV, likewise


class Signal(NamedTuple):
    """One signal as its header describes it."""

    file: Path
    fmt: str
    per_frame: int  # samples
    skew: int  # frames
    offset: int  # bytes before the first sample
    is_calibrated: bool
    gain: float  # units of the file in one `unit`
    baseline: int
    unit: str
    checksum: int  # 0 where it is not told
    name: str
    fields: list  # texts, as many as are told: gain, bits, zero, first, checksum, block, name


class Header(NamedTuple):
    """A record of signals, or of segments, each with its number of frames."""

    path: Path
    n_signals: int
    sampling_rate: float  # of frames, in Hz
    n_frames: int | None
    acquired: datetime | None
    signals: list
    segments: list  # of (name, n_frames)
    comments: list
    notes: list


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
    lines = _lines(path)[0]
    return bool(lines) and bool(_RECORD.match(lines[0]))


def names_file(header, path):
    """Return whether a header lists `path` among its signal files."""
    return any(line.split()[0] == Path(path).name for line in _lines(header)[0][1:])


def file_beside(header, name, what="file"):
    """Return the path of a file that a header names, which must lie in the header's folder.

    Links may not lead out of it, unless they lead to where a link to the header does.
    """
    file = header.parent / name
    if not file.is_file():
        raise FileNotFoundError(f"{header} names a {what} that is missing: {file}.")
    if file.resolve().parent not in (header.parent.resolve(), header.resolve().parent):
        raise ECGFormatError(
            f"{header} names {name}, which is a link out of its folder. Put a copy in its place."
        )
    return file


def _lines(path):
    with path.open("rb") as file:
        text = file.read(_MAX_BYTES).decode("utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    comments = [line for line in lines if line.startswith("#")]
    return [line for line in lines if not line.startswith("#")], comments


def read_header(path):
    """Parse a header; what it names is not opened."""
    if path.stat().st_size > _MAX_BYTES:
        raise ECGFormatError(f"{path} has {path.stat().st_size} bytes: no WFDB header.")
    lines, comments = _lines(path)
    if not lines:
        raise ECGFormatError(f"{path} is empty.")
    if not _RECORD.match(lines[0]):
        raise ECGFormatError(f"{path} is no WFDB header: it begins with {lines[0][:80]!r}.")
    for line in lines[1:]:
        if not _FILE.fullmatch(line.split()[0]):
            raise ECGFormatError(
                f"{path} names {line.split()[0]!r}, which is not a file beside it."
            )
    try:
        return _parse(path, lines, comments)
    except (ValueError, IndexError, OverflowError) as error:
        if isinstance(error, ECGFormatError):
            raise
        raise ECGFormatError(f"{path} is no WFDB header: {error}") from error


def _parse(path, lines, comments):
    # name[/segments] signals [frequency[/...] [samples [time [date]]]]
    name, n_signals, *fields = lines[0].split()
    n_segments, n_signals = name.partition("/")[2], int(n_signals)
    notes = []
    if fields:
        sampling_rate = float(fields[0].partition("/")[0])
    else:
        sampling_rate = _DEFAULT_RATE
        notes.append(f"sampling rate not told: {_DEFAULT_RATE:g} Hz, as WFDB has it")
    if not 0 < sampling_rate < float("inf"):
        raise ECGFormatError(f"{path} gives a sampling rate of {sampling_rate} Hz.")
    if not n_signals:
        raise ECGFormatError(f"{path} lists no signals.")
    n_frames = (int(fields[1]) if len(fields) > 1 else 0) or None
    expected = int(n_segments) if n_segments else n_signals
    if len(lines) - 1 != expected:
        kind = "segments" if n_segments else "signals"
        raise ECGFormatError(f"{path} lists {len(lines) - 1} {kind}, not {expected}.")
    signals, segments = [], []
    if n_segments:
        segments = [(line.split()[0], int(line.split()[1])) for line in lines[1:]]
        if min(length for _, length in segments) < 0:
            raise ECGFormatError(f"{path} has a segment of less than no samples.")
    else:
        signals = [_parse_signal(path, line) for line in lines[1:]]
    acquired = _time(fields[2:4])
    return Header(
        path, n_signals, sampling_rate, n_frames, acquired, signals, segments, comments, notes
    )


def _parse_signal(path, line):
    # file format[xN][:skew][+offset] [gain[(baseline)][/unit] [bits [zero [first [checksum
    # [block [name]]]]]]]
    file, fmt, *fields = line.split(maxsplit=8)
    told = _FORMAT.fullmatch(fmt)
    calibration = _GAIN.fullmatch(fields[0]) if fields else None
    if not told or (fields and not calibration):
        raise ECGFormatError(f"{path} has a line that describes no signal: {line[:80]!r}.")
    gain, baseline, unit = calibration.groups() if calibration else (0, None, None)
    if not abs(float(gain)) < float("inf"):
        raise ECGFormatError(f"{path} gives a gain of {gain} units.")
    if baseline is None:
        baseline = fields[2] if len(fields) > 2 else 0
    return Signal(
        file=path.parent / file,
        fmt=told[1],
        per_frame=int(told[2] or 1),
        skew=int(told[3] or 0),
        offset=int(told[4] or 0),
        is_calibrated=float(gain) != 0,
        gain=float(gain) or DEFAULT_GAIN,
        baseline=int(baseline),
        unit=unit or "mV",
        checksum=int(fields[4]) if len(fields) > 4 else 0,
        name=fields[6].strip() if len(fields) > 6 else "",
        fields=fields,
    )


def _time(fields):
    """Return the time of the first sample, told by a time and a date, or None."""
    for form in ("%H:%M:%S.%f", "%H:%M:%S"):
        try:
            return datetime.strptime(" ".join(fields), f"{form} %d/%m/%Y")
        except ValueError:
            continue
    return None
