"""From one raw recording to its median beat: array functions without scikit-learn."""

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import fft
from scipy.interpolate import CubicSpline
from scipy.ndimage import median_filter, uniform_filter1d
from scipy.signal import find_peaks, resample_poly

SAMPLING_RATE = 500  # Hz, of everything below
N_TIMES, R_INDEX = 600, 300  # a beat: 1.2 s with R in the middle
MIN_SECONDS = 2.5
MIN_RATE = 80  # Hz, so that the QRS band below fits

_PAD = 250  # samples of mirror image at both ends of a recording while it is filtered
_QRS = slice(-50, 70)  # samples around R by which beats are compared: -100 to +140 ms
_CORE = (150, 250)  # samples before and after R that every beat must have: -300 to +500 ms
_SHIFT = 25  # samples a beat may be moved to match the template: 50 ms


class UnusableECG(ValueError):
    """Why no median beat can be made of a recording."""


def resample(signal, sampling_rate):
    """Resample along time to 500 Hz."""
    ratio = Fraction(SAMPLING_RATE / sampling_rate).limit_denominator(1000)
    return resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line")


def check_usable(signal, sampling_rate):
    """Raise UnusableECG for a recording that is too short, flat, or holds NaN or no voltage."""
    seconds = signal.shape[-1] / sampling_rate
    if seconds < MIN_SECONDS:
        raise UnusableECG(f"{seconds:.2g} s is shorter than {MIN_SECONDS} s")
    bad = np.flatnonzero(~np.isfinite(signal).all(axis=-1))
    if len(bad):
        raise UnusableECG(f"NaN or infinity in leads {bad.tolist()}")
    if (signal == signal[:, :1]).all():
        raise UnusableECG("flat in every lead")
    if np.abs(signal).max() > 1e6:
        raise UnusableECG("values over 1e6, which cannot be mV")


@lru_cache(maxsize=8)
def _gains(n_fft):
    f = fft.rfftfreq(n_fft, 1 / SAMPLING_RATE)
    # Zero-phase: -3 dB at 150 Hz; and a second-order Butterworth, both ways, of 8 to 40 Hz.
    low_pass = 1 / np.sqrt(1 + (f / 150) ** 8)
    qrs_band = f**4 / (f**4 + 8**4) / (1 + (f / 40) ** 4)
    return f, low_pass.astype(np.float32), qrs_band.astype(np.float32)


def filter_bands(signal):
    """Return a recording below 150 Hz without hum, and from 8 to 40 Hz without pacing spikes.

    Both have zero phase. The first keeps its baseline; in the second QRS complexes stand out.
    """
    n_times = signal.shape[-1]
    n_fft = fft.next_fast_len(n_times + 2 * _PAD, real=True)
    pad = ((0, 0), (_PAD, n_fft - n_times - _PAD))
    inside = slice(_PAD, _PAD + n_times)
    f, low_pass, qrs_band = _gains(n_fft)

    def spectrum_of(x):
        return fft.rfft(np.pad(x, pad, mode="reflect", reflect_type="odd"))

    spectrum = spectrum_of(signal)
    _remove_mains(spectrum, f, n_fft)
    clean = fft.irfft(spectrum * low_pass, n_fft)[:, inside]
    spikes = find_spikes(signal)
    if len(spikes):
        spectrum = spectrum_of(_bridge(signal, spikes))
    return clean, fft.irfft(spectrum * qrs_band, n_fft)[:, inside]


def find_spikes(signal):
    """Return the samples of pacing spikes: up and down again within 12 ms, flat around."""
    step = signal[:, 3:] - signal[:, :-3]
    size = np.einsum("lt,lt->t", step, step)
    up, down = size[3:-6], size[6:-3]
    back = np.einsum("lt,lt->t", step[:, 3:-6], step[:, 6:-3])
    around = np.maximum(size[:-9], size[9:])
    spike = np.minimum(up, down) > np.maximum(0.04, 9 * around)
    spike &= back < -0.7 * np.sqrt(up * down)
    return np.flatnonzero(spike) + 6


def _bridge(signal, spikes):
    t = np.arange(signal.shape[-1])
    cut = np.isin(t, np.add.outer(spikes, np.arange(-4, 5)))
    bridged = signal.copy()
    for lead in bridged:
        lead[cut] = np.interp(t[cut], t[~cut], lead[~cut])
    return bridged


def _remove_mains(spectrum, f, n_fft):
    # Only a line that stands out is lowered, so that a clean ECG keeps its 50 and 60 Hz.
    for mains in (50, 60):
        centre = np.flatnonzero(abs(f - mains) < 0.4)
        around = np.flatnonzero((abs(f - mains) > 0.6) & (abs(f - mains) < 4))
        size = np.abs(spectrum[:, centre])
        usual = np.median(np.abs(spectrum[:, around]), axis=-1, keepdims=True)
        line = (size > 5 * usual) & (size * 2 / n_fft > 0.005)  # 5 uV
        spectrum[:, centre] *= np.where(line, usual / np.maximum(size, 1e-12), 1)


