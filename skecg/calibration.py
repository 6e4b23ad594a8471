"""Probabilities at the prevalence of real life."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from ._resampling import positives_and_scores


def correct_prior(proba, prevalence):
    """Bring probabilities learnt from balanced classes to a prevalence.

    Adds ``log(prevalence / (1 - prevalence))`` to the logit, by Bayes' rule: the ranking of the
    rows, and so AUC and AP, stay as they are.

    Parameters
    ----------
    proba : array-like of shape (n_samples,) or (n_samples, n_classes)
        Probability of the positive class, or one column a class, where all classes were equally
        frequent in training.
    prevalence : float or array-like of shape (n_classes,)
        Share of the positive class (the second of two columns), or of each class.

    Returns
    -------
    ndarray of the shape of `proba`

    References
    ----------
    Saerens, Latinne and Decaestecker (2002), Neural Computation 14:21-41, Equation 2.4.

    Examples
    --------
    >>> correct_prior([.1, .5, .57, .9], 0.088).round(3)  # 0.57: the paper's operating point
    array([0.011, 0.088, 0.113, 0.465])
    """
    proba = check_array(proba, ensure_2d=False, dtype=np.float64, input_name="proba")
    columns = np.stack([1 - proba, proba], axis=1) if proba.ndim == 1 else proba
    if columns.ndim != 2 or (columns < 0).any() or (columns > 1).any():
        raise ValueError(
            "proba must hold probabilities from 0 to 1, of shape (n_samples,) or (n_samples, "
            f"n_classes); it has shape {proba.shape}."
        )
    shares = np.asarray(prevalence, dtype=np.float64)
    if shares.ndim == 0:
        shares = np.array([1 - shares, shares])
    if len(shares) != columns.shape[1] or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise ValueError(
            f"prevalence={prevalence!r} does not fit {columns.shape[1]} classes; give a share "
            "between 0 and 1, or shares over 0 of all classes that sum to 1."
        )
    columns = columns * shares
    columns /= columns.sum(axis=1, keepdims=True)
    return columns[:, 1] if proba.ndim == 1 else columns


def _estimator_has_predict_proba(self):
    return hasattr(getattr(self, "estimator_", self.estimator), "predict_proba")


class PriorCorrection(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Probabilities at the real prevalence from a classifier that learns from balanced classes.

    The networks of this package learn from as many positives as negatives, so their probabilities
    belong to a prevalence of one half. This brings them to that of the training rows, or to
    another. Not for a classifier that is balanced by nothing, such as
    :class:`skecg.FeatureForestClassifier` or a network with ``sampling=None``: it would be
    corrected twice.

    What is wrong with the probabilities besides stays wrong: look at them by
    ``sklearn.calibration.CalibrationDisplay`` and :func:`calibration_line`, and use
    ``CalibratedClassifierCV``, whose folds bring them to the prevalence as well, if they need more.

    Parameters
    ----------
    estimator : estimator
        Classifier or pipeline with ``predict_proba``. To use one that is fitted already, give
        ``sklearn.frozen.FrozenEstimator(estimator)``.
    prevalence : float, default=None
        Share of the positive class where the classifier will be used; None takes the shares of all
        classes in ``fit``'s `y`.
    pos_label : label, default=None
        The class that `prevalence` is of; None takes ``classes_[1]``.

    Attributes
    ----------
    estimator_ : estimator
        The fitted clone.
    classes_ : ndarray of shape (n_classes,)
        Labels.
    prevalence_ : ndarray of shape (n_classes,)
        Share of each class.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skecg.calibration import PriorCorrection
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(5000, weights=[.9], class_sep=.3, random_state=0)
    >>> balanced = LogisticRegression(class_weight="balanced")
    >>> clf = PriorCorrection(balanced).fit(X, y)
    >>> p, q = clf.estimator_.predict_proba(X)[:, 1], clf.predict_proba(X)[:, 1]
    >>> print(f"prevalence {y.mean():.2f}, mean probability {p.mean():.2f}, now {q.mean():.2f}")
    prevalence 0.10, mean probability 0.37, now 0.10
    """

    def __init__(self, estimator, *, prevalence=None, pos_label=None):
        self.estimator = estimator
        self.prevalence = prevalence
        self.pos_label = pos_label

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.classifier_tags.multi_class = inner.classifier_tags.multi_class
        return tags

    def get_metadata_routing(self):
        """Return how metadata go to the estimator's ``fit``, as scikit-learn asks for it."""
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=mapping)

    def fit(self, X, y, **params):
        """Fit the estimator and take the prevalence.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the estimator takes.
        y : array-like of shape (n_samples,)
            Labels.
        **params : dict
            For the estimator's ``fit``, such as `groups` and `fold` of a network, or
            ``smartnetclassifier__fold`` of a pipeline; with metadata routing on, those requested.

        Returns
        -------
        self
        """
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **params).estimator.fit
        self.estimator_ = clone(self.estimator).fit(X, y, **params)
        self.classes_ = self.estimator_.classes_
        self.prevalence_ = self._shares(column_or_1d(y))
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    def _shares(self, y):
        """Return the share of each class."""
        classes = self.classes_.tolist()
        if self.pos_label is not None and self.pos_label not in classes:
            raise ValueError(f"pos_label={self.pos_label!r} is not one of the classes {classes}.")
        if self.prevalence is None:
            return (y[:, None] == self.classes_).mean(axis=0)
        if len(classes) != 2:
            raise ValueError(
                f"prevalence is the share of one of two classes, but y holds {classes}. Leave it "
                "out to take the shares of y."
            )
        if not 0 < self.prevalence < 1:
            raise ValueError(f"prevalence must lie between 0 and 1, got {self.prevalence!r}.")
        positive = 1 if self.pos_label is None else classes.index(self.pos_label)
        return np.where(np.arange(2) == positive, self.prevalence, 1 - self.prevalence)

    @available_if(_estimator_has_predict_proba)
    def predict_proba(self, X):
        """Return the probability of each class at the prevalence.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        return correct_prior(self.estimator_.predict_proba(X), self.prevalence_)

    def predict(self, X):
        """Return the most probable class at the prevalence.

        With a rare disease that is seldom the disease. For an operating point of one's own there
        is ``sklearn.model_selection.FixedThresholdClassifier``.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels of the type seen in ``fit``.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]


