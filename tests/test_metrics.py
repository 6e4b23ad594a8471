"""Tests of the paper's score."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, make_scorer, roc_auc_score
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import label_binarize

from skecg.calibration import PriorCorrection
from skecg.metrics import _auc_ap, auc_ap_score, auc_ap_scorer


def draw(seed, n_classes=2, n=200):
    """Draw labels that hold every class, and rounded probabilities, so that some are tied."""
    rng = np.random.default_rng(seed)
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=n - n_classes))
    logits = rng.normal(size=(n, n_classes)) + np.eye(n_classes)[y]
    proba = np.exp(logits.round(1))
    return y, proba / proba.sum(axis=1, keepdims=True)


# -- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y_true", "y_score", "auc", "ap"),
    [
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 3 / 4, 5 / 6),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], 1, 1),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], 0, (1 / 3 + 2 / 4) / 2),
        ([0, 0, 0, 1], [0.5, 0.5, 0.5, 0.5], 1 / 2, 1 / 4),  # chance is the prevalence
        ([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5], 5 / 6, (1 + 2 / 3) / 2),
    ],
)
def test_auc_and_ap_have_the_values_computed_by_hand(y_true, y_score, auc, ap):
    assert _auc_ap(y_true, y_score) == pytest.approx((auc, ap))
    assert auc_ap_score(y_true, y_score) == pytest.approx(2 / 3 * auc + 1 / 3 * ap)


@pytest.mark.parametrize("seed", range(10))
def test_two_classes_agree_with_scikit_learn(seed):
    y, proba = draw(seed)
    auc, ap = roc_auc_score(y, proba[:, 1]), average_precision_score(y, proba[:, 1])
    assert _auc_ap(y, proba[:, 1]) == pytest.approx((auc, ap))
    assert auc_ap_score(y, proba) == pytest.approx((2 * auc + ap) / 3)


@pytest.mark.parametrize("n_classes", [3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_more_classes_agree_with_scikit_learns_one_vs_rest_and_macro_average(seed, n_classes):
    y, proba = draw(seed, n_classes)
    auc = roc_auc_score(y, proba, multi_class="ovr", average="macro")
    ap = average_precision_score(label_binarize(y, classes=range(n_classes)), proba)
    assert _auc_ap(y, proba) == pytest.approx((auc, ap))


@pytest.mark.parametrize("alpha", [0, 0.25, 1])
def test_alpha_weighs_auc_against_ap(alpha):
    y, proba = draw(0)
    auc, ap = _auc_ap(y, proba)
    assert auc_ap_score(y, proba, alpha=alpha) == pytest.approx(alpha * auc + (1 - alpha) * ap)


@pytest.mark.parametrize(
    "labels", [("OMI", "no OMI"), (False, True), (-1, 1), (1.0, 2.0)], ids=repr
)
def test_positive_is_the_second_of_the_sorted_labels(labels):
    y, proba = draw(1)
    assert auc_ap_score(np.array(labels)[y], proba) == auc_ap_score(y, proba)


@pytest.mark.parametrize("columns", ["both", "of the positive"])
def test_pos_label_names_the_positive(columns):
    y, proba = draw(1)
    named = np.array(["OMI", "no OMI"])[1 - y]  # the positive sorts first
    score = proba[:, ::-1] if columns == "both" else proba[:, 1]
    assert auc_ap_score(named, score, pos_label="OMI") == auc_ap_score(y, proba)


def test_a_class_missing_from_y_true_is_left_out_of_the_average():
    y, proba = draw(2, n_classes=3)
    y, proba = y[y != 1], proba[y != 1]
    expected = np.mean([_auc_ap(y == label, proba[:, label]) for label in (0, 2)], axis=0)
    assert _auc_ap(y, proba, labels=[0, 1, 2]) == pytest.approx(tuple(expected))


def test_score_is_a_python_float():
    assert type(auc_ap_score([0, 1], np.array([0.25, 0.5], dtype=np.float32))) is float


# -- the scorer -----------------------------------------------------------------------------


class Counting(ClassifierMixin, BaseEstimator):
    """A classifier that counts how often it is asked, and answers with the first columns of X."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.n_calls_ = 0
        return self

    def predict_proba(self, X):
        self.n_calls_ += 1
        return np.asarray(X)[:, : len(self.classes_)]


