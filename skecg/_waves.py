"""Measurements in each lead of median beats: the waves of the QRS, ST, T and P."""

import numpy as np

# IEC 60601-2-51:2003, Annex GG.5: a wave stays 30 uV away from the zero level for 6 ms.
_WAVE_MV, _WAVE_SECONDS = 0.030, 0.006
_N_WAVES = 5  # as many as have a name: Q, R, S, R' and S'
_ST_TIMES = {"j": 0.0, "st40": 0.040, "st60": 0.060, "st80": 0.080}
_SLOPE_FROM = 0.020


def reduce(ufunc, beats, start, stop):
    """Reduce each lead of each beat from its sample `start` up to, without, `stop`.

    Parameters
    ----------
    ufunc : numpy.ufunc
        Such as ``np.add``.
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats.
    start, stop : ndarray of int of shape (n_samples,)
        `start` below `stop`, `stop` below n_times.

    Returns
    -------
    ndarray of shape (n_samples, n_leads)
    """
    first = start.min()
    part = np.ascontiguousarray(beats[:, :, first : stop.max() + 1])
    n_samples, n_leads, n_times = part.shape
    lead = np.arange(n_samples * n_leads).reshape(n_samples, n_leads) * n_times - first
    ends = np.stack([lead + start[:, None], lead + stop[:, None]], axis=2)
    return ufunc.reduceat(part.ravel(), ends.ravel())[::2].reshape(n_samples, n_leads)


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


def divide(a, b):
    """Return a / b, NaN where b is not above zero."""
    return np.divide(a, b, out=np.full(np.shape(b), np.nan), where=b > 0)


def median(values):
    """Return the median over the last axis, several times faster than ``np.median``."""
    values = np.sort(values, axis=-1)
    middle = values.shape[-1] // 2
    return (values[..., -middle - 1] + values[..., middle]) / 2


def st_levels(beats, j, sampling_rate):
    """Measure the ST segment in each lead.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV with the PQ level at zero.
    j : ndarray of int of shape (n_samples,)
        The sample of J.
    sampling_rate : float
        Samples a second.

    Returns
    -------
    dict of ndarray of shape (n_samples, n_leads)
        `j`, `st40`, `st60`, `st80` and `stamp`, the median from J to J + 80 ms, in mV;
        `stslope`, of the line fitted from J + 20 to J + 80 ms, in mV/s.
    """
    at = {name: round(s * sampling_rate) for name, s in _ST_TIMES.items()}
    st = samples(beats, j, 0, at["st80"] + 1)
    found = {name: st[:, :, i] for name, i in at.items()}
    found["stamp"] = median(st)
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
    high = reduce(np.maximum, beats, start, stop + 1)
    low = reduce(np.minimum, beats, start, stop + 1)
    amplitude = np.where(high >= -low, high, low)
    first, last = start.min(), stop.max()
    there = beats[:, :, first : last + 1] == amplitude[:, :, None]
    return amplitude, (there & between(start, stop, first, last)).argmax(axis=2) + first


def concavity(beats, j, peak):
    """Measure in each lead how far the ST segment sags below the chord from J to the T peak.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV.
    j : ndarray of int of shape (n_samples,)
        The sample of J.
    peak : ndarray of int of shape (n_samples, n_leads)
        The T peak of each lead, behind J.

    Returns
    -------
    ndarray of shape (n_samples, n_leads)
        Chord minus ST where that is largest in size, in mV: above zero if the segment is concave
        upwards, below zero if it is convex.
    """
    first, last = j.min(), peak.max()
    time = (np.arange(first, last + 1) - j[:, None]).astype(beats.dtype)
    late = (peak - j[:, None]).astype(beats.dtype)
    rows = np.arange(len(beats))
    found = np.empty(peak.shape)
    for lead, curve in enumerate(beats.transpose(1, 0, 2)):  # one at a time stays in the cache
        at_j, at_peak = curve[rows, j], curve[rows, peak[:, lead]]
        sag = time * ((at_peak - at_j) / late[:, lead])[:, None]
        sag += at_j[:, None]
        sag -= curve[:, first : last + 1]
        sag *= (time >= 0) & (time <= late[:, lead, None])
        high, low = sag.max(axis=1), sag.min(axis=1)
        found[:, lead] = np.where(high >= -low, high, low)
    return found


