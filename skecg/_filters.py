"""Filters for raw recordings that leave the beats as they are: arrays in, arrays out."""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.linalg.lapack import dposv
from scipy.signal import resample_poly

SAMPLING_RATE = 500  # Hz, of everything below but what `resample` takes

BAND_RATE = 125  # Hz, of the QRS band
_QUARTER = np.array([1, 2, 2, 2], dtype=np.float32) / 8
_PAD = 125  # samples of mirror image, half at each end, while a recording is filtered

# The baseline: a cubic spline with a knot every 0.4 s follows breathing (to 0.5 Hz) within 1 %.
_KNOTS = 200  # samples
_BIN = 20  # samples averaged before the spline is fitted
_MEAN = np.full(_BIN, 1 / _BIN, dtype=np.float32)
_DIASTOLE = 125  # samples before R where a beat begins: 250 ms, before its P wave
_AROUND_QRS = 60  # samples before and after R in which no hum is measured
_QRS_BINS = (4, 9)  # bins of a beat, from there, that hold the QRS: -90 to +110 ms
_LONGEST = 1000  # samples that a beat can last
# Weight of the spline's second differences, in uncorrelated bins: next to nothing against a
# wander that the beats can tell from themselves, decisive against one in step with them.
_SMOOTH = 0.02


def resample(signal, sampling_rate):
    """Resample along time to 500 Hz."""
    if sampling_rate == SAMPLING_RATE:
        return signal
    ratio = Fraction(SAMPLING_RATE / sampling_rate).limit_denominator(1000)
    return resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line")


