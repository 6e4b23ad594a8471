"""Measurements in each lead of median beats: the waves of the QRS, ST, T and P."""

import numpy as np

# IEC 60601-2-51:2003, Annex GG.5: a wave stays 30 uV away from the zero level for 6 ms.
_WAVE_MV, _WAVE_SECONDS = 0.030, 0.006
_ST_TIMES = {"j": 0.0, "st40": 0.040, "st60": 0.060, "st80": 0.080}
_SLOPE_FROM = 0.020
_NOTCH = 0.040  # s from the onset in which Selvester's score looks for a notch


def samples(beats, origin, start, stop):
    """Return samples `start` to `stop` of each beat, counted from the beat's own `origin`.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats.
    origin : ndarray of int of shape (n_samples,)
        A sample of each beat.
    start, stop : int
        First sample and the one after the last, from `origin`.

    Returns
    -------
    ndarray of shape (n_samples, n_leads, stop - start)
    """
    index = origin[:, np.newaxis] + np.arange(start, stop)
    return np.take_along_axis(beats, index[:, np.newaxis], axis=2)


def between(start, stop, first, last):
    """Tell which of the samples `first` to `last` lie from `start` to `stop`, ends included.

    Parameters
    ----------
    start, stop : ndarray of int of shape (n_samples,)
        First and last sample of a wave in each beat.
    first, last : int
        The samples in question.

    Returns
    -------
    ndarray of bool of shape (n_samples, 1, last - first + 1)
    """
    time = np.arange(first, last + 1)
    return ((time >= start[:, None]) & (time <= stop[:, None]))[:, None]


def areas(beats, sampling_rate):
    """Return a function that gives the area of each lead between two samples of each beat.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV with the PQ level at zero.
    sampling_rate : float
        Samples a second.

    Returns
    -------
    callable
        ``area(start, stop)`` with ndarrays of int of shape (n_samples,): the signed area in
        mV ms, shape (n_samples, n_leads), of the samples from `start` up to, without, `stop`.
    """
    total = np.zeros((*beats.shape[:2], beats.shape[2] + 1))
    np.cumsum(beats, axis=2, out=total[:, :, 1:])

    def area(start, stop):
        ends = np.take_along_axis(total, np.stack([start, stop], axis=1)[:, None], axis=2)
        return (ends[:, :, 1] - ends[:, :, 0]) * (1000 / sampling_rate)

    return area


def st_levels(beats, offset, sampling_rate):
    """Measure the ST segment in each lead.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV with the PQ level at zero.
    offset : ndarray of int of shape (n_samples,)
        J.
    sampling_rate : float
        Samples a second.

    Returns
    -------
    dict of ndarray of shape (n_samples, n_leads)
        `j`, `st40`, `st60`, `st80` and `stamp`, the median from J to J + 80 ms, in mV;
        `stslope`, of the line fitted from J + 20 to J + 80 ms, in mV/s.
    """
    at = {name: round(s * sampling_rate) for name, s in _ST_TIMES.items()}
    st = samples(beats, offset, 0, at["st80"] + 1)
    found = {name: st[:, :, i] for name, i in at.items()}
    found["stamp"] = np.median(st, axis=2)
    sloping = st[:, :, round(_SLOPE_FROM * sampling_rate) :]
    time = np.arange(sloping.shape[2]) / sampling_rate
    time -= time.mean()
    found["stslope"] = (sloping * (time / (time**2).sum())).sum(axis=2)
    return found


def largest(beats, start, stop):
    """Find the largest deviation from zero in each lead between two samples of each beat.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV with the PQ level at zero.
    start, stop : ndarray of int of shape (n_samples,)
        First and last sample of a wave in each beat.

    Returns
    -------
    amplitude : ndarray of shape (n_samples, n_leads)
        The deviation in mV, with its sign.
    peak : ndarray of int of shape (n_samples, n_leads)
        Its sample.
    """
    first, last = start.min(), stop.max()
    wave = beats[:, :, first : last + 1]
    peak = (np.abs(wave) * between(start, stop, first, last)).argmax(axis=2) + first
    return np.take_along_axis(beats, peak[:, :, None], axis=2)[:, :, 0], peak


def concavity(beats, offset, peak):
    """Measure in each lead how far the ST segment sags below the chord from J to the T peak.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV.
    offset : ndarray of int of shape (n_samples,)
        J.
    peak : ndarray of int of shape (n_samples, n_leads)
        The T peak of each lead.

    Returns
    -------
    ndarray of shape (n_samples, n_leads)
        Chord minus ST where that is largest in size, in mV: above zero if the segment is concave
        upwards, below zero if it is convex.
    """
    first, last = offset.min(), peak.max()
    time = np.arange(first, last + 1)
    start = offset[:, None, None]
    at_j = np.take_along_axis(beats, start, axis=2)
    rise = np.take_along_axis(beats, peak[:, :, None], axis=2) - at_j
    share = (time - start) / np.maximum(peak[:, :, None] - start, 1)
    sag = (at_j + rise * share - beats[:, :, first : last + 1]) * ((share >= 0) & (share <= 1))
    deepest = np.abs(sag).argmax(axis=2)[:, :, None]
    return np.take_along_axis(sag, deepest, axis=2)[:, :, 0]


def divide(a, b):
    """Return a / b, NaN where b is not above zero."""
    return np.divide(a, b, out=np.full(np.shape(b), np.nan), where=b > 0)


