"""Patients drawn with replacement, and the measures of all draws at once."""

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.stats import t
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from ._validation import check_groups, draw_seed

METRICS = ("Acc", "Sens", "Spec", "PPV", "NPV", "F1", "AUC", "AP")
_BLOCK = 2**19  # weights held at a time


def positives_and_scores(y_true, y_score, pos_label=None):
    """Return which rows are positive, and the score of the positive class.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Two labels, or at most two with `pos_label`.
    y_score : array-like of shape (n_samples,) or (n_samples, 2)
        Score of the positive class, or a column a class in the order of the sorted labels.
    pos_label : label, default=None
        None takes the second of the sorted labels.

    Returns
    -------
    y : ndarray of bool of shape (n_samples,)
    score : ndarray of float64 of shape (n_samples,)
    """
    y, labels = positives(y_true, pos_label)
    score = check_array(y_score, ensure_2d=False, dtype=np.float64, input_name="y_score")
    check_consistent_length(y, score)
    if score.ndim == 2 and score.shape[1] == 2 and len(labels) == 2:
        score = score[:, 1 if pos_label is None else list(labels).index(pos_label)]
    elif score.ndim != 1:
        raise ValueError(
            f"y_score has shape {score.shape} for the labels {labels.tolist()}; give the score of "
            "the positive class, shape (n_samples,)."
        )
    return y, score


def positives(y_true, pos_label=None):
    """Return which rows are positive, and the sorted labels."""
    y_true = column_or_1d(y_true)
    missing = np.flatnonzero(pd.isna(y_true))
    if len(missing):
        raise ValueError(
            f"y_true has no label in {len(missing)} rows, such as row {missing[0]}. Leave them out."
        )
    labels = np.unique(y_true)
    if len(labels) > 2:
        raise ValueError(
            f"y_true holds {len(labels)} classes ({labels[:5].tolist()}...), but this is for two. "
            "Give one class against the rest: y_true == label."
        )
    if pos_label is None and len(labels) < 2:
        raise ValueError(
            f"y_true holds only {labels.tolist()}; which label is the positive cannot be told. "
            "Give pos_label."
        )
    if pos_label is None:
        pos_label = labels[1]
    elif len(labels) == 2 and pos_label not in labels:
        raise ValueError(f"pos_label={pos_label!r} is not one of the labels {labels.tolist()}.")
    return y_true == pos_label, labels


def patient_numbers(groups, n_samples):
    """Return the patient of each row as a number from 0; without groups, a row a patient."""
    if groups is None:
        return np.arange(n_samples)
    return np.unique(check_groups(groups, n_samples), return_inverse=True)[1]


def check_resampling(confidence, n_resamples):
    """Raise ValueError if the level of confidence or the number of draws makes no sense."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}.")
    if not isinstance(n_resamples, Integral) or n_resamples < 2:
        raise ValueError(f"n_resamples must be an integer from 2, got {n_resamples!r}.")


def check_threshold(threshold):
    """Raise ValueError if the threshold is not a number, which would call every row negative."""
    if not isinstance(threshold, Real) or np.isnan(threshold):
        raise ValueError(
            f"threshold must be a number, got {threshold!r}. Choose it on validation data, say by "
            "f1_threshold."
        )


def row_thresholds(threshold, fold, n_samples):
    """Return the threshold of each row: a number for all, or that of the row's fold."""
    if not isinstance(threshold, Mapping | pd.Series):
        check_threshold(threshold)
        return np.full(n_samples, threshold, dtype=np.float64)
    if fold is None:
        raise ValueError("A threshold for each fold needs fold, the fold of each row.")
    by_fold = dict(threshold)
    missing = sorted(set(fold.tolist()) - set(by_fold))
    if missing:
        raise ValueError(f"threshold has the folds {list(by_fold)}, but rows are of {missing}.")
    for each in by_fold.values():
        check_threshold(each)
    return np.array([by_fold[k] for k in fold.tolist()], dtype=np.float64)