def qrs_band(signals):
    """Return what recordings hold from 8 to 40 Hz, at 125 Hz, and the mains they may have.

    QRS complexes stand out in that band; it is second-order Butterworth, both ways. Sample i of
    it is sample 4 i + 2 of the recording. Mains are the frequencies, of 50 and 60 Hz, at which a
    line stands out of the spectrum: hum, or a harmonic of a very regular heart rate.

    Parameters
    ----------
    signals : ndarray of shape (n_leads, n_times), or list of such arrays, float32
        A recording, or several of the same length.

    Returns
    -------
    ndarray of shape (n_leads, n_at_125_hz) or (n_recordings, n_leads, n_at_125_hz)
    list of list of int
        The mains of each recording.
    """
    quarter = np.stack([_quarter(signal) for signal in signals])
    n_times = quarter.shape[-1]
    n_fft = fft.next_fast_len(n_times + _PAD, real=True)
    spectrum = fft.rfft(_extend(quarter, _PAD // 2, n_fft - n_times - _PAD // 2))
    mains = _lines(spectrum)
    spectrum *= _gain(n_fft)
    return fft.irfft(spectrum, n_fft)[..., _PAD // 2 : _PAD // 2 + n_times], mains


def _quarter(signal):
    # A quarter of the rate, by means over five samples of weights 1, 2, 2, 2, 1.
    n_whole, last = signal.shape[-1] // 4, signal[..., 4::4]
    whole = signal[..., : 4 * n_whole].reshape(*signal.shape[:-1], n_whole, 4) @ _QUARTER
    return whole[..., : last.shape[-1]] + _QUARTER[0] * last


@lru_cache(maxsize=8)
def _gain(n_fft):
    f = fft.rfftfreq(n_fft, 1 / BAND_RATE)
    return (f**4 / (f**4 + 8**4) / (1 + (f / 40) ** 4)).astype(np.float32)


def low_pass(signal):
    """Return signals (..., n_leads, n_times) below 150 Hz (-3 dB), without phase shift."""
    n_times = signal.shape[-1]
    n_fft = fft.next_fast_len(n_times + 100, real=True)
    spectrum = fft.rfft(_extend(signal, 50, n_fft - n_times - 50))
    spectrum *= _low_gain(n_fft)
    return fft.irfft(spectrum, n_fft)[..., 50 : 50 + n_times].astype(signal.dtype)


@lru_cache(maxsize=8)
def _low_gain(n_fft):
    f = fft.rfftfreq(n_fft, 1 / SAMPLING_RATE)
    return (1 / np.sqrt(1 + (f / 150) ** 8)).astype(np.float32)


def _extend(signal, before, after):
    # Odd mirror images at both ends: np.pad's mode="reflect", reflect_type="odd", but quick.
    n_times = signal.shape[-1]
    longer = np.empty((*signal.shape[:-1], before + n_times + after), dtype=signal.dtype)
    longer[..., before : before + n_times] = signal
    longer[..., :before] = 2 * signal[..., :1] - signal[..., before:0:-1]
    longer[..., before + n_times :] = 2 * signal[..., -1:] - signal[..., -2 : -after - 2 : -1]
    return longer


def _lines(spectra):
    # The mains that stand out within 4 Hz, as far as the spectrum goes; a line is 0.8 Hz wide.
    n_leads, n_bins = spectra.shape[-2:]
    spectra = spectra.reshape(-1, n_leads, n_bins)
    near = 2 * (n_bins - 1) / BAND_RATE  # bins in 1 Hz
    width = int(np.ceil(0.4 * near))
    first = int(46 * near)
    parts = np.ascontiguousarray(spectra[..., first:]).view(np.float32)
    power = np.einsum("nlf,nlf->nf", parts, parts).reshape(len(spectra), -1, 2).sum(axis=-1)
    # 2.5 uV over the whole recording, in the mean over leads.
    least = n_leads * (0.0025 * n_bins) ** 2
    mains = [[] for _ in spectra]
    for at in (50, 60):
        middle = int(at * near) - first
        line = power[:, middle - width : middle + width + 1].max(axis=1)
        around = power[:, int((at - 4) * near) - first : int((at + 4) * near) - first]
        usual = np.sort(around)[:, around.shape[1] // 2]
        for recording in np.flatnonzero(line > np.maximum(25 * usual, least)):
            mains[recording].append(at)
    return mains


def remove_spikes(signal):
    """Return the recording with its pacing spikes cut out and bridged, and where they were.

    A spike goes up and down again within 12 ms and is flat around.
    """
    step = signal[:, 3:] - signal[:, :-3]
    size = np.einsum("lt,lt->t", step, step)
    up, down = size[3:-6], size[6:-3]
    around = np.maximum(size[:-9], size[9:])
    spike = np.flatnonzero(np.minimum(up, down) > np.maximum(0.04, 9 * around))
    if len(spike):
        back = np.einsum("lt,lt->t", step[:, spike + 3], step[:, spike + 6])
        spike = spike[back < -0.7 * np.sqrt(up[spike] * down[spike])] + 6
    if not len(spike):
        return signal, spike
    t = np.arange(signal.shape[-1])
    cut = np.isin(t, np.add.outer(spike, np.arange(-4, 5)))
    first = np.diff(spike, prepend=-100) > 6
    return bridge(signal, np.broadcast_to(cut, signal.shape)), spike[first]


def bridge(signal, cut):
    """Return a copy with straight lines, lead by lead, where `cut` is true."""
    t = np.arange(signal.shape[-1])
    bridged = signal.copy()
    for lead, out in zip(bridged, cut, strict=True):
        if out.any() and not out.all():
            lead[out] = np.interp(t[out], t[~out], lead[~out])
    return bridged


def hum(clean, peaks, mains):
    """Return the hum of a recording at a frequency in Hz.

    Measured between the QRS complexes only, where a beat has nothing at 50 or 60 Hz, and
    followed through slow changes of size and phase.
    """
    n_times = clean.shape[-1]
    whole = {50: 10, 60: 25}[mains]  # samples in one, in three periods
    waves = _waves(mains)
    # A sample less the mean of those about half a period off: no slope, and twice the hum.
    steep = clean[:, 5:-5] - 0.5 * (clean[:, 10:] + clean[:, :-10])
    gain = 1 - float(waves[0, 5])
    n_bins = steep.shape[-1] // whole
    size = steep[:, : n_bins * whole].reshape(-1, whole) @ waves[:, 5 : whole + 5].T
    at = whole * np.arange(n_bins) + whole // 2 + 5
    rest = np.abs(at - peaks[:, None]).min(axis=0, initial=n_times) > _AROUND_QRS
    if rest.mean() < 0.2:
        return np.zeros_like(clean)
    part = _splines(n_times)[at[rest]]
    normal = part.T @ part + 1e-3 * np.eye(part.shape[1])
    value = size.reshape(len(clean), n_bins, 2)[:, rest].swapaxes(0, 1).reshape(len(part), -1)
    fitted = np.linalg.solve(normal, part.T @ value).astype(np.float32) * (2 / (whole * gain))
    cosine, sine = fitted.T.reshape(len(clean), 2, -1).swapaxes(0, 1)
    # An interval between knots holds whole periods, so that they are the same in all.
    pieces = np.concatenate([_PIECES * wave[:_KNOTS] for wave in waves])
    return _curve(pieces, n_times, cosine, sine)


@lru_cache(maxsize=2)
def _waves(mains):
    phase = 2 * np.pi * mains / SAMPLING_RATE * np.arange(_KNOTS)
    return np.stack([np.cos(phase), np.sin(phase)]).astype(np.float32)


def baseline(clean, peaks, alike, holes):
    """Return the smoothest curve that, taken off a recording, leaves beats that are the same.

    Beats of one kind are the sum of a beat and of what moves the baseline. The beat is what is
    the same at the same distance from R; a cubic spline takes the rest, fitted by least squares
    to each bin's difference from the mean of its bin over the beats. So nothing that is in step
    with the beats, ST above all, is taken for baseline, however slow it is, and no filter bends
    it; and a wander out of step with the beats goes, even where a knot a beat could not follow it.

    Parameters
    ----------
    clean : ndarray of shape (n_leads, n_times)
        A recording at 500 Hz.
    peaks : ndarray of int
        R of every beat.
    alike : ndarray of bool
        Which of them are of one kind.
    holes : ndarray of bool, shape (n_leads, n_times), or None
        Where the recording cannot be trusted; None means nowhere.

    Returns
    -------
    ndarray of shape (n_leads, n_times)
    """
    n_times = clean.shape[-1]
    first = peaks - _DIASTOLE
    length = np.append(first[1:], n_times - 1) - first
    if len(peaks) > 1:  # after the last beat, no more than the usual distance is its own
        length[-1] = min(length[-1], np.sort(length[:-1])[(len(peaks) - 1) // 2])
    n_bins = np.minimum(length, _LONGEST) // _BIN
    width = n_bins.max()
    number = np.arange(width)
    start = first[:, None] + _BIN * number  # (n_beats, n_bins)
    own = (number < (n_bins * alike)[:, None]) & (start >= 0)
    own[:, _QRS_BINS[0] : _QRS_BINS[1]] = False  # it changes with breathing, and not as a level
    bins = (len(peaks), len(clean), width, _BIN)
    level = windows(clean, first, 0, _BIN * width).reshape(bins) @ _MEAN
    part = _splines(n_times).take(start + _BIN // 2, axis=0, mode="clip")
    both = np.concatenate([part, level.swapaxes(1, 2)], axis=-1)
    size, rest = _fit(both, own, len(clean))
    # An artefact must not move the baseline of the other beats: once more without it.
    error = np.sqrt(np.einsum("bpl,bpl->bl", rest, rest) / np.maximum(own.sum(axis=1), 1)[:, None])
    limit = 3 * np.sort(error[alike], axis=0)[alike.sum() // 2] + 0.03  # mV
    spoilt = (error > limit)[..., None]
    if holes is not None:
        spoilt = spoilt | windows(holes, first, 0, _BIN * width).reshape(bins).any(axis=-1)
        spoilt &= own[:, None]
    for lead in np.flatnonzero(spoilt.any(axis=(0, 2))):
        one = np.append(np.arange(-len(clean) - part.shape[-1], -len(clean)), lead - len(clean))
        size[lead] = _fit(both[..., one], own & ~spoilt[:, lead], 1)[0]
    return _curve(_PIECES, n_times, size)


def _fit(both, own, n_leads):
    # Least squares of the splines, first in `both` (n_beats, n_bins, n_splines + n_leads), to
    # the levels of leads, which follow, each bin less its mean over the beats, where `own` is
    # true: sizes (n_leads, n_splines), and what is left.
    weight = own[..., None].astype(np.float32)
    both = both * weight
    both -= both.sum(axis=0) / np.maximum(weight.sum(axis=0), 1)
    both *= weight
    flat = both.reshape(-1, both.shape[-1])
    splines, levels = flat[:, :-n_leads], flat[:, -n_leads:]
    product = splines.T @ flat
    normal = product[:, :-n_leads] + _penalty(splines.shape[-1])
    size = dposv(normal, product[:, -n_leads:])[1].astype(np.float32)
    return size.T, (levels - splines @ size).reshape(*own.shape, n_leads)


@lru_cache(maxsize=8)
def _penalty(n_splines):
    bend = np.diff(np.eye(n_splines), n=min(2, n_splines - 1), axis=0)
    return _SMOOTH * bend.T @ bend + 1e-4 * np.eye(n_splines)


# The four cubic B-splines that an interval between knots has a part of, (4, _KNOTS).
_U = (np.arange(_KNOTS, dtype=np.float32) + 0.5) / _KNOTS
_PIECES = np.stack(
    [(1 - _U) ** 3, 3 * _U**3 - 6 * _U**2 + 4, -3 * _U**3 + 3 * _U**2 + 3 * _U + 1, _U**3]
) / np.float32(6)


@lru_cache(maxsize=8)
def _splines(n_times):
    # (n_times, n_splines): what each spline contributes to each sample.
    n_intervals = -(-n_times // _KNOTS)
    splines = np.zeros((n_intervals * _KNOTS, n_intervals + 3), dtype=np.float32)
    for i in range(n_intervals):
        splines[i * _KNOTS : (i + 1) * _KNOTS, i : i + 4] = _PIECES.T
    return splines[:n_times]


def _curve(pieces, n_times, *sizes):
    # The sum of the splines, of sizes (n_leads, n_splines), at every sample; of several kinds of
    # splines, the sum of all, each with its four pieces.
    n_leads, n_splines = sizes[0].shape
    four = np.arange(n_splines - 3)[:, None] + np.arange(4)
    size = np.concatenate([size[:, four] for size in sizes], axis=-1)
    return (size.reshape(-1, len(pieces)) @ pieces).reshape(n_leads, -1)[:, :n_times]


def windows(signal, centres, before, after):
    """Return (n_beats, n_leads, before + after); beyond its ends the recording is held."""
    width = before + after
    if signal.shape[-1] < width:
        signal = np.pad(signal, ((0, 0), (0, width - signal.shape[-1])), mode="edge")
    signal, last = np.ascontiguousarray(signal), signal.shape[-1] - width
    # A view of a window at every sample, to gather beats from in one go.
    shape, strides = (last + 1, len(signal), width), (signal.itemsize, *signal.strides)
    every = np.ndarray(shape, signal.dtype, signal, strides=strides)
    first = np.subtract(centres, before)
    cut = every[np.minimum(np.maximum(first, 0), last)]
    for beat in np.flatnonzero((first < 0) | (first > last)):
        at = np.arange(first[beat], first[beat] + width)
        cut[beat] = signal.take(at, axis=1, mode="clip")
    return cut
