"""The paper's score, operating points, and tables of measures with their intervals."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.utils.validation import check_array, column_or_1d

from ._comparison import delong_test, paired_differences
from ._subgroups import omi_subgroups, subgroup_table
from ._tables import bootstrap_interval, classification_table
from ._thresholds import f1_threshold, net_benefit, rule_in_threshold, rule_out_threshold
from ._validation import named_positive

__all__ = [
    "auc_ap_score",
    "auc_ap_scorer",
    "bootstrap_interval",
    "classification_table",
    "delong_test",
    "f1_threshold",
    "net_benefit",
    "omi_subgroups",
    "paired_differences",
    "rule_in_threshold",
    "rule_out_threshold",
    "subgroup_table",
]


def _auc_ap(y_true, y_score, *, pos_label=None, labels=None):
    """Return the area under the ROC curve and the average precision.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_score : array-like of shape (n_samples,) or (n_samples, n_classes)
        Score of the positive class, or one column a class in the order of `labels`.
    pos_label : label, default=None
        The positive of two classes; None takes the second of the sorted labels. When
        `y_score` has two columns, its column is read.
    labels : array-like of shape (n_classes,), default=None
        All classes; None takes those in `y_true`.

    Returns
    -------
    auc : float
        With more than two classes, one against the rest, averaged over the classes
        that `y_true` holds.
    ap : float
        Average precision, averaged likewise.

    Raises
    ------
    ValueError
        If `y_true` holds one class only, or `y_score` does not fit the labels.

    Examples
    --------
    >>> auc, ap = _auc_ap([0, 0, 1, 1], [.1, .4, .35, .8])
    >>> print(f"{auc:.3f} {ap:.3f}")
    0.750 0.833
    """
    y_true = column_or_1d(y_true)
    y_score = check_array(y_score, ensure_2d=False, dtype=np.float64, input_name="y_score")
    present = np.unique(y_true)
    labels = present if labels is None else np.unique(labels)
    if len(present) < 2:
        raise ValueError(
            f"AUC needs rows of at least two classes, but y_true holds only {present.tolist()}."
        )
    unknown = np.setdiff1d(present, labels)
    if len(unknown):
        raise ValueError(
            f"y_true holds {unknown.tolist()}, not among the labels {labels.tolist()}."
        )
    if len(labels) == 2:
        pos_label = labels[1] if pos_label is None else pos_label
        if pos_label not in labels:
            raise ValueError(f"pos_label={pos_label!r} is not one of the labels {labels.tolist()}.")
        if y_score.ndim == 2 and y_score.shape[1] == 2:
            y_score = y_score[:, list(labels).index(pos_label)]
        elif y_score.ndim == 2:
            raise ValueError(
                f"y_score has {y_score.shape[1]} columns for the labels {labels.tolist()}."
            )
        positive = y_true == pos_label
        return float(roc_auc_score(positive, y_score)), float(
            average_precision_score(positive, y_score)
        )
    if y_score.ndim != 2 or y_score.shape[1] != len(labels):
        raise ValueError(
            f"y_score of shape {y_score.shape} does not have one column for each of the "
            f"{len(labels)} labels {labels.tolist()}. Where y_true lacks a class, give labels=."
        )
    each = [
        _auc_ap(y_true == label, y_score[:, i])
        for i, label in enumerate(labels)
        if label in present
    ]
    auc, ap = np.mean(each, axis=0)
    return float(auc), float(ap)


def auc_ap_score(y_true, y_score, *, alpha=2 / 3, pos_label=None, labels=None):
    """Combine AUC and average precision: ``alpha * AUC + (1 - alpha) * AP``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_score : array-like of shape (n_samples,) or (n_samples, n_classes)
        Score of the positive class, or one column a class in the order of `labels`.
    alpha : float, default=2/3
        Weight of the AUC.
    pos_label : label, default=None
        The positive of two classes; None takes the second of the sorted labels.
    labels : array-like of shape (n_classes,), default=None
        All classes; None takes those in `y_true`.

    Returns
    -------
    float

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, Equation 1.

    Examples
    --------
    >>> print(f"{auc_ap_score([0, 0, 1, 1], [.1, .4, .35, .8]):.4f}")
    0.7778
    """
    auc, ap = _auc_ap(y_true, y_score, pos_label=pos_label, labels=labels)
    return alpha * auc + (1 - alpha) * ap


def auc_ap_scorer(estimator, X, y):
    """Score a fitted classifier by :func:`auc_ap_score`, for scikit-learn's ``scoring=``.

    Parameters
    ----------
    estimator : estimator
        Fitted, with ``predict_proba``, which is called once, and ``classes_``. The positive of two
        is the `pos_label` that the estimator, or the one inside it, names, else ``classes_[1]``.
        For another make a scorer of your own:
        ``make_scorer(auc_ap_score, response_method="predict_proba", pos_label="OMI")``.
    X : array-like of shape (n_samples, ...)
        What the estimator takes.
    y : array-like of shape (n_samples,)
        True labels.

    Returns
    -------
    float

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> X, y = load_iris(return_X_y=True)
    >>> scores = cross_val_score(LogisticRegression(max_iter=500), X, y, scoring=auc_ap_scorer)
    >>> bool(scores.min() > 0.98)
    True
    """
    return auc_ap_score(
        y,
        estimator.predict_proba(X),
        pos_label=named_positive(estimator),
        labels=estimator.classes_,
    )
