"""From one raw recording to its median beat: array functions without scikit-learn."""

from typing import NamedTuple

import numpy as np

from ._filters import (
    SAMPLING_RATE,
    baseline,
    bridge,
    hum,
    low_pass,
    qrs_band,
    remove_spikes,
    resample,
    windows,
)
from ._medians import masked_median, median, middle, ranked
from ._quality import find_rails, find_still
from .leads import INDEPENDENT_LEADS, LEADS

_INDEPENDENT = [LEADS.index(lead) for lead in INDEPENDENT_LEADS]
N_TIMES, R_INDEX = 600, 300  # a beat: 1.2 s with R in the middle
MIN_SECONDS = 2.5
MIN_RATE = 80  # Hz, so that the QRS band below fits

_CORE = (150, 250)  # samples before and after R that every beat must have: -300 to +500 ms
# In samples of the QRS band, at 125 Hz:
_QRS = (13, 18)  # before and after R, by which beats are compared: -104 to +144 ms
_SHIFT = 6  # that a beat may be moved to match the template: 48 ms
_REFRACTORY = 31  # in which there is one QRS: 250 ms
_BLOCK = 187  # in which a QRS is expected: 1.5 s, 40 beats a minute
_SHIFTED = np.arange(sum(_QRS) + 2 * _SHIFT)[:, None] + np.arange(2 * _SHIFT, -1, -1)
# Where on its way through the QRS the heart is at R. Cardiologists' R marks in LUDB, at the median
# over leads, lie within 10 ms of it; so put, R does not jump where R and S are about as tall.
_R_SHARE = 0.43
# An ectopic beat is in view from 120 ms before its R to 500 ms after it.
_ECTOPIC = (60, 250)
_FLAT_MV = 0.01  # a lead that swings by less in the whole recording holds no ECG
_MOST_MV = 20  # that a lead of a beat can swing by; 10 mV is a giant


class UnusableECG(ValueError):
    """Why no median beat can be made of a recording."""


