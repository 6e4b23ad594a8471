"""Differences between models, on the same patients and on the same folds."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.integrate import quad
from scipy.stats import norm, rankdata, t

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


def paired_differences(
    y_true,
    y_scores,
    *,
    reference,
    thresholds=None,
    groups=None,
    fold=None,
    pos_label=None,
    confidence=0.95,
    n_resamples=2000,
    random_state=None,
):
    """Compare models on the same ECGs, with intervals by resampling of patients.

    All models are measured in each draw of patients, so what is hard about a patient is hard for
    all of them and drops out of the difference.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    y_scores : dict of str to array-like of shape (n_samples,) or (n_samples, 2)
        Scores of each model by name, such as the out-of-fold probabilities of
        :func:`skecg.model_selection.cross_validate_rotation`.
    reference : str
        The model that the others are compared with.
    thresholds : dict of str to float, or to dict or Series of fold to float, default=None
        Each model's threshold, chosen on other data, for all rows or for each `fold`; None
        compares AUC and AP only.
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
        Indexed by model and metric. Columns difference (model less reference), low, high and p
        (two-sided; NaN where no draw differs from another). Interval and p are those of Student's t
        with as many degrees of freedom as the rarer class has patients, less one. The models are
        taken as they are: what another fit would have given is not in the interval.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(400) % 4 == 0
    >>> good = rng.normal(size=400) + 2 * y
    >>> scores = {"good": good, "noisy": good + .3 * rng.normal(size=400)}
    >>> paired_differences(y, scores, reference="good", random_state=0).round(3)
                  difference    low   high      p
    model metric
    noisy AUC         -0.013 -0.023 -0.002  0.022
          AP          -0.029 -0.053 -0.006  0.014
    """
    check_resampling(confidence, n_resamples)
    if not isinstance(y_scores, Mapping) or len(y_scores) < 2:
        raise ValueError("y_scores must be a dict of two models or more, by name.")
    if reference not in y_scores:
        raise ValueError(f"reference={reference!r} is not one of {list(y_scores)}.")
    if thresholds is not None and set(thresholds) != set(y_scores):
        raise ValueError(
            f"thresholds names {list(thresholds)}, but y_scores {list(y_scores)}; give each model "
            "its own."
        )
    if fold is not None:
        fold = check_folds(fold, len(y_true))
    measures = {}
    for name, scores in y_scores.items():
        y, score = positives_and_scores(y_true, scores, pos_label)
        cut = np.inf if thresholds is None else row_thresholds(thresholds[name], fold, len(y))
        measures[name] = Measures(y, score, cut, fold)
    if fold is not None:
        check_fold_classes(y, fold)
    metrics = slice(6, 8) if thresholds is None else slice(0, 8)
    patient = patient_numbers(groups, len(y))
    others = [name for name in measures if name != reference]

    def differences(weights):
        base = measures[reference](weights)
        return np.stack([measures[name](weights) - base for name in others], axis=1)[..., metrics]

    draws = [differences(block) for block in draw_weights(patient, n_resamples, random_state)]
    found = differences(np.ones((1, len(y))))[0]
    se = standard_errors(np.concatenate(draws))
    n = effective_patients(y, patient)
    half = half_width(se, confidence, n)
    z = np.divide(found, se, out=np.full_like(found, np.nan), where=se > 0)
    columns = {
        "difference": found,
        "low": found - half,
        "high": found + half,
        "p": 2 * t.sf(np.abs(z) * np.sqrt((n - 1) / n), n - 1),
    }
    index = pd.MultiIndex.from_product([others, METRICS[metrics]], names=["model", "metric"])
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index=index)


class DeLong(NamedTuple):
    """The result of :func:`delong_test`."""

    auc_1: float
    auc_2: float
    difference: float
    low: float
    high: float
    statistic: float
    pvalue: float


def delong_test(y_true, y_score_1, y_score_2, *, groups=None, pos_label=None, confidence=0.95):
    """Compare two AUCs on the same ECGs by the test of DeLong, where each patient has one ECG.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    y_score_1, y_score_2 : array-like of shape (n_samples,) or (n_samples, 2)
        Scores of the two models.
    groups : array-like of shape (n_samples,), default=None
        Patients, to make sure that none has two ECGs.
    pos_label : label, default=None
        The positive of the two classes; None takes the second of the sorted labels.
    confidence : float, default=0.95
        Level of the interval.

    Returns
    -------
    DeLong
        Named tuple of auc_1, auc_2, difference (first less second), low, high, statistic (normal)
        and two-sided pvalue; these two are NaN if the scores rank all rows alike.

    Raises
    ------
    ValueError
        If a patient has several ECGs, which the test takes for independent: use
        :func:`paired_differences`.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837-845.
    Sun and Xu (2014), IEEE Signal Processing Letters 21:1389-1393 (computed by ranks).

    Examples
    --------
    >>> result = delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [1, 5, 4, 3, 2, 6])
    >>> print(f"{result.difference:.3f}, p = {result.pvalue:.2f}")
    0.333, p = 0.22
    """
    check_resampling(confidence, 2)
    scores = []
    for score in (y_score_1, y_score_2):
        y, score = positives_and_scores(y_true, score, pos_label)
        scores.append(score)
    if min(y.sum(), (~y).sum()) < 2:
        raise ValueError("DeLong's test needs two rows at least of each class.")
    patient = patient_numbers(groups, len(y))
    if len(np.unique(patient)) < len(y):
        raise ValueError(
            f"{len(y)} ECGs are of {len(np.unique(patient))} patients, but DeLong's test takes all "
            "ECGs for independent. Use paired_differences, or first ECGs only."
        )
    # The share of negatives below each positive, and of positives above each negative.
    above = np.array([_share_below(score[y], score[~y]) for score in scores])
    below = np.array([1 - _share_below(score[~y], score[y]) for score in scores])
    auc_1, auc_2 = above.mean(axis=1)
    covariance = np.cov(above) / y.sum() + np.cov(below) / (~y).sum()
    contrast = np.array([1, -1])
    se = np.sqrt(max(0, contrast @ covariance @ contrast))
    difference = auc_1 - auc_2
    z = difference / se if se > 0 else np.nan
    half = norm.ppf((1 + confidence) / 2) * se
    result = (auc_1, auc_2, difference, difference - half, difference + half, z)
    return DeLong(*map(float, result), float(2 * norm.sf(abs(z))))


def _share_below(values, others):
    """Return for each value the share of the others below it; equal ones count half."""
    ranks = rankdata(np.concatenate([values, others]))[: len(values)]
    return (ranks - rankdata(values)) / len(others)


def fold_differences(table, *, reference, metrics=("test_auc", "test_ap"), confidence=0.95):
    """Compare models over the same folds by the corrected t-test of Nadeau and Bengio.

    Training sets of a cross-validation overlap, so fold scores vary less than those of independent
    sets would. The test makes up for it by ``n_test / n_train``.

    Parameters
    ----------
    table : DataFrame
        Of :func:`skecg.model_selection.cross_validate_rotation`, or any with the columns model,
        fold, n_train, n_test and `metrics`.
    reference : str
        The model that the others are compared with.
    metrics : sequence of str, default=("test_auc", "test_ap")
        Columns to compare.
    confidence : float, default=0.95
        Level of the intervals.

    Returns
    -------
    DataFrame
        Indexed by model and metric. Columns difference (mean over the folds, model less
        reference), se, low, high, t and p (two-sided, not corrected for the number of models).

    References
    ----------
    Nadeau and Bengio (2003), Machine Learning 52:239-281.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"model": ["a"] * 4 + ["b"] * 4, "fold": [0, 1, 2, 3] * 2})
    >>> table = table.assign(n_train=50, n_test=25, auc=[.9, .8, .9, .8, .8, .7, .7, .8])
    >>> fold_differences(table, reference="a", metrics=["auc"]).round(3)
                  difference     se    low   high      t      p
    model metric
    b     auc           -0.1  0.071 -0.325  0.125 -1.414  0.252
    """
    check_resampling(confidence, 2)
    names = list(table["model"].unique())
    if reference not in names:
        raise ValueError(f"reference={reference!r} is not one of the models {names}.")
    metrics = list(metrics)
    if table.duplicated(["model", "fold"]).any():
        raise ValueError("A model has a fold twice; compare the results of one rotation.")
    by_fold = table.pivot(index="fold", columns="model", values=metrics)
    sizes = table.groupby("fold")[["n_train", "n_test"]].nunique()
    if by_fold.isna().any(axis=None) or (sizes > 1).any(axis=None) or len(by_fold) < 2:
        raise ValueError(
            "The models must have been measured on the same two folds or more, with as many rows "
            "to train and test, and without a missing score."
        )
    ratio = (table["n_test"] / table["n_train"]).mean()
    n = len(by_fold)
    rows = {}
    for name in names:
        for metric in metrics if name != reference else []:
            d = by_fold[metric, name] - by_fold[metric, reference]
            se = np.sqrt(d.var(ddof=1) * (1 / n + ratio))
            statistic = d.mean() / se if se > 0 else np.nan
            half = t.ppf((1 + confidence) / 2, n - 1) * se
            p = 2 * t.sf(abs(statistic), n - 1)
            rows[name, metric] = (d.mean(), se, d.mean() - half, d.mean() + half, statistic, p)
    columns = ["difference", "se", "low", "high", "t", "p"]
    index = pd.MultiIndex.from_tuples(rows, names=["model", "metric"])
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def best_fold(table, *, by="val_score"):
    """Return each model's best fold, and say by what it was chosen.

    Chosen by a validation score, its test scores are fair. Chosen by a test score, as in the
    paper, they flatter, and the result says so.

    Parameters
    ----------
    table : DataFrame
        Of :func:`skecg.model_selection.cross_validate_rotation`.
    by : str, default="val_score"
        Column to choose by, the largest of which is best.

    Returns
    -------
    DataFrame
        The chosen rows of `table`, indexed by model, and the columns chosen_by, mean (of `by` over
        the folds) and expected_best: what the best of as many folds would score if all were
        equally good, their mean plus as many SD as the largest of so many normal draws has.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"model": "a", "fold": [0, 1, 2], "test_score": [.7, .9, .8]})
    >>> best_fold(table, by="test_score").T
    model                                    a
    fold                                     1
    test_score                             0.9
    chosen_by         test_score (optimistic)
    mean                                   0.8
    expected_best                     0.884628
    """
    if by not in table:
        raise ValueError(f"by={by!r} is not a column of the table: {list(table.columns)}.")
    by_model = table.groupby("model", sort=False)[by]
    best = table.loc[by_model.idxmax()].set_index("model")
    mean, std, n = by_model.mean(), by_model.std(), by_model.count()
    return best.assign(
        chosen_by=f"{by} (optimistic)" if by.startswith("test") else by,
        mean=mean,
        expected_best=mean + std * n.map(_mean_of_the_largest),
    )


def _mean_of_the_largest(n):
    """Return the mean of the largest of n standard normal draws."""
    return quad(lambda x: x * n * norm.pdf(x) * norm.cdf(x) ** (n - 1), -10, 10)[0]
