"""The rules of the bedside: the STEMI criteria, and signs of an occlusion beyond them.

Each rule is a function of the table of :class:`skecg.feature_extraction.BeatFeatures` that returns
margins in mV, a row an ECG and a column a place where the rule looks. From zero it fires there. A
margin is the least of those of the rule's conditions, ``-inf`` where one without a unit does not
hold, and NaN where a lead is missing, or flat, without which it cannot be told.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from skecg._rules import (
    COLUMNS,
    aslanger,
    cornell,
    de_winter,
    hyperacute_t,
    inferior_with_avl,
    lv_aneurysm,
    lvh_st_ratio,
    missing_leads,
    modified_sgarbossa,
    patients,
    posterior,
    south_african_flag,
    st_elevation,
)
from skecg._validation import all_or_nothing, positive_class, validate_ecgs, validate_table
from skecg.feature_extraction import BeatFeatures, check_kind, is_feature_table
from skecg.leads import LEADS

__all__ = [
    "STEMICriteriaClassifier",
    "aslanger",
    "de_winter",
    "hyperacute_t",
    "inferior_with_avl",
    "lv_aneurysm",
    "lvh_st_ratio",
    "modified_sgarbossa",
    "posterior",
    "south_african_flag",
    "st_elevation",
]

_WIDE = 120  # ms
_LARGE = (2.0, 2.8)  # mV, Cornell voltage of women, and of men
_MM = 0.1  # mV
_ANTERIOR = {"V1", "V2", "V3", "V4"}
_STEMI = "STEMI criteria"
# By what it is called: the rule, and what of _obstacles it is for.
_SIGNS = {
    "posterior ST depression": (posterior, ""),
    "inferior ST elevation with depression in aVL": (inferior_with_avl, ""),
    "hyperacute T": (hyperacute_t, ""),
    "de Winter": (de_winter, ""),
    "South African flag": (south_african_flag, ""),
    "Aslanger": (aslanger, ""),
    "modified Sgarbossa": (modified_sgarbossa, "wide"),
    "ST over R and S in hypertrophy": (lvh_st_ratio, "large"),
}


class STEMICriteriaClassifier(ClassifierMixin, BaseEstimator):
    """Judge ECGs by the STEMI criteria, or by published signs of an occlusion as well.

    The criteria are those of the Fourth Universal Definition, see
    :func:`~skecg.clinical.st_elevation`. Nothing is learnt: of the labels only their names are
    taken.

    The criteria do not hold where the QRS lasts 120 ms or more or is paced, or with hypertrophy of
    the left ventricle by Cornell (R in aVL and S in V3 over 2.8 mV, in women 2.0 mV). Such ECGs
    are not judged: :meth:`predict` says negative, :meth:`reasons` says why.

    Parameters
    ----------
    rules : {"stemi", "omi"}, default="stemi"
        "omi" adds :func:`~skecg.clinical.posterior`, :func:`~skecg.clinical.inferior_with_avl`,
        :func:`~skecg.clinical.hyperacute_t`, :func:`~skecg.clinical.de_winter`,
        :func:`~skecg.clinical.south_african_flag` and :func:`~skecg.clinical.aslanger`; takes no
        account of elevation in V1 to V4 that an aneurysm explains
        (:func:`~skecg.clinical.lv_aneurysm`); and judges the others too: where the QRS is wide or
        paced by :func:`~skecg.clinical.modified_sgarbossa`, with hypertrophy by
        :func:`~skecg.clinical.lvh_st_ratio`, and by that alone. An ECG is positive if a rule fires.
    pos_label : label, default=None
        The label of positive ECGs; None takes ``classes_[1]``.
    r_index : int, default=None
        Sample of the R peak; None is 300 for beats of 600 samples, 150 for 400.
    sampling_rate : float, default=500
        In Hz.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Labels.
    n_features_in_ : int
        Number of leads, or of the columns of a table that are used.

    Notes
    -----
    X holds median beats in mV, neither scaled nor cropped, or is the DataFrame that
    ``BeatFeatures().set_output(transform="pandas")`` makes of them. To such a table
    :func:`skecg.feature_extraction.add_patient` adds ``age`` and ``sex``; where sex is unknown, or
    the age of a man, the limit in V2 and V3 is 0.2 mV, and where sex is unknown that of Cornell is
    2.8 mV. A column ``paced``, 1 where the ventricles are paced, is used if there is one: median
    beats hold no pacing spikes.

    A lead that is flat is missing. Where it could decide, the ECG is not judged; nothing is put in
    its place. A QRS is wide by its duration alone: right bundle branch block is not judged either.

    Probabilities are the logistic function of the margin in mm by which an ECG is over the limit
    of a rule or below it: 0.5 at the limit, 0.73 at 1 mm (0.1 mV) over it. They are no frequencies
    of occlusion. An ECG that is not judged has 0.

    Examples
    --------
    >>> from skecg import STEMICriteriaClassifier
    >>> from skecg.datasets import make_omi
    >>> X, y, groups = make_omi(100, random_state=0)
    >>> criteria = STEMICriteriaClassifier().fit(X, y)
    >>> criteria.predict_proba(X[:2]).shape
    (2, 2)
    >>> found = criteria.reasons(X)
    >>> found.columns.tolist()
    ['positive', 'judged', 'margin', 'reason']
    >>> n_not_judged = (~found["judged"]).sum()
    """

    def __init__(self, *, rules="stemi", pos_label=None, r_index=None, sampling_rate=500):
        self.rules = rules
        self.pos_label = pos_label
        self.r_index = r_index
        self.sampling_rate = sampling_rate

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X, y):
        """Check the ECGs and take the names of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, 12, n_times) or DataFrame
            Median beats in mV, or the table of BeatFeatures, see the notes of the class.
        y : array-like of shape (n_samples,)
            Labels of any type, two classes.

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            return self._fit(X, y)

    def _fit(self, X, y):
        if self.rules not in ("stemi", "omi"):
            raise ValueError(f"rules must be 'stemi' or 'omi', got {self.rules!r}.")
        if is_feature_table(X):
            for name in ("n_leads_", "n_times_"):
                vars(self).pop(name, None)
            self._features = None
            _, y = validate_table(self, _used(X), y, reset=True)
        else:
            X, y = validate_ecgs(self, X, y, reset=True)
            self._features = self._fit_features(X)
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            raise ValueError(
                f"{type(self).__name__} needs two classes, but y holds {self.classes_.tolist()}."
            )
        positive_class(self.classes_, self.pos_label)
        return self

    def _fit_features(self, X):
        if self.n_leads_ != len(LEADS):
            raise ValueError(
                f"X has {self.n_leads_} leads, but {type(self).__name__} needs the twelve: "
                f"{' '.join(LEADS)}. Give a table of features as a DataFrame."
            )
        features = BeatFeatures(r_index=self.r_index, sampling_rate=self.sampling_rate).fit(X)
        if features.r_index_ is None:
            raise ValueError(
                f"Where R is in beats of {self.n_times_} samples at {self.sampling_rate} Hz is not "
                "known. Give r_index, the sample of the R peak."
            )
        return features.set_output(transform="pandas")

    def predict(self, X):
        """Tell which ECGs are positive; those that are not judged are negative.

        Parameters
        ----------
        X : array-like of shape (n_samples, 12, n_times) or DataFrame
            Beats or table, as in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels of the type seen in ``fit``.
        """
        positive = _judge(self._table(X), self.rules).margin >= 0
        return self.classes_[np.where(positive, self._positive, 1 - self._positive)]

    def predict_proba(self, X):
        """Return the logistic function of the margins in mm.

        Parameters
        ----------
        X : array-like of shape (n_samples, 12, n_times) or DataFrame
            Beats or table, as in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Columns in the order of ``classes_``; see the notes of the class.
        """
        margin = _judge(self._table(X), self.rules).margin
        p = np.where(np.isnan(margin), 0, expit(margin / _MM))
        return np.stack([1 - p, p] if self._positive else [p, 1 - p], axis=1)

    def reasons(self, X):
        """Say of each ECG how it was judged, and why.

        Parameters
        ----------
        X : array-like of shape (n_samples, 12, n_times) or DataFrame
            Beats or table, as in ``fit``.

        Returns
        -------
        DataFrame of n_samples rows
            ``positive``; ``judged``, false where the rules do not hold or a lead is missing;
            ``margin``, how far in mV the ECG is over the limit of the rule that it meets best,
            below zero if it meets none, NaN if it is not judged; ``reason``, sentences that name
            the rules that fired, and in which leads.
        """
        found = _judge(self._table(X), self.rules)
        columns = {"positive": found.margin >= 0, "judged": ~np.isnan(found.margin)}
        columns |= {"margin": found.margin, "reason": _in_words(found)}
        return pd.DataFrame(columns, index=found.table.index)

    @property
    def _positive(self):
        return positive_class(self.classes_, self.pos_label)

    def _table(self, X):
        check_is_fitted(self)
        check_kind(self, X, fitted_on_table=self._features is None)
        if self._features is not None:
            return self._features.transform(validate_ecgs(self, X, reset=False))
        validate_table(self, _used(X), reset=False)
        return X


