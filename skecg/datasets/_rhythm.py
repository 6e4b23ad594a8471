"""When the heart beats, and beats that come from elsewhere."""

import numpy as np

from ._heart import CORNERS, N_PHASES, QRS, STEPS
from ._occlusion import st_shape, t_shape

NORMAL, VENTRICULAR, ATRIAL = range(3)  # kinds of beats

# Share of patients, chosen; atrial fibrillation by age below.
_SHARES = {"PVC": 0.06, "PAC": 0.05, "bigeminy": 0.01}


def draw_rhythm(age, paced, rng):
    """Draw the rhythm of patients by name; none but sinus, or pacing after it, where paced."""
    n = len(age)
    # 2 % at 60 years, doubling every nine years: 9 % at 80, as in the general population.
    fibrillates = rng.random(n) < 0.02 * 2 ** np.clip((age - 60) / 9, -2, 3)
    share = rng.random(n)
    edges = np.cumsum(list(_SHARES.values()))
    rhythm = np.array([*_SHARES, "sinus"], dtype=object)[(share[:, None] >= edges).sum(axis=1)]
    rhythm[fibrillates] = "AF"
    rhythm[paced] = "sinus"
    return rhythm


def beat_times(rhythm, rate, seconds, breath_rate, rng):
    """Draw when beats come, in s from the start, and their kinds: (n, n_beats) each.

    Beats run from before the start to after the end.
    """
    n = len(rate)
    rr = 60 / rate[:, None]
    n_beats = int(np.ceil((seconds + 3) / rr.min() / 0.8)) + 4
    # Sinus arrhythmia with the breath and without: SD of RR 2 to 4 % at rest.
    vary = 0.015 * rng.standard_normal((n, n_beats)) * np.exp(0.5 * rng.standard_normal((n, 1)))
    swing = 0.02 * np.exp(0.7 * rng.standard_normal((n, 1)))
    regular = rr * np.arange(n_beats)
    swing = swing * np.sin(2 * np.pi * breath_rate[:, None] * regular)
    irregular = np.clip(0.2 * rng.standard_normal((n, n_beats)), -0.4, 0.6)
    vary = np.where((rhythm == "AF")[:, None], irregular, np.clip(vary + swing, -0.15, 0.15))
    times = np.cumsum(rr * (1 + vary), axis=1) - rr * rng.uniform(1, 2, (n, 1)) - 1

    often = np.select([rhythm == "PVC", rhythm == "PAC"], [0.12, 0.12], 0.0)
    early = rng.random((n, n_beats)) < often[:, None]
    for k in range(1, n_beats):  # no two in a row
        early[:, k] &= ~early[:, k - 1]
    early |= (rhythm == "bigeminy")[:, None] & (np.arange(n_beats) % 2 == 1)
    kind = np.where(early, np.where((rhythm == "PAC")[:, None], ATRIAL, VENTRICULAR), NORMAL)
    return times - early * rr * rng.uniform(0.28, 0.42, (n, 1)), kind


def ventricular_beats(n, rng):
    """Draw loops (n, 3, n_phases) of ventricular ectopic beats: from anywhere, T against QRS."""
    direction = rng.standard_normal((n, 3, 1))
    direction *= rng.uniform(0.9, 2.0, (n, 1, 1)) / np.linalg.norm(direction, axis=1, keepdims=True)
    second = direction + 0.4 * rng.standard_normal((n, 3, 1))
    u = np.linspace(0, 1, STEPS[2] + 1)
    loops = np.zeros((n, 3, N_PHASES))
    loops[..., QRS] = direction * np.sin(np.pi * np.clip(u / 0.75, 0, 1)) ** 2
    loops[..., QRS] += second * np.sin(np.pi * np.clip((u - 0.25) / 0.75, 0, 1)) ** 2
    return loops - direction * (0.1 * st_shape() + 0.35 * t_shape())


def atrial_beats(loops, rng):
    """Return loops with another P wave: from elsewhere in the atria."""
    loops = loops.copy()
    n = len(loops)
    loops[..., : CORNERS[2]] *= rng.uniform(-1.2, 1.2, (n, 3, 1))
    return loops


def fibrillation_waves(n, n_times, sampling_rate, rng):
    """Draw f waves as a dipole (n, 3, n_times): 5 to 8 a second, to the front and right most."""
    t = np.arange(n_times) / sampling_rate
    frequency = rng.uniform(5, 8, (n, 1))
    wandering = 0.6 * np.sin(2 * np.pi * rng.uniform(0.3, 1.2, (n, 1)) * t)
    phase = 2 * np.pi * frequency * t + wandering + rng.uniform(0, 2 * np.pi, (n, 1))
    wave = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.8)
    direction = np.array([-0.3, 0.7, -0.6]) + 0.3 * rng.standard_normal((n, 3))
    size = 0.05 * np.exp(0.4 * rng.standard_normal((n, 1)))  # mV: fine below .1 mV in V1
    return (size * direction)[..., None] * wave[:, None]
