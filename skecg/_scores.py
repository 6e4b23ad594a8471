"""Published scores of infarct size from the waves of the twelve leads."""

from typing import NamedTuple

import numpy as np

_ELEVATED = 0.1  # mV: the ST elevation that Aldrich's score counts
_NOTCH = 0.05  # mV
_MM = 0.1  # mV


class Waves(NamedTuple):
    """The QRS of one lead: depths and heights in mV, none below zero, and durations in ms."""

    q: np.ndarray
    r: np.ndarray
    s: np.ndarray
    q_ms: np.ndarray
    r_ms: np.ndarray
    notch: np.ndarray


def selvester(leads):
    """Return the points of the Selvester score; a point is about 3 % of the left ventricle.

    Of each group of criteria the best one counts: 32 points at most. The score is meant for
    hearts without hypertrophy or conduction defects, and nothing here looks for those.

    Parameters
    ----------
    leads : dict of str to Waves
        I, II, aVL, aVF and V1 ... V6.

    Returns
    -------
    ndarray of shape (n_samples,)

    References
    ----------
    Hindman NB, Schocken DD, Widmann M, et al. Evaluation of a QRS scoring system for estimating
    myocardial infarct size. V. Specificity and method of application of the complete system.
    American Journal of Cardiology 1985;55:1485-1490.
    """
    i, ii, avl, avf = (leads[name] for name in ("I", "II", "aVL", "aVF"))
    v1, v2, v3, v4, v5, v6 = (leads[f"V{k}"] for k in range(1, 7))
    no_anterior_r = (v2.q > 0) | (v2.r_ms <= 10) | (v2.r <= 0.1) | (v2.r <= v1.r)
    groups = [
        [(i.q_ms >= 30, 1)],
        [(_at_most(i.r, 1, i.q) | (i.r <= 0.2), 1)],
        [(ii.q_ms >= 40, 2), (ii.q_ms >= 30, 1)],
        [(avl.q_ms >= 30, 1)],
        [(_at_most(avl.r, 1, avl.q), 1)],
        [(avf.q_ms >= 50, 3), (avf.q_ms >= 40, 2), (avf.q_ms >= 30, 1)],
        [(_at_most(avf.r, 1, avf.q), 2), (_at_most(avf.r, 2, avf.q), 1)],
        [(v1.q > 0, 1)],
        [(np.maximum(v1.q, v1.s) >= 1.8, 1)],
        [(_at_least(v1.r, 1, v1.s), 1)],
        [((v1.r_ms >= 50) | (v1.r >= 1.0), 2), ((v1.r_ms >= 40) | (v1.r >= 0.6), 1)],
        [(np.maximum(v1.q, v1.s) <= 0.3, 1)],
        [(no_anterior_r, 1)],
        [(_at_least(v2.r, 1.5, v2.s), 1)],
        [((v2.r_ms >= 60) | (v2.r >= 2.0), 2), ((v2.r_ms >= 50) | (v2.r >= 1.5), 1)],
        [(np.maximum(v2.q, v2.s) <= 0.4, 1)],
        [((v3.q > 0) | (v3.r_ms <= 20) | (v3.r <= 0.2), 1)],
        [(v4.q_ms >= 20, 1)],
        [(_low_r(v4, 0.5), 2), (_low_r(v4, 1) | (v4.r <= 0.7) | (v4.notch >= _NOTCH), 1)],
        [(v5.q_ms >= 30, 1)],
        [(_low_r(v5, 1), 2), (_low_r(v5, 2) | (v5.r <= 0.7) | (v5.notch >= _NOTCH), 1)],
        [(v6.q_ms >= 30, 1)],
        [(_low_r(v6, 1), 2), (_low_r(v6, 3) | (v6.r <= 0.6) | (v6.notch >= _NOTCH), 1)],
    ]
    return sum(np.max([met * points for met, points in group], axis=0) for group in groups)


def aldrich(j):
    """Return the Aldrich scores, the share of the left ventricle at risk in percent.

    Anterior: 3 (1.5 n - 0.4) with n leads of ST elevation from 0.1 mV. Inferior: 3 (0.6 sum + 2)
    with the sum of the elevations from 0.1 mV in II, III and aVF in mm. One of them holds, by
    where the infarct is; without ST elevation both are 0.

    Parameters
    ----------
    j : dict of str to ndarray of shape (n_samples,)
        ST level at J in mV in each of the twelve leads.

    Returns
    -------
    anterior, inferior : ndarray of shape (n_samples,)

    References
    ----------
    Aldrich HR, Wagner NB, Boswick J, et al. Use of initial ST-segment deviation for prediction of
    final electrocardiographic size of acute myocardial infarcts. American Journal of Cardiology
    1988;61:749-753.
    """
    n_leads = sum((level >= _ELEVATED).astype(int) for level in j.values())
    inferior = [np.where(j[name] >= _ELEVATED, j[name], 0) for name in ("II", "III", "aVF")]
    millimetres = sum(inferior) / _MM
    return (
        np.where(n_leads > 0, 3 * (1.5 * n_leads - 0.4), 0),
        np.where(millimetres > 0, 3 * (0.6 * millimetres + 2), 0),
    )


def _at_most(a, ratio, b):
    return (b > 0) & (a <= ratio * b)


def _at_least(a, ratio, b):
    return (a > 0) & (a >= ratio * b)


def _low_r(lead, ratio):
    return _at_most(lead.r, ratio, lead.s) | _at_most(lead.r, ratio, lead.q)
