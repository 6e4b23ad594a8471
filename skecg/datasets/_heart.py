"""The normal heart of the simulator: its vector's course, the leads' fields, and the timing.

A heartbeat is a dipole (X to the left, Y to the feet, Z to the back, in mV) given at equal steps
between landmarks: its phases. Leads see it through a field that differs between people, and a
little between the atria, the QRS from its beginning to its end, and T, which lie at other places.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np

SAMPLING_RATE = 500  # Hz
LANDMARKS = ("p_on", "p_off", "qrs_on", "qrs_off", "t_peak", "t_end")
STEPS = (16, 4, 32, 24, 20)  # from one landmark to the next
CORNERS = (0, 16, 20, 52, 76, 96)
N_PHASES = CORNERS[-1] + 1
P, QRS, STT = slice(0, 21), slice(20, 53), slice(52, 97)

# T meets the baseline later than where delineation puts its end, by this part of the time from
# its peak: then QTc is that of ELSA-Brasil (below), by its usual definition.
T_TAIL = 0.25

# On the modes of QRS and fields, and of ST and T, which were found in men and women together:
# women vary less.
_SCATTER = {"M": 0.93, "F": 0.84}
_SCATTER_T = {"M": 0.94, "F": 0.88}


def regions():
    """Return what tells the fields apart, (4, n_phases): all, early to late QRS, T, and P."""
    phase = np.arange(N_PHASES)
    return np.stack(
        [
            np.ones(N_PHASES),
            np.interp(phase, [19, 20, 52, 58], [0, -1, 1, 0]),
            np.interp(phase, [46, 58], [0, 1]),
            np.interp(phase, [16, 20], [1, 0]),
        ]
    )


# What ST and T have beyond a dipole: slow waves between J and the end of T.
_T_PART = np.clip((np.arange(N_PHASES) - CORNERS[3]) / (CORNERS[5] - CORNERS[3]), 0, 1)
_T_MODES = np.sin(np.pi * np.outer([1, 2, 3, 4, 5], _T_PART)).astype(np.float32)


@cache
def _normal():
    # What benchmarks/fit_heart_loops.py found in 286 normal ECGs of PTB-XL.
    fit = json.loads(Path(__file__).with_name("_normal.json").read_text(encoding="utf-8"))
    return {name: np.array(values) / 1e4 for name, values in fit.items()}


def draw_hearts(female, age, rng):
    """Draw loops (n, 3, n_phases) and fields (n, 8, 12) of people by sex (bool) and age."""
    fit = _normal()
    n, n_loop = len(female), 3 * N_PHASES
    decades = np.clip((age - 45) / 10, -2.5, 4)
    rest = rng.standard_normal((n, len(fit["modes"]))) @ fit["modes"]
    scatter = np.where(female, _SCATTER["F"], _SCATTER["M"])[:, None]
    rest[:, n_loop:-1] *= scatter
    of_loop = rest[:, :n_loop].reshape(n, 3, N_PHASES)
    of_loop[..., : CORNERS[3]] *= scatter[..., None]
    of_t = np.where(female, _SCATTER_T["F"], _SCATTER_T["M"])
    of_loop[..., CORNERS[3] :] *= of_t[:, None, None]
    rest[:, -1] *= np.where(female, 0.9, 1.1)
    drawn = fit["mean"][female.astype(int)] + decades[:, None] * fit["decade"] + rest
    loops = drawn[:, :n_loop].reshape(n, 3, N_PHASES)
    size = np.sqrt(np.square(loops[..., QRS]).sum(axis=1).mean(axis=-1))
    loops *= (np.exp(drawn[:, -1]) / size)[:, None, None]
    # Hearts lie more or less upright beyond that: the tails of III and aVF are longer.
    turn = np.radians(np.where(female, 8, 4) * rng.standard_normal(n))[:, None]
    x, y, z = np.moveaxis(loops, 1, 0)
    loops = np.stack([x - turn * y, y + turn * x, z], axis=1)
    # P in I of normal ECGs: .089 mV in PTB-XL, .072 by the modes alone; with all of it, P would be
    # too large in V4-V6.
    loops[:, 0, : CORNERS[2]] *= 1.1
    loops += _early_st(female, age, rng)
    fields = drawn[:, n_loop:-1].reshape(n, 8, 12)
    # Some chest walls are thick: the modes, which are symmetric, have no such tail.
    fields[:, 3:6] *= 1.08 * (1 - 0.64 * rng.random((n, 1, 1)) ** 4)
    return loops, fields


def project(loops, fields):
    """Return the leads I, II, V1 ... V6 at each phase (n, 8, n_phases)."""
    parts = loops[:, None] * regions()[:, None]  # (n, 4, 3, n_phases)
    return fields @ parts.reshape(len(loops), 12, N_PHASES)


def _early_st(female, age, rng):
    # What normal people have at J beyond the modes, skewed upwards, to the front and down: most
    # in young men. Set by J of normal ECGs in PTB-XL: 97.5 % points in V2 .19 mV in men, .10 in
    # women, and how many of them meet the STEMI criteria, 1.4 to 3.4 % by how J is found.
    n = len(female)
    size = np.where(female, 0.007, 0.026 * np.clip(1 + (45 - age) / 50, 0.6, 1.4))
    size = size * (np.exp(0.85 * rng.standard_normal(n)) - 0.9) + np.where(female, 0.008, 0)
    direction = np.array([0.25, 0.2, -0.9]) + 0.35 * rng.standard_normal((n, 3))
    at = (np.arange(N_PHASES) - CORNERS[3]) / np.where(np.arange(N_PHASES) < CORNERS[3], 5, 6)
    return (size[:, None] * direction)[..., None] * np.exp(-0.5 * at**2)


def draw_detail(n, rng):
    """Draw what no dipole makes, in leads (n, 8, n_phases): notches of the QRS, and of ST and T.

    Its size gives the energy of components 4 to 8 as in normal ECGs, .14 % of QRS, .04 % of T.
    """
    knots = np.zeros((n, 8, 12), dtype=np.float32)
    knots[..., 2:-2] = 0.026 * rng.standard_normal((n, 8, 8), dtype=np.float32)
    knots *= np.exp(0.4 * rng.standard_normal((n, 1, 1), dtype=np.float32))
    detail = np.zeros((n, 8, N_PHASES), dtype=np.float32)
    at = np.linspace(0, 11, STEPS[2] + 1)
    low = np.minimum(at.astype(int), 10)
    part = (at - low).astype(np.float32)
    part = part * part * (3 - 2 * part)
    detail[..., QRS] = knots[..., low] + part * (knots[..., low + 1] - knots[..., low])
    repolarised = np.exp(0.4 * rng.standard_normal((n, 1, 1), dtype=np.float32))
    repolarised = 0.0035 * repolarised * rng.standard_normal((n, 8, 5), dtype=np.float32)
    detail += repolarised @ _T_MODES
    return detail


def draw_timing(female, rng):
    """Draw PR, QRS, QTc (at 60 a minute), P and peak-to-end of T in ms, each (n,), as a dict."""
    n = len(female)

    def draw(men, women, sd, low, high):
        return np.clip(np.where(female, women, men) + sd * rng.standard_normal(n), low, high)

    # Medians: ELSA-Brasil, men and women. Spread: 2-98 % limits of Mason 2007, both sexes
    # together: PR 113-212, QRS 69-109, QTc 361-457.
    return {
        "pr": draw(163, 155, 21, 105, 230),
        "qrs": draw(89, 84, 8.5, 64, 118),
        "qtc": draw(402, 414, 19, 345, 480),
        # P: ELSA-Brasil. T peak to where it meets the baseline: 85 (63-112) ms in women, the
        # same; longer by the tail.
        "p": draw(110, 104, 14, 70, 150),
        "tpte": draw(101, 97, 8, 75, 130),
    }


def landmarks(timing, rate):
    """Return when the landmarks come in ms from the onset of QRS: (n, 6)."""
    rr = 60 / rate
    qt = timing["qt"]
    p_on = -timing["pr"]
    p_off = np.minimum(p_on + timing["p"], -14)
    # T's fall shortens with the rate less than QT does.
    peak = qt - timing["tpte"] * rr**0.2
    peak = np.maximum(peak, timing["qrs"] + 0.35 * (qt - timing["qrs"]))
    return np.stack([p_on, p_off, 0 * qt, timing["qrs"], peak, qt], axis=1)


def phases_at(times, marks):
    """Return the phase (n, n_times) at times in ms, where landmarks (n, 6) are."""
    phase = np.zeros((len(marks), np.shape(times)[-1]), dtype=np.float32)
    marks = marks.astype(np.float32)
    for k, steps in enumerate(STEPS):
        start, length = marks[:, k, None], marks[:, k + 1, None] - marks[:, k, None]
        part = (np.asarray(times, dtype=np.float32) - start) / np.maximum(length, 1)
        phase += steps * np.clip(part, 0, 1)
    return phase


def render(leads, phase):
    """Interpolate leads (n, 8, n_phases) at phases (n, n_times): (n, 8, n_times), float32."""
    n, n_leads, _ = leads.shape
    rows = np.ascontiguousarray(leads.swapaxes(1, 2), dtype=np.float32).reshape(-1, n_leads)
    before = np.minimum(phase.astype(np.intp), N_PHASES - 2)
    part = (phase - before).reshape(-1, 1).astype(np.float32)
    before = (before + N_PHASES * np.arange(n)[:, None]).ravel()
    found = rows.take(before, axis=0)
    step = rows.take(before + 1, axis=0)
    step -= found
    step *= part
    found += step
    return np.ascontiguousarray(found.reshape(n, -1, n_leads).swapaxes(1, 2))
