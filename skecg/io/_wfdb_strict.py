"""What a WFDB record must prove to be read with ``strict=True``.

A header repeats much of what the samples tell, and the leads of one recorder have one scale: what
is changed in one place contradicts another. What is told nowhere else, the sampling rate above
all, can only be compared with what recorders do.
"""

import re

import numpy as np

from skecg.leads import LEADS, match_lead

from ._ecg import ECGFormatError, millivolt_per

_CHEST = LEADS[6:]
_WHOLE = re.compile(r"[-+]?\d{1,12}", re.ASCII)


def verify(header, read_counts):
    """Refuse a record unless its header tells everything and its samples agree with it.

    Parameters
    ----------
    header : Header
    read_counts : callable
        Gives the stored integers of the header's signals, an array each.
    """
    doubt = _doubt_of_header(header) or _doubt_of_signals(header.signals)
    doubt = doubt or _doubt_of_samples(header, read_counts(header))
    if doubt:
        raise ECGFormatError(f"{header.path} {doubt}, and is refused because strict=True.")


def _doubt_of_header(header):
    if header.segments:
        return "consists of segments, of which no header tells the order twice"
    if header.notes:
        return f"leaves open: {'; '.join(header.notes)}"
    if header.n_frames is None:
        return "does not tell the number of samples"
    other = {signal.fmt for signal in header.signals} - {"16"}
    if other or any(signal.skew or signal.per_frame != 1 for signal in header.signals):
        return "has samples other than of format 16, one from each signal at a time"
    for signal in header.signals:
        # gain/unit, bits, zero, first value, checksum, block size, name
        is_whole = [_WHOLE.fullmatch(field) for field in signal.fields[1:6]]
        is_told = signal.is_calibrated and "/" in signal.fields[0] and len(signal.fields) == 7
        if not (is_told and all(is_whole)):
            return f"does not tell gain, unit, zero, first value and checksum of {signal.name!r}"
    return None


def _doubt_of_signals(signals):
    leads = {match_lead(signal.name): signal for signal in signals}
    leads = {lead[0]: signal for lead, signal in leads.items() if lead and lead[1] > 0}
    missing = [lead for lead in LEADS if lead not in leads]
    if missing:
        return f"holds no lead {', '.join(missing)}"
    # Limb leads prove their names by algebra; nothing but their order proves those of the chest.
    if [lead for lead in leads if lead in _CHEST] != list(_CHEST):
        return "does not hold the chest leads in the order V1 to V6"
    gains = {signal.gain / millivolt_per(signal.unit) for signal in leads.values()}
    baselines = {signal.baseline for signal in leads.values()}
    if len(gains) > 1 or min(gains) < 0:
        return "gives its leads different gains, or one below 0"
    if len(baselines) > 1:
        return "gives its leads different baselines"
    zeros = {int(signal.fields[2]) for signal in leads.values()}
    return "gives its leads a baseline other than the ADC zero" if zeros != baselines else None


def _doubt_of_samples(header, counts):
    for signal, values in zip(header.signals, counts, strict=True):
        expected = header.n_frames * sum(other.file == signal.file for other in header.signals)
        if signal.file.stat().st_size != signal.offset + 2 * expected:
            return f"does not give the size of {signal.file.name}"
        first, checksum = int(signal.fields[3]), int(signal.fields[4])
        if values[0] != first:
            return f"gives {signal.name} the first value {first}, but the file {values[0]}"
        if (int(values.sum(dtype=np.int64)) - checksum) % 2**16:
            return f"gives {signal.name} another checksum than its samples have"
    return None
