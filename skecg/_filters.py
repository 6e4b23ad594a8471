"""Filters for raw recordings that leave the beats as they are: arrays in, arrays out."""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.signal import resample_poly

SAMPLING_RATE = 500  # Hz, of everything below but what `resample` takes

BAND_RATE = 125  # Hz, of the QRS band
_PAD = 125  # samples of mirror image, half at each end, while a recording is filtered

# The baseline: a cubic spline with a knot every 0.4 s follows breathing (to 0.5 Hz) within 1 %.
_KNOTS = 200  # samples
_BIN = 20  # samples averaged before the spline is fitted
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


def qrs_band(signal):
    """Return what a recording holds from 8 to 40 Hz, at 125 Hz, and the mains it may have.

    QRS complexes stand out in that band; it is second-order Butterworth, both ways. Sample i of
    it is sample 4 i + 2 of the recording. Mains are the frequencies, of 50 and 60 Hz, at which a
    line stands out of the spectrum: hum, or a harmonic of a very regular heart rate.
    """
    # Twice half the rate, each time after a mean over neighbours of weights 1, 2, 1 and 1, 1.
    half = 0.25 * (signal[:, :-2:2] + signal[:, 2::2]) + 0.5 * signal[:, 1:-1:2]
    quarter = 0.5 * (half[:, :-1:2] + half[:, 1::2])
    n_times = quarter.shape[-1]
    n_fft = fft.next_fast_len(n_times + _PAD, real=True)
    spectrum = fft.rfft(_extend(quarter, _PAD // 2, n_fft - n_times - _PAD // 2))
    mains = [f for f in (50, 60) if _line(spectrum, f * n_fft / BAND_RATE)]
    spectrum *= _gain(n_fft)
    return fft.irfft(spectrum, n_fft)[:, _PAD // 2 : _PAD // 2 + n_times], mains


@lru_cache(maxsize=8)
def _gain(n_fft):
    f = fft.rfftfreq(n_fft, 1 / BAND_RATE)
    return (f**4 / (f**4 + 8**4) / (1 + (f / 40) ** 4)).astype(np.float32)


def low_pass(signal):
    """Return a signal below 150 Hz (-3 dB), without phase shift."""
    n_times = signal.shape[-1]
    n_fft = fft.next_fast_len(n_times + 100, real=True)
    spectrum = fft.rfft(_extend(signal, 50, n_fft - n_times - 50))
    spectrum *= _low_gain(n_fft)
    return fft.irfft(spectrum, n_fft)[:, 50 : 50 + n_times].astype(signal.dtype)


@lru_cache(maxsize=8)
def _low_gain(n_fft):
    f = fft.rfftfreq(n_fft, 1 / SAMPLING_RATE)
    return (1 / np.sqrt(1 + (f / 150) ** 8)).astype(np.float32)


def _extend(signal, before, after):
    # Odd mirror images at both ends: np.pad's mode="reflect", reflect_type="odd", but quick.
    n_leads, n_times = signal.shape
    longer = np.empty((n_leads, before + n_times + after), dtype=signal.dtype)
    longer[:, before : before + n_times] = signal
    longer[:, :before] = 2 * signal[:, :1] - signal[:, before:0:-1]
    longer[:, before + n_times :] = 2 * signal[:, -1:] - signal[:, -2 : -after - 2 : -1]
    return longer


def _line(spectrum, at):
    # Within 4 Hz, as far as the spectrum goes; the line itself is 0.8 Hz wide.
    near = 2 * (spectrum.shape[-1] - 1) / BAND_RATE  # bins in 1 Hz
    around = spectrum[:, int(at - 4 * near) : int(at + 4 * near)]
    power = np.einsum("lf,lf->f", around, around.conj()).real
    middle = int(at) - int(at - 4 * near)
    width = int(np.ceil(0.4 * near))
    line = power[middle - width : middle + width + 1].max()
    # 2.5 uV over the whole recording, in the mean over leads.
    least = len(spectrum) * (0.0025 * spectrum.shape[-1]) ** 2
    return line > max(25 * np.sort(power)[len(power) // 2], least)


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
    phase = 2 * np.pi * mains / SAMPLING_RATE * np.arange(whole + 5)
    wave = np.stack([np.cos(phase), np.sin(phase)]).astype(np.float32)
    # A sample less the mean of those about half a period off: no slope, and twice the hum.
    steep = clean[:, 5:-5] - 0.5 * (clean[:, 10:] + clean[:, :-10])
    gain = 1 - np.cos(2 * np.pi * mains / SAMPLING_RATE * 5)
    n_bins = steep.shape[-1] // whole
    size = steep[:, : n_bins * whole].reshape(len(clean), n_bins, whole) @ wave[:, 5:].T
    at = whole * np.arange(n_bins) + whole // 2 + 5
    rest = np.abs(at[:, None] - peaks).min(axis=1, initial=n_times) > _AROUND_QRS
    if rest.mean() < 0.2:
        return np.zeros_like(clean)
    part = _splines(n_times)[at[rest]]
    normal = part.T @ part + 1e-3 * np.eye(part.shape[1])
    value = size[:, rest].transpose(1, 2, 0).reshape(len(part), -1)  # cosines, then sines
    fitted = np.linalg.solve(normal, part.T @ value).astype(np.float32) * (2 / (whole * gain))
    cosine, sine = np.split(_curve(fitted.T, n_times), 2)
    wave = np.tile(wave[:, :whole], n_times // whole + 1)[:, :n_times]
    return cosine * wave[0] + sine * wave[1]


def baseline(clean, peaks, alike, usable):
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
    usable : ndarray of bool, shape (n_leads, n_times), or None
        Where the recording can be trusted; None means everywhere.

    Returns
    -------
    ndarray of shape (n_leads, n_times)
    """
    n_times = clean.shape[-1]
    first = peaks - _DIASTOLE
    length = np.append(first[1:], n_times) - first
    if len(peaks) > 1:  # after the last beat, no more than the usual distance is its own
        length[-1] = min(length[-1], np.sort(length[:-1])[(len(peaks) - 1) // 2])
    n_bins = np.minimum(length, _LONGEST) // _BIN
    number = np.arange(n_bins.max())
    start = first[:, None] + _BIN * number  # (n_beats, n_bins)
    own = (number < n_bins[:, None]) & alike[:, None] & (start >= 0) & (start + _BIN < n_times)
    own[:, _QRS_BINS[0] : _QRS_BINS[1]] = False  # it changes with breathing, and not as a level
    start = np.clip(start, 0, n_times - _BIN - 1)
    ends = (start[..., None] + np.array([0, _BIN])).ravel()
    level = np.add.reduceat(clean, ends, axis=-1)
    level = level[:, ::2].T.reshape(*start.shape, len(clean)) / _BIN
    part = _splines(n_times)[start + _BIN // 2]
    size, rest = _fit(part, level, own)
    # An artefact must not move the baseline of the other beats: once more without it.
    error = np.sqrt(np.einsum("bpl,bpl->bl", rest, rest) / np.maximum(own.sum(axis=1), 1)[:, None])
    limit = 3 * np.sort(error[alike], axis=0)[alike.sum() // 2] + 0.03  # mV
    trusted = own[..., None] & (error <= limit)[:, None]
    if usable is not None:
        whole = usable[:, start[..., None] + np.arange(_BIN)].all(axis=-1)
        trusted &= np.moveaxis(whole, 0, -1)
    for lead in np.flatnonzero((trusted != own[..., None]).any(axis=(0, 1))):
        size[lead] = _fit(part, level[..., lead, None], trusted[..., lead])[0]
    return _curve(size, n_times)


def _fit(part, level, own):
    # Least squares of the splines to the levels (n_beats, n_bins, n_leads), each bin less its
    # mean over the beats, where `own` is true: sizes (n_leads, n_splines), and what is left.
    n_splines = part.shape[-1]
    both = np.concatenate([part, level], axis=-1) * own[..., None]
    both -= both.sum(axis=0) / np.maximum(own.sum(axis=0), 1).astype(np.float32)[:, None]
    both *= own[..., None]
    flat = both.reshape(-1, both.shape[-1])
    product = flat[:, :n_splines].T @ flat
    normal = product[:, :n_splines] + _penalty(n_splines)
    size = np.linalg.solve(normal, product[:, n_splines:]).astype(np.float32)
    return size.T, both[..., n_splines:] - both[..., :n_splines] @ size


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


def _curve(size, n_times):
    # The sum of the splines, of sizes (n_leads, n_splines), at every sample.
    four = np.arange(size.shape[1] - 3)[:, None] + np.arange(4)
    pieces = size[:, four].reshape(-1, 4) @ _PIECES
    return pieces.reshape(len(size), -1)[:, :n_times]
