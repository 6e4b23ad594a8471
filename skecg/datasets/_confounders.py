"""What else changes QRS, ST and T, and fools readers: conduction, other diseases, drugs.

Each function changes loops (n, 3, n_phases) and timing, a dict of arrays (n,), in place; degree
(n, 1, 1) is how much, about 1.
"""

import numpy as np

from ._heart import CORNERS, N_PHASES, STEPS, STT, P
from ._heart import QRS as _QRS
from ._occlusion import early_shape, late_t_shape, st_shape, t_shape

_U = np.linspace(0, 1, STEPS[2] + 1)  # through the QRS
_PHASE = np.arange(N_PHASES)


def _along(direction):
    return np.reshape(direction, (1, 3, 1))


def _scattered(direction, spread, n, rng):
    vectors = np.array(direction) + spread * rng.standard_normal((n, 3))
    return vectors[..., None]


def _qrs_axis(loops):
    # About the largest vector of QRS: (n, 3, 1).
    return 1.5 * loops[..., _QRS].mean(axis=-1, keepdims=True)


def _replace_qrs(loops, points, rng, *, spread=0.15):
    # Draw QRS through points (u, x, y, z); what ends at J is ST, which is set afterwards.
    u, *xyz = np.array(points).T
    n = len(loops)
    course = np.stack([np.interp(_U, u, values) for values in xyz])
    kernel = np.hanning(7)
    kernel /= kernel.sum()
    course = np.stack([np.convolve(np.pad(row, 3), kernel, "valid") for row in course])
    size = np.exp(0.22 * rng.standard_normal((n, 1, 1)))
    # What is the patient's own shows a little.
    own = 0.25 * (loops[..., _QRS] - loops[..., _QRS].mean(axis=0)) * np.sin(np.pi * _U)
    turned = course * (1 + spread * rng.standard_normal((n, 3, 1)))
    turned = turned + 1.7 * spread * np.sin(np.pi * _U) ** 2 * rng.standard_normal((n, 3, 1))
    loops[..., _QRS] = size * turned + own


def _squeeze_qrs(loops, start, stop):
    # The QRS as it was takes the part from start to stop of its time.
    own = loops[..., _QRS].copy()
    inner = np.clip((_U - start) / (stop - start), 0, 1) * STEPS[2]
    low = np.minimum(inner.astype(int), STEPS[2] - 1)
    loops[..., _QRS] = own[..., low] + (inner - low) * (own[..., low + 1] - own[..., low])


def _add_wave(loops, wave, start, stop):
    loops[..., _QRS] += wave * np.sin(np.pi * np.clip((_U - start) / (stop - start), 0, 1)) ** 2


def _secondary(loops, st, t, keep=0.3):
    # Repolarisation against the QRS; of T's own course some is left.
    axis = _qrs_axis(loops)
    loops[..., STT] *= keep
    loops -= axis * (st * st_shape() + t * t_shape())


def _weaken_t(loops, timing, low, high, rng):
    # Of T's parts to the left and the feet a share from low to high is left; that to the front
    # stays, and QT is longer, as in ECGs of PTB-XL with changes of T, old infarction or
    # hypertrophy.
    loops[:, :2, STT] *= rng.uniform(low, high, (len(loops), 1, 1))
    timing["qtc"] = timing["qtc"] + rng.uniform(0, 45, len(loops))


def _lower_st(loops, degree, rng):
    # ST a little down in V4-V6 and II, as with most changes of T.
    loops += degree * _scattered((-0.035, -0.025, 0.005), 0.015, len(loops), rng) * st_shape()


# -- conduction --------------------------------------------------------------------------------
# The courses of QRS, ST and T are those of the mean ECGs of each block in PTB-XL, LUDB and the
# PhysioNet challenges (LBBB 6, RBBB 6, incomplete RBBB 29, LAFB 18, paced 11), without infarction.


def lbbb(loops, timing, degree, rng):
    """Little septal r, slow and notched to the left and back; ST/S .11 in the mean (Smith 2012)."""
    points = [(0, 0, 0, 0), (0.07, 0.08, 0.06, -0.15), (0.27, 0.45, 0.15, 1.3), (0.4, 0.7, 0, 1.95),
              (0.55, 0.55, -0.25, 1.85), (0.7, 0.5, -0.35, 0.9), (0.88, 0.1, -0.2, 0.1),
              (1, 0, 0, 0)]  # fmt: skip
    _replace_qrs(loops, points, rng)
    _secondary(loops, 0.15 * degree, 0.42 * degree)
    timing["qrs"] = rng.uniform(126, 174, len(loops))
    timing["pr"] = timing["pr"] + 20


