"""What speaks against a recording or its median beat: array functions, verdicts in words."""

import numpy as np

from .leads import LEADS

_STILL_SECONDS = 1.0  # no heart leaves a lead at one value for so long
_RAIL_SECONDS = 0.02  # the top of no wave of 1 mV stays at one value for so long
_RAIL_MV = 1.0
_NONE = np.empty((0, 2), dtype=int)
_NOISE_UV = 40
_FEW_BEATS = 3
NARROW_MS = 38  # of 600 QRS complexes (PTB-XL, LUDB), none is as narrow by `qrs_ms`
_QRS_HALF = 40  # samples at 500 Hz around R: 80 ms

# How limb leads lie in other orders, as rows of (I, II, III, aVR, aVL, aVF), and signs.
_ORDERS = {
    "Cabrera's order (aVL, I, -aVR, II, aVF, III)": ([1, 3, 5, 2, 0, 4], [1, 1, 1, -1, 1, 1]),
    "the order I, II, III, aVR, aVF, aVL": ([0, 1, 2, 3, 5, 4], [1, 1, 1, 1, 1, 1]),
}

# I and II from V1 to V6, least squares on the median beats of the first 250 of the 500 PTB-XL
# recordings used here, each of them scaled to the same RMS.
_FROM_CHEST = np.array(
    [[-0.53, 0.23, 0.09, -0.14, 0.07, 0.42], [0.08, -0.05, 0.1, 0.11, -0.07, 0.76]]
)
_WAVES = (slice(200, 275), slice(275, 335), slice(360, 500))  # P, QRS and T, R at 300
# What limb electrodes that are swapped make of (I, II), as sums of (I, II).
_SWAPS = {
    "LA/RA": np.array([[-1, 0], [-1, 1]]),
    "RA/LL": np.array([[1, -1], [0, -1]]),
}
_SWAP_MARGIN = 0.4  # how much better the leads must fit when swapped, in cosines


def lead_names(mask):
    """Return the names of the leads in a mask, as a string; numbers where there are not twelve."""
    names = LEADS if len(mask) == len(LEADS) else range(len(mask))
    return ", ".join(str(name) for name, out in zip(names, mask, strict=True) if out)


