"""Simulated ECGs of chest-pain patients, some of them with an occluded coronary artery."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from ._confounders import CONDUCTION, CONFOUNDERS, apply, draw_names
from ._electrodes import draw_placement, place
from ._heart import QRS, draw_detail, draw_hearts, draw_timing, landmarks, project
from ._occlusion import draw_occlusions, occlude, reperfuse
from ._recording import N_TIMES, find_r, median_beats, recordings
from ._rhythm import draw_rhythm

_PATIENTS = 128  # drawn at a time: bounds the memory


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

    A heartbeat is a dipole that moves on the loops of P, QRS and T. Each patient has loops and a
    lead field of their own, drawn by sex and age with the means and the spread of normal ECGs of
    PTB-XL. An occlusion (OMI) adds an ST vector in the direction of its artery and segment, a T
    wave that is hyperacute at first and inverted at its end later, and loss of R; reciprocal
    changes and Einthoven's law follow from geometry. Positive means occluded when the ECG was
    taken: what an artery that has opened again leaves behind is negative, as is ST elevation in
    aVR from subendocardial ischaemia. Both classes hold ECGs that mislead (other diseases, bundle
    branch blocks, pacing, atrial fibrillation, misplaced electrodes, low voltage).

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
        hum, muscle and motion noise, ectopic beats and pacing spikes.
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
        Only with ``return_table=True``. What an ECG was made from:

        - patient, omi: as in `groups` and `y`; sex ("F", "M"); age in years;
        - artery ("LAD", "diagonal", "RCA", "LCx", "none") and segment of the occlusion, or of one
          that has opened again; minutes since its onset, NaN where there is none; st_vector, the
          length of its ST vector in mV before the course of time, and st_x, st_y, st_z, its parts
          to the left, the feet and the back;
        - confounder: "none", "LVH", "early repolarisation", "pericarditis", "old infarct",
          "aneurysm", "ST depression", "STE aVR", "reperfusion", "T change", "hyperkalaemia",
          "digitalis", "pulmonary embolism", "hypothermia" or "low voltage";
        - conduction: "normal", "LBBB", "RBBB", "incomplete RBBB", "LAFB", "IVCD", "paced" or
          "WPW"; rhythm: "sinus", "AF", "PVC", "PAC" or "bigeminy"; rate in beats a minute; pr,
          qrs and qt in ms; onset, the beginning of QRS in ms from R;
        - placement: "in place", or which electrodes are swapped or lie wrong; noise, its SD in mV.

    Notes
    -----
    More than fits into memory is made in parts, with another seed for each. The normal heart was
    fitted to the normal ECGs among ids 1-500 of PTB-XL; blocks, pacing, hypertrophy, old infarction
    and changes of T were drawn after the mean ECGs with these diagnoses there, in records 1-100 of
    LUDB and in samples of the PhysioNet challenges of 2018 and 2021. A model trained on simulated
    ECGs is not wholly blind to those.

    References
    ----------
    .. [1] Riek et al. (2024), ECG-SMART-NET, arXiv:2405.09567.
    .. [2] Dower, Machado and Osborne (1980), On deriving the electrocardiogram from
       vectorcardiographic leads, Clinical Cardiology 3, 87-95.
    .. [3] Martinez et al. (2017), STAFF III Database, PhysioNet, doi:10.13026/C20P4H.
    .. [4] Mason et al. (2007), Electrocardiographic reference ranges derived from 79,743
       ambulatory subjects, Journal of Electrocardiology 40, 228-234.
    .. [5] Wagner et al. (2020), PTB-XL, a large publicly available electrocardiography dataset,
       Scientific Data 7, 154.

    Examples
    --------
    >>> from skecg.datasets import make_omi
    >>> X, y, groups = make_omi(100, prevalence=0.2, random_state=0)
    >>> X.shape[1:], len(set(groups)), len(set(groups[y == 1]))
    ((12, 600), 100, 20)
    """
    _check(n_patients, prevalence, form, severity)
    if random_state is None:  # check_random_state would draw from numpy's global generator
        seed = None
    else:
        seed = check_random_state(random_state).randint(2**32, size=4, dtype=np.uint32).tolist()
    rng, *streams = (
        np.random.default_rng(child)
        for child in np.random.SeedSequence(seed).spawn(1 + 2 * -(-n_patients // _PATIENTS))
    )
    omi = rng.permutation(n_patients) < round(prevalence * n_patients)
    # 10,893 ECGs of 7,297 patients (Riek 2024): 1.49 each.
    n_ecgs = rng.choice([1, 2, 3, 4], n_patients, p=[0.68, 0.20, 0.07, 0.05])
    stop = np.cumsum(n_ecgs)

    X = np.empty((stop[-1], 12, N_TIMES[form]), dtype=np.float32)
    tables = []
    for i, first in enumerate(range(0, n_patients, _PATIENTS)):
        block = slice(first, min(first + _PATIENTS, n_patients))
        rows = slice(stop[first] - n_ecgs[first], stop[block.stop - 1])
        # The hearts are drawn apart from their recording: they are the same in both forms.
        table, leads, marks, *hearts = _draw(omi[block], n_ecgs[block], severity, streams[2 * i])
        if form == "beat":
            X[rows] = median_beats(leads, marks, table, streams[2 * i + 1])
        else:
            X[rows] = recordings(*hearts, marks, table, streams[2 * i + 1])
        table["patient"] += first
        tables.append(table)
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    y, groups = columns["omi"].copy(), columns["patient"].copy()
    return (X, y, groups, pd.DataFrame(columns)) if return_table else (X, y, groups)


def _check(n_patients, prevalence, form, severity):
    if not isinstance(n_patients, Integral) or n_patients < 1:
        raise ValueError(f"n_patients={n_patients!r}: give a whole number of at least 1.")
    if not 0 <= prevalence <= 1:
        raise ValueError(f"prevalence={prevalence!r} is not a share: give a number from 0 to 1.")
    if form not in N_TIMES:
        raise ValueError(f"form={form!r} is unknown: use 'beat' or 'ecg'.")
    if not severity >= 0:
        raise ValueError(f"severity={severity!r} is not a factor: give a number of at least 0.")


def _draw(omi, n_ecgs, severity, rng):
    """Draw patients and their ECGs: columns, leads, landmarks, and loops, fields and detail."""
    n = len(omi)
    female = rng.random(n) < 0.42  # between Herman 2023, 33 %, and the general population
    age = np.clip(62 + 14 * rng.standard_normal(n), 18, 95).round()  # Herman 2023
    conduction, confounder = (draw_names(names, omi, rng) for names in (CONDUCTION, CONFOUNDERS))
    artery, segment, minutes, vector = draw_occlusions(n, severity, rng)
    rhythm = draw_rhythm(age, conduction == "paced", rng)
    loops, fields = draw_hearts(female, age, rng)
    detail = draw_detail(n, rng)
    timing = draw_timing(female, rng)
    # Faster than at rest, 48-98 a minute (Mason 2007): pain and fear.
    timing["rate"] = np.where(rhythm == "AF", 92, 75) * np.exp(0.2 * rng.standard_normal(n))
    apply(CONDUCTION, conduction, loops, timing, rng)
    apply(CONFOUNDERS, confounder, loops, timing, rng)
    # Notches, drawn for a QRS of .6 mV (rms), grow with it, and where it is slow.
    size = np.sqrt(np.square(loops[..., QRS]).sum(axis=1).mean(axis=-1))
    rough = size / 0.6 * np.where(conduction == "normal", 1, 1.6)
    detail[..., QRS] *= rough[:, None, None]
    loss = 0.35 * np.exp(0.5 * rng.standard_normal(n)) * np.minimum(severity, 1)
    reperfused = confounder == "reperfusion"
    changed = loops[reperfused]
    reperfuse(changed, vector[reperfused], loss[reperfused])
    loops[reperfused] = changed
    loops[rhythm == "AF", :, :21] = 0  # no P wave

    # From patients to their ECGs, of which each is a little later than the one before.
    row = np.repeat(np.arange(n), n_ecgs)
    number = np.arange(len(row)) - np.repeat(np.cumsum(n_ecgs) - n_ecgs, n_ecgs)
    later = number * rng.uniform(10, 120, n)[row]
    loops, timing = loops[row], {name: values[row] for name, values in timing.items()}
    rate = timing["rate"] * np.exp(0.08 * rng.standard_normal(len(row)))
    timing["rate"] = np.clip(rate, 38, 165)
    # Between Bazett's root, which corrects too much when the heart is fast, and Fridericia's
    # cube root; that a wide QRS adds half its excess is chosen.
    late = 0.5 * np.maximum(timing["qrs"] - 100, 0)
    timing["qt"] = (timing["qtc"] + late) * (60 / timing["rate"]) ** 0.42
    # Arteries open and close while ECGs are recorded, and ischaemia waxes and wanes.
    vector = vector[row] * np.exp(0.35 * rng.standard_normal((len(row), 1)))
    vector *= omi[row, None]
    ill, minutes = np.flatnonzero(omi[row]), minutes[row] + later
    changed = loops[ill]
    occlude(changed, vector[ill], minutes[ill], segment[row[ill]], loss[row[ill]], rng)
    loops[ill] = changed
    placement = draw_placement(len(row), rng)
    fields, detail = place(fields[row], placement, rng), detail[row]
    marks = landmarks(timing, timing["rate"])
    leads = project(loops, fields) + detail
    marks -= find_r(leads, marks)[:, None]
    known = omi | reperfused
    table = {
        "patient": row.astype(np.int64),
        "omi": omi[row].astype(np.int64),
        "artery": np.where(known, artery, "none")[row],
        "segment": np.where(known, segment, "none")[row],
        "minutes": np.where(omi[row], minutes, np.nan),
        "st_vector": np.linalg.norm(vector, axis=1),
        **dict(zip(("st_x", "st_y", "st_z"), vector.T, strict=True)),
        "confounder": confounder[row],
        "conduction": conduction[row],
        "rhythm": rhythm[row],
        "sex": np.where(female, "F", "M")[row],
        "age": age[row],
        **{name: timing[name] for name in ("rate", "pr", "qrs", "qt")},
        "onset": marks[:, 2],
        "placement": placement,
        # From single beats to their median .017 mV in PTB-XL and LUDB; in emergency more.
        "noise": 0.018 * np.exp(0.5 * rng.standard_normal(len(row))),
    }
    return table, leads, marks, loops, fields, detail