def find_qrs(bands):
    """Return where QRS complexes are in the bands of recordings, (n_recordings, n_leads, n_times).

    One a heartbeat, by the median lead. Each lead counts for its share of its own usual QRS, at
    most 1: an artefact in one lead or an atrial spike in two is no QRS, and the polarity of
    leads makes no difference.
    """
    size = np.abs(bands)
    usual = _usual_peak(size)
    least = np.maximum(0.2 * middle(usual.T), 0.01)  # 10 uV is no QRS
    relative = np.minimum(size / np.maximum(usual, least[:, None])[..., None], 1)
    n_leads, n_times = bands.shape[1:]
    envelope = _smooth(ranked(relative.swapaxes(0, 1), [n_leads // 2])[0], 7)  # 56 ms
    # In LUDB, QRS complexes reach 0.66 of the usual and more, nothing else more than 0.38.
    threshold = np.maximum(0.5 * _usual_peak(envelope), 0.05)[:, None]
    inner = envelope[:, 1:-1]
    top = (inner > envelope[:, :-2]) & (inner >= envelope[:, 2:]) & (inner >= threshold)
    # A deflection cut by the end of the recording cannot be told from an edge artefact.
    around = np.arange(-8, 8)
    found = []
    for highs, heights, total in zip(top, envelope, size.sum(axis=1), strict=True):
        peaks = _highest(np.flatnonzero(highs) + 1, heights)
        peaks = peaks[(peaks >= 6) & (peaks < n_times - 6)]
        near = total.take(peaks[:, None] + around, mode="clip")
        found.append(peaks + around[near.argmax(axis=-1)])
    return found


def _highest(tops, envelope):
    # Of two within 250 ms, the higher one.
    kept = []
    for peak in tops.tolist():
        if not kept or peak - kept[-1] >= _REFRACTORY:
            kept.append(peak)
        elif envelope[peak] > envelope[kept[-1]]:
            kept[-1] = peak
    return np.array(kept, dtype=int)


def _usual_peak(size):
    # The median over blocks that hold a QRS each: one artefact in a lead moves one block.
    n_blocks = max(1, size.shape[-1] // _BLOCK)
    length = size.shape[-1] // n_blocks
    blocks = size[..., : n_blocks * length].reshape(*size.shape[:-1], n_blocks, length)
    return np.sort(blocks.max(axis=-1))[..., n_blocks // 2]


def align(band, peaks):
    """Match beats to the one nearest to all others, in the QRS band.

    Returns where they lie then, to a fraction of a sample, and their correlations with it.
    """
    before, after = _QRS
    wide = windows(band, peaks, before + _SHIFT, after + _SHIFT)
    centred = wide[..., _SHIFT:-_SHIFT].reshape(len(peaks), -1)
    centred = centred / np.sqrt(np.einsum("bt,bt->b", centred, centred) + 1e-18)[:, None]
    likeness = centred @ centred.T
    nearest = np.where(likeness > 0.7, likeness, 0).sum(axis=1).argmax()
    template = centred[nearest].reshape(wide.shape[1], -1)
    # Correlation at every shift: the product with the template, over the energy that it covers.
    padded = np.zeros((len(template), before + after + 4 * _SHIFT), dtype=band.dtype)
    padded[:, 2 * _SHIFT : -2 * _SHIFT] = template
    product = wide.reshape(len(peaks), -1) @ padded[:, _SHIFTED].reshape(-1, 2 * _SHIFT + 1)
    power = np.zeros((len(peaks), wide.shape[-1] + 1))
    np.cumsum(np.einsum("blt,blt->bt", wide, wide), axis=1, out=power[:, 1:])
    energy = power[:, before + after :] - power[:, : -before - after]
    correlation = product / np.sqrt(np.maximum(energy, 1e-12))
    best = np.minimum(np.maximum(correlation.argmax(axis=1), 1), 2 * _SHIFT - 1)
    # The top of the parabola through the best and its neighbours.
    left, top, right = (correlation[np.arange(len(peaks)), best + i] for i in (-1, 0, 1))
    part = 0.5 * (right - left) / np.maximum(2 * top - left - right, 1e-9)
    return peaks + best - _SHIFT + np.minimum(np.maximum(part, -0.5), 0.5), top


def r_offset(beats):
    """Return where R lies in beats (..., n_leads, n_times) that have their QRS in the middle.

    That is where 43 % of the way through the QRS has been made, summed over the leads.
    """
    step = np.abs(beats[..., 4:] - beats[..., :-4]).sum(axis=-2)  # across 8 ms
    step -= np.sort(step)[..., step.shape[-1] // 5, None]  # what it is at rest
    step[step < 0.05 * step.max(axis=-1, keepdims=True)] = 0
    way = np.cumsum(step, axis=-1)
    return (way < _R_SHARE * way[..., -1:]).sum(axis=-1) + 2


def pq_window(beat, r):
    """Return the 20 ms of a beat just before the QRS onset, as a slice."""
    # Going back from the steepest part, onset is where the slope stays at rest for 10 ms.
    step = beat[:, 1:] - beat[:, :-1]
    slope = _smooth(np.sqrt(np.einsum("lt,lt->t", step, step)), 5)
    start = r - 40 + slope[r - 40 : r + 20].argmax()
    rest = np.sort(slope)[len(slope) // 5]
    quiet = slope[r - 92 : start + 2] < rest + 0.05 * (slope[start] - rest)
    before = np.flatnonzero(quiet[4:] & quiet[3:-1] & quiet[2:-2] & quiet[1:-3] & quiet[:-4])
    onset = r - 90 + before[-1] + 2 if len(before) else r - 40
    return slice(onset - 12, onset - 2)


def _smooth(values, n):
    # The mean of n neighbours, an odd number, the ends mirrored.
    half = n // 2
    ends = values[..., half - 1 :: -1], values[..., : -half - 1 : -1]
    longer = np.concatenate([ends[0], values, ends[1]], axis=-1)
    n_times = values.shape[-1]
    total = longer[..., :n_times] + longer[..., 1 : n_times + 1]
    for i in range(2, n):
        total += longer[..., i : i + n_times]
    return total / n


def usable_beats(peaks, n_times):
    """Return the peaks whose beats lie inside the recording; of few, also those cut a little."""
    whole = peaks[(peaks >= R_INDEX) & (peaks <= n_times - R_INDEX)]
    if len(whole) >= 3:
        return whole
    return peaks[(peaks >= _CORE[0]) & (peaks <= n_times - _CORE[1])]


class Located(NamedTuple):
    """A filtered recording at 500 Hz and where its beats are."""

    clean: np.ndarray
    peaks: np.ndarray  # R of every beat
    alike: np.ndarray  # which of them belong to the prevailing kind
    holes: np.ndarray | None  # where samples cannot be used, (n_leads, n_times), if any
    n_spikes: int  # pacing spikes
    flat: np.ndarray  # leads that hold one value
    saturated: np.ndarray  # leads that stand at a rail at times
    missing: np.ndarray  # leads without a value


class Measured(NamedTuple):
    """A median beat of shape (n_leads, 600) in mV and how it came about."""

    beat: np.ndarray
    heart_rate: float
    n_beats: int
    n_used: int  # in the median lead
    noise_uv: float
    n_spikes: int
    flat: np.ndarray
    saturated: np.ndarray
    missing: np.ndarray
    gaps: np.ndarray  # leads of which some samples are missing, or hold one value for a second
    n_clean: np.ndarray  # beats in the median of each lead


def locate_beats(signal, sampling_rate):
    """Find the beats of a recording (n_leads, n_times) in mV, or raise UnusableECG."""
    return _the_one(locate_all([signal], sampling_rate))


def locate_all(signals, sampling_rate):
    """Find the beats of recordings (n_leads, n_times) of one shape, in mV.

    What is small is done for all of them at once, though no number of one depends on another.

    Returns
    -------
    list of Located, or of the UnusableECG that says why there is none
    """
    found = [_or_why_not(_prepare, signal, sampling_rate) for signal in signals]
    usable = [i for i, one in enumerate(found) if not isinstance(one, UnusableECG)]
    if not usable:
        return found
    recordings = [found[i][0] for i in usable]
    cleaned = [remove_spikes(recording) for recording in recordings]
    # Of twelve leads, four follow from two others and would say nothing new.
    some = _INDEPENDENT if len(recordings[0]) == len(LEADS) else slice(None)
    bands, mains = qrs_band([clean[some] for clean, _ in cleaned])
    peaks = find_qrs(bands)
    humming = [i for i, lines in enumerate(mains) if lines]
    if humming:
        for i in humming:
            for frequency in mains[i]:
                recordings[i] = recordings[i] - hum(cleaned[i][0], 4 * peaks[i] + 2, frequency)
            cleaned[i] = remove_spikes(recordings[i])  # the hum may have looked like some
        bands[humming], _ = qrs_band([cleaned[i][0][some] for i in humming])
        for i, again in zip(humming, find_qrs(bands[humming]), strict=True):
            peaks[i] = again
    for i, *parts in zip(usable, cleaned, bands, peaks, strict=True):
        found[i] = _or_why_not(_place, *parts, *found[i][1:])
    return found


def _or_why_not(function, *arguments):
    try:
        return function(*arguments)
    except UnusableECG as reason:
        return reason


def _the_one(found):
    (one,) = found
    if isinstance(one, UnusableECG):
        raise one
    return one


def _place(cleaned, band, peaks, holes, *leads):
    # R of all beats, and which of them are of one kind.
    clean, spikes = cleaned
    if not len(peaks):
        raise UnusableECG("no QRS complex found")
    aligned, similarity = align(band, peaks)
    # Ectopic beats mostly stay below 0.8, beats of one kind above 0.93 unless they are noisy.
    alike = similarity > 0.9 * middle(similarity[similarity > 0.7])
    if alike.sum() < max(min(2, len(peaks)), len(peaks) / 4):
        raise UnusableECG("no QRS complex that repeats itself")
    peaks = np.rint(4 * np.where(alike, aligned, peaks) + 2).astype(int)
    offset = r_offset(windows(clean, peaks, 60, 80))
    offset[alike] = middle(offset[alike])
    return Located(clean, peaks + offset - 60, alike, holes, len(spikes), *leads)


def _prepare(signal, sampling_rate):
    # The recording at 500 Hz, each lead about zero, missing samples bridged; where it cannot be
    # used, or None; and which leads are flat, saturated and missing.
    seconds = signal.shape[-1] / sampling_rate
    if seconds < MIN_SECONDS:
        if np.isnan(signal).all():  # what read_ecgs gives for an unreadable file
            raise UnusableECG("no values")
        raise UnusableECG(f"{seconds:.2g} s is shorter than {MIN_SECONDS} s")
    mean = _mean(signal)
    holes, missing = None, np.zeros(len(signal), dtype=bool)
    if not np.isfinite(mean).all():
        holes = np.isnan(signal)
        missing = holes.all(axis=-1)
        if np.isinf(signal).any():
            raise UnusableECG("infinity among the values")
        if missing.all():
            raise UnusableECG("no values")
        signal = bridge(signal, holes)
        signal[missing] = 0
        mean = _mean(signal)
    signal = (signal - mean).astype(np.float32, copy=False)
    low, high = signal.min(axis=-1), signal.max(axis=-1)
    if max(high.max(), -low.min()) > 1e6:
        raise UnusableECG("values over 1e6, which cannot be mV")
    flat = (high - low < _FLAT_MV) & ~missing
    if (flat | missing).all():
        swing = (high - low).max()
        asked = f": they swing by {swing:.2g} mV at most; are the values in V?" if swing else ""
        raise UnusableECG(f"flat in every lead{asked}")
    still, rails = find_still(signal, sampling_rate), find_rails(signal, low, high, sampling_rate)
    for found in (still, rails):
        if found is not None:
            found[flat | missing] = False
            holes = found if holes is None else holes | found
    saturated = flat & False if rails is None else rails.any(axis=-1)
    signal = np.ascontiguousarray(resample(signal, sampling_rate))
    if holes is not None:
        at = np.arange(signal.shape[-1]) * (sampling_rate / SAMPLING_RATE)
        holes = holes[:, np.minimum(np.rint(at).astype(int), holes.shape[-1] - 1)]
    return signal, holes, flat, saturated, missing


def _mean(signal):
    # As a product, several times faster than np.mean.
    n_times = signal.shape[-1]
    kind = np.float32 if signal.dtype == np.float32 else np.float64
    return signal @ np.full((n_times, 1), 1 / n_times, dtype=kind)


def measure_beat(signal, sampling_rate):
    """Make the median beat of a recording (n_leads, n_times) in mV, or raise UnusableECG."""
    return _the_one(measure_all([signal], sampling_rate))


def measure_all(signals, sampling_rate):
    """Make the median beats of recordings (n_leads, n_times) of one shape, in mV.

    Returns
    -------
    list of Measured, or of the UnusableECG that says why there is none
    """
    found = locate_all(signals, sampling_rate)
    for i, one in enumerate(found):
        if not isinstance(one, UnusableECG):
            found[i] = _or_why_not(_average, *one)
    usable = [i for i, one in enumerate(found) if not isinstance(one, UnusableECG)]
    if usable:
        smooth = low_pass(np.stack([found[i].beat for i in usable]))
        for i, beat in zip(usable, smooth, strict=True):
            found[i] = _or_why_not(_from_pq, found[i], beat)
    return found


def _from_pq(measured, beat):
    # With the PQ segment at zero.
    beat = beat - beat[:, pq_window(beat, R_INDEX)].mean(axis=-1, keepdims=True)
    swing = np.ptp(beat, axis=-1).max()
    if swing > _MOST_MV:
        raise UnusableECG(f"QRS complexes of {swing:.3g} mV; are the values in uV?")
    beat[measured.missing] = np.nan
    return measured._replace(beat=beat)


def _average(clean, found, alike, holes, n_spikes, flat, saturated, missing):
    # The median beat, as it is.
    chosen = usable_beats(found[alike], clean.shape[-1])
    if not len(chosen):
        raise UnusableECG("no complete beat")
    clean = clean - baseline(clean, found, alike, holes)
    beats = windows(clean, chosen, R_INDEX, R_INDEX)
    rr = (found[-1] - found[0]) / (len(found) - 1) if len(found) > 1 else np.nan
    # The part of a beat, -150 to +500 ms, where neighbours at another distance do not show; all
    # of it where there are none and rr is NaN.
    own = slice(R_INDEX - 75, R_INDEX + int(min(250, 0.6 * rr)))
    valid = _valid(chosen, found[~alike], holes, own)
    beat = median(beats) if valid is None else masked_median(beats, valid)
    difference = beats[..., own] - beat[:, own]
    away = np.sqrt(np.einsum("blt,blt->bl", difference, difference) / difference.shape[-1])
    close = away <= 2.5 * middle(away) + 0.02  # mV
    if holes is not None:
        close &= valid[..., R_INDEX]
    for lead in np.flatnonzero(~close.all(axis=0) & close.any(axis=0)):
        keep = close[:, lead]
        if valid is None:
            beat[lead] = median(beats[keep, lead])
        else:
            one = slice(lead, lead + 1)
            among = np.broadcast_to(valid, beats.shape)[keep, one]
            beat[one] = masked_median(beats[keep, one], among)
    n_clean = close.sum(axis=0)
    return Measured(
        beat=beat,
        heart_rate=60 * SAMPLING_RATE / rr,
        n_beats=len(found),
        n_used=int(middle(n_clean)),
        noise_uv=1e3 * np.sort(away, axis=None)[away.size // 2] if len(beats) > 1 else np.nan,
        n_spikes=n_spikes,
        flat=flat,
        saturated=saturated,
        missing=missing,
        gaps=missing if holes is None else holes.any(axis=-1),
        n_clean=n_clean,
    )


def _valid(chosen, ectopic, holes, own):
    # Which samples of which beats are no part of an ectopic beat and no hole: (n_beats, 1 or
    # n_leads, 600), or None for all.
    if not len(ectopic) and holes is None:
        return None
    at = chosen[:, None] + np.arange(-R_INDEX, R_INDEX)
    apart = np.ones(at.shape, dtype=bool)
    for r in ectopic:
        apart &= (at < r - _ECTOPIC[0]) | (at > r + _ECTOPIC[1])
    if holes is None:
        return apart[:, None]
    hole = windows(holes, chosen, R_INDEX, R_INDEX)
    whole = ~hole & ~hole[..., own].any(axis=-1, keepdims=True)
    return apart[:, None] & whole
