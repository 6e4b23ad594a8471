"""Wave boundaries of median beats, found on all leads together."""

import numpy as np
from scipy.ndimage import uniform_filter1d

WAVES = ("p_on", "p_peak", "p_off", "qrs_on", "qrs_off", "t_on", "t_peak", "t_off")

# Half the span of the derivative's difference: 2 x 8 ms averages mains and muscle noise away
# and is still shorter than the narrowest deflection of a QRS.
_HALF_SPAN = 0.008
# The QRS begins and ends where the activity falls to this share of the way from the quiet level
# to the peak. The spread about the cardiologists' marks of LUDB (Kalyakulina et al. 2020, IEEE
# Access 8:186181) hardly changes from 0.02 to 0.05; with these two, the median duration in normal
# adults is the published one (men 92, women 86 ms, ELSA-Brasil).
_ONSET_SHARE, _OFFSET_SHARE = 0.025, 0.04
_HOLD = 0.020  # it has to stay there this long: a notch of the QRS is shorter
# The quiet level is that of the 60 ms beyond, so that a sloping ST segment is no part of the QRS;
# above this share of the peak it is a notch or a plateau, and the quietest PQ or ST counts.
_NEAR, _QUIET = 0.060, 0.05
_SEARCH = (0.160, 0.200)  # s before and after R: a QRS of a left bundle branch block fits in
_CORE = (0.100, 0.120)  # s before and after R in which the steepest slope is looked for
# End of the T window after R: QT is below 452 ms in 98 % of adults (Mason et al. 2007,
# J Electrocardiol 40:228), counted from an onset about 40 ms before R, and a margin.
_T_END = 0.440
_NEXT_SHARE = 0.5  # of the peak activity: no T wave is that steep, the next QRS is
_NEXT_MARGIN = 0.050  # s from the next QRS's onset to that point, and a little more

_SMOOTH = 0.010  # s: a running mean of that length, twice, before P and T are looked at
_PQ = 0.016  # s before the QRS's onset: the zero level
_P_SEARCH, _P_REACH, _P_FLANK = 0.280, 0.060, 0.080
_P_LEAST = 0.017  # mV
_ST = 0.060  # s after J: a T wave's peak does not come earlier
_T_SEARCH, _T_REACH, _T_FLANK = 0.440, 0.100, 0.200
_T_LEAST = 0.010  # mV
_CHUNK = 64  # beats worked on at a time, so that they stay in the processor's cache


def activity(beats, sampling_rate):
    """Return the size of the slope over all leads, blind to polarity.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV.
    sampling_rate : float
        Samples a second.

    Returns
    -------
    ndarray of shape (n_samples, n_times)
        Root mean square over the leads of the difference across 16 ms, in mV. The first and
        last 8 ms repeat their neighbours.
    """
    half = max(1, round(_HALF_SPAN * sampling_rate))
    slope = beats[:, :, 2 * half :] - beats[:, :, : -2 * half]
    slope *= slope
    # Added lead by lead: the order of summation must not depend on the array's layout.
    total = slope[:, 0].copy()
    for lead in range(1, slope.shape[1]):
        total += slope[:, lead]
    return np.pad(np.sqrt(total / slope.shape[1]), ((0, 0), (half, half)), mode="edge")