def find_qrs(qrs_band):
    """Return sample indices near the R peaks, one a heartbeat."""
    power = uniform_filter1d(np.mean(qrs_band**2, axis=0), 25)  # 50 ms
    envelope = np.sqrt(np.maximum(power, 0))
    threshold = max(0.35 * np.percentile(envelope, 98), 0.01)  # mV; less is no QRS
    peaks = find_peaks(envelope, height=threshold, distance=125)[0]  # 250 ms refractory
    # A deflection cut by the end of the recording cannot be told from an edge artefact.
    return peaks[(peaks >= 25) & (peaks < envelope.size - 25)]


def _windows(signal, centres, before, after):
    # (n_beats, n_leads, before + after); beyond the ends of the recording the ends are held.
    at = centres[:, None] + np.arange(-before, after)
    return signal[:, np.clip(at, 0, signal.shape[-1] - 1)].transpose(1, 0, 2)


def refine_r(qrs_band, peaks):
    """Move each peak to the largest RMS over leads within 60 ms."""
    near = _windows(qrs_band, peaks, 30, 30)
    return peaks + np.einsum("blt,blt->bt", near, near).argmax(axis=-1) - 30


def align(qrs_band, peaks):
    """Return peaks moved to match the beat nearest to all others, and correlations with it."""
    before, after = -_QRS.start, _QRS.stop
    wide = _windows(qrs_band, peaks, before + _SHIFT, after + _SHIFT)
    centred = wide[..., _SHIFT:-_SHIFT].reshape(len(peaks), -1)
    centred = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    likeness = centred @ centred.T
    nearest = np.where(likeness > 0.7, likeness, 0).sum(axis=1).argmax()
    template = centred[nearest].reshape(wide.shape[1], -1)
    # Correlation at every shift: a product by FFT, over the energy of what it covers.
    n_fft = fft.next_fast_len(wide.shape[-1], real=True)
    spectrum = np.einsum("blf,lf->bf", fft.rfft(wide, n_fft), np.conj(fft.rfft(template, n_fft)))
    product = fft.irfft(spectrum, n_fft)[:, : 2 * _SHIFT + 1]
    power = np.cumsum(np.pad(np.einsum("blt,blt->bt", wide, wide), ((0, 0), (1, 0))), axis=1)
    energy = power[:, before + after :] - power[:, : -before - after]
    correlation = product / np.sqrt(np.maximum(energy, 1e-12))
    best = correlation.argmax(axis=1)
    return peaks + best - _SHIFT, correlation[np.arange(len(peaks)), best]


def pq_window(beat, r):
    """Return the 20 ms of a beat just before the QRS onset, as a slice."""
    # Going back from the steepest part, onset is where the slope stays at rest for 10 ms.
    slope = uniform_filter1d(np.linalg.norm(np.diff(beat, axis=-1), axis=0), 5)
    start = r - 40 + slope[r - 40 : r + 20].argmax()
    rest = np.percentile(slope, 20)
    quiet = uniform_filter1d((slope < rest + 0.05 * (slope[start] - rest)).astype(float), 5) > 0.99
    before = np.flatnonzero(quiet[r - 90 : start])
    onset = r - 90 + before[-1] + 2 if len(before) else r - 40
    return slice(onset - 12, onset - 2)


def baseline(clean, peaks, all_peaks, pq_start):
    """Return the baseline as a cubic spline through points where no ST segment takes part.

    A first spline passes through the PQ levels (Meyer and Keiser, 1977). It is too coarse
    below 60 beats a minute and has nothing to hold to after the last beat, so the mean
    beat it leaves is taken off at a second point a beat, late in the T wave, and the
    baseline seen there is added. Unlike a high-pass filter it leaves ST where it is.

    `peaks` are those of the beats that are alike, `all_peaks` of all; `pq_start` is where
    the PQ segment begins, in samples from R.
    """
    n_times = clean.shape[-1]
    knots = peaks[peaks + pq_start >= 0] + pq_start + 5
    levels = _windows(clean, knots, 5, 5).mean(axis=-1)
    rr = np.median(np.diff(peaks)) if len(peaks) > 1 else N_TIMES
    late = int(min(220, 0.55 * rr))  # samples after R
    following = np.append(all_peaks, n_times - 20 - pq_start)
    room = following[np.searchsorted(all_peaks, peaks, side="right")] + pq_start - peaks
    second = peaks[room > late + 40] + late
    if len(second):
        there = _windows(clean, second, 20, 20).mean(axis=-1)
        usual = _trimmed_mean(there - _spline(knots, levels, second))
        knots, levels = np.append(knots, second), np.append(levels, there - usual, axis=0)
    return _spline(knots, levels, np.arange(n_times)).T


def _spline(knots, levels, t):
    if len(knots) == 1:
        return np.broadcast_to(levels, (len(t), levels.shape[1]))
    order = np.argsort(knots)
    spline = CubicSpline(knots[order], levels[order], bc_type="natural")
    return spline(t).astype(np.float32)


