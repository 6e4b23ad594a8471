"""Simulated ECGs of chest-pain patients, some of them with an occluded coronary artery."""

from numbers import Integral

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.utils import check_random_state

from skecg.leads import INDEPENDENT_LEADS, to_standard_order

_SAMPLING_RATE = 500  # Hz
_R_INDEX = 300
_N_TIMES = {"beat": 600, "ecg": 5000}
_BLOCK = {"beat": 256, "ecg": 32}  # ECGs computed at a time: bounds the memory
_TIMES = (np.arange(600, dtype=np.float32) - _R_INDEX) * (1000 / _SAMPLING_RATE)  # ms from R

# The heart's dipole is (X to the left, Y to the feet, Z to the back), in mV.
# Rows I, II, V1..V6 of the lead matrix of Dower 1980, in lead mV per dipole mV.
_LEAD_MATRIX = np.array(
    [(0.632, -0.235, 0.059), (0.235, 1.066, -0.132), (-0.515, 0.157, -0.917),
     (0.044, 0.164, -1.387), (0.882, 0.098, -1.277), (1.213, 0.127, -0.601),
     (1.125, 0.127, -0.086), (0.831, 0.076, 0.230)]
)  # fmt: skip

# Dipoles at the centres of the waves: atria, five steps through the ventricles, two of the T
# wave, and the ST level. P: axis of 54 to 57 degrees (ELSA-Brasil). The others: fitted at
# age 45 to the medians by lead of 132 men and 158 women with a normal ECG in PTB-XL.
_P = np.array([[0.05, 0.07, -0.04], [0.08, 0.06, 0.04]])
_QRS = {
    "M": ((-0.13, -0.09, -0.14), (0.66, 0.38, -0.31), (1.29, 0.38, 0.24), (0.5, 0.11, 0.61),
          (-0.11, 0.14, 0.79)),
    "F": ((-0.08, -0.02, -0.2), (0.55, 0.36, -0.16), (1.08, 0.7, 0.37), (0.46, 0.1, 0.68),
          (-0.04, 0.03, 0.49)),
}  # fmt: skip
_T = {
    "M": ((-0.04, -0.12, -0.18), (0.41, 0.20, -0.15)),
    "F": ((-0.01, 0.09, -0.22), (0.33, 0.08, 0.01)),
}
_ST = {"M": (-0.007, 0.011, -0.014), "F": (-0.026, -0.027, 0.016)}
# Left bundle branch block: no septal r, slow and notched, to the left and back.
_QRS_LBBB = ((0.3, 0.1, 0.3), (0.9, 0.4, 0.8), (1.0, 0.3, 1.2), (1.1, 0.1, 1.2), (0.5, 0.0, 0.5))

# In parts of the QRS duration from R.
_QRS_ONSET, _QRS_END, _QRS_WIDTH = -0.45, 0.55, 0.075
_QRS_CENTRES = (-0.25, -0.10, 0.05, 0.20, 0.35)

# Occlusion: share of all (angiographic series); direction of the ST vector, its median length
# in mV, log SD of the length, and scatter of the direction. From STAFF III: change from the
# patient's own baseline at J+60 after 5 min of balloon inflation (26, 37, 18 patients; angle
# to the mean direction 21, 28, 22 degrees at the median).
_ARTERIES = {
    "LAD": (0.40, (0.35, -0.47, -0.81), 0.23, 0.75, 0.33),
    "RCA": (0.37, (-0.29, 0.72, 0.63), 0.14, 0.85, 0.45),
    "LCx": (0.20, (0.08, 0.31, 0.95), 0.09, 1.15, 0.36),
}
# A balloon closes a vessel fully; patients have collaterals, some flow and other clocks. Chosen,
# with a least ST vector of .08 mV, so that the STEMI criteria find about 40 % (Meyers 2021).
_SEVERITY = 0.95

