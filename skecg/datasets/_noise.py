"""What electrodes pick up besides the heart, in mV."""

import numpy as np

from ._heart import SAMPLING_RATE

# Leads I, II, V1 ... V6 of the electrodes RA, LA, LL, V1 ... V6, with Wilson's terminal.
ELECTRODES = np.zeros((8, 9), dtype=np.float32)
ELECTRODES[0, [0, 1]] = -1, 1
ELECTRODES[1, [0, 2]] = -1, 1
ELECTRODES[2:, :3] = -1 / 3
ELECTRODES[2:, 3:] = np.eye(6)


def electrode_noise(n, n_times, rng):
    """Draw noise of SD about 1 in a lead, (n, 8, n_times), that falls with the frequency.

    Of muscle, skin and amplifier; from 8 to 230 Hz the spectrum is that of the medians of PTB-XL
    between T and P.
    """
    noise = _spline(n, n_times, 40, 1.1, rng)
    noise += _spline(n, n_times, 10, 0.42, rng)
    white = rng.standard_normal((n, 9, n_times // 2 + 1), dtype=np.float32)
    white *= np.float32(0.17) * np.exp(0.4 * rng.standard_normal((n, 9, 1), dtype=np.float32))
    white = ELECTRODES @ white
    noise[..., ::2] += white[..., :-1]
    noise[..., 1::2] += 0.5 * (white[..., :-1] + white[..., 1:])
    return noise


def _spline(n, n_times, step, size, rng):
    # Cubic B-splines of random knots of electrodes, in leads.
    knots = ELECTRODES @ rng.standard_normal((n, 9, n_times // step + 3), dtype=np.float32)
    t = np.arange(step, dtype=np.float32) / step
    basis = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1,
                      t**3]) / 6  # fmt: skip
    windows = np.lib.stride_tricks.sliding_window_view(knots, 4, axis=-1)
    signal = windows @ (size * basis).astype(np.float32)
    return signal.reshape(n, 8, -1)[..., :n_times]


def recording_noise(level, breath, rng):
    """Draw the noise of raw recordings, (n, 8, n_times).

    Parameters
    ----------
    level : ndarray of shape (n,)
        SD of the noise of electrodes in mV.
    breath : ndarray of shape (n, n_times)
        Course of the breath, of size 1.
    rng : numpy.random.Generator
    """
    n, n_times = breath.shape
    seconds = np.arange(n_times, dtype=np.float32) / SAMPLING_RATE

    def normal(scale, *shape):
        return np.float32(scale) * rng.standard_normal(shape, dtype=np.float32)

    leads = electrode_noise(n, n_times, rng)
    leads *= level.astype(np.float32)[:, None, None]
    # One recording in six has bursts, of three times the noise.
    bursts = np.flatnonzero(rng.random(n) < 1 / 6)
    start, length = rng.uniform(0, 10, (2, len(bursts), 1, 1))
    leads[bursts] *= 1 + 2 * ((seconds > start) & (seconds < start + 0.4 * length))
    # Wander: with the breath, and slower; an offset. Sizes chosen by the look of PTB-XL: its
    # recordings swing by .1 to .3 mV about their baseline.
    slower = np.stack([seconds * 0 + 1, seconds / 5 - 1, np.sin(0.6 * seconds), np.cos(seconds)])
    courses = np.concatenate(
        [np.broadcast_to(slower, (n, *slower.shape)), breath[:, None].astype(np.float32)], axis=1
    )
    size = np.array([0.10, 0.04, 0.04, 0.03, 0.03], dtype=np.float32)
    size = size * np.exp(normal(0.5, n, 1, 1))
    hum = 0.003 * np.exp(normal(0.8, n))  # mV, 50 or 60 Hz
    frequency = np.where(rng.random(n) < 0.6, 50, 60) + 0.05 * rng.standard_normal(n)
    phase = 2 * np.pi * frequency[:, None] * seconds.astype(np.float64)
    mains = np.stack([np.sin(phase), np.cos(phase)], axis=1).astype(np.float32)
    courses = np.concatenate([courses, mains], axis=1)
    weights = normal(1, n, 9, 7)
    weights[..., :5] *= size
    weights[..., 5:] *= hum[:, None, None]
    leads += (ELECTRODES @ weights) @ courses
    # Motion: in one recording of twelve an electrode moves, and its baseline jumps and returns.
    for row in np.flatnonzero(rng.random(n) < 1 / 12):
        after = seconds - rng.uniform(0, 10)
        jump = np.where(after > 0, np.exp(-np.maximum(after, 0) / rng.uniform(0.1, 0.6)), 0)
        column = ELECTRODES[:, rng.integers(9), None]
        leads[row] += column * jump.astype(np.float32) * normal(0.4)
    return leads