def _median(beats):
    beats = np.sort(beats, axis=0)  # several times faster than np.median for a few beats
    return (beats[(len(beats) - 1) // 2] + beats[len(beats) // 2]) / 2


def _trimmed_mean(beats):
    # Wander out of step with the beats spreads them two-humped; there a median would jump.
    beats = np.sort(beats, axis=0)
    cut = len(beats) // 5
    return beats[cut : len(beats) - cut].mean(axis=0)


def usable_beats(peaks, n_times):
    """Return the peaks whose beats lie inside the recording; of few, also those cut a little."""
    whole = peaks[(peaks >= R_INDEX) & (peaks <= n_times - R_INDEX)]
    if len(whole) >= 3:
        return whole
    return peaks[(peaks >= _CORE[0]) & (peaks <= n_times - _CORE[1])]


class Measured(NamedTuple):
    """A median beat of shape (n_leads, 600) and how it came about."""

    beat: np.ndarray
    heart_rate: float
    n_beats: int
    n_used: int
    noise_uv: float
    quality: str


class Located(NamedTuple):
    """A filtered recording at 500 Hz and where its beats are."""

    clean: np.ndarray
    peaks: np.ndarray  # R of every beat, where the RMS over leads is largest
    alike: np.ndarray  # which of them belong to the prevailing kind
    pq_start: int  # of the prevailing kind, in samples from R


def locate_beats(signal, sampling_rate):
    """Find the beats of a recording (n_leads, n_times) in mV, or raise UnusableECG."""
    check_usable(signal, sampling_rate)
    signal = np.array(signal, dtype=np.float64, order="C")
    signal = (signal - signal.mean(axis=-1, keepdims=True)).astype(np.float32)
    clean, qrs_band = filter_bands(resample(signal, sampling_rate))
    peaks = find_qrs(qrs_band)
    if not len(peaks):
        raise UnusableECG("no QRS complex found")
    peaks = refine_r(qrs_band, peaks)
    aligned, similarity = align(qrs_band, peaks)
    # Ectopic beats mostly stay below 0.8, beats of one kind above 0.93 unless they are noisy.
    alike = similarity > 0.9 * np.median(similarity[similarity > 0.7])
    if alike.sum() < max(min(2, len(peaks)), len(peaks) / 4):
        raise UnusableECG("no QRS complex that repeats itself")
    peaks = np.where(alike, aligned, peaks)
    template = usable_beats(peaks[alike], clean.shape[-1])
    if not len(template):
        return Located(clean, peaks, alike, -35)
    rough = _windows(clean, template, 150, 150)
    rough = _median(rough - rough[..., 90:140].mean(axis=-1, keepdims=True))
    pq = pq_window(rough, 150)
    rms = np.linalg.norm((rough - rough[:, pq].mean(axis=-1, keepdims=True))[:, 120:180], axis=0)
    # A pacing spike is no R: it does not survive a running median of 18 ms.
    shift = np.minimum(rms, 1.5 * median_filter(rms, 9)).argmax() - 30
    return Located(clean, peaks + shift, alike, pq.start - 150 - shift)


def measure_beat(signal, sampling_rate):
    """Make the median beat of a recording (n_leads, n_times) in mV, or raise UnusableECG."""
    clean, found, alike, pq_start = locate_beats(signal, sampling_rate)
    peaks = found[alike]
    complete = usable_beats(peaks, clean.shape[-1])
    if not len(complete):
        raise UnusableECG("no complete beat")
    flat = clean - baseline(clean, peaks, found, pq_start)
    beats = _windows(flat, complete, R_INDEX, R_INDEX)
    rr = np.diff(found).mean() if len(found) > 1 else np.nan
    # The part of a beat, -150 to +500 ms, where neighbours at another distance do not show.
    own = slice(R_INDEX - 75, R_INDEX + int(np.fmin(250, 0.6 * rr)))
    beat = _median(beats)
    away = np.sqrt(np.mean((beats - beat)[..., own] ** 2, axis=(1, 2)))
    close = away <= 2.5 * np.median(away) + 0.02  # mV
    if not close.all():
        beats = beats[close]
        beat = _median(beats)
    beat -= beat[:, pq_window(beat, R_INDEX)].mean(axis=-1, keepdims=True)
    noise_uv = np.nan
    if len(beats) > 1:  # every fourth sample tells as much
        noise_uv = 1483 * np.median(np.abs(beats - beat)[..., own][..., ::4])
    dead = np.flatnonzero((signal == signal[:, :1]).all(axis=-1)).tolist()
    # 40 uV is exceeded by some 1 % of routine ECGs.
    remarks = {f"flat leads {dead}": dead, "few beats": len(beats) < 3, "noisy": noise_uv > 40}
    return Measured(
        beat=beat.astype(np.float32),
        heart_rate=60 * SAMPLING_RATE / rr,
        n_beats=len(found),
        n_used=len(beats),
        noise_uv=noise_uv,
        quality="; ".join(name for name, true in remarks.items() if true) or "good",
    )
