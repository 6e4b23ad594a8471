"""From one raw recording to its median beat: array functions without scikit-learn."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from ._filters import (
    SAMPLING_RATE,
    baseline,
    bridge,
    hum,
    low_pass,
    qrs_band,
    remove_spikes,
    resample,
)
from ._quality import find_rails, find_still

N_TIMES, R_INDEX = 600, 300  # a beat: 1.2 s with R in the middle
MIN_SECONDS = 2.5
MIN_RATE = 80  # Hz, so that the QRS band below fits

_CORE = (150, 250)  # samples before and after R that every beat must have: -300 to +500 ms
# In samples of the QRS band, at 250 Hz:
_QRS = (25, 35)  # before and after R, by which beats are compared: -100 to +140 ms
_SHIFT = 12  # that a beat may be moved to match the template: 48 ms
_BLOCK = 375  # in which a QRS is expected: 1.5 s, 40 beats a minute
# Where on its way through the QRS the heart is at R. Cardiologists' R marks in LUDB, at the median
# over leads, lie within 10 ms of it; so put, R does not jump where R and S are about as tall.
_R_SHARE = 0.43
# An ectopic beat is in view from 120 ms before its R to 500 ms after it.
_ECTOPIC = (60, 250)
_FLAT_MV = 0.01  # a lead that swings by less in the whole recording holds no ECG
_MOST_MV = 20  # that a lead of a beat can swing by; 10 mV is a giant


class UnusableECG(ValueError):
    """Why no median beat can be made of a recording."""


def find_qrs(band):
    """Return where QRS complexes are in their band, one a heartbeat, by the median lead.

    Each lead counts for its share of its own usual QRS, at most 1: an artefact in one lead or
    an atrial spike in two is no QRS, and the polarity of leads makes no difference.
    """
    size = np.abs(band[:, ::2])  # 125 Hz is enough
    usual = _usual_peak(size)
    size /= np.maximum(usual, max(0.2 * _middle(usual), 0.01))[:, None]  # 10 uV is no QRS
    np.minimum(size, 1, out=size)
    envelope = uniform_filter1d(_middle(size), 7)  # 56 ms
    # In LUDB, QRS complexes reach 0.66 of the usual and more, nothing else more than 0.38.
    threshold = max(0.5 * _usual_peak(envelope[None])[0], 0.05)
    peaks = find_peaks(envelope, height=threshold, distance=31)[0] * 2  # 250 ms refractory
    # A deflection cut by the end of the recording cannot be told from an edge artefact.
    peaks = peaks[(peaks >= 13) & (peaks < band.shape[-1] - 13)]
    near = np.abs(windows(band, peaks, 15, 15)).sum(axis=1)
    return peaks + near.argmax(axis=-1) - 15


def _usual_peak(size):
    # The median over blocks that hold a QRS each: one artefact in a lead moves one block.
    n_blocks = max(1, 2 * size.shape[-1] // _BLOCK)
    length = size.shape[-1] // n_blocks
    blocks = size[:, : n_blocks * length].reshape(len(size), n_blocks, length)
    return _middle(blocks.max(axis=-1).T)


def _middle(values):
    # The upper median over the first axis.
    return _sorted(values)[len(values) // 2]


def _sorted(values):
    # Sorted over the first axis, which is short, by exchanging neighbours (odd-even transposition
    # sort): whole rows at a time, several times faster than np.sort.
    values = np.array(values)
    for i in range(len(values)):
        low, high = values[i % 2 : -1 : 2], values[i % 2 + 1 :: 2]
        larger = np.maximum(low, high)
        np.minimum(low, high, out=low)
        high[:] = larger
    return values


def windows(signal, centres, before, after):
    """Return (n_beats, n_leads, before + after); beyond its ends the recording is held."""
    n_times = signal.shape[-1]
    cut = np.empty((len(centres), len(signal), before + after), dtype=signal.dtype)
    for window, centre in zip(cut, centres, strict=True):
        if before <= centre <= n_times - after:
            window[:] = signal[:, centre - before : centre + after]
        else:
            at = np.arange(centre - before, centre + after)
            window[:] = signal[:, np.clip(at, 0, n_times - 1)]
    return cut


def align(band, peaks):
    """Match beats to the one nearest to all others, in the QRS band.

    Returns where they lie then, to a fraction of a sample, and their correlations with it.
    """
    before, after = _QRS
    wide = windows(band, peaks, before + _SHIFT, after + _SHIFT)
    centred = wide[..., _SHIFT:-_SHIFT].reshape(len(peaks), -1)
    centred = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    likeness = centred @ centred.T
    nearest = np.where(likeness > 0.7, likeness, 0).sum(axis=1).argmax()
    template = centred[nearest].reshape(wide.shape[1], -1)
    # Correlation at every shift: the product with the template, over the energy that it covers.
    n_shifts = 2 * _SHIFT + 1
    padded = np.zeros((len(template), before + after + 2 * n_shifts - 2), dtype=band.dtype)
    padded[:, n_shifts - 1 : 1 - n_shifts] = template
    shifted = sliding_window_view(padded, wide.shape[-1], axis=-1)[:, ::-1].transpose(0, 2, 1)
    product = wide.reshape(len(peaks), -1) @ shifted.reshape(-1, n_shifts)
    power = np.zeros((len(peaks), wide.shape[-1] + 1))
    np.cumsum(np.einsum("blt,blt->bt", wide, wide), axis=1, out=power[:, 1:])
    energy = power[:, before + after :] - power[:, : -before - after]
    correlation = product / np.sqrt(np.maximum(energy, 1e-12))
    best = np.clip(correlation.argmax(axis=1), 1, 2 * _SHIFT - 1)
    # The top of the parabola through the best and its neighbours.
    left, top, right = (correlation[np.arange(len(peaks)), best + i] for i in (-1, 0, 1))
    part = 0.5 * (right - left) / np.maximum(2 * top - left - right, 1e-9)
    return peaks + best - _SHIFT + np.clip(part, -0.5, 0.5), top


def r_offset(beat):
    """Return where R lies in a beat (n_leads, n_times) that has its QRS in the middle.

    That is where 43 % of the way through the QRS has been made, summed over the leads.
    """
    step = np.abs(beat[:, 4:] - beat[:, :-4]).sum(axis=0)  # across 8 ms
    step -= np.sort(step)[len(step) // 5]  # what it is at rest
    step[step < 0.05 * step.max()] = 0
    way = np.cumsum(step)
    return np.searchsorted(way, _R_SHARE * way[-1]) + 2


def pq_window(beat, r):
    """Return the 20 ms of a beat just before the QRS onset, as a slice."""
    # Going back from the steepest part, onset is where the slope stays at rest for 10 ms.
    slope = uniform_filter1d(np.linalg.norm(np.diff(beat, axis=-1), axis=0), 5)
    start = r - 40 + slope[r - 40 : r + 20].argmax()
    rest = np.sort(slope)[len(slope) // 5]
    quiet = uniform_filter1d((slope < rest + 0.05 * (slope[start] - rest)).astype(float), 5) > 0.99
    before = np.flatnonzero(quiet[r - 90 : start])
    onset = r - 90 + before[-1] + 2 if len(before) else r - 40
    return slice(onset - 12, onset - 2)


def median(beats):
    """Return the median over the first axis."""
    beats = _sorted(beats)
    return (beats[(len(beats) - 1) // 2] + beats[len(beats) // 2]) / 2


def masked_median(beats, valid):
    """Return the median over the first axis of what is valid; of all, where nothing is."""
    valid = np.broadcast_to(valid, beats.shape)
    valid = valid | ~valid.any(axis=0)
    n = valid.sum(axis=0, keepdims=True)
    beats = _sorted(np.where(valid, beats, np.inf))
    low = np.take_along_axis(beats, (n - 1) // 2, axis=0)
    return ((low + np.take_along_axis(beats, n // 2, axis=0)) / 2)[0]


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
    clean, holes, *leads = _prepare(signal, sampling_rate)
    clean, spikes = remove_spikes(clean)
    band, mains = qrs_band(clean)
    peaks = find_qrs(band)
    if mains:
        for frequency in mains:
            clean = clean - hum(clean, 2 * peaks + 1, frequency)
        band, _ = qrs_band(clean)
        peaks = find_qrs(band)
    if not len(peaks):
        raise UnusableECG("no QRS complex found")
    aligned, similarity = align(band, peaks)
    # Ectopic beats mostly stay below 0.8, beats of one kind above 0.93 unless they are noisy.
    alike = similarity > 0.9 * _middle(similarity[similarity > 0.7])
    if alike.sum() < max(min(2, len(peaks)), len(peaks) / 4):
        raise UnusableECG("no QRS complex that repeats itself")
    peaks = np.rint(2 * np.where(alike, aligned, peaks) + 1).astype(int)
    qrs = windows(clean, peaks, 60, 80)
    offset = np.full(len(peaks), r_offset(median(qrs[alike])))
    for other in np.flatnonzero(~alike):
        offset[other] = r_offset(qrs[other])
    return Located(clean, peaks + offset - 60, alike, holes, len(spikes), *leads)


def _prepare(signal, sampling_rate):
    # The recording at 500 Hz, each lead about zero, missing samples bridged; where it cannot be
    # used, or None; and which leads are flat, saturated and missing.
    seconds = signal.shape[-1] / sampling_rate
    if seconds < MIN_SECONDS:
        raise UnusableECG(f"{seconds:.2g} s is shorter than {MIN_SECONDS} s")
    mean = signal.mean(axis=-1, keepdims=True, dtype=np.float64)
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
        mean = signal.mean(axis=-1, keepdims=True, dtype=np.float64)
    if signal.dtype == np.float32:
        signal = signal - mean.astype(np.float32)
    else:
        signal = np.subtract(signal, mean, dtype=np.float64).astype(np.float32)
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


def measure_beat(signal, sampling_rate):
    """Make the median beat of a recording (n_leads, n_times) in mV, or raise UnusableECG."""
    clean, found, alike, holes, n_spikes, flat, saturated, missing = locate_beats(
        signal, sampling_rate
    )
    chosen = usable_beats(found[alike], clean.shape[-1])
    if not len(chosen):
        raise UnusableECG("no complete beat")
    clean = clean - baseline(clean, found, alike, None if holes is None else ~holes)
    beats = windows(clean, chosen, R_INDEX, R_INDEX)
    rr = np.diff(found).mean() if len(found) > 1 else np.nan
    # The part of a beat, -150 to +500 ms, where neighbours at another distance do not show.
    own = slice(R_INDEX - 75, R_INDEX + int(np.fmin(250, 0.6 * rr)))
    valid = _valid(chosen, found[~alike], holes, own)
    beat = median(beats) if valid is None else masked_median(beats, valid)
    difference = (beats - beat)[..., own]
    away = np.sqrt(np.einsum("blt,blt->bl", difference, difference) / difference.shape[-1])
    close = away <= 2.5 * _middle(away) + 0.02  # mV
    if holes is not None:
        close &= valid[..., R_INDEX]
    for lead in np.flatnonzero(~close.all(axis=0) & close.any(axis=0)):
        keep = close[:, lead]
        if valid is None:
            beat[lead] = median(beats[keep, lead])
        else:
            among = np.broadcast_to(valid, beats.shape)[keep, lead]
            beat[lead] = masked_median(beats[keep, lead], among)
    beat = low_pass(beat)
    beat -= beat[:, pq_window(beat, R_INDEX)].mean(axis=-1, keepdims=True)
    swing = np.ptp(beat, axis=-1).max()
    if swing > _MOST_MV:
        raise UnusableECG(f"QRS complexes of {swing:.3g} mV; are the values in uV?")
    noise_uv = np.nan
    if len(beats) > 1:  # every fourth sample tells as much
        some = np.abs(difference[..., ::4]).ravel()
        noise_uv = 1483 * np.partition(some, len(some) // 2)[len(some) // 2]
    beat[missing] = np.nan
    n_clean = close.sum(axis=0)
    return Measured(
        beat=beat,
        heart_rate=60 * SAMPLING_RATE / rr,
        n_beats=len(found),
        n_used=int(_middle(n_clean)),
        noise_uv=noise_uv,
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