def qrs_bounds(beats, r_index, sampling_rate):
    """Find the global onset and offset of the QRS, all leads together.

    From the steep core of the QRS outwards, the first sample beyond which the :func:`activity`
    stays for 20 ms within 2.5 % (onset) or 4 % (offset) of the way from the quiet level of the
    next 60 ms to the peak.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV, with at least 200 ms before and 300 ms after R.
    r_index : int
        The sample of R.
    sampling_rate : float
        Samples a second.

    Returns
    -------
    onset, offset : ndarray of int of shape (n_samples,)
        First sample of the QRS and the J point. Both are `r_index` where no lead has any slope.

    Examples
    --------
    >>> import numpy as np
    >>> beats = np.zeros((1, 1, 600))
    >>> beats[0, 0, 280:321] = 1 - np.abs(np.linspace(-1, 1, 41))  # 80 ms around R
    >>> onset, offset = qrs_bounds(beats, 300, 500)
    >>> int(onset[0]), int(offset[0])
    (277, 323)
    """
    steps = activity(beats, sampling_rate)
    hold, near = (max(1, round(s * sampling_rate)) for s in (_HOLD, _NEAR))
    first, stop = _around(r_index, sampling_rate, _SEARCH)
    core = slice(*_around(r_index, sampling_rate, _CORE))
    peak = steps[:, core].max(axis=1, keepdims=True)
    steep = steps[:, core] >= 0.5 * peak
    begin = core.start + steep.argmax(axis=1)
    end = core.stop - 1 - steep[:, ::-1].argmax(axis=1)

    # Column i: the largest activity of the `hold` samples that end before sample first + i ...
    before = _sliding_max(steps[:, first - hold : core.stop], hold)
    onset = first + _last_quiet(before, begin - first, peak, _ONSET_SHARE, near)
    # ... and of those that follow sample stop - i.
    after = _sliding_max(steps[:, core.start + 1 : stop + 1 + hold], hold)[:, ::-1]
    offset = stop - _last_quiet(after, stop - end, peak, _OFFSET_SHARE, near)
    flat = peak[:, 0] <= 0
    return np.where(flat, r_index, onset), np.where(flat, r_index, offset)


def t_window(beats, r_index, sampling_rate, offset):
    """Bound the part of the beat that can hold its T wave.

    Parameters
    ----------
    beats, r_index, sampling_rate
        As for :func:`qrs_bounds`.
    offset : ndarray of int of shape (n_samples,)
        The J point.

    Returns
    -------
    start, stop : ndarray of int of shape (n_samples,)
        From 80 ms after J to 440 ms after R, or to the next QRS if that comes before.
    """
    start = offset + round(0.080 * sampling_rate)
    limit = r_index + round(_T_END * sampling_rate)
    steps = activity(beats[:, :, : limit + 1], sampling_rate)
    first, last = _around(r_index, sampling_rate, _CORE)
    peak = steps[:, first:last].max(axis=1, keepdims=True)
    steep = (steps > _NEXT_SHARE * peak) & (np.arange(steps.shape[1]) >= start[:, None])
    following = steep.argmax(axis=1) - round(_NEXT_MARGIN * sampling_rate)
    return start, np.where(steep.any(axis=1), np.maximum(following, start), limit)


def _around(r_index, sampling_rate, seconds):
    before, after = (round(s * sampling_rate) for s in seconds)
    return r_index - before, r_index + after


def _sliding_max(steps, width):
    return np.lib.stride_tricks.sliding_window_view(steps, width, axis=1).max(axis=-1)


def _last_quiet(windows, last, peak, share, near):
    """Return the last column, up to `last`, that is about as quiet as the `near` before it."""
    usable = np.where(np.arange(windows.shape[1]) <= last[:, None], windows, np.inf)
    padded = np.pad(usable, ((0, 0), (near, 0)), constant_values=np.inf)
    local = -_sliding_max(-padded, near + 1)
    # The quietest column of all passes as well: there is always one to return.
    level = np.maximum(usable.min(axis=1, keepdims=True), np.minimum(local, _QUIET * peak))
    quiet = usable <= level + share * (peak - level)
    return windows.shape[1] - 1 - quiet[:, ::-1].argmax(axis=1)


# --- all waves


def wave_bounds(beats, r_index, sampling_rate):
    """Find the waves of each beat, all leads together.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, n_leads, n_times)
        Median beats in mV, with at least 200 ms before and 300 ms after R.
    r_index : int
        The sample of R.
    sampling_rate : float
        Samples a second.

    Returns
    -------
    dict of str to ndarray of float of shape (n_samples,)
        Samples of ``p_on p_peak p_off qrs_on qrs_off t_on t_peak t_off``, counted from the
        beginning of the beat; NaN where a wave is absent.
    """
    bounds = {name: np.full(len(beats), np.nan) for name in WAVES}
    for start in range(0, len(beats), _CHUNK):
        rows = slice(start, start + _CHUNK)
        for name, found in _some_bounds(beats[rows], r_index, sampling_rate).items():
            bounds[name][rows] = found
    return bounds


