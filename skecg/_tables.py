"""Tables of how well a classifier does, with intervals by resampling of patients."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.utils.validation import check_consistent_length, column_or_1d

from ._resampling import (
    METRICS,
    Measures,
    check_resampling,
    draw_weights,
    effective_patients,
    half_width,
    patient_numbers,
    positives_and_scores,
    row_thresholds,
    standard_errors,
)
from ._validation import check_fold_classes, check_folds


class Interval(NamedTuple):
    """A value and the limits of its confidence interval."""

    estimate: float
    low: float
    high: float


def bootstrap_interval(
    metric,
    y_true,
    y_score,
    *,
    groups=None,
    confidence=0.95,
    n_resamples=2000,
    random_state=None,
):
    """Return any metric with an interval by resampling of patients.

    Patients are drawn with replacement, each with all their ECGs; the interval is that between
    percentiles of the metric over the draws. Calls the metric once a draw:
    :func:`classification_table` is faster for the metrics that it has.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_score)`` returns a number, as the functions of scikit-learn do.
    y_true : array-like of shape (n_samples,)
        True labels.
    y_score : array-like of shape (n_samples, ...)
        What the metric takes: scores, probabilities or labels.
    groups : array-like of shape (n_samples,), default=None
        Patients; None means one row a patient.
    confidence : float, default=0.95
        Level of the interval.
    n_resamples : int, default=2000
        Number of draws.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    Interval
        Named tuple of estimate, low and high; the limits are NaN for a single patient.

    Raises
    ------
    ValueError
        Where the metric cannot be computed of a draw, or is NaN, such as the AUC of one class.

    Examples
    --------
    >>> from sklearn.metrics import brier_score_loss
    >>> y, p = [0, 0, 0, 0, 1, 1] * 20, [.1, .2, .1, .6, .8, .4] * 20
    >>> brier = bootstrap_interval(brier_score_loss, y, p, n_resamples=200, random_state=0)
    >>> print(f"{brier.estimate:.3f} ({brier.low:.3f} to {brier.high:.3f})")
    0.137 (0.110 to 0.168)
    """
    check_resampling(confidence, n_resamples)
    y_true, y_score = column_or_1d(y_true), np.asarray(y_score)
    check_consistent_length(y_true, y_score)
    patient = patient_numbers(groups, len(y_true))
    draws = []
    for weights in draw_weights(patient, n_resamples, random_state):
        for times in weights.astype(int):
            rows = np.repeat(np.arange(len(times)), times)
            draws.append(metric(y_true[rows], y_score[rows]))
            if np.isnan(draws[-1]):
                raise ValueError(
                    "The metric is NaN in a draw of patients, say one without a positive. "
                    "classification_table leaves such draws out."
                )
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    low, high = np.quantile(draws, tails) if patient.any() else (np.nan, np.nan)
    return Interval(float(metric(y_true, y_score)), float(low), float(high))


def classification_table(
    y_true,
    y_score,
    *,
    threshold,
    groups=None,
    fold=None,
    pos_label=None,
    confidence=0.95,
    n_resamples=2000,
    random_state=None,
):
    """Return the measures of the paper's Table 5 with intervals by resampling of patients.

    Patients are drawn with replacement, each with all their ECGs. An interval is the estimate and
    as many standard errors on each side as its level asks for, on the logit scale, where measures
    near 1 are symmetric; the standard error is the SD over the draws. For AUC and AP they are as
    many as Student's t asks for, with as many degrees of freedom as the rarer class has patients,
    less one; patients with more ECGs than others count for less [1]_.

    A share that is 0 or 1 is so in every draw. There the limit is that of Clopper and Pearson for
    as many independent rows as there are patients. F1, AUC and AP of 0 or 1 have no limits (NaN),
    nor has a measure that rests on the rows of one patient.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    y_score : array-like of shape (n_samples,) or (n_samples, 2)
        Score of the positive class, or one column a class in the order of the sorted labels.
    threshold : float, or dict or Series of fold to float
        Scores from here on are called positive. Choose it on other data, say by
        :func:`f1_threshold` on the validation data: on the same data the measures flatter. One for
        each `fold` is what the table of :func:`skecg.model_selection.cross_validate_rotation` has.
    groups : array-like of shape (n_samples,), default=None
        Patients; None means one row a patient.
    fold : array-like of shape (n_samples,), default=None
        For out-of-fold scores: the fold that each row was tested in. AUC and AP are then the means
        of those within folds. Without it the scores of all rows are ranked together, as is right
        for one model, but not for one a fold: their scores may be of different height.
    pos_label : label, default=None
        The positive of the two classes; None takes the second of the sorted labels.
    confidence : float, default=0.95
        Level of the intervals.
    n_resamples : int, default=2000
        Number of draws.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    DataFrame
        Columns estimate, low and high; a row a measure: Acc (accuracy), Sens (sensitivity), Spec
        (specificity), PPV and NPV (predictive values), F1, AUC (area under the ROC curve), AP
        (average precision). NaN where a measure is undefined. Its ``attrs`` hold the level of the
        intervals as "confidence".

    References
    ----------
    .. [1] Carter, Schnepel and Steigerwald (2017), Asymptotic behavior of a t-test robust to
       cluster heterogeneity, Review of Economics and Statistics 99:698-709.

    Riek et al. (2024), arXiv:2405.09567, Table 5.
    Boyd, Eng and Page (2013), Area under the precision-recall curve: point estimates and
    confidence intervals, ECML PKDD, LNCS 8190:451-466 (logit interval).
    Clopper and Pearson (1934), Biometrika 26:404-413.

    Examples
    --------
    >>> y, p = [0, 0, 0, 0, 1, 1] * 20, [.1, .2, .1, .6, .8, .4] * 20
    >>> classification_table(y, p, threshold=.3, random_state=0).round(2)
            estimate   low  high
    metric
    Acc         0.83  0.76  0.89
    Sens        1.00  0.91  1.00
    Spec        0.75  0.64  0.83
    PPV         0.67  0.54  0.77
    NPV         1.00  0.94  1.00
    F1          0.80  0.70  0.87
    AUC         0.88  0.80  0.93
    AP          0.83  0.74  0.90
    """
    check_resampling(confidence, n_resamples)
    y, score = positives_and_scores(y_true, y_score, pos_label)
    patient = patient_numbers(groups, len(y))
    if fold is not None:
        fold = check_folds(fold, len(y))
        check_fold_classes(y, fold)
    cuts = row_thresholds(threshold, fold, len(y))
    table = measure_table(y, score, cuts, patient, fold, confidence, n_resamples, random_state)
    table.attrs["confidence"] = confidence
    return table


def measure_table(y, score, cuts, patient, fold, confidence, n_resamples, random_state):
    """Return the table of :func:`classification_table` for rows of patients numbered from 0."""
    measures = Measures(y, score, cuts, fold)
    estimate = measures(np.ones((1, len(y))))[0]
    weights = draw_weights(patient, n_resamples, random_state)
    draws = np.concatenate([measures(block) for block in weights])
    n_rarer = effective_patients(y, patient)
    low, high = _logit_limits(estimate, standard_errors(draws), confidence, n_rarer)
    called = score >= cuts
    rows = {"Acc": np.ones_like(y), "Sens": y, "Spec": ~y, "PPV": called, "NPV": ~called}
    tail = (1 - confidence) / 2
    for k, name in enumerate(METRICS):
        n_patients = len(np.unique(patient[rows.get(name, rows["Acc"])]))
        if name in rows and estimate[k] in (0, 1):
            bound = tail ** (1 / n_patients)
            low[k], high[k] = (bound, 1) if estimate[k] == 1 else (0, 1 - bound)
        elif n_patients < 2:  # one patient tells nothing of others
            low[k] = high[k] = np.nan
    index = pd.Index(METRICS, name="metric")
    return pd.DataFrame({"estimate": estimate, "low": low, "high": high}, index=index)


def _logit_limits(estimate, se, confidence, n_rarer):
    """Return the limits at so many standard errors on the logit scale; NaN at 0 and 1."""
    inside = np.where((estimate > 0) & (estimate < 1), estimate, np.nan)
    half = np.where(
        np.isin(METRICS, ["AUC", "AP"]),
        half_width(se, confidence, n_rarer),
        norm.ppf((1 + confidence) / 2) * se,
    )
    half = half / (inside * (1 - inside))
    return expit(logit(inside) - half), expit(logit(inside) + half)