# What else changes ST and T: share of patients, factor on QRS, factor on T, ST and T against
# the QRS vector (secondary change), ST vector in mV. Secondary patterns together are 17.5 % in
# prehospital chest pain; LVH leads among the other causes of ST elevation (Brady 2001).
_CONFOUNDERS = {
    "none": (0.56, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "LVH": (0.09, 1.5, 0.4, 0.06, 0.16, 0.0, 0.0, 0.0),
    "LBBB": (0.03, 0.9, 0.0, 0.11, 0.35, 0.0, 0.0, 0.0),  # ST/S .11 (Smith 2012)
    "RBBB": (0.05, 1.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0),
    "early repolarisation": (0.07, 1.1, 1.3, 0.0, 0.0, 0.05, 0.03, -0.05),
    "pericarditis": (0.01, 0.9, 0.8, 0.0, 0.0, 0.14, 0.10, -0.08),
    "ST depression": (0.09, 1.0, 0.6, 0.0, 0.0, -0.09, -0.07, -0.01),
    "old infarct": (0.06, 0.9, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0),
    "low voltage": (0.04, 0.5, 0.6, 0.0, 0.0, 0.0, 0.0, 0.0),
}


def make_omi(
    n_patients=400,
    *,
    prevalence=0.088,
    form="beat",
    severity=1.0,
    return_table=False,
    random_state=None,
):
    """Make simulated 12-lead ECGs of chest pain with and without an occluded artery.

    A moving dipole stands for the heart. An occlusion (OMI) adds an ST vector in the direction
    of its artery and a taller T wave. Each patient has a lead matrix of their own, so reciprocal
    changes and Einthoven's law follow from geometry. Both classes hold ECGs that mislead: left
    ventricular hypertrophy, bundle branch blocks, early repolarisation, subendocardial ST
    depression, old infarcts, low voltage, and, without OMI only, pericarditis. The arteries move
    the same leads in opposite directions: a linear model of amplitudes sees next to nothing.

    Parameters
    ----------
    n_patients : int, default=400
        Number of patients. Each has one to four ECGs, 1.49 in the mean.
    prevalence : float, default=0.088
        Share of patients with OMI: exactly ``round(prevalence * n_patients)`` of them, and every
        ECG of theirs is positive. The default is the share of ECGs in [1]_.
    form : {"beat", "ecg"}, default="beat"
        "beat": the median beat of a recording, 600 samples with R at sample 300 and the level
        before QRS at zero; neighbouring beats are in view when the heart is fast enough.
        "ecg": the recording itself, 10 s in 5000 samples, with breathing, baseline wander, mains
        hum, muscle noise and some ventricular ectopic beats.
    severity : float, default=1.0
        Factor on the ST vectors of all occlusions. 1 is as in life, where the STEMI criteria find
        two in five; 2 gives an easy set, for demonstrations and tests in minutes.
    return_table : bool, default=False
        Whether to return what the ECGs were made from as well.
    random_state : int, RandomState instance or None, default=None
        An int gives the same bytes at each call, and the same patients in both forms. numpy's
        global generator is never used.

    Returns
    -------
    X : ndarray of shape (n_samples, 12, 600) or (n_samples, 12, 5000), float32
        ECGs in mV at 500 Hz, leads in the order of :data:`skecg.leads.LEADS`.
    y : ndarray of shape (n_samples,), int64
        1 for OMI, 0 for none.
    groups : ndarray of shape (n_samples,), int64
        The patients' numbers.
    table : DataFrame of n_samples rows
        Only with ``return_table=True``. Columns: patient; omi; artery ("LAD", "RCA", "LCx" or
        "none"); st_vector, the length of the occlusion's ST vector in mV; confounder; sex
        ("F" or "M"); age in years; rate in beats per minute; pr, qrs and qt in ms; and onset,
        the beginning of QRS in ms from R.

    References
    ----------
    .. [1] Riek et al. (2024), ECG-SMART-NET, arXiv:2405.09567.
    .. [2] Dower, Machado and Osborne (1980), On deriving the electrocardiogram from
       vectorcardiographic leads, Clinical Cardiology 3, 87-95.
    .. [3] Martinez et al. (2017), STAFF III Database, PhysioNet, doi:10.13026/C20P4H.
    .. [4] Mason et al. (2007), Electrocardiographic reference ranges derived from 79,743
       ambulatory subjects, Journal of Electrocardiology 40, 228-234.

    Examples
    --------
    >>> from skecg.datasets import make_omi
    >>> X, y, groups = make_omi(100, prevalence=0.2, random_state=0)
    >>> X.shape[1:], len(set(groups)), len(set(groups[y == 1]))
    ((12, 600), 100, 20)
    """
    if not isinstance(n_patients, Integral) or n_patients < 1:
        raise ValueError(f"n_patients={n_patients!r}: give a whole number of at least 1.")
    if not 0 <= prevalence <= 1:
        raise ValueError(f"prevalence={prevalence!r} is not a share: give a number from 0 to 1.")
    if form not in _N_TIMES:
        raise ValueError(f"form={form!r} is unknown: use 'beat' or 'ecg'.")
    if not severity >= 0:
        raise ValueError(f"severity={severity!r} is not a factor: give a number of at least 0.")
    if random_state is None:  # check_random_state would draw from numpy's global generator
        rng = np.random.default_rng()
    else:
        seed = check_random_state(random_state).randint(2**32, size=4, dtype=np.uint32)
        rng = np.random.default_rng(seed)

    table = _draw_table(n_patients, prevalence, severity, rng)
    matrix, waves = _draw_hearts(table, rng)
    record = {"beat": _median_beats, "ecg": _recordings}[form]
    X = np.empty((len(table), 12, _N_TIMES[form]), dtype=np.float32)
    for start in range(0, len(table), _BLOCK[form]):
        block = slice(start, start + _BLOCK[form])
        beats = _render(*(wave[block] for wave in waves))
        leads = record(beats, matrix[block], table[block], rng)
        X[block] = to_standard_order(leads, INDEPENDENT_LEADS)
    y, groups = (table[name].to_numpy(copy=True) for name in ("omi", "patient"))
    if return_table:
        return X, y, groups, table.drop(columns=["qtc", "evolution"])
    return X, y, groups


def _draw_table(n_patients, prevalence, severity, rng):
    """Draw who comes and what is recorded: one row an ECG."""
    n = n_patients
    omi = rng.permutation(n) < round(prevalence * n)
    artery, confounder = _choose(_ARTERIES, n, rng), _choose(_CONFOUNDERS, n, rng)
    confounder = np.where(omi & (confounder == "pericarditis"), "none", confounder)
    female = rng.random(n) < 0.42  # between Herman 2023, 33 %, and the general population

    qrs = np.where(female, 86, 92) + 9 * rng.standard_normal(n)  # ELSA-Brasil; SD Mason 2007
    qrs = np.where(confounder == "LBBB", rng.uniform(130, 170, n), np.clip(qrs, 66, 115))
    qrs = np.where(confounder == "RBBB", rng.uniform(120, 150, n), qrs)
    length, spread = (np.array([_ARTERIES[name][i] for name in artery]) for i in (2, 3))
    length = _SEVERITY * length * np.exp(spread * rng.standard_normal(n))
    patients = pd.DataFrame(
        {
            "patient": np.arange(n, dtype=np.int64),
            "omi": omi.astype(np.int64),
            "artery": np.where(omi, artery, "none"),
            "st_vector": np.where(omi, severity * np.clip(length, 0.08, 0.8), 0.0),
            "confounder": confounder,
            "sex": np.where(female, "F", "M"),
            "age": np.clip(62 + 14 * rng.standard_normal(n), 18, 95).round(),  # Herman 2023
            # Wider and faster than at rest, 48-98 /min (Mason 2007): pain and fear.
            "rate": 76 * np.exp(0.2 * rng.standard_normal(n)),
            # Medians ELSA-Brasil, 2-98 % limits 113-212 and 361-457 ms Mason 2007.
            "pr": np.clip(np.where(female, 158, 164) + 22 * rng.standard_normal(n), 110, 230),
            "qrs": qrs,
            "qtc": np.clip(np.where(female, 421, 410) + 20 * rng.standard_normal(n), 350, 500),
        }
    )
    # 10,893 ECGs of 7,297 patients (Riek 2024): 1.49 each.
    n_ecgs = rng.choice([1, 2, 3, 4], n, p=[0.68, 0.20, 0.07, 0.05])
    table = patients.loc[np.repeat(patients.index, n_ecgs)].reset_index(drop=True)
    rate = table["rate"] * np.exp(0.08 * rng.standard_normal(len(table)))
    table["rate"] = np.clip(rate, 40, 150)
    late = 0.5 * np.maximum(table["qrs"] - 100, 0)  # a wide QRS lengthens QT by about half
    table["qt"] = (table["qtc"] + late) * np.sqrt(60 / table["rate"])  # Bazett
    # Arteries open and close while ECGs are recorded, and ischaemia waxes and wanes.
    table["evolution"] = np.exp(0.35 * rng.standard_normal(len(table)))
    table["st_vector"] *= table["evolution"]
    return table


def _choose(rows, n, rng):
    """Draw n names of a table by the share in its first column."""
    share = np.array([row[0] for row in rows.values()])
    return rng.choice(list(rows), n, p=share / share.sum())


def _draw_hearts(table, rng):
    """Return each ECG's lead matrix (n, 8, 3) and its waves, the arguments of `_render`."""
    patients = table.drop_duplicates("patient")
    row = table["patient"].to_numpy()  # patients are numbered from 0
    matrix = _LEAD_MATRIX * (1 + 0.3 * rng.standard_normal((len(patients), 8, 3)))
    # One matrix for all leaves too little outside the dipole space; with this scatter it is
    # about 6 % of the QRS energy, as in normal PTB-XL ECGs.
    matrix += 0.1 * rng.standard_normal(matrix.shape)
    dipoles, st = _draw_dipoles(patients, rng)
    direction, hyperacute = _draw_injury(patients, rng)
    matrix, dipoles, st = matrix[row], dipoles[row], st[row]
    injury = table["st_vector"].to_numpy()[:, None] * direction[row]
    dipoles[:, -1] += hyperacute[row] * injury
    st = st * table["evolution"].to_numpy()[:, None] + injury
    dipoles = np.concatenate([dipoles, st[:, None]], axis=1)
    centre, left, right, onset, j, t_peak = _time_waves(table)

    # R is where a detector puts it: at the peak of the root mean square over the leads.
    fine = np.arange(-80, 81, 2.0)
    qrs = slice(2, 8)
    shapes = _gaussians(fine, centre[:, qrs], left[:, qrs], right[:, qrs])
    leads = to_standard_order(matrix, INDEPENDENT_LEADS) @ dipoles[:, qrs].swapaxes(1, 2) @ shapes
    r_peak = fine[np.square(leads).sum(axis=1).argmax(axis=1)]
    table["onset"] = onset - r_peak
    centre = centre - r_peak[:, None]
    return matrix, (centre, left, right, dipoles, j - r_peak, t_peak - r_peak)


def _draw_dipoles(patients, rng):
    """Draw the dipoles of the ten waves (n, 10, 3) and of the ST level (n, 3)."""
    n = len(patients)
    male, confounder = patients["sex"].to_numpy() == "M", patients["confounder"].to_numpy()
    years = patients["age"].to_numpy() - 45
    effect = np.array([_CONFOUNDERS[name] for name in confounder])
    factor_qrs, factor_t, st_per_qrs, t_per_qrs = effect[:, 1:5].T[..., None]
    degree = np.exp(0.35 * rng.standard_normal((n, 1)))

    def scatter(mean, factor, offset):
        mean = mean * np.exp(factor * rng.standard_normal((n, mean.shape[-2], 1)))
        return mean + offset * rng.standard_normal(mean.shape)

    male = male[:, None, None]
    p = scatter(_P, 0.2, 0.01)
    qrs = np.where(male, _QRS["M"], _QRS["F"])
    qrs = scatter(np.where((confounder == "LBBB")[:, None, None], _QRS_LBBB, qrs), 0.15, 0.05)
    t = scatter(np.where(male, _T["M"], _T["F"]), 0.2, 0.025)
    st = np.where(male[:, 0], _ST["M"], _ST["F"]) + 0.015 * rng.standard_normal((n, 3))
    # The frontal axis turns to the left with age and runs from -40 to 91 degrees (Mason 2007).
    frontal = np.radians(-0.3 * years + 13 * rng.standard_normal(n))
    qrs = _rotate(qrs, frontal, np.radians(12 * rng.standard_normal(n)))
    t = _rotate(t, np.radians(10 * rng.standard_normal(n)), np.radians(12 * rng.standard_normal(n)))
    # Voltages fall with age; T by 10 % at 40-59 and another 15 % at 60-79 years (Gambill).
    qrs *= np.exp(-0.004 * years + 0.2 * rng.standard_normal(n))[:, None, None]
    size = np.exp(-0.006 * years + 0.25 * rng.standard_normal(n))[:, None]

    qrs *= factor_qrs[..., None]
    axis = qrs.sum(axis=1) / 2.5  # about the largest QRS vector
    t *= (size * factor_t)[..., None]
    t[:, 1] -= degree * t_per_qrs * axis
    st = st * size + degree * (effect[:, 5:] - st_per_qrs * axis)
    # The right ventricle comes last, to the right and front; T turns away from it.
    terminal = degree * (confounder == "RBBB")[:, None] * (-0.6, -0.05, -0.6)
    t -= 0.35 * terminal[:, None]
    notch = degree * (confounder == "early repolarisation")[:, None] * (0.1, 0.12, 0.0)
    # A scar, inferior or anterior, takes away early forces, and T turns away as well.
    scar = np.where(rng.random((n, 1)) < 0.5, (0.0, -0.45, 0.0), (0.0, 0.0, 0.5))
    scar = (degree * (confounder == "old infarct")[:, None] * scar)[:, None]
    qrs[:, :2] += scar
    t += 0.3 * scar
    return np.concatenate([p, qrs, (terminal + notch)[:, None], t], axis=1), st


def _draw_injury(patients, rng):
    """Draw the direction of the ST vector (n, 3) and what of it T gains (n, 1)."""
    n = len(patients)
    rows = [_ARTERIES.get(name, _ARTERIES["LAD"]) for name in patients["artery"]]  # of length 0
    direction = np.array([row[1] for row in rows])
    direction += np.array([[row[4]] for row in rows]) * rng.standard_normal((n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    # STAFF III, V3 after 30 s: T rose by .218 mV where ST rose by .149 mV.
    return direction, 0.8 * np.exp(0.4 * rng.standard_normal((n, 1)))


def _rotate(dipoles, frontal, horizontal):
    """Turn dipoles (n, k, 3) by angles (n,) in the frontal, then in the horizontal plane."""
    x, y, z = np.moveaxis(dipoles, -1, 0)
    cos, sin = np.cos(frontal)[:, None], np.sin(frontal)[:, None]
    x, y = cos * x - sin * y, sin * x + cos * y
    cos, sin = np.cos(horizontal)[:, None], np.sin(horizontal)[:, None]
    return np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=-1)


def _time_waves(table):
    """Return the waves' centres and widths (n, 10), QRS onset, J and T peak (n,), in ms."""
    qrs, rr = table["qrs"].to_numpy(), 60 / table["rate"].to_numpy()
    block = (table["confounder"] == "RBBB").to_numpy()
    tail = np.where(block, 0.35 * qrs, 0.0)  # the right ventricle's part
    base = qrs - tail
    onset, j = _QRS_ONSET * base, _QRS_END * base + tail
    peak_to_end = 80 * np.sqrt(rr)  # 85 (63-112) ms in women (ELSA-Brasil)
    t_peak = onset + table["qt"].to_numpy() - peak_to_end
    rise = t_peak - j
    p_onset = onset - table["pr"].to_numpy()  # P lasts 108 to 112 ms (ELSA-Brasil)
    centre = [p_onset + 40, p_onset + 72, *(part * base for part in _QRS_CENTRES)]
    centre += [j - np.where(block, 0.55 * tail, 13.0), t_peak - 0.2 * rise, t_peak]
    width = [np.full_like(qrs, 17.0)] * 2 + [_QRS_WIDTH * base] * 5
    width += [np.where(block, 0.25 * tail, 6.0)]
    # The tangent at the steepest point of a Gaussian meets zero two SDs from the peak.
    left = np.stack([*width, 0.38 * rise, 0.38 * rise], axis=1)
    right = np.stack([*width, peak_to_end / 2, peak_to_end / 2], axis=1)
    return np.stack(centre, axis=1), left, right, onset, j, t_peak


def _gaussians(times, centre, left, right):
    """Evaluate Gaussians with two widths, all (n, k), at times (n_times,)."""
    distance = times - centre[..., None]
    width = np.where(distance < 0, left[..., None], right[..., None])
    return np.exp(-0.5 * np.square(distance / width))


def _render(*waves):
    """Draw one beat as the dipole's course (n, 3, 600) with R at sample 300."""
    centre, left, right, dipoles, j, t_peak = (wave.astype(np.float32) for wave in waves)
    j, t_peak = j[:, None], t_peak[:, None]
    # The ST level is reached with the end of QRS and let go around the peak of T.
    level = expit((_TIMES - j + 10) / 5) * expit((t_peak + 20 - _TIMES) / (0.13 * (t_peak - j)))
    shapes = np.concatenate([_gaussians(_TIMES, centre, left, right), level[:, None]], axis=1)
    return dipoles.swapaxes(1, 2) @ shapes


def _lay(beats, positions, n_times):
    """Add beats (n, 3, 600) with their R at samples (n, k) to an empty recording."""
    signal = np.zeros((len(beats), 3, n_times), dtype=np.float32)
    for out, beat, starts in zip(signal, beats, positions - _R_INDEX, strict=True):
        for start in starts:
            low, high = max(start, 0), min(start + beat.shape[-1], n_times)
            if low < high:
                out[:, low:high] += beat[:, low - start : high - start]
    return signal


def _muscle_noise(n, n_times, rng):
    """Draw noise (n, 8, n_times) below about 90 Hz, as of a quiet patient: SD about .015 mV."""
    white = rng.standard_normal((n, 8, n_times + 2), dtype=np.float32)
    scale = 0.015 / 6**0.5 * np.exp(0.4 * rng.standard_normal((n, 8, 1), dtype=np.float32))
    return scale * (white[..., :-2] + 2 * white[..., 1:-1] + white[..., 2:])


def _median_beats(beats, matrix, table, rng):
    """Project beats and their neighbours on the leads, with the noise that a median leaves."""
    n, n_times = len(beats), _N_TIMES["beat"]
    rr = np.rint(60 * _SAMPLING_RATE / table["rate"].to_numpy()).astype(int)
    signal = _lay(beats, _R_INDEX + rr[:, None] * np.arange(-2, 3), n_times)
    leads = matrix.astype(np.float32) @ signal
    leads += 1.25 / 10**0.5 * _muscle_noise(n, n_times, rng)  # the median of ten beats
    drift = 0.01 * rng.standard_normal((n, 8, 1), dtype=np.float32)  # mV/s
    leads += drift * (_TIMES / 1000)
    onset = _R_INDEX + np.rint(table["onset"].to_numpy() * _SAMPLING_RATE / 1000).astype(int)
    pq = onset[:, None, None] + np.arange(-8, -2)  # 16 to 6 ms before QRS
    return leads - np.take_along_axis(leads, pq, axis=-1).mean(axis=-1, keepdims=True)


def _recordings(beats, matrix, table, rng):
    """Lay beats out over 10 s and project them on the leads, with breathing and noise."""
    n, n_times = len(beats), _N_TIMES["ecg"]
    seconds = np.arange(n_times, dtype=np.float32) / _SAMPLING_RATE

    def sine(low, high, *shape):
        frequency, phase = rng.uniform(low, high, shape), rng.uniform(0, 2 * np.pi, shape)
        angle = (2 * np.pi * frequency[..., None]).astype(np.float32) * seconds
        return np.sin(angle + phase[..., None].astype(np.float32))

    def normal(scale, *shape):
        return np.float32(scale) * rng.standard_normal(shape, dtype=np.float32)

    rr = 60 * _SAMPLING_RATE / table["rate"].to_numpy()[:, None]
    rhythm = np.cumsum(rr * (1 + 0.03 * rng.standard_normal((n, 28))), axis=1)
    rhythm -= rr * rng.uniform(1, 2, (n, 1))
    # One recording in twelve (chosen) has ectopic beats, early and followed by a pause.
    ectopic = (rng.random((n, 1)) < 1 / 12) & (rng.random(rhythm.shape) < 0.15)
    ectopic[:, 1:] &= ~ectopic[:, :-1]
    away = -10 * n_times
    normal_r = np.rint(np.where(ectopic, away, rhythm)).astype(int)
    ectopic_r = np.rint(np.where(ectopic, rhythm - 0.35 * rr, away)).astype(int)
    signal = _lay(beats, normal_r, n_times) + _lay(_ectopic_beats(n, rng), ectopic_r, n_times)

    # Breathing (12 to 21 a minute) turns the heart and moves it from the electrodes.
    breath = sine(0.2, 0.35, n)
    turn = np.radians(3, dtype=np.float32) * breath
    x, y = signal[:, 0] - turn * signal[:, 1], signal[:, 1] + turn * signal[:, 0]
    signal = np.stack([x, y, signal[:, 2]], axis=1) * (1 + np.float32(0.05) * breath[:, None])
    leads = matrix.astype(np.float32) @ signal + _muscle_noise(n, n_times, rng)
    # Wander with the breath and slower than it, 50 Hz from the mains, an offset; sizes chosen.
    leads += normal(0.04, n, 8, 1) * breath[:, None]
    leads += normal(0.08, n, 8, 1) * sine(0.03, 0.15, n)[:, None]
    leads += normal(0.005, n, 8, 1) * sine(49.9, 50.1, n)[:, None]
    return leads + normal(0.05, n, 8, 1)


def _ectopic_beats(n, rng):
    """Draw ventricular ectopic beats: wide, from anywhere, T and ST against the QRS."""
    direction = rng.standard_normal((n, 1, 3))
    direction *= rng.uniform(1.0, 2.0, (n, 1, 1)) / np.linalg.norm(direction, axis=2, keepdims=True)
    second = direction + 0.3 * rng.standard_normal((n, 1, 3))
    dipoles = np.concatenate([direction, second, -0.35 * direction, -0.1 * direction], axis=1)
    centre = np.tile([-14.0, 26.0, 280.0], (n, 1))
    width = np.tile([22.0, 22.0, 55.0], (n, 1))
    return _render(centre, width, width, dipoles, np.full(n, 85.0), np.full(n, 280.0))