class Named(Counting):
    """One that says which label is its positive."""

    def __init__(self, pos_label=None):
        self.pos_label = pos_label


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scorer_asks_for_probabilities_once(n_classes):
    y, proba = draw(0, n_classes)
    model = Counting().fit(proba, y)
    assert auc_ap_scorer(model, proba, y) == pytest.approx(auc_ap_score(y, proba))
    assert model.n_calls_ == 1


def test_scorer_of_ones_own_takes_pos_label_and_alpha():
    y, proba = draw(1)
    named = np.array(["OMI", "no OMI"])[1 - y]
    X = proba[:, ::-1]  # in the order of the sorted labels
    model = Counting().fit(X, named)
    scorer = make_scorer(auc_ap_score, response_method="predict_proba", pos_label="OMI", alpha=0.25)
    expected = auc_ap_score(y, proba[:, 1], alpha=0.25)
    assert scorer(model, X, named) == pytest.approx(expected)


@pytest.mark.parametrize("wrap", [lambda m: m, make_pipeline, PriorCorrection, FrozenEstimator])
def test_scorer_takes_the_positive_that_an_estimator_names(wrap):
    y, X = draw(1)
    rare = np.sort(np.append(np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:20]))
    y, X = y[rare], X[rare, ::-1]
    named = np.array(["no OMI", "OMI"])[y]  # OMI sorts first
    model = wrap(Named(pos_label="OMI").fit(X, named)).fit(X, named)
    expected = auc_ap_score(y, model.predict_proba(X)[:, 0])
    assert auc_ap_scorer(model, X, named) == pytest.approx(expected)
    assert auc_ap_scorer(Counting().fit(X, named), X, named) != pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("labels", [(0, 1), ("OMI", "no OMI"), ("a", "b", "c")], ids=repr)
def test_scorer_works_in_cross_validate(labels):
    codes, X = draw(3, len(labels))
    y = np.array(labels)[codes]
    out = cross_validate(
        LogisticRegression(), X, y, cv=4, scoring=auc_ap_scorer, return_estimator=True,
        return_indices=True,
    )  # fmt: skip
    expected = [
        auc_ap_score(y[test], model.predict_proba(X[test]))
        for model, test in zip(out["estimator"], out["indices"]["test"], strict=True)
    ]
    assert out["test_score"].tolist() == pytest.approx(expected)
    assert min(expected) > 0.5


# -- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y_true", "y_score", "params", "message"),
    [
        ([1, 1], [0.1, 0.2], {}, r"at least two classes, but y_true holds only \[1\]"),
        ([0, 1], [0.1, 0.2], {"pos_label": 2}, r"pos_label=2 is not one of the labels \[0, 1\]"),
        (["a", "b"], [0.1, 0.2], {"pos_label": 1}, "pos_label=1 is not one of the labels"),
        ([0, 1], np.ones((2, 3)), {}, r"y_score has 3 columns for the labels \[0, 1\]"),
        ([0, 1, 2], [0.1, 0.2, 0.3], {}, r"shape \(3,\) does not have one column for each"),
        ([0, 1, 2], np.ones((3, 2)), {}, r"shape \(3, 2\) does not have one column"),
        ([0, 2], np.ones((2, 3)), {"labels": [0, 1]}, r"y_true holds \[2\], not among the labels"),
        ([0, 1], [0.1, np.nan], {}, "y_score contains NaN"),
        ([0, 1], [0.1, 0.2, 0.3], {}, "inconsistent numbers of samples"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_refused_in_words(y_true, y_score, params, message):
    with pytest.raises(ValueError, match=message):
        auc_ap_score(y_true, y_score, **params)


def test_scorer_takes_a_test_fold_that_lacks_a_class():
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(X, y)
    two = y < 2
    columns = model.predict_proba(X[two])
    each = [
        (
            roc_auc_score(y[two] == k, columns[:, k]),
            average_precision_score(y[two] == k, columns[:, k]),
        )
        for k in (0, 1)
    ]
    auc, ap = np.mean(each, axis=0)
    assert auc_ap_scorer(model, X[two], y[two]) == pytest.approx(2 / 3 * auc + 1 / 3 * ap)
