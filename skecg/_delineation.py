"""Wave boundaries of median beats, found on all leads together."""

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

WAVES = ("p_on", "p_peak", "p_off", "qrs_on", "qrs_off", "t_on", "t_peak", "t_off")

# --- QRS. All times are in s, all voltages in mV.

# Half the span of the derivative's difference: 2 x 6 ms is shorter than the narrowest deflection
# of a QRS, so that a sharp corner is seen 4 ms early.
_HALF_SPAN = 0.006
# The QRS begins and ends where the activity falls to this share of the way from the quiet level
# to the peak. The ST segment is never as quiet as the PQ segment.
_SHARE = 0.03
_HOLD = 0.020  # it has to stay there this long: a notch of the QRS is shorter
# The quiet level is that of the 60 ms beyond, so that a sloping ST segment is no part of the QRS;
# above this share of the peak it is a notch or a plateau, and the quietest PQ or ST counts.
_NEAR, _QUIET = 0.060, 0.05
# Noise is the power of the quietest 40 ms of the beat; elsewhere it may be five times that.
_NOISE_TIME, _NOISE_FACTOR = 0.040, 5
_SEARCH = (0.160, 0.200)  # before and after R: a QRS of a left bundle branch block fits in
# Before and after R in which the steepest slope is looked for, and what is half as steep.
_CORE, _STEEP = (0.100, 0.120), 0.5

# --- neighbouring beats

# A QRS bends, over 2 x 16 ms, at least half as much as the one at R; no T wave does, be it as tall
# and as steep as the QRS.
_BEND_SPAN, _BEND = 0.016, 0.5
_NEXT_FROM = 0.300  # from R: 200 beats a minute
_MARGIN = 0.020  # that the next QRS may begin earlier in its beat than this one

# --- P and T

# A running mean over so much on either side, which moves a sharp corner by that much outwards and
# a gentle one hardly at all; how much is taken back.
_SMOOTH, _ROUNDED = 0.008, 0.006
_PQ = 0.016  # before the QRS's onset: the zero level
_CUT = 0.020  # a wave that ends so near to the end of the beat is cut off by it
# Of a P wave: how far before the QRS its peak is looked for, its least height, how long
# it rises and falls at least.
_P_LAST, _P_LEAST, _P_FLANK = 0.220, 0.020, 0.016
# A wave as high as the P wave with its peak so long after T is atrial fibrillation or flutter.
# The next P comes that early at rates at which the next QRS is in view; a U wave is lower.
_LATE = (0.020, 0.120, 0.240)
# Of a T wave: how long after J it begins at the earliest, how long after R its peak comes at the
# latest, also as a share of RR where that is known, its least height.
_T_FROM, _T_LAST, _T_SHARE, _T_LEAST = 0.060, 0.440, 0.55, 0.010
# How far apart the lobes of one wave may be, how far from the steepest point a corner is looked
# for, and how far from the peak the steepest point.
_P = (0.080, 0.060, 0.080)
_T = (0.140, 0.100, 0.200)
# Shares of the highest wave that one nearer to the QRS, or another lobe, has to stand out by.
_NEARER, _LOBE = 0.4, 0.33

_CHUNK = 64  # beats worked on at a time, so that they stay in the processor's cache


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


def _some_bounds(beats, r, rate):
    leads, n_leads = _usable(beats)
    qrs_on, qrs_off, peak = _qrs(_activity(leads, n_leads, rate), r, rate)
    rr = _neighbours(leads, r, rate)
    size = _magnitude(leads, n_leads, qrs_on, rate)
    t = _t_wave(size, r, qrs_on, qrs_off, rr, rate)
    p = _p_wave(size, r, qrs_on, t[2], rr, rate)
    found = dict(zip(WAVES, (*p, qrs_on, qrs_off, *t), strict=True))
    seen = peak > 0
    return {name: np.where(seen, at, np.nan) for name, at in found.items()}


