"""The same measures where it matters: by what the ECG shows, by patient, by site."""

from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.utils.validation import column_or_1d

from ._resampling import (
    check_resampling,
    patient_numbers,
    positives,
    positives_and_scores,
    row_thresholds,
)
from ._tables import measure_table
from ._validation import check_folds

_METRICS = ("Sens", "Spec", "PPV", "NPV", "AUC", "AP")
# Years. Infarction before 45 is called premature; trials call patients old from 65 or from 75.
_AGES = (45, 65, 75)
_WIDE = 120  # ms


def omi_subgroups(
    y_true,
    *,
    stemi=None,
    culprit=None,
    qrs_duration=None,
    sex=None,
    age=None,
    site=None,
    pos_label=None,
):
    """Return the subgroups in which a classifier of OMI has to be looked at.

    ECGs that do not meet the STEMI criteria come first: there a classifier is needed most.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    stemi : array-like of bool of shape (n_samples,), default=None
        Whether the ECG meets the STEMI criteria, such as
        ``STEMICriteriaClassifier().fit(X, y).reasons(X)["positive"]``.
    culprit : array-like of shape (n_samples,), default=None
        The occluded artery. Each is looked at with all negatives; only the positives' are read.
    qrs_duration : array-like of shape (n_samples,), default=None
        In ms; limit 120.
    sex : array-like of shape (n_samples,), default=None
        Any two names or codes.
    age : array-like of shape (n_samples,), default=None
        In years; limits 45, 65 and 75.
    site : array-like of shape (n_samples,), default=None
        Hospital or town.
    pos_label : label, default=None
        The positive of the two classes; None takes the second of the sorted labels.

    Returns
    -------
    DataFrame of bool of shape (n_samples, n_subgroups)
        A column a subgroup, "all" last. ECGs without a value (None, NaN, or an empty text) are a
        subgroup "unknown".

    Examples
    --------
    >>> groups = omi_subgroups([0, 1, 1], culprit=["", "LAD", "RCA"], age=[50, 80, None])
    >>> for name in groups:
    ...     print(f"{name:15}", groups[name].tolist())
    culprit LAD     [True, True, False]
    culprit RCA     [True, False, True]
    age 45 to 64    [True, False, False]
    age 75 and over [False, True, False]
    age unknown     [False, False, True]
    all             [True, True, True]
    """
    y, _ = positives(y_true, pos_label)
    found = {}
    if stemi is not None:
        names = {False: "not met", True: "met"}
        found |= _by_value(stemi, names, "STEMI criteria", len(y))
    if culprit is not None:
        of_positives = pd.Series(column_or_1d(culprit), dtype=object).where(y)
        each = _by_value(of_positives, {}, "culprit", len(y))
        found |= {name: (mask & y) | ~y for name, mask in each.items() if (mask & y).any()}
    if qrs_duration is not None:
        found |= _bands(qrs_duration, (_WIDE,), "QRS", " ms", len(y))
    if sex is not None:
        found |= _by_value(sex, {}, "sex", len(y))
    if age is not None:
        found |= _bands(age, _AGES, "age", "", len(y))
    if site is not None:
        found |= _by_value(site, {}, "site", len(y))
    found["all"] = np.ones(len(y), dtype=bool)
    return pd.DataFrame(found)


def _by_value(values, names, what, n_samples):
    """Return the rows of each value, and of those without one."""
    values = pd.Series(column_or_1d(values)).reset_index(drop=True)
    _check_length(values, what, n_samples)
    values = values.mask(values.astype(str).str.strip() == "")
    found = {
        f"{what} {names.get(value, value)}": (values == value).fillna(False).to_numpy(bool)
        for value in sorted(values.dropna().unique(), key=lambda value: (str(type(value)), value))
    }
    return _with_unknown(found, values, what)


def _bands(values, edges, what, unit, n_samples):
    """Return the rows between edges, and those without a value."""
    values = pd.Series(pd.to_numeric(column_or_1d(values)), dtype=np.float64)
    _check_length(values, what, n_samples)
    names = [f"{what} under {edges[0]}{unit}"]
    names += [f"{what} {a} to {b - 1}{unit}" for a, b in pairwise(edges)]
    names += [f"{what} {edges[-1]}{unit} and over"]
    band = np.digitize(values, edges)
    band[values.isna()] = -1
    found = {name: band == k for k, name in enumerate(names) if (band == k).any()}
    return _with_unknown(found, values, what)


def _with_unknown(found, values, what):
    name, unknown = f"{what} unknown", values.isna().to_numpy()
    if name in found:  # also a value of its own
        unknown = unknown | found.pop(name)
    return found | ({name: unknown} if unknown.any() else {})


def _check_length(values, what, n_samples):
    if len(values) != n_samples:
        raise ValueError(f"{what} has {len(values)} values for {n_samples} rows; give one a row.")