class CalibrationLine(NamedTuple):
    """Intercept and slope of Cox's line, see :func:`~skecg.calibration.calibration_line`."""

    intercept: float
    slope: float


def calibration_line(y_true, y_prob, *, pos_label=None):
    """Return intercept and slope of the outcome's logit over that of the probability.

    0 and 1 are ideal. A slope under 1 means probabilities too far from one half or so: too sure.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    y_prob : array-like of shape (n_samples,) or (n_samples, 2)
        Probability of the positive class, or one column a class. Those within 1e-7 of 0 or 1 are
        taken at that distance.
    pos_label : label, default=None
        The positive of the two classes; None takes the second of the sorted labels.

    Returns
    -------
    CalibrationLine
        Named tuple of intercept and slope.

    References
    ----------
    Cox (1958), Biometrika 45:562-565.

    Examples
    --------
    >>> line = calibration_line([0, 0, 0, 1] * 10 + [0, 1, 1, 1] * 10, [.1] * 40 + [.9] * 40)
    >>> print(f"slope {line.slope:.2f}")  # log(3) / log(9)
    slope 0.50
    """
    y, prob = positives_and_scores(y_true, y_prob, pos_label)
    if prob.min() < 0 or prob.max() > 1:
        raise ValueError(
            f"y_prob lies between {prob.min():.4g} and {prob.max():.4g}; give probabilities."
        )
    x = logit(np.clip(prob, 1e-7, 1 - 1e-7))
    if np.ptp(x) == 0 or y.all() or not y.any():
        raise ValueError("A slope needs two different probabilities and both classes.")
    design = np.stack([np.ones_like(x), x], axis=1)
    line = np.array([logit(y.mean()), 0.0])
    for _ in range(100):  # Newton's method
        fitted = expit(design @ line)
        information = (design * (fitted * (1 - fitted))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            break
        step = np.linalg.solve(information, design.T @ (y - fitted))
        line = line + step
        if np.abs(step).max() < 1e-10:
            return CalibrationLine(float(line[0]), float(line[1]))
    raise ValueError(
        "The slope has no finite value: some probability parts the classes, or nearly so."
    )
