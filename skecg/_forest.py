"""The random forest on engineered features."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from ._validation import all_or_nothing, check_groups, draw_seed, split_validation, validate_ecgs
from .feature_extraction import BeatFeatures


class FeatureForestClassifier(ClassifierMixin, BaseEstimator):
    """Random forest on named features of the median beat.

    Takes the same median beats as the networks, but in mV, neither scaled nor cropped,
    and computes :class:`skecg.feature_extraction.BeatFeatures` inside.

    Parameters
    ----------
    preset : {"improved", "published"}, default="improved"
        "improved": 500 trees of at least 5 rows a leaf, missing features replaced by
        their median. "published": the forest of Al-Zaiti et al. (20 shallow trees on
        entropy, missing features replaced by the most frequent value, isotonic
        calibration by 5 folds, fewer where a class has fewer rows or patients), on this
        package's features.
    n_estimators, min_samples_leaf : int or float, default=None
        As in ``RandomForestClassifier``; None takes the preset's.
    r_index : int, default=None
        Sample of the R peak; None is 300 for beats of 600 samples, 150 for 400.
    sampling_rate : float, default=500
        In Hz.
    n_jobs : int, default=None
        Processes for the trees.
    random_state : int, RandomState instance or None, default=None
        Seed. None takes fresh entropy from the operating system.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    feature_names_ : ndarray of str of shape (n_features,)
        The features, such as "st80_V2".
    feature_importances_ : ndarray of shape (n_features,)
        Mean decrease in impurity of each feature; sums to 1.
    model_ : estimator
        Imputer and forest, calibrated if published.
    n_leads_, n_times_, n_features_in_ : int
        Leads, samples a lead, and size of the second axis of X in ``fit``.

    References
    ----------
    Al-Zaiti et al. (2023), Nature Medicine 29:1804-1813.

    Examples
    --------
    >>> from skecg import FeatureForestClassifier
    >>> from skecg.datasets import make_omi
    >>> X, y, groups = make_omi(100, prevalence=0.5, random_state=0)
    >>> forest = FeatureForestClassifier(n_estimators=50, random_state=0).fit(X, y)
    >>> forest.predict_proba(X[:2]).shape
    (2, 2)
    """

    _PRESETS = {  # noqa: RUF012
        "improved": ("median", {"n_estimators": 500, "min_samples_leaf": 5}),
        "published": (
            "most_frequent",
            {
                "n_estimators": 20,
                "criterion": "entropy",
                "class_weight": "balanced_subsample",
                "max_features": "log2",
                "min_samples_split": 0.01,
                "min_samples_leaf": 0.005,
                "min_impurity_decrease": 0.01,
                "ccp_alpha": 0.01,
                "max_samples": 0.75,
            },
        ),
    }

    def __init__(
        self,
        *,
        preset="improved",
        n_estimators=None,
        min_samples_leaf=None,
        r_index=None,
        sampling_rate=500,
        n_jobs=None,
        random_state=None,
    ):
        self.preset = preset
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.r_index = r_index
        self.sampling_rate = sampling_rate
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X, y, *, groups=None, fold=None, X_val=None, y_val=None, groups_val=None):
        """Grow the forest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            Median beats in mV, not scaled.
        y : array-like of shape (n_samples,)
            Labels of any type, two classes or more.
        groups : array-like of shape (n_samples,), default=None
            Patients, never split by the calibration's folds.
        fold : array-like of shape (n_samples,), default=None
            Integer fold ids. The rows of the validation fold (see
            :meth:`NetClassifier.fit`) are left out, so that forest and networks learn
            from the same rows.
        X_val, y_val, groups_val : array-like, default=None
            Taken and not used: the forest has no epoch to choose.

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            return self._fit(X, y, groups, fold)

    def _fit(self, X, y, groups, fold):
        X, y = validate_ecgs(self, X, y, reset=True)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least two classes, but y holds one class "
                f"only: {self.classes_.tolist()}."
            )
        rows = slice(None)
        if fold is not None:
            rows, _ = split_validation(codes, groups=groups, fold=fold, rng=None)
        missing = np.setdiff1d(codes, codes[rows])
        if len(missing):
            raise ValueError(
                f"The training folds hold no row of {self.classes_[missing].tolist()}; all are in "
                "the validation fold."
            )
        self._features = BeatFeatures(r_index=self.r_index, sampling_rate=self.sampling_rate)
        table = self._features.fit_transform(X)
        self.feature_names_ = self._features.get_feature_names_out()
        groups = None if groups is None else check_groups(groups, len(y))[rows]
        self.model_ = self._build(y[rows], groups).fit(table[rows], y[rows])
        return self

    def _build(self, y, groups):
        """Return the preset's imputer and forest, not yet fitted."""
        if self.preset not in self._PRESETS:
            raise ValueError(f"preset must be one of {list(self._PRESETS)}, got {self.preset!r}.")
        seed = draw_seed(self.random_state)
        imputation, params = self._PRESETS[self.preset]
        given = {"n_estimators": self.n_estimators, "min_samples_leaf": self.min_samples_leaf}
        params = params | {name: value for name, value in given.items() if value is not None}
        model = make_pipeline(
            SimpleImputer(strategy=imputation, keep_empty_features=True),
            RandomForestClassifier(n_jobs=self.n_jobs, random_state=seed, **params),
        )
        if self.preset == "improved":
            return model
        groups = np.arange(len(y)) if groups is None else groups
        n_splits = min(5, *(len(np.unique(groups[y == label])) for label in self.classes_))
        if n_splits < 2:
            raise ValueError(
                "preset='published' calibrates by cross-validation and needs at least two "
                "patients (two rows where no groups are given) of each class."
            )
        folds = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
        splits = list(folds.split(y, y, groups))
        return CalibratedClassifierCV(model, method="isotonic", cv=splits)

    @property
    def feature_importances_(self):
        """Mean decrease in impurity of each feature; sums to 1."""
        check_is_fitted(self)
        if isinstance(self.model_, Pipeline):
            return self.model_[-1].feature_importances_
        each = [c.estimator[-1].feature_importances_ for c in self.model_.calibrated_classifiers_]
        return np.mean(each, axis=0)

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            Median beats in mV as in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        X = validate_ecgs(self, X, reset=False)
        return self.model_.predict_proba(self._features.transform(X))

    def predict(self, X):
        """Return the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            Median beats in mV as in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels of the type seen in ``fit``.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]