def rbbb(loops, timing, degree, rng):
    """Draw the right ventricle last, to the right and front: R' in V1, where T turns away."""
    terminal = degree * _scattered((-0.47, -0.02, -0.5), 0.12, len(loops), rng)
    loops[..., _QRS] *= 0.75
    # The forces to the back meet those of the late right ventricle.
    loops[:, 2, _QRS] *= np.where(loops[:, 2, _QRS] > 0, 0.4, 1)
    _squeeze_qrs(loops, 0, 0.6)
    _add_wave(loops, terminal, 0.3, 1)
    loops[..., STT] *= 0.4
    loops -= terminal * np.reshape([0.3, 1, 1], (3, 1)) * (0.1 * st_shape() + 0.6 * t_shape())
    timing["qrs"] = rng.uniform(118, 158, len(loops))


def incomplete_rbbb(loops, timing, degree, rng):
    """Draw a small r' in V1; QRS below 120 ms, ST and T nearly as they were."""
    terminal = degree * _scattered((-0.22, -0.06, -0.27), 0.1, len(loops), rng)
    _add_wave(loops, terminal, 0.4, 1)
    loops -= 0.15 * terminal * t_shape()
    timing["qrs"] = np.clip(timing["qrs"] + rng.uniform(0, 22, len(loops)), 75, 119)


def lafb(loops, timing, degree, rng):
    """Turn QRS up and to the right at its end: rS in II, III and aVF, S in V5 and V6."""
    loops[..., _QRS] *= 0.85
    loops[:, 1, _QRS] *= rng.uniform(-0.3, 0.6, (len(loops), 1))
    terminal = degree * _scattered((-0.4, -0.42, 0.05), 0.12, len(loops), rng)
    _squeeze_qrs(loops, 0, 0.8)
    _add_wave(loops, terminal, 0.25, 1)
    timing["qrs"] = np.clip(timing["qrs"] + rng.uniform(0, 20, len(loops)), 75, 119)


def ivcd(loops, timing, degree, rng):
    """Slow QRS of no named pattern, with notches, and T a little against what is slow."""
    wave = degree * _scattered((0.1, -0.1, 0.2), 0.3, len(loops), rng)
    _add_wave(loops, wave, 0.35, 1)
    loops -= wave * (0.06 * st_shape() + 0.25 * t_shape())
    loops -= 0.08 * degree * _qrs_axis(loops) * t_shape()
    timing["qrs"] = rng.uniform(108, 145, len(loops))


def paced(loops, timing, degree, rng):
    """Draw a QRS from the apex of the right ventricle: up and back, all slow."""
    points = [(0, 0, 0, 0), (0.2, 0.1, -0.05, 0.05), (0.38, 0.2, -0.4, 0.4), (0.55, 0.1, -0.9, 0.8),
              (0.7, -0.1, -0.85, 0.75), (0.88, -0.05, -0.25, 0.2), (1, 0, 0, 0)]  # fmt: skip
    _replace_qrs(loops, points, rng, spread=0.25)
    _secondary(loops, 0.12 * degree, 0.45 * degree, keep=0.3)
    loops[rng.random(len(loops)) < 0.4, :, P] = 0  # single chamber
    timing["qrs"] = rng.uniform(140, 190, len(loops))
    timing["pr"] = rng.uniform(150, 200, len(loops))
    timing["qtc"] = timing["qtc"] + 20
    timing["rate"] = np.maximum(0.9 * timing["rate"], 60)


def wpw(loops, timing, degree, rng):
    """Draw a delta wave from an accessory pathway, and T against it."""
    _squeeze_qrs(loops, 0.3, 1)
    # From the left lateral wall, the posterior septum, or the right free wall.
    paths = np.array([(0.0, 0.55, -0.6), (0.5, -0.5, -0.5), (0.7, 0.3, 0.1)])
    path = paths[rng.integers(3, size=len(loops)), :, None]
    delta = 0.7 * degree * (path + 0.15 * rng.standard_normal(path.shape))
    loops[..., _QRS] += delta * np.sin(np.pi * np.clip(_U / 0.75, 0, 1)) ** 1.5
    loops -= delta * (0.06 * st_shape() + 0.35 * t_shape())
    timing["qrs"] = rng.uniform(105, 145, len(loops))
    timing["pr"] = rng.uniform(85, 120, len(loops))


# -- other than coronary occlusion ---------------------------------------------------------------