def find_still(signal, sampling_rate):
    """Return where leads hold one value for 1 s or longer, or None if nowhere."""
    n = int(_STILL_SECONDS * sampling_rate)
    # Such a stretch holds four points of a comb of a quarter of its length.
    comb = signal[:, :: n // 4]
    same = comb[:, 1:] == comb[:, :-1]
    still = {}
    for lead in np.flatnonzero((same[:, 2:] & same[:, 1:-1] & same[:, :-2]).any(axis=1)):
        still[lead] = _stretches(signal[lead, 1:] == signal[lead, :-1], n - 1)
        still[lead][:, 1] += 1
    return _marked(signal.shape, still)


def find_rails(signal, low, high, sampling_rate):
    """Return where leads about zero stand at `low` or `high` for 20 ms or longer, or None.

    Not at the end of a recording, which some recorders fill with the last value.
    """
    n = int(_RAIL_SECONDS * sampling_rate)
    rails = {}
    comb = signal[:, :: n - 1]  # has a point in every such stretch
    ends = np.stack([low, high])
    at_end = (comb == ends[..., None]).any(axis=-1) & (np.abs(ends) >= _RAIL_MV)
    for end, lead in zip(*at_end.nonzero(), strict=True):
        there = signal[lead] == ends[end, lead]
        if np.count_nonzero(there) >= n:
            found = _stretches(there, n)
            found = found[found[:, 1] < signal.shape[1]]
            rails[lead] = np.concatenate([rails.get(lead, _NONE), found])
    return _marked(signal.shape, rails)


def _stretches(mask, least):
    # Starts and stops, (n, 2), of runs of True of at least that length.
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
    return edges[edges[:, 1] - edges[:, 0] >= least]


def _marked(shape, stretches):
    # A mask of the stretches of each lead, or None where there are none.
    if not any(map(len, stretches.values())):
        return None
    mask = np.zeros(shape, dtype=bool)
    for lead, ends in stretches.items():
        for start, stop in ends:
            mask[lead, start:stop] = True
    return mask


def qrs_ms(beat):
    """Return how long the QRS of a beat takes, from 5 to 95 % of the way that the leads make."""
    step = np.abs(beat[:, 4:] - beat[:, :-4]).sum(axis=0)  # across 8 ms
    rest = np.sort(step)[len(step) // 5]
    middle = beat.shape[1] // 2 - 2
    step = step[middle - _QRS_HALF : middle + _QRS_HALF] - rest
    step[step < 0.05 * step.max()] = 0
    way = np.cumsum(step)
    start, stop = np.searchsorted(way, np.array([0.05, 0.95]) * way[-1])
    return 2 * int(stop - start)


def limb_order(signal):
    """Say what is wrong with the order of the limb leads of a recording, or return ''."""
    limb = np.array(signal[:6, ::5], dtype=np.float64)
    limb = limb[:, np.isfinite(limb).all(axis=0)]
    if not limb.size:
        return ""
    ranked, n = np.sort(limb, axis=1), limb.shape[1]
    limb -= ranked[:, n // 2, None]
    error = _algebra_error(limb)
    swing = (ranked[:, n - 1 - n // 100] - ranked[:, n // 100]).max()
    if error <= max(0.05, 0.1 * swing):  # mV
        return ""
    for order, (rows, signs) in _ORDERS.items():
        if _algebra_error(limb[rows] * np.array(signs)[:, None]) < 0.2 * error:
            return f"limb leads seem to come in {order}"
    return f"limb leads break I + III = II and what follows from it by {1e3 * error:.0f} uV"


def _algebra_error(limb):
    # In mV, at all but 2 % of the samples.
    first, second, third, right, left, foot = limb
    parts = [
        second - first - third,
        right + (first + second) / 2,
        left - (first - third) / 2,
        foot - (second + third) / 2,
    ]
    return np.sort(np.abs(parts), axis=1)[:, -1 - len(first) // 50].max()


def limb_swap(beat):
    """Return which limb electrodes look swapped in a twelve-lead beat: 'LA/RA', 'RA/LL' or ''.

    Leads I and II are estimated from V1 to V6, which a swap of limb electrodes does not change
    (after Kors and van Herpen, J Electrocardiol 34 Suppl, 2001); a swap is suspected where the
    leads as they would be without it fit better by 0.4, in the mean over P, QRS and T and over
    both leads of the cosine between lead and estimate.
    """
    expected = _FROM_CHEST @ beat[6:]
    fits = {swap: _fit(change @ beat[:2], expected) for swap, change in _SWAPS.items()}
    best = max(fits, key=fits.get)
    return best if fits[best] > _fit(beat[:2], expected) + _SWAP_MARGIN else ""


def _fit(leads, expected):
    cosines = [
        np.einsum("lt,lt->l", leads[:, wave], expected[:, wave])
        / (
            np.linalg.norm(leads[:, wave], axis=1) * np.linalg.norm(expected[:, wave], axis=1)
            + 1e-9
        )
        for wave in _WAVES
    ]
    return np.mean(cosines)


def judge(signal, measured, highpass=None):
    """Return the columns of `MedianBeat.report` that are words, as a dict."""
    beat, flat, missing = measured.beat, measured.flat, measured.missing
    remarks = []
    if measured.n_used < _FEW_BEATS:
        remarks.append("few beats")
    if measured.noise_uv > _NOISE_UV:
        remarks.append("noisy")
    for what, leads in [
        ("flat", flat),
        ("missing", missing),
        ("saturated", measured.saturated),
        ("gaps in", measured.gaps & ~missing & ~measured.saturated),
        ("no clean beat in", (measured.n_clean == 0) & ~missing & ~flat),
    ]:
        if leads.any():
            remarks.append(f"{what} {lead_names(leads)}")
    if qrs_ms(beat[~missing]) < NARROW_MS:
        remarks.append(f"QRS of less than {NARROW_MS} ms: is sampling_rate right?")
    swapped = ""
    if len(beat) == len(LEADS) and not (flat | missing)[:6].any():
        order = limb_order(signal)
        if order:
            remarks.append(order)
        elif not (flat | missing).any():
            swapped = limb_swap(beat)
            if swapped:
                remarks.append(f"electrodes {swapped} look swapped")
    if highpass is not None and highpass > 0.05:
        remarks.append(f"recorded with a high-pass of {highpass:g} Hz: ST may be bent")
    return {
        "flat_leads": lead_names(flat),
        "saturated_leads": lead_names(measured.saturated),
        "missing_leads": lead_names(missing),
        "swapped": swapped,
        "quality": "doubtful" if remarks else "good",
        "remarks": "; ".join(remarks),
    }


def unusable(reason):
    """Return the row of `MedianBeat.report` for a recording of which there is no beat."""
    numbers = {"heart_rate": np.nan, "noise_uv": np.nan}
    counts = dict.fromkeys(("n_beats", "n_used", "n_spikes"), 0)
    words = dict.fromkeys(("flat_leads", "saturated_leads", "missing_leads", "swapped"), "")
    return numbers | counts | words | {"quality": "unusable", "remarks": reason}
