"""What an occluded coronary artery does to the heart's vector, by place and time."""

import numpy as np
import pandas as pd

from ._heart import CORNERS, N_PHASES, QRS, STEPS

# artery, segment: share of occlusions; direction of the ST vector; its median length in mV and
# log SD. Lengths are those of STAFF III after 5 min of balloon inflation (J+60, change from
# the patient's own baseline; 26 LAD, 37 RCA, 18 LCx), whose mean directions are LAD (.35 -.47
# -.81), RCA (-.29 .72 .63), LCx (.08 .31 .95): the segments lie about them. Shares: angiographic
# series, LAD 40, RCA 37, LCx 20, other 3 %. What sets the segments apart:
# - proximal LAD: aVL up and III down by the first diagonal and septal; wrap-around: the
#   inferior apex as well, III up; diagonal: I, aVL and V2 up, III down (South African flag);
# - RCA: ST depression in V3 over elevation in III .2 proximal, .8 distal, 2.5 in LCx;
#   proximal, the right ventricle raises V1;
# - LCx: lateral V6 up; posterior, V1-V4 down and no more; inferior, II and III up.
SEGMENTS = pd.DataFrame(
    [
        ("LAD", "proximal", 0.14, (0.30, -0.72, -0.65), 0.26, 0.75),
        ("LAD", "mid", 0.16, (0.44, -0.28, -0.87), 0.22, 0.75),
        ("LAD", "wrap-around", 0.07, (0.30, 0.30, -0.90), 0.22, 0.75),
        ("LAD", "de Winter", 0.01, (0.35, -0.30, -0.85), 0.23, 0.40),
        ("diagonal", "first", 0.05, (0.62, -0.68, -0.38), 0.13, 0.75),
        ("RCA", "proximal", 0.15, (-0.40, 0.85, 0.15), 0.12, 0.85),
        ("RCA", "distal", 0.22, (-0.25, 0.75, 0.55), 0.12, 0.85),
        ("LCx", "lateral", 0.07, (0.35, 0.15, 0.85), 0.10, 1.00),
        ("LCx", "posterior", 0.07, (-0.02, 0.20, 0.98), 0.09, 1.00),
        ("LCx", "inferior", 0.06, (-0.02, 0.50, 0.86), 0.10, 1.00),
    ],
    columns=["artery", "segment", "share", "direction", "length", "spread"],
)
# In STAFF III half of the ST vectors lie within 21 to 28 degrees of their artery's mean: this,
# in each component, beside the spread of the segments.
_SCATTER = 0.22

# A balloon closes a vessel fully; patients have collaterals, some flow and other clocks. Chosen
# with the least length so that the STEMI criteria find about 40 % (41 % Meyers 2021, 33 % Herman
# 2023, 44 % in a meta-analysis).
_SEVERITY = 0.97
_LEAST, _MOST = 0.06, 0.9  # mV