def peak_to_peak(beats, start, stop):
    """Return the highest minus the lowest value of each lead between two samples of each beat.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV.
    start, stop : ndarray of int of shape (n_samples,)
        First and last sample.

    Returns
    -------
    ndarray of shape (n_samples, n_leads)
        In mV.
    """
    first, last = start.min(), stop.max()
    part, inside = beats[:, :, first : last + 1], between(start, stop, first, last)
    return np.where(inside, part, -np.inf).max(axis=2) - np.where(inside, part, np.inf).min(axis=2)


def qrs_waves(beats, onset, offset, sampling_rate):
    """Measure Q, R, S, R' and S' in each lead.

    A wave is a deflection to one side of zero, from crossing to crossing, that stays 30 uV away
    from it for 6 ms. A later one that only runs into the ST segment, whose top is not 30 uV
    beyond J, is none. A single downward wave is a QS and counts as Q and as S, as in
    IEC 60601-2-51.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV with the PQ level at zero.
    onset, offset : ndarray of int of shape (n_samples,)
        First sample of the QRS and J.
    sampling_rate : float
        Samples a second.

    Returns
    -------
    dict of ndarray of shape (n_samples, n_leads)
        Amplitudes `qamp`, `ramp`, `samp`, `r2amp`, `s2amp` in mV, below zero for Q, S and S';
        durations `qdur` ... `s2dur` in ms; both 0 where there is no such wave. `vat`, ms from the
        onset to the top of R, or of R' if it is higher, NaN without an R.
        `notch`, the largest fall in mV before that top in the first 40 ms.
    """
    first, ms = max(onset.min() - 1, 0), 1000 / sampling_rate
    qrs = beats[:, :, first : offset.max() + 1]
    inside = between(onset, offset, first, offset.max())
    size = np.abs(qrs)
    side = np.sign(qrs).astype(np.int8) * inside
    label, downwards = _label_waves(side, size >= _WAVE_MV, round(_WAVE_SECONDS * sampling_rate))
    amps, durations = _measure_waves(size, label, offset - first)

    # Numbers of the named waves in a complex that begins upwards, and in one that does not.
    number = {
        "q": np.where(downwards, 1, 0),
        "r": np.where(downwards, 2, 1),
        "s": np.where(downwards, np.where(amps[2] > 0, 3, 1), 2),
        "r2": np.where(downwards, 4, 3),
        "s2": np.where(downwards, 5, 4),
    }
    found = {}
    for wave, which in number.items():
        sign = 1 if wave in ("r", "r2") else -1
        found[f"{wave}amp"] = sign * np.choose(which, amps) + 0.0  # no -0.0
        found[f"{wave}dur"] = np.choose(which, durations) * ms

    high = np.where(found["r2amp"] > found["ramp"], number["r2"], number["r"])
    top = (size * (label == high[:, :, None])).argmax(axis=2)
    has_r = np.maximum(found["ramp"], found["r2amp"]) > 0
    found["vat"] = np.where(has_r, (top + first - onset[:, None]) * ms, np.nan)
    limit = np.minimum(top, (onset - first)[:, None] + round(_NOTCH * sampling_rate))
    rising = np.maximum(qrs, 0) * inside
    fall = np.maximum.accumulate(rising, axis=2) - rising
    found["notch"] = (fall * (np.arange(qrs.shape[2]) <= limit[:, :, None])).max(axis=2)
    return found


def _label_waves(side, away, hold):
    """Number the deflections of each complex 1, 2 ...; 0 where a sample belongs to none.

    `side` is the sign of each sample, 0 outside the QRS; `away` tells which are far from zero.
    Also tell which complexes begin downwards.
    """
    sure = _opened(away & (side > 0), hold).astype(np.int8)
    sure -= _opened(away & (side < 0), hold)
    time = np.arange(side.shape[2], dtype=np.intp)
    previous = np.maximum.accumulate(np.where(sure, time, 0), axis=2)
    following = np.minimum.accumulate(
        np.where(sure, time, time[-1])[:, :, ::-1], axis=2
    )[:, :, ::-1]
    before = np.take_along_axis(sure, previous, axis=2)
    after = np.take_along_axis(sure, following, axis=2)
    number = np.zeros(side.shape, dtype=np.int8)
    np.cumsum(before[:, :, 1:] != before[:, :, :-1], axis=2, dtype=np.int8, out=number[:, :, 1:])
    next_number = np.take_along_axis(number, following, axis=2)
    label = np.where(side == after, next_number, 0)
    label = np.where(side == before, number, label) * (side != 0)
    first = np.take_along_axis(after, np.zeros((*side.shape[:2], 1), dtype=int), axis=2)
    return label, first[:, :, 0] < 0


def _opened(mask, hold):
    """Keep the runs of at least `hold` samples."""
    hold = max(hold, 1)
    runs = mask.copy()
    for i in range(1, hold):
        runs[:, :, :-i] &= mask[:, :, i:]
        runs[:, :, -i:] = False
    kept = runs.copy()
    for i in range(1, hold):
        kept[:, :, i:] |= runs[:, :, :-i]
    return kept


def _measure_waves(size, label, at_j):
    """Return amplitudes and numbers of samples of waves 0 (there is none) to 5."""
    at_j = at_j[:, None, None]
    size_at_j = np.take_along_axis(size, at_j, axis=2)[:, :, 0]
    label_at_j = np.take_along_axis(label, at_j, axis=2)[:, :, 0]
    nothing = np.zeros(size.shape[:2])
    amps, lengths = [nothing], [nothing]
    for number in range(1, 6):
        own = label == number
        amp = (size * own).max(axis=2)
        if number > 1:
            beyond_j = amp - np.where(label_at_j == number, size_at_j, 0)
            amp = np.where(beyond_j >= _WAVE_MV, amp, 0)
        amps.append(amp)
        lengths.append(np.where(amp > 0, own.sum(axis=2), 0))
    return amps, lengths
