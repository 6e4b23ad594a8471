"""Tests of probabilities at the prevalence."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    PredefinedSplit,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier, NetClassifier
from skecg.calibration import PriorCorrection, calibration_line, correct_prior
from skecg.metrics import auc_ap_scorer
from skecg.preprocessing import BeatCropper

PREVALENCE = 0.088  # of ECGs in Riek et al. (2024)


class Linear(torch.nn.Module):
    def __init__(self, n_classes=2):
        super().__init__()
        self.fc = torch.nn.LazyLinear(n_classes)

    def forward(self, x):
        return self.fc(x.flatten(1))


def draw(n, seed=0):
    """Draw ECGs of one lead and six samples whose posterior is known: X, y and P(y = 1 | X).

    Normal of SD 1 about +-0.5 in four samples, so the logit is their sum and the prevalence's.
    """
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < PREVALENCE).astype(int)
    X = rng.normal(size=(n, 1, 6)).astype(np.float32)
    X[:, 0, 1:5] += (y - 0.5)[:, None]
    return X, y, expit(X[:, 0, 1:5].sum(axis=1) + logit(PREVALENCE))


def net(**params):
    defaults = {"lr": 2e-2, "max_epochs": 8, "batch_size": 256, "random_state": 0}
    return NetClassifier(Linear, **(defaults | params))


def crop():
    return BeatCropper(start=1, stop=5)


class Flat(LogisticRegression):
    """A balanced logistic regression of the samples of one lead."""

    def fit(self, X, y):
        return super().fit(np.reshape(X, (len(X), -1)), y)

    def predict_proba(self, X):
        return super().predict_proba(np.reshape(X, (len(X), -1)))


MODELS = {
    "around a network": PriorCorrection(net()),
    "around a pipeline": PriorCorrection(make_pipeline(crop(), net())),
    "inside a pipeline": make_pipeline(crop(), PriorCorrection(net())),
    "half and half": PriorCorrection(net(sampling="half", max_epochs=4)),
    "of scikit-learn": PriorCorrection(Flat(class_weight="balanced")),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_probabilities_are_calibrated_where_the_posterior_is_known(model):
    X, y, _ = draw(8000)
    X_new, y_new, truth = draw(20000, seed=1)
    prob = clone(model).fit(X, y).predict_proba(X_new)[:, 1]
    assert prob.mean() == pytest.approx(y_new.mean(), abs=0.01)
    assert 0.9 <= calibration_line(y_new, prob).slope <= 1.1
    assert np.abs(prob - truth).mean() < 0.02


def test_without_correction_balanced_batches_are_far_off():
    X, y, _ = draw(4000)
    prob = net().fit(X, y).predict_proba(X)[:, 1]
    assert prob.mean() > y.mean() + 0.15


def test_the_papers_operating_point_is_a_risk_of_11_percent():
    assert correct_prior([0.57], PREVALENCE) == pytest.approx(0.113, abs=5e-4)


def test_correction_adds_the_log_odds_of_the_prevalence():
    p = np.array([0.01, 0.3, 0.5, 0.99])
    np.testing.assert_allclose(logit(correct_prior(p, 0.1)), logit(p) + np.log(0.1 / 0.9))
    np.testing.assert_allclose(correct_prior(p, 0.5), p)
    np.testing.assert_array_equal(correct_prior([0.0, 1.0], 0.1), [0, 1])


def test_correction_of_three_classes_is_bayes_rule():
    likelihood, prior = np.array([0.5, 0.2, 0.3]), np.array([0.7, 0.2, 0.1])
    expected = likelihood * prior / (likelihood * prior).sum()
    np.testing.assert_allclose(correct_prior([likelihood], prior), [expected])


def test_correction_leaves_auc_and_ap_alone():
    X, y, _ = draw(2000)
    model = PriorCorrection(net(max_epochs=2)).fit(X, y)
    before, after = model.estimator_.predict_proba(X)[:, 1], model.predict_proba(X)[:, 1]
    assert roc_auc_score(y, after) == pytest.approx(roc_auc_score(y, before), abs=1e-6)
    assert average_precision_score(y, after) == pytest.approx(
        average_precision_score(y, before), abs=1e-6
    )


@pytest.mark.parametrize(
    ("proba", "prevalence", "message"),
    [
        ([0.5, 1.5], 0.1, "probabilities from 0 to 1"),
        ([0.5], 0, "prevalence=0 does not fit"),
        ([0.5], 8.8, "prevalence=8.8 does not fit"),
        ([[0.5, 0.5]], [0.2, 0.2], "sum to 1"),
        ([[0.5, 0.3, 0.2]], 0.1, "does not fit 3 classes"),
    ],
)
def test_corrections_that_make_no_sense_are_refused(proba, prevalence, message):
    with pytest.raises(ValueError, match=message):
        correct_prior(proba, prevalence)


def test_prevalence_is_that_of_y_or_the_one_given():
    X, y, _ = draw(2000)
    own = PriorCorrection(net(max_epochs=1)).fit(X, y)
    np.testing.assert_allclose(own.prevalence_, [1 - y.mean(), y.mean()])
    given = PriorCorrection(net(max_epochs=1), prevalence=0.02).fit(X, y)
    np.testing.assert_allclose(given.prevalence_, [0.98, 0.02])


def test_prevalence_is_of_the_positive_label():
    X, y, _ = draw(2000)
    named = np.where(y == 1, "OMI", "no OMI")
    model = PriorCorrection(net(max_epochs=1), prevalence=0.02, pos_label="OMI").fit(X, named)
    assert model.classes_.tolist() == ["OMI", "no OMI"]
    np.testing.assert_allclose(model.prevalence_, [0.02, 0.98])
    assert set(model.predict(X)) <= {"OMI", "no OMI"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"prevalence": 8.8}, "prevalence must lie between 0 and 1, got 8.8"),
        ({"pos_label": "OMI"}, "pos_label='OMI' is not one of the classes"),
    ],
)
def test_settings_that_do_not_fit_y_are_refused(params, message):
    X, y, _ = draw(500)
    with pytest.raises(ValueError, match=message):
        PriorCorrection(net(max_epochs=1), **params).fit(X, y)


def test_one_prevalence_of_three_classes_is_refused():
    X, y, _ = draw(500)
    with pytest.raises(ValueError, match="share of one of two classes"):
        PriorCorrection(net(max_epochs=1), prevalence=0.1).fit(X, y + (X[:, 0, 0] > 0))


def test_a_fitted_network_is_used_as_it_is():
    X, y, _ = draw(2000)
    fitted = net(max_epochs=2).fit(X, y)
    model = PriorCorrection(FrozenEstimator(fitted), prevalence=0.05).fit(X[:50], y[:50])
    np.testing.assert_allclose(
        model.predict_proba(X), correct_prior(fitted.predict_proba(X), [0.95, 0.05])
    )


def test_clone_and_fit_leave_the_given_estimator_alone():
    X, y, _ = draw(500)
    inner = net(max_epochs=1)
    model = PriorCorrection(inner, prevalence=0.1)
    again = clone(model)
    assert again.get_params()["estimator__lr"] == 2e-2
    before = model.get_params(deep=False)
    model.fit(X, y)
    assert not hasattr(inner, "classes_inferred_")
    assert model.get_params(deep=False) == before
    np.testing.assert_array_equal(again.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_without_a_fit_nothing_is_predicted():
    with pytest.raises(NotFittedError):
        PriorCorrection(net()).predict(draw(10)[0])


def test_folds_reach_the_network_inside():
    X, y, _ = draw(1000)
    fold = np.arange(1000) % 4
    by_hand = net(max_epochs=2).fit(X, y, fold=fold)
    wrapped = PriorCorrection(net(max_epochs=2)).fit(X, y, fold=fold)
    np.testing.assert_array_equal(wrapped.estimator_.predict_proba(X), by_hand.predict_proba(X))
    last = make_pipeline(crop(), PriorCorrection(net(max_epochs=2)))
    scores = cross_validate(
        last,
        X,
        y,
        cv=PredefinedSplit(fold),
        params={"priorcorrection__fold": fold},
        scoring=auc_ap_scorer,
    )
    assert np.isfinite(scores["test_score"]).all()


def test_folds_reach_the_network_inside_by_routing():
    X, y, _ = draw(1000)
    fold = np.arange(1000) % 4
    by_hand = net(max_epochs=2).fit(X, y, fold=fold)
    with config_context(enable_metadata_routing=True):
        model = PriorCorrection(net(max_epochs=2).set_fit_request(fold=True))
        model.fit(X, y, fold=fold)
    np.testing.assert_array_equal(model.estimator_.predict_proba(X), by_hand.predict_proba(X))


def test_an_operating_point_is_set_on_corrected_probabilities():
    X, y, _ = draw(2000)
    model = FixedThresholdClassifier(PriorCorrection(net(max_epochs=3)), threshold=0.113).fit(X, y)
    prob = model.estimator_.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(model.predict(X), prob >= 0.113)


def test_out_of_fold_probabilities_of_the_alvd_network():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3, 60)).astype(np.float32), np.arange(120) % 3 // 2
    model = PriorCorrection(ALVDClassifier(max_epochs=2, random_state=0))
    proba = cross_val_predict(model, X, y, cv=3, method="predict_proba")
    np.testing.assert_allclose(proba.sum(axis=1), 1)


# -- Cox's line ------------------------------------------------------------------------


def test_line_is_that_of_an_unpenalised_logistic_regression():
    _, y, truth = draw(3000)
    prob = expit(0.8 * logit(truth) + 0.5)
    regression = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8).fit(
        logit(prob)[:, None], y
    )
    line = calibration_line(y, prob)
    assert line.slope == pytest.approx(regression.coef_.item(), rel=1e-4)
    assert line.intercept == pytest.approx(regression.intercept_.item(), rel=1e-4)


def test_line_of_the_true_posterior_is_the_diagonal_and_of_doubled_logits_has_half_the_slope():
    _, y, truth = draw(50000)
    assert calibration_line(y, truth) == pytest.approx((0, 1), abs=0.06)
    assert calibration_line(y, expit(2 * logit(truth))).slope == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("y", "prob", "message"),
    [
        ([0, 1], [0.5, 1.5], "give probabilities"),
        ([0, 1, 1], [0.5, 0.5, 0.5], "two different probabilities"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "parts the classes"),
    ],
)
def test_lines_that_do_not_exist_are_refused(y, prob, message):
    with pytest.raises(ValueError, match=message):
        calibration_line(y, prob)
