"""Recordings laid from beats that are known to the sample."""

import numpy as np

from skecg import _beats

T = np.arange(-300, 300) * 2.0  # ms from R
GAINS = np.cos(1.3 * np.arange(12))  # how much of each wave a lead sees


def bump(centre, width, height):
    return height * np.exp(-0.5 * ((T - centre) / width) ** 2)


def known_beat(st=0.0, rate=60, gains=GAINS):
    """Leads in mV: PQ at zero, ST of `st` times the leads' gains from 45 ms after R.

    ST and T end earlier at higher heart rates, after Bazett.
    """
    qt = np.sqrt(60 / rate)
    on, off = 1 / (1 + np.exp(-(T - 45) / 3)), 1 / (1 + np.exp((T - 280 * qt) / (25 * qt)))
    beat = [
        bump(-150, 15, 0.12)
        + bump(-22, 6, -0.15 * gain)
        + bump(0, 9, 1.2 * gain + 0.3)
        + bump(25, 6, -0.3)
        + bump(300 * qt, 30 * qt, 0.3 * gain)
        + st * gain * on * off
        for gain in gains
    ]
    return with_r_in_the_middle(np.array(beat))


def wide_beat(gains=GAINS[::-1]):
    """A ventricular beat: QRS of some 140 ms that turns the other way in other leads."""
    beat = [
        bump(-15, 16, 1.5 * gain) + bump(35, 18, -gain) + bump(250, 50, -0.5 * gain)
        for gain in gains
    ]
    return np.array(beat)


def with_r_in_the_middle(beat):
    """Shift a beat so that what skecg calls R is at 300."""
    r = 240 + _beats.r_offset(beat[:, 240:380])
    return np.roll(beat, 300 - r, axis=1)


def record(
    beat, rate=60, seconds=10, ectopic=(), wander=0.0, mains=0.0, noise=0.0, jitter=0.01, seed=0
):
    """Place a beat at a heart rate; return the recording and where its R are.

    Parameters
    ----------
    beat : ndarray of shape (12, 600)
    rate : float
        Beats a minute.
    seconds : float
    ectopic : collection of int
        Which beats are ventricular; each comes early and is followed by a pause.
    wander, mains : float
        Peak to peak in mV, of 0.3 and 50 Hz, at another phase in each lead.
    noise : float
        Standard deviation in mV.
    jitter : float
        Standard deviation of RR in seconds.
    """
    rng = np.random.default_rng(seed)
    n_times = int(seconds * 500)
    rr = rng.normal(60 / rate, jitter, 1000)
    at = np.cumsum(rr) - rng.uniform(0.2, 0.8) * 60 / rate
    at[list(ectopic)] -= 0.3 * 60 / rate
    r = np.round(500 * at[at < seconds + 0.6]).astype(int)
    recording = np.zeros((12, n_times + 1200))
    for k, centre in enumerate(r):
        recording[:, centre + 300 : centre + 900] += wide_beat() if k in ectopic else beat
    recording = recording[:, 600:-600]
    t = np.arange(n_times) / 500
    for size, frequency in ((wander, 0.3), (mains, 50)):
        phase = 2 * np.pi * (frequency * t + rng.uniform(size=(12, 1)))
        recording += size / 2 * np.sin(phase)
    recording += rng.normal(0, noise, recording.shape)
    return recording, r[(r >= 25) & (r < n_times - 25)]