def draw_weights(patient, n_resamples, random_state):
    """Yield how often each row was drawn when as many patients are drawn as there are.

    Parameters
    ----------
    patient : ndarray of int of shape (n_samples,)
        Numbers from 0 without a gap.
    n_resamples : int
    random_state : int, RandomState instance or None

    Yields
    ------
    ndarray of float64 of shape (n_block, n_samples)
        A row a draw; the blocks together hold `n_resamples` rows.
    """
    rng = np.random.default_rng(draw_seed(random_state))
    n_patients = patient.max() + 1
    size = max(1, _BLOCK // len(patient))
    for start in range(0, n_resamples, size):
        n = min(size, n_resamples - start)
        drawn = rng.integers(n_patients, size=(n, n_patients))
        drawn += n_patients * np.arange(n)[:, None]
        times = np.bincount(drawn.ravel(), minlength=n * n_patients).reshape(n, n_patients)
        yield times[:, patient].astype(np.float64)


class Measures:
    """Table 5's measures of weighted rows, sorted by score once.

    Parameters
    ----------
    y : ndarray of bool of shape (n_samples,)
    score : ndarray of shape (n_samples,)
    threshold : float or ndarray of float of shape (n_samples,)
        Scores from here on are called positive.
    fold : ndarray of int of shape (n_samples,), default=None
        AUC and AP are then the means of those within folds, whose scores are of different models.
    """

    def __init__(self, y, score, threshold, fold=None):
        called = score >= threshold
        self.parts = np.stack([y & called, y & ~called, ~y & called, ~y & ~called], axis=1)
        fold = np.zeros(len(y)) if fold is None else fold
        self.folds = [_Areas(y, score, np.flatnonzero(fold == k)) for k in np.unique(fold)]

    def __call__(self, weights):
        """Return the measures, shape (n, 8), for weights of shape (n, n_samples).

        NaN where one is undefined, such as Sens without a positive.
        """
        areas = np.stack([each(weights) for each in self.folds])
        if len(areas) == 1:
            auc, ap = areas[0]
        else:  # of folds that were drawn with both classes
            n_drawn = np.isfinite(areas).sum(axis=0)
            with np.errstate(invalid="ignore"):
                auc, ap = np.nansum(areas, axis=0) / np.where(n_drawn, n_drawn, np.nan)
        counts = (weights @ self.parts.astype(np.float64)).T
        return np.stack([*rates(*counts), auc, ap], axis=1)


class _Areas:
    """AUC and AP of some rows, sorted by score once."""

    def __init__(self, y, score, rows):
        self.order = rows[np.argsort(-score[rows], kind="stable")]
        self.y = y[self.order]
        # Rows of equal score count together, at the last of them.
        self.ends = np.append(np.flatnonzero(np.diff(score[self.order])), len(rows) - 1)

    def __call__(self, weights):
        weights = weights[:, self.order]
        above = weights.cumsum(axis=1)[:, self.ends]
        tp = (weights * self.y).cumsum(axis=1)[:, self.ends]
        fp = above - tp
        new_tp, new_fp = (np.diff(x, axis=1, prepend=0) for x in (tp, fp))
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(above > 0, tp / above, 0)
            ap = (new_tp * precision).sum(axis=1) / tp[:, -1]
            auc = (new_fp * (tp - new_tp / 2)).sum(axis=1) / (tp[:, -1] * fp[:, -1])
        # Without a negative the precision is 1 whatever the score.
        return auc, np.where(fp[:, -1] > 0, ap, np.nan)


def rates(tp, fn, fp, tn):
    """Return Acc, Sens, Spec, PPV, NPV and F1 of counts; NaN for 0 of 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            (tp + tn) / (tp + fn + fp + tn),
            tp / (tp + fn),
            tn / (tn + fp),
            tp / (tp + fp),
            tn / (tn + fn),
            2 * tp / (2 * tp + fp + fn),
        )


def standard_errors(draws):
    """Return the SD along the first axis; NaN draws, which lack a class, are left out."""
    drawn = ~np.isnan(draws)
    n = np.maximum(drawn.sum(axis=0), 1)
    mean = draws.sum(axis=0, where=drawn) / n
    return np.sqrt(((draws - mean) ** 2).sum(axis=0, where=drawn) / n)


def effective_patients(y, patient):
    """Return how many patients the class rests on that rests on fewer.

    ``sum(m) ** 2 / sum(m ** 2)`` of the patients' numbers of rows m: those with many rows have
    more than their share in it.
    """
    counts = [np.bincount(patient[rows]) for rows in (y, ~y) if rows.any()]
    return min(m.sum() ** 2 / (m**2).sum() for m in counts)


def half_width(se, confidence, n):
    """Return half the interval of a standard error that rests on n patients.

    By Student's t, for a standard error by resampling, which is short by ``(n - 1) / n`` in its
    square. NaN for less than two patients.
    """
    if n < 2:
        return np.full_like(se, np.nan)
    return t.ppf((1 + confidence) / 2, n - 1) * se * np.sqrt(n / (n - 1))