def subgroup_table(
    y_true,
    y_score,
    subgroups,
    *,
    threshold,
    groups=None,
    fold=None,
    order=None,
    pos_label=None,
    confidence=0.95,
    n_resamples=2000,
    random_state=None,
):
    """Return the measures in subgroups: of every ECG, every patient, and first ECGs only.

    A patient's score is the highest of their ECGs in the subgroup, and a patient is positive if one
    of these is. Patients of whom only ECGs outside the subgroup are positive, such as those with
    another culprit, are no negatives, and are left out of it. The first ECG is the first of all,
    and counts in the subgroups it is in.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    y_score : array-like of shape (n_samples,) or (n_samples, 2)
        Score of the positive class, or one column a class in the order of the sorted labels.
    subgroups : DataFrame of bool of shape (n_samples, n_subgroups)
        A column a subgroup, as :func:`omi_subgroups` makes them; they may overlap.
    threshold : float, or dict or Series of fold to float
        Scores from here on are called positive; as in :func:`classification_table`.
    groups : array-like of shape (n_samples,), default=None
        Patients; None means one ECG a patient, and the table has every ECG only.
    fold : array-like of shape (n_samples,), default=None
        For out-of-fold scores: the fold that each row was tested in. AUC and AP are then the means
        of those within folds, of folds in which the subgroup has both classes; see
        :func:`classification_table`.
    order : array-like of shape (n_samples,), default=None
        When the ECGs were taken, to tell the first; None takes the order of the rows.
    pos_label : label, default=None
        The positive of the two classes; None takes the second of the sorted labels.
    confidence : float, default=0.95
        Level of the intervals, which are those of :func:`classification_table`.
    n_resamples : int, default=2000
        Number of draws.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    DataFrame
        Indexed by unit ("every ECG", "patient", "first ECG") and subgroup. Columns n, n_positive
        and n_patients; then Sens, Sens_low, Sens_high and likewise Spec, PPV, NPV, AUC and AP.
        NaN where a measure is undefined, such as the AUC of positives only. Its ``attrs`` hold the
        level of the intervals as "confidence".

    Examples
    --------
    >>> y, p = [0, 0, 0, 0, 1, 1] * 20, [.1, .2, .1, .6, .8, .4] * 20
    >>> who = omi_subgroups(y, sex=["F", "F", "M", "M", "F", "M"] * 20)
    >>> table = subgroup_table(y, p, who, threshold=.5, random_state=0)
    >>> table.loc["every ECG", ["n", "n_positive", "Sens", "Sens_low", "Sens_high"]].round(2)
                n  n_positive  Sens  Sens_low  Sens_high
    subgroup
    sex F      60          20   1.0      0.83       1.00
    sex M      60          20   0.0      0.00       0.17
    all       120          40   0.5      0.35       0.65
    """
    check_resampling(confidence, n_resamples)
    y, score = positives_and_scores(y_true, y_score, pos_label)
    fold = None if fold is None else check_folds(fold, len(y))
    cuts = row_thresholds(threshold, fold, len(y))
    fold = np.zeros(len(y)) if fold is None else fold
    masks = pd.DataFrame(subgroups)
    _check_length(masks, "subgroups", len(y))
    for name, mask in masks.items():
        wrong = mask[~mask.isin([False, True])]
        if len(wrong):
            raise ValueError(
                f"subgroups must hold True and False, but {name!r} holds {wrong.tolist()[0]!r}. "
                "omi_subgroups makes such columns of values."
            )
    patient = patient_numbers(groups, len(y))
    units = ["every ECG"] if groups is None else ["every ECG", "patient", "first ECG"]
    first = np.zeros(len(y), dtype=bool)
    first[_first_rows(patient, order)] = True
    ever_positive = np.bincount(patient, weights=y)[patient] > 0
    rows = {}
    for unit in units:
        for name, mask in masks.items():
            inside = mask.to_numpy(dtype=bool)
            chosen = np.flatnonzero(inside & first if unit == "first ECG" else inside)
            positive = y
            if unit == "patient":
                positive, chosen = _per_patient(y, score, patient, ever_positive, chosen)
            part = (a[chosen] for a in (positive, score, cuts, patient, fold))
            rows[unit, name] = _subgroup(*part, confidence, n_resamples, random_state)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(rows, names=["unit", "subgroup"])
    table = table.astype({"n": int, "n_positive": int, "n_patients": int})
    table.attrs["confidence"] = confidence
    return table


def _first_rows(patient, order):
    """Return the row of each patient's first ECG; of equal times, the first row."""
    order = np.zeros(len(patient)) if order is None else column_or_1d(order)
    _check_length(order, "order", len(patient))
    by_time = np.argsort(order, kind="stable")
    return by_time[np.unique(patient[by_time], return_index=True)[1]]


def _per_patient(y, score, patient, ever_positive, chosen):
    """Return who is positive by the chosen ECGs, and each patient's ECG of the highest score.

    Patients who are positive by other ECGs only are left out.
    """
    by_score = chosen[np.argsort(-score[chosen], kind="stable")]
    highest = by_score[np.unique(patient[by_score], return_index=True)[1]]
    positive = np.isin(patient, patient[chosen][y[chosen]])
    return positive, highest[positive[highest] | ~ever_positive[highest]]


def _subgroup(y, score, cuts, patient, fold, confidence, n_resamples, random_state):
    patient = np.unique(patient, return_inverse=True)[1]
    row = {"n": len(y), "n_positive": y.sum(), "n_patients": len(np.unique(patient))}
    if len(y):
        table = measure_table(y, score, cuts, patient, fold, confidence, n_resamples, random_state)
    for name in _METRICS:
        estimate, low, high = table.loc[name] if len(y) else [np.nan] * 3
        row |= {name: estimate, f"{name}_low": low, f"{name}_high": high}
    return row