def _some_bounds(beats, r_index, rate):
    beats = np.array(beats, dtype=np.float64, order="C")
    usable = np.isfinite(beats).all(axis=2) & (beats != beats[:, :, :1]).any(axis=2)
    beats[~usable] = 0
    n_leads = np.maximum(usable.sum(axis=1), 1)
    qrs_on, qrs_off = qrs_bounds(beats, r_index, rate)
    size = _magnitude(beats, n_leads, qrs_on, rate)
    p_wave = _p_wave(size, qrs_on, rate)
    stop = t_window(beats, r_index, rate, qrs_off)[1]
    t_wave = _t_wave(size, qrs_off, stop, rate)
    found = dict(zip(WAVES, [*p_wave, qrs_on, qrs_off, *t_wave], strict=True))
    seen = qrs_on < qrs_off
    return {name: np.where(seen, at, np.nan) for name, at in found.items()}


def _magnitude(beats, n_leads, qrs_on, rate):
    """Return the RMS over leads of the smoothed distance from the PQ level, in mV."""
    width = max(1, round(_SMOOTH * rate))
    at = qrs_on[:, None] - np.arange(1, 1 + round(_PQ * rate))
    total = np.zeros((len(beats), beats.shape[2]))
    for lead in range(beats.shape[1]):
        smooth = uniform_filter1d(uniform_filter1d(beats[:, lead], width), width)
        smooth -= np.take_along_axis(beats[:, lead], at, axis=1).mean(axis=1, keepdims=True)
        total += smooth * smooth
    return np.sqrt(total / n_leads[:, None])


def _p_wave(size, qrs_on, rate):
    # Backwards in time from the QRS, so that the P wave's end comes first.
    n = round(_P_SEARCH * rate)
    at = np.maximum(qrs_on[:, None] - 1 - np.arange(n), 0)
    curve = np.take_along_axis(size, at, axis=1)
    off, peak, on, height = _wave(curve, np.full(len(size), n), rate, _P_REACH, _P_FLANK)
    exists = height >= _P_LEAST
    return [np.where(exists, qrs_on - 1 - i, np.nan) for i in (on, peak, off)]


def _t_wave(size, qrs_off, stop, rate):
    n = round(_T_SEARCH * rate)
    start = qrs_off + round(_ST * rate)
    at = np.minimum(start[:, None] + np.arange(n), size.shape[1] - 1)
    curve = np.take_along_axis(size, at, axis=1)
    room = np.clip(stop - start, 0, n)
    on, peak, off, height = _wave(curve, room, rate, _T_REACH, _T_FLANK)
    exists = (height >= _T_LEAST) & (room > 0)
    return [np.where(exists, start + i, np.nan) for i in (on, peak, off)]


def _wave(curve, room, rate, reach, flank):
    """Return the first corner, the peak and the last corner of the hump that stands out most."""
    n = curve.shape[1]
    inside = np.arange(n) < room[:, None]
    before = np.minimum.accumulate(curve, axis=1)
    after = np.where(inside, curve, np.inf)[:, ::-1]
    after = np.minimum.accumulate(after, axis=1)[:, ::-1]
    height = np.where(inside, curve - np.maximum(before, after), -np.inf)
    peak = height.argmax(axis=1)
    # Both flanks are walked outwards from the peak: the second in time, the first mirrored.
    last = _corner(curve, peak, np.maximum(room, 1), reach, flank, rate)
    mirrored = n - 1 - peak
    first = n - 1 - _corner(curve[:, ::-1], mirrored, np.full(len(curve), n), reach, flank, rate)
    return first, peak, last, height[np.arange(len(curve)), peak]


def _corner(curve, peak, room, reach, flank, rate):
    """Return where the flank that falls after `peak` ends: the corner of the largest trapezium.

    From the steepest point m of the flank, the sample i that maximises the area of the trapezium
    with corners m, i and the end r of what is looked at [1]_.
    """
    n = curve.shape[1]
    fall = np.zeros_like(curve)
    fall[:, 1:-1] = curve[:, :-2] - curve[:, 2:]
    time = np.arange(n)
    near = (time >= peak[:, None]) & (time < np.minimum(peak + round(flank * rate), room)[:, None])
    steepest = np.where(near, fall, -np.inf).argmax(axis=1)
    end = np.minimum(steepest + round(reach * rate), room - 1)[:, None]
    m = steepest[:, None]
    top = np.take_along_axis(curve, m, axis=1)
    area = np.where((time >= m) & (time <= end), (top - curve) * (2 * end - time - m), -np.inf)
    return area.argmax(axis=1)