def lvh(loops, timing, degree, rng):
    """High voltage to the left and back; in most, strain: ST and T against the QRS."""
    n = len(loops)
    loops[..., _QRS] *= rng.uniform(1.0, 1.4, (n, 1, 1))
    _add_wave(loops, degree * _scattered((0.2, 0.1, 0.55), 0.2, n, rng), 0.15, 0.8)
    strain = degree * rng.choice([0.0, 0.5, 1.5], (n, 1, 1), p=[0.3, 0.3, 0.4])
    axis = _qrs_axis(loops)
    _weaken_t(loops, timing, 0.3, 1.0, rng)
    loops[..., STT] *= 1 - 0.35 * np.minimum(strain, 1)
    loops -= strain * axis * (0.06 * st_shape() + 0.14 * t_shape() + 0.08 * late_t_shape())
    _lower_st(loops, 0.7 * degree, rng)
    timing["qrs"] = timing["qrs"] + rng.uniform(0, 18, n)


def early_repolarisation(loops, timing, degree, rng):
    """J raised in V2-V5 and inferior leads, a notch at the end of R, tall T."""
    st = degree * _scattered((0.028, 0.03, -0.035), 0.025, len(loops), rng)
    notch = np.exp(-0.5 * ((_PHASE - CORNERS[3] + 1) / 2.2) ** 2)
    loops[..., STT] *= 1.2
    loops += st * (st_shape() + 1.2 * notch)


def pericarditis(loops, timing, degree, rng):
    """ST to the left, down and front, up in most leads; PR the other way."""
    st = degree * _scattered((0.14, 0.13, -0.09), 0.04, len(loops), rng)
    loops += st * st_shape()
    loops -= 0.3 * st * np.interp(_PHASE, [6, 16, 20, 24], [0, 1, 1, 0])
    timing["rate"] = 1.15 * timing["rate"]


def old_infarct(loops, timing, degree, rng):
    """Take early forces away by a scar, and turn T away, in one of four walls."""
    walls = np.array([(-0.1, 0.75, 0.2), (0.1, -0.05, -0.75), (0.7, -0.2, 0.1), (0.1, 0.1, 0.8)])
    wall = walls[rng.choice(4, len(loops), p=[0.42, 0.38, 0.1, 0.1]), :, None]
    wall = wall + 0.12 * rng.standard_normal(wall.shape)
    loops[..., _QRS] *= rng.uniform(0.9, 1.4, (len(loops), 1, 1))
    loops -= 0.8 * degree * wall * early_shape()
    loops -= 0.3 * degree * rng.uniform(0, 1, (len(loops), 1, 1)) * wall * t_shape()
    _weaken_t(loops, timing, 0.0, 1.1, rng)
    _lower_st(loops, 0.7 * degree, rng)


def aneurysm(loops, timing, degree, rng):
    """QS in V1-V4, ST raised there for good, T low: T/QRS below .36 (Smith)."""
    front = _scattered((0.15, -0.1, -0.95), 0.12, len(loops), rng)
    loops[..., STT] *= 0.35
    loops -= 0.85 * degree * front * early_shape()
    loops += 0.13 * degree * front * st_shape()


def st_depression(loops, timing, degree, rng):
    """Subendocardial ischaemia of NSTEMI: ST down in V4-V6 and some others, T flat or inverted."""
    st = degree * _scattered((-0.09, -0.06, 0.0), 0.035, len(loops), rng)
    loops[..., _QRS] *= rng.uniform(0.9, 1.6, (len(loops), 1, 1))
    _weaken_t(loops, timing, -0.3, 0.7, rng)
    loops += st * (st_shape() + rng.uniform(0, 1, (len(loops), 1, 1)) * late_t_shape())


def subendocardial(loops, timing, degree, rng):
    """ST up in aVR, down in most others: no culprit LAD or left main in 79 (Harhash)."""
    st = degree * _scattered((-0.17, -0.15, 0.06), 0.04, len(loops), rng)
    loops[..., STT] *= rng.uniform(0.4, 1.0, (len(loops), 1, 1))
    loops += st * (st_shape() + 0.3 * t_shape())
    timing["rate"] = 1.15 * timing["rate"]


def t_change(loops, timing, degree, rng):
    """T low or flat, ST a little down, for no named reason."""
    _weaken_t(loops, timing, 0.0, 0.8, rng)
    loops[:, 2, STT] *= rng.uniform(0.2, 1.1, (len(loops), 1))
    _lower_st(loops, degree, rng)


def hyperkalaemia(loops, timing, degree, rng):
    """Tall, narrow T, flat P, wide QRS, long PR."""
    narrow = t_shape() ** 1.5
    loops[..., STT] *= (1 + 0.9 * degree * narrow)[..., STT]
    loops[..., P] *= 0.4
    timing["qrs"] = timing["qrs"] + rng.uniform(5, 45, len(loops))
    timing["pr"] = timing["pr"] + rng.uniform(0, 50, len(loops))
    timing["tpte"] = 0.75 * timing["tpte"]