def _used(table):
    """Return the columns that the rules use, after a check of those on patients."""
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent:
        raise ValueError(
            f"X is a DataFrame without {len(absent)} of the columns that the rules use, such as "
            f"{absent[0]}. Give what BeatFeatures().set_output(transform='pandas') makes of "
            "twelve-lead beats."
        )
    patients(table)
    return table[COLUMNS]


class _Judgement(NamedTuple):
    table: pd.DataFrame
    margins: pd.DataFrame  # of each rule and place
    margin: np.ndarray  # the largest; NaN where the ECG is not judged
    obstacle: np.ndarray  # why the STEMI criteria do not hold, "" where they do
    words: np.ndarray  # the same for readers
    explained: np.ndarray  # elevation that an aneurysm explains


def _judge(table, rules):
    obstacle, words = _obstacles(table)
    elevation = st_elevation(table)
    explained = np.zeros(len(table), dtype=bool)
    by_rule = {_STEMI: elevation}
    if rules == "omi":
        by_rule |= {name: rule(table) for name, (rule, _) in _SIGNS.items()}
        anterior = [pair for pair in elevation if not _ANTERIOR.isdisjoint(pair.split("-"))]
        explained = lv_aneurysm(table) & (elevation[anterior] >= 0).any(axis=1).to_numpy()
        elevation.loc[explained, anterior] = -np.inf
        by_rule["South African flag"].loc[explained] = -np.inf
    for name, margins in by_rule.items():
        kind = _SIGNS[name][1] if name in _SIGNS else ""
        margins.loc[obstacle != kind] = -np.inf
    margins = pd.concat(by_rule, axis=1)
    best = np.fmax.reduce(margins.to_numpy(), axis=1)
    # A lead that is missing matters only where no rule fires.
    judged = (best >= 0) | ~margins.isna().any(axis=1).to_numpy()
    judged &= obstacle != "unknown"
    if rules == "stemi":
        judged &= obstacle == ""
    best[~judged] = np.nan
    return _Judgement(table, margins, best, obstacle, words, explained)