def _usable(beats):
    """Return a copy with the leads first, zero where flat or NaN, and how many are left."""
    leads = np.array(beats.transpose(1, 0, 2), dtype=np.float32, order="C")
    span = leads.max(axis=2) - leads.min(axis=2)
    usable = (span > 0) & (span < np.inf)
    leads[~usable] = 0
    return leads, np.maximum(usable.sum(axis=0), 1)[:, None]


def _activity(leads, n_leads, rate):
    """Return the RMS over leads of the difference across 12 ms less the noise's share, in mV."""
    half = max(1, round(_HALF_SPAN * rate))
    power = np.zeros((leads.shape[1], leads.shape[2] - 2 * half), dtype=np.float32)
    for lead in leads:
        step = lead[:, 2 * half :] - lead[:, : -2 * half]
        step *= step
        power += step
    power /= n_leads
    width = max(1, round(_NOISE_TIME * rate))
    quiet = uniform_filter1d(power, width)[:, width // 2 : -(width // 2)].min(axis=1, keepdims=True)
    power -= _NOISE_FACTOR * quiet
    steps = np.sqrt(np.maximum(power, 0))
    return np.pad(steps, ((0, 0), (half, half)), mode="edge")


def _qrs(steps, r, rate):
    hold, near = (max(1, round(s * rate)) for s in (_HOLD, _NEAR))
    first, stop = _around(r, rate, _SEARCH)
    core = slice(*_around(r, rate, _CORE))
    peak = steps[:, core].max(axis=1, keepdims=True)
    steep = steps[:, core] >= _STEEP * peak
    begin = core.start + steep.argmax(axis=1)
    end = core.stop - 1 - steep[:, ::-1].argmax(axis=1)
    ahead = maximum_filter1d(steps, hold, origin=-(hold // 2))  # of `hold` samples from here on
    # Column i: the largest activity of the `hold` samples that end before sample first + i ...
    before = ahead[:, first - hold : core.stop - hold + 1]
    onset = first + 1 + _last_quiet(before, begin - first, peak, near)
    # ... and of those that follow sample stop - i.
    after = ahead[:, core.start + 1 : stop + 2][:, ::-1]
    offset = stop - 1 - _last_quiet(after, stop - end, peak, near)
    return onset, offset, peak[:, 0]


def _around(r, rate, seconds):
    before, after = (round(s * rate) for s in seconds)
    return r - before, r + after


def _last_quiet(windows, last, peak, near):
    """Return the last column, up to `last`, that is about as quiet as the `near` before it."""
    usable = np.where(np.arange(windows.shape[1]) <= last[:, None], windows, np.inf)
    local = minimum_filter1d(usable, near + 1, mode="nearest", origin=near // 2)
    # The quietest column of all passes as well: there is always one to return.
    level = np.maximum(usable.min(axis=1, keepdims=True), np.minimum(local, _QUIET * peak))
    quiet = usable <= level + _SHARE * (peak - level)
    return windows.shape[1] - 1 - quiet[:, ::-1].argmax(axis=1)


def _neighbours(leads, r, rate):
    """Return the RR intervals before and after in samples, infinite where no QRS is in view."""
    span, away = round(_BEND_SPAN * rate), round(_NEXT_FROM * rate)
    power = np.zeros((leads.shape[1], leads.shape[2] - 2 * span), dtype=np.float32)
    for lead in leads:
        bend = lead[:, 2 * span :] + lead[:, : -2 * span]
        bend -= 2 * lead[:, span:-span]
        bend *= bend
        power += bend
    time = np.arange(span, span + power.shape[1], dtype=np.float32)
    core = slice(*_around(r - span, rate, _CORE))
    sharp = power >= _BEND**2 * power[:, core].max(axis=1, keepdims=True)
    own = np.where(sharp[:, core], time[core], np.nan)
    begin, end = np.fmin.reduce(own, axis=1), np.fmax.reduce(own, axis=1)
    before = np.where(sharp & (time < r - away), time, -np.inf).max(axis=1)
    after = np.where(sharp & (time > r + away), time, np.inf).min(axis=1)
    return end - before, after - begin


def _magnitude(leads, n_leads, qrs_on, rate):
    """Return the RMS over leads of the smoothed distance from the PQ level, in mV."""
    width = 1 + 2 * round(_SMOOTH * rate)
    at = qrs_on[:, None] - np.arange(1, 1 + round(_PQ * rate))
    power = np.zeros(leads.shape[1:], dtype=np.float32)
    for lead in leads:
        smooth = uniform_filter1d(lead, width)
        smooth -= np.take_along_axis(lead, at, axis=1).mean(axis=1, keepdims=True)
        smooth *= smooth
        power += smooth
    return np.sqrt(power / n_leads)


def _t_wave(size, r, qrs_on, qrs_off, rr, rate):
    """Return onset, peak and end of T, walking from J to the next QRS."""
    n_times = size.shape[1]
    start = qrs_off + round(_T_FROM * rate)
    last, after = (round(s * rate) for s in (_T_LAST, _T[1]))
    following = np.minimum(qrs_on + rr[1] - round(_MARGIN * rate), n_times).astype(int)
    last = (r - start + np.minimum(last, _T_SHARE * np.minimum(*rr))).astype(int)
    curve = _take(size, start[:, None] + np.arange(round(_T_LAST * rate) + after))
    room = np.clip(following - start, 2, curve.shape[1])
    found = _wave(curve, last, room, _T, rate)
    # Where nothing but the fall from J stands out, ST segment and T are one wave that begins here.
    inside = np.arange(curve.shape[1]) < room[:, None]
    fall = curve[:, 0] - np.where(inside, curve, np.inf).min(axis=1)
    falling = ~(found[-1] >= _LOBE * fall)
    if falling.any():
        curve[falling, 0] = 0
        again = _wave(curve[falling], last[falling], room[falling], _T, rate)
        for values, new in zip(found, again, strict=True):
            values[falling] = new
    on, peak, off, height = found
    off = np.where(start + off < n_times - round(_CUT * rate), off, np.nan)
    return [np.where(height >= _T_LEAST, start + at, np.nan) for at in (on, peak, off)]


def _p_wave(size, r, qrs_on, t_off, rr, rate):
    """Return onset, peak and end of P, walking back from the QRS."""
    last, after = (round(s * rate) for s in (_P_LAST, _P[1]))
    curve = _take(size, qrs_on[:, None] - 1 - np.arange(last + after))
    room = np.clip(qrs_on, 2, curve.shape[1])
    # Where RR is known, the T wave of the beat before has to be over.
    t_end = np.where(np.isnan(t_off), r, t_off) - np.where(np.isfinite(rr[0]), rr[0], rr[1])
    last = np.clip(qrs_on - t_end, 0, last).astype(int)
    off, peak, on, height = _wave(curve, last, room, _P, rate)
    exists = (height >= _P_LEAST) & (np.minimum(on - peak, peak - off) >= _P_FLANK * rate)
    exists &= ~(np.isinf(np.minimum(*rr)) & (_late_wave(size, t_off, rate) >= height))
    on = np.where(qrs_on - 1 - on >= round(_CUT * rate), on, np.nan)
    return [np.where(exists, qrs_on - 1 - i, np.nan) for i in (on, peak, off)]


def _late_wave(size, t_off, rate):
    """Return how high a wave stands out that has its peak soon after the end of T."""
    first, last, n = (round(s * rate) for s in _LATE)
    start = np.where(np.isnan(t_off), size.shape[1], t_off).astype(int)
    curve = _take(size, start[:, None] + np.arange(n))
    floor = _floor(curve, np.full(len(curve), n))
    return np.where(_summits(curve), curve - floor, 0)[:, first:last].max(axis=1)


def _take(size, at):
    return np.take_along_axis(size, np.clip(at, 0, size.shape[1] - 1), axis=1)


def _wave(curve, last, room, parameters, rate):
    """Find the wave of a curve that begins at the QRS and runs away from it.

    Parameters
    ----------
    curve : ndarray of shape (n_samples, n)
    last : ndarray
        The peak comes before.
    room : ndarray of int
        How many columns are beats.

    Returns
    -------
    near, peak, far : ndarray
        The corner on the side of the QRS, the highest sample, the other corner.
    height : ndarray
        Of the peak over the higher one of the lowest points on its two sides.
    """
    lobes, reach, flank = (round(s * rate) for s in parameters)
    rows, n = np.arange(len(curve)), curve.shape[1]
    time = np.arange(n)
    floor = _floor(curve, room)
    allowed = time < np.minimum(last, room - 1)[:, None]
    height = np.where(allowed, curve - floor, -np.inf)
    peak = height.argmax(axis=1)
    height = height[rows, peak]
    summits = _summits(curve) & allowed

    def apart():
        """Return how high each summit stands out from the floor and from the way to the peak."""
        return np.where(summits, curve - np.maximum(floor, _trough(curve, peak)), -np.inf)

    # A lower wave that is nearer to the QRS goes first: this is P or T, and what follows is the
    # wave of a neighbouring beat.
    nearer = np.where(time < (peak - lobes)[:, None], apart(), -np.inf)
    first = nearer.argmax(axis=1)
    lower = nearer[rows, first] >= _NEARER * height
    peak = np.where(lower, first, peak)
    height = np.where(lower, nearer[rows, first], height)

    # Waves of two or three lobes begin with the first and end with the last.
    lobe = (apart() >= _LOBE * height[:, None]) & (np.abs(time - peak[:, None]) <= lobes)
    lobe[rows, peak] = True
    nearest, farthest = lobe.argmax(axis=1), n - 1 - lobe[:, ::-1].argmax(axis=1)
    far = _corner(curve, farthest, room, reach, flank)
    near = n - 1 - _corner(curve[:, ::-1], n - 1 - nearest, np.full_like(room, n), reach, flank)
    rounded = round(_ROUNDED * rate)
    far, near = np.maximum(far - rounded, peak), np.minimum(near + rounded, peak)
    return [near.astype(float), peak.astype(float), far.astype(float), height]


def _floor(curve, room):
    """Return the higher one of the lowest values before and after each sample."""
    after = np.where(np.arange(curve.shape[1]) < room[:, None], curve, np.inf)
    return np.maximum(_running_min(curve), _running_min(after[:, ::-1])[:, ::-1])


def _summits(curve):
    summits = np.zeros(curve.shape, dtype=bool)
    summits[:, 1:-1] = (curve[:, 1:-1] >= curve[:, :-2]) & (curve[:, 1:-1] > curve[:, 2:])
    return summits


def _running_min(curve):
    return np.minimum.accumulate(curve, axis=1)


def _trough(curve, peak):
    """Return the lowest value between each sample and the peak."""
    time = np.arange(curve.shape[1])
    before = np.where(time <= peak[:, None], curve, np.inf)
    after = np.where(time >= peak[:, None], curve, np.inf)
    return np.minimum(_running_min(before[:, ::-1])[:, ::-1], _running_min(after))


def _corner(curve, peak, room, reach, flank):
    """Return where the flank that falls after `peak` ends: the corner of the largest trapezium.

    From the steepest point m of the flank, the sample i that maximises the area of the trapezium
    with corners m, i and the end of what is looked at (Vazquez-Seisdedos et al. 2011).
    """
    time = np.arange(curve.shape[1])
    fall = np.zeros_like(curve)
    fall[:, 1:-1] = curve[:, :-2] - curve[:, 2:]
    after = np.where(time >= peak[:, None], curve, np.inf)
    # What falls after a rise is the flank of another wave.
    falling = (after <= _running_min(after)) & (time < np.minimum(peak + flank, room - 1)[:, None])
    m = np.where(falling & (time >= peak[:, None]), fall, -np.inf).argmax(axis=1)[:, None]
    end = np.minimum(m + reach, room[:, None] - 1)
    top = np.take_along_axis(curve, m, axis=1)
    area = np.where((time >= m) & (time <= end), (top - curve) * (2 * end - time - m), -np.inf)
    return area.argmax(axis=1)