def digitalis(loops, timing, degree, rng):
    """ST sags against the QRS, T is low, QT short."""
    sag = np.interp(_PHASE, [46, 52, 66, 78, 96], [0, 0.5, 1, 0, 0])
    loops[..., STT] *= 0.55
    loops -= 0.12 * degree * _qrs_axis(loops) * sag
    timing["qtc"] = timing["qtc"] - 35
    timing["pr"] = timing["pr"] + 15


def pulmonary_embolism(loops, timing, degree, rng):
    """S in I, Q in III, T down in III and V1-V4; fast."""
    late = np.sin(np.pi * np.clip((_U - 0.45) / 0.55, 0, 1)) ** 2
    loops[..., _QRS] += degree * _scattered((-0.4, 0.05, -0.1), 0.1, len(loops), rng) * late
    loops -= degree * _along((0.02, 0.12, 0.0)) * early_shape()
    loops += degree * _scattered((0.12, -0.1, 0.33), 0.08, len(loops), rng) * t_shape()
    timing["rate"] = 1.35 * timing["rate"]


def hypothermia(loops, timing, degree, rng):
    """J wave of Osborn, slow, long QT."""
    hump = np.exp(-0.5 * ((_PHASE - CORNERS[3]) / 3.0) ** 2)
    loops += degree * _scattered((0.3, 0.25, -0.1), 0.08, len(loops), rng) * hump
    timing["rate"] = 0.65 * timing["rate"]
    timing["qtc"] = timing["qtc"] + 50
    timing["pr"] = timing["pr"] + 25


def low_voltage(loops, timing, degree, rng):
    """Obesity, emphysema, effusion."""
    loops *= rng.uniform(0.35, 0.65, (len(loops), 1, 1))


# Share of patients without and with an occlusion, and what it does. Conduction: fascicular and
# incomplete blocks as in ids 1-500 of PTB-XL (LAFB 6 %, IRBBB 4 %), the others as below.
# Secondary ST-T changes together: 17.5 % of prehospital chest pain. ST elevation in chest pain is
# LVH in 25, LBBB 15, acute infarction 15, early repolarisation 12, RBBB 5, IVCD 5, aneurysm 3,
# pericarditis and paced 1 % each (Brady 2001). Rates of the rare ones chosen so that there are
# some to learn from.
CONDUCTION = {
    "normal": (0.765, 0.83, None),
    "LBBB": (0.03, 0.015, lbbb),
    "RBBB": (0.05, 0.04, rbbb),
    "incomplete RBBB": (0.04, 0.03, incomplete_rbbb),
    "LAFB": (0.06, 0.05, lafb),
    "IVCD": (0.03, 0.025, ivcd),
    "paced": (0.02, 0.01, paced),
    "WPW": (0.005, 0.0, wpw),
}
CONFOUNDERS = {
    "none": (0.51, 0.69, None),
    "LVH": (0.09, 0.07, lvh),
    "early repolarisation": (0.04, 0.03, early_repolarisation),
    "pericarditis": (0.01, 0.0, pericarditis),
    "old infarct": (0.07, 0.08, old_infarct),
    "aneurysm": (0.015, 0.01, aneurysm),
    "ST depression": (0.08, 0.03, st_depression),
    "STE aVR": (0.02, 0.0, subendocardial),
    "reperfusion": (0.035, 0.0, None),  # drawn with its artery
    "T change": (0.05, 0.04, t_change),
    "hyperkalaemia": (0.01, 0.005, hyperkalaemia),
    "digitalis": (0.01, 0.005, digitalis),
    "pulmonary embolism": (0.015, 0.0, pulmonary_embolism),
    "hypothermia": (0.005, 0.0, hypothermia),
    "low voltage": (0.04, 0.04, low_voltage),
}


def draw_names(table, omi, rng):
    """Draw a name of a table by its shares, for each patient (bool omi)."""
    shares = np.array([row[:2] for row in table.values()])
    edges = np.cumsum(shares / shares.sum(axis=0), axis=0)
    edges[-1] = 1
    drawn = (rng.random(len(omi))[:, None] >= edges.T[omi.astype(int)]).sum(axis=1)
    return np.array(list(table), dtype=object)[drawn]


def apply(table, names, loops, timing, rng):
    """Change loops and timing of each patient by the function of its name, in place."""
    degree = np.exp(0.35 * rng.standard_normal((len(names), 1, 1)))
    for name, (*_, change) in table.items():
        rows = np.flatnonzero(names == name)
        if change is None or not len(rows):
            continue
        part = {key: values[rows] for key, values in timing.items()}
        changed = loops[rows]
        change(changed, part, degree[rows], rng)
        loops[rows] = changed
        for key, values in part.items():
            timing[key][rows] = values