def qrs_waves(beats, onset, j, sampling_rate):
    """Measure Q, R, S, R' and S' in each lead.

    A wave is a deflection to one side of zero, from crossing to crossing, that is 30 uV away from
    it for 6 ms. A later one that only runs into the ST segment, whose top is not 30 uV beyond J,
    is none. A single downward wave is a QS and counts as Q and as S, as in IEC 60601-2-51.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV with the PQ level at zero.
    onset, j : ndarray of int of shape (n_samples,)
        First and last sample of the QRS.
    sampling_rate : float
        Samples a second.

    Returns
    -------
    dict of ndarray of shape (n_samples, n_leads)
        Amplitudes `qamp`, `ramp`, `samp`, `r2amp`, `s2amp` in mV, below zero for Q, S and S';
        durations `qdur` ... `s2dur` in ms; both 0 where there is no such wave. `vat`, ms from the
        onset to the top of R, or of R' if it is higher, NaN without an R.
    """
    size, length, top = _measure_waves(beats, onset, j, round(_WAVE_SECONDS * sampling_rate))
    downwards = size[:, :, 1] < 0
    # Numbers of the named waves in a complex that begins downwards, and in one that does not.
    number = {
        "q": np.where(downwards, 1, 0),
        "r": np.where(downwards, 2, 1),
        "s": np.where(downwards, np.where(size[:, :, 2] > 0, 3, 1), 2),
        "r2": np.where(downwards, 4, 3),
        "s2": np.where(downwards, 5, 4),
    }
    found = {}
    for wave, which in number.items():
        which = which[:, :, None]
        found[f"{wave}amp"] = np.take_along_axis(size, which, axis=2)[:, :, 0]
        duration = np.take_along_axis(length, which, axis=2)[:, :, 0]
        found[f"{wave}dur"] = duration * (1000 / sampling_rate)
    highest = size.argmax(axis=2)[:, :, None]
    time = np.take_along_axis(top, highest, axis=2)[:, :, 0] - onset[:, None]
    found["vat"] = np.where(size.max(axis=2) > 0, time * (1000 / sampling_rate), np.nan)
    return found


def _measure_waves(beats, onset, j, hold):
    """Return amplitude with its sign, length and top of the waves 1 to 5 of each lead.

    Number 0 is no wave. `hold` is how many samples a wave is away from zero at least.
    """
    # One long row of all leads, of which each begins and ends with a sample outside the QRS.
    first, stop = onset.min() - 1, j.max() + 2
    inside = between(onset, j, first, stop - 1)
    qrs = beats[:, :, first:stop] * inside
    width, n_leads = stop - first, beats.shape[1]
    qrs = qrs.ravel()
    side = np.sign(qrs).astype(np.int8)
    start = np.flatnonzero(side[1:] != side[:-1]) + 1
    size, side = np.abs(qrs), side[start]
    away = np.add.reduceat(size >= _WAVE_MV, start, dtype=np.int32)
    end = np.append(start[1:], len(qrs))
    wave = (side != 0) & (away >= max(hold, 1))
    start, end, side = start[wave], end[wave], side[wave]
    lead = start // width

    # Number the waves of each lead: two on one side with a smaller deflection between are one.
    new_lead = np.append(True, lead[1:] != lead[:-1])
    count = np.cumsum(new_lead | np.append(True, side[1:] != side[:-1]))
    number = count - np.repeat(count[new_lead], np.diff(np.flatnonzero(np.append(new_lead, True))))
    number += 1
    ends = np.stack([start, end], axis=1).ravel()
    height = np.maximum.reduceat(size, ends)[::2] if len(ends) else size[:0]
    top = _tops(size, start, end, height)
    last = lead * width + (j - first)[lead // n_leads]
    at_j = np.where(end > last, size[last], 0)
    kept = (number <= _N_WAVES) & ((number == 1) | (height - at_j >= _WAVE_MV))
    lead, number, side, height, top = (x[kept] for x in (lead, number, side, height, top))

    shape = (len(beats) * n_leads, _N_WAVES + 1)
    amplitude, length, at = (np.zeros(shape, dtype=x) for x in (np.float32, int, int))
    order = np.argsort(height, kind="stable")  # of the parts of a wave the highest comes last
    amplitude[lead[order], number[order]] = (side * height)[order]
    at[lead[order], number[order]] = (first + top % width)[order]
    np.add.at(length, (lead, number), (end - start)[kept])
    return (x.reshape(len(beats), n_leads, -1) for x in (amplitude, length, at))


def _tops(size, start, end, height):
    """Return where each wave is highest, first of all such samples."""
    whose = np.repeat(np.arange(len(start)), end - start)
    where = np.repeat(start - np.cumsum(end - start) + (end - start), end - start)
    where += np.arange(len(whose))
    highest = np.flatnonzero(size[where] == height[whose])[::-1]
    top = np.zeros(len(start), dtype=int)
    top[whose[highest]] = where[highest]  # the first comes last
    return top


def notch(beats, onset, top, n_samples):
    """Return the largest fall of each lead before the top of its R.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV with the PQ level at zero.
    onset : ndarray of int of shape (n_samples,)
        First sample of the QRS.
    top : ndarray of shape (n_samples, n_leads)
        The top of R, NaN where there is none.
    n_samples : int
        How far from the onset to look.

    Returns
    -------
    ndarray of shape (n_samples, n_leads)
        In mV.
    """
    rising = np.maximum(samples(beats, onset, 0, n_samples + 1), 0)
    fall = np.maximum.accumulate(rising, axis=2) - rising
    before = np.arange(n_samples + 1) <= (top - onset[:, None])[:, :, None]
    return (fall * before).max(axis=2)