def draw_occlusions(n, severity, rng):
    """Draw artery, segment, minutes since onset and the ST vector (n, 3) in mV of n patients."""
    share = SEGMENTS["share"].to_numpy()
    drawn = SEGMENTS.iloc[rng.choice(len(SEGMENTS), n, p=share / share.sum())]
    direction = np.array(drawn["direction"].to_list()).reshape(n, 3)
    direction = direction + _SCATTER * rng.standard_normal((n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = drawn["length"].to_numpy()
    length = length * np.exp(drawn["spread"].to_numpy() * rng.standard_normal(n))
    length = severity * np.clip(_SEVERITY * length, _LEAST, _MOST)
    # Pain to first ECG: two to three hours in the median; one in ten comes after 12 h.
    minutes = np.clip(150 * np.exp(1.2 * rng.standard_normal(n)), 5, 2880)
    return (
        drawn["artery"].to_numpy(dtype=object),
        drawn["segment"].to_numpy(dtype=object),
        minutes,
        length[:, None] * direction,
    )


def time_course(minutes, inferior):
    """Return what of the ST vector is in ST, T and late T, and how much of R is lost, each (n,).

    ST is reached within minutes (STAFF III: 72 to 88 % at 3 min) and falls by half over hours. T
    leads: its gain is 1.46 of ST's after 30 s (STAFF III, V3), and less later. Q waves come within
    2 h, and loss of R mirrors them. Terminal T inversion is reached within 12 h by inferior
    infarcts, mostly not by anterior ones.
    """
    hours = minutes / 60
    st = 0.5 + 0.5 * np.exp(-hours / 8)
    t = 0.35 + 1.1 * np.exp(-hours / 1.0)
    late = np.where(inferior, 0.9, 0.4) * (1 - np.exp(-hours / 8))
    return st, t, late, 1 - np.exp(-hours / 2)


def occlude(loops, vector, minutes, segment, qrs_loss, rng):
    """Add an occlusion to loops (n, 3, n_phases), in place.

    Parameters
    ----------
    loops : ndarray of shape (n, 3, n_phases)
    vector : ndarray of shape (n, 3)
        ST vectors in mV.
    minutes, segment : ndarray of shape (n,)
    qrs_loss : ndarray of shape (n,)
        mV of early QRS that the infarct takes in the end.
    rng : numpy.random.Generator
    """
    inferior = vector[:, 1] > 0.5 * np.linalg.norm(vector, axis=1)
    st, t, late, loss = time_course(minutes, inferior)
    # Depression at J that rises into a tall T, in one in fifty occlusions of the LAD (de Winter
    # 2008).
    upsloping = segment == "de Winter"
    st = np.where(upsloping, -0.4, st)
    n = len(t)
    t = np.where(upsloping, 2.2, t * np.exp(0.4 * rng.standard_normal(n)))
    late = late * np.exp(0.5 * rng.standard_normal(n))
    # ST is concave in two of five anterior infarcts, straight or convex in others (Brady 2001).
    bow = st * (-0.1 + 0.25 * rng.standard_normal(n)) * ~upsloping
    course = st[:, None] * st_shape() - bow[:, None] * bow_shape() - late[:, None] * late_t_shape()
    length = np.linalg.norm(vector, axis=1, keepdims=True)
    # T and the loss of R are of the same wall, but not of quite the same direction: chosen, half
    # lie within 20 degrees of ST.
    of_t = vector + 0.22 * length * rng.standard_normal((n, 3))
    of_qrs = vector / np.maximum(length, 1e-9) + 0.22 * rng.standard_normal((n, 3))
    loops += (
        vector[..., None] * course[:, None] + of_t[..., None] * (t[:, None] * t_shape())[:, None]
    )
    loops -= (loss * qrs_loss)[:, None, None] * of_qrs[..., None] * early_shape()


def reperfuse(loops, vector, qrs_loss):
    """Invert the end of T where an artery has opened again; little of ST is left, in place."""
    length = np.linalg.norm(vector, axis=1, keepdims=True)
    unit = vector / np.maximum(length, 1e-9)
    inversion = np.clip(0.15 + 0.8 * length, 0.15, 0.6)  # mV; Wellens: up to 1 mV in V2-V4
    course = 0.12 * length * st_shape() - inversion * late_t_shape()
    loops += unit[..., None] * course[:, None]
    loops -= (0.4 * qrs_loss)[:, None, None] * unit[..., None] * early_shape()


# -- shapes over the phases, highest 1 -------------------------------------------------------


def st_shape():
    """Reached over the last third of QRS (so S is lost: terminal QRS distortion), let go with T."""
    phase, (j, peak, end) = np.arange(N_PHASES), CORNERS[3:]
    rise = _smooth((phase - (j - STEPS[2] / 3)) / (STEPS[2] / 3))
    return rise * (1 - _smooth((phase - (peak - 12)) / (end - peak + 12)))


def bow_shape():
    """ST between J and the peak of T, where it sags or bulges."""
    phase, (j, peak, _) = np.arange(N_PHASES), CORNERS[3:]
    return np.sin(np.pi * np.clip((phase - j) / (peak - j), 0, 1)) ** 2


def t_shape():
    """T, from a little after J to its end."""
    phase, (j, peak, end) = np.arange(N_PHASES), CORNERS[3:]
    rise = _smooth((phase - j - 4) / (peak - j - 4))
    return rise * (1 - _smooth((phase - peak) / (end - peak)))


def late_t_shape():
    """Return the second half of T."""
    phase, (_, peak, end) = np.arange(N_PHASES), CORNERS[3:]
    return _smooth((phase - peak + 8) / 13) * (1 - _smooth((phase - peak - 5) / (end - peak - 5)))


def early_shape():
    """Return the first half of QRS, where septum and apex, then walls, are activated."""
    shape = np.zeros(N_PHASES)
    shape[QRS] = np.sin(np.pi * np.clip(np.linspace(0, 1, STEPS[2] + 1) / 0.6, 0, 1)) ** 2
    return shape


def _smooth(part):
    part = np.clip(part, 0, 1)
    return part * part * (3 - 2 * part)
