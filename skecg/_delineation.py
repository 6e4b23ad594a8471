"""Wave boundaries of median beats, found on all leads together."""

import numpy as np

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