def _obstacles(table):
    """Return why the STEMI criteria do not hold: "wide", "large", "unknown" or "", and in words."""
    duration, voltage = table["qrs_duration"].to_numpy(dtype=float), cornell(table)
    _, female, paced = patients(table)
    wide = (paced == 1) | (duration >= _WIDE)
    unknown = np.isnan(duration) | np.isnan(voltage)
    large = voltage > np.where(female == 1, *_LARGE)
    obstacle = np.select([wide, unknown, large], ["wide", "unknown", "large"], "")
    words = np.full(len(table), "", dtype=object)
    for i in np.flatnonzero(wide):
        words[i] = "paced" if paced[i] == 1 else f"QRS of {duration[i]:.0f} ms"
    for i in np.flatnonzero(obstacle == "large"):
        words[i] = f"hypertrophy by Cornell, {voltage[i]:.2f} mV"
    return obstacle, words


def _in_words(found):
    """Return for each ECG sentences on how it was judged."""
    age, female, _ = patients(found.table)
    fires = (found.margins >= 0).to_numpy()
    absent = missing_leads(found.table)
    reasons = []
    for i, margin in enumerate(found.margin):
        why = found.words[i]
        if np.isnan(margin):
            reasons.append(f"Not judged: {why or absent[i]}.")
            continue
        words = [f"Judged by one rule alone: {why}."] if why else []
        if margin >= 0:
            words.append(f"{_fired(found.margins.columns[fires[i]])} ({margin:.3f} mV over the")
            words.append("limit). Taken as new, which one ECG cannot tell.")
        else:
            words.append(f"No rule fires; the nearest is {-margin:.3f} mV short.")
        if found.explained[i]:
            words.append("Elevation in V1 to V4 not counted: a QS and a low T, as of an aneurysm.")
        unsure = np.isnan(female[i]) or (female[i] == 0 and np.isnan(age[i]))
        if unsure and found.obstacle[i] != "wide":
            unknown = ["age"] * bool(np.isnan(age[i])) + ["sex"] * bool(np.isnan(female[i]))
            words.append(f"{' and '.join(unknown).capitalize()} unknown: 0.2 mV in V2 and V3.")
        reasons.append(" ".join(words))
    return reasons


def _fired(columns):
    places = {}
    for rule, place in columns:
        places.setdefault(rule, []).append(place)
    return "; ".join(f"{rule}: {', '.join(where)}" for rule, where in places.items())
