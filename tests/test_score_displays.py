"""Tests of the pictures of curves and decisions, by what is in them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import FixedThresholdClassifier

from skecg.metrics import f1_threshold, net_benefit
from skecg.plotting import DecisionCurveDisplay, OperatingPointDisplay


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = (np.arange(400) < 60).astype(int)
    return rng.normal(size=(400, 1)) + 1.5 * y[:, None], y


@pytest.fixture(scope="module")
def model(data):
    return LogisticRegression().fit(*data)


def texts(panel):
    return [text.get_text() for text in panel.get_legend().get_texts()]


def test_operating_point_lies_on_both_curves(data):
    X, y = data
    display = OperatingPointDisplay.from_predictions(y, X[:, 0], threshold=1.0, name="Test")
    called = X[:, 0] >= 1
    sens, spec = recall_score(y, called), recall_score(y, called, pos_label=0)
    assert display.point == pytest.approx((sens, spec, precision_score(y, called)))
    expected = [(1 - spec, sens), (sens, precision_score(y, called))]
    for panel, point in zip(display.axes_, expected, strict=True):
        marker = panel.lines[-1]
        assert marker.get_marker() == "o"
        assert (marker.get_xdata().item(), marker.get_ydata().item()) == pytest.approx(point)
    np.testing.assert_allclose(
        np.min(np.hypot(display.roc.fpr - 1 + spec, display.roc.tpr - sens)), 0, atol=0.02
    )


def test_curves_have_their_areas_and_the_prevalence_as_chance(data):
    X, y = data
    display = OperatingPointDisplay.from_predictions(y, X[:, 0], threshold=1.0, name="Test")
    assert display.roc.roc_auc == pytest.approx(roc_auc_score(y, X[:, 0]))
    ap = average_precision_score(y, X[:, 0])
    assert display.precision_recall.average_precision == pytest.approx(ap)
    assert set(display.precision_recall.chance_level_.get_ydata()) == {0.15}
    assert "prevalence 0.150" in texts(display.axes_[1])


def test_a_threshold_chosen_on_the_same_data_is_labelled_so(data):
    X, y = data
    here = OperatingPointDisplay.from_predictions(y, X[:, 0])
    assert here.threshold == f1_threshold(y, X[:, 0])
    assert f1_score(y, X[:, 0] >= here.threshold) > 0.5
    assert any("chosen on these data" in text for text in texts(here.axes_[0]))
    given = OperatingPointDisplay.from_predictions(y, X[:, 0], threshold=here.threshold)
    assert not any("chosen" in text for text in texts(given.axes_[0]))


def test_test_data_are_drawn_over_validation_data(data):
    X, y = data
    first = OperatingPointDisplay.from_predictions(
        y[::2], X[::2, 0], threshold=1.0, name="Validation"
    )
    second = OperatingPointDisplay.from_predictions(
        y[1::2], X[1::2, 0], threshold=1.0, name="Test", ax=first.axes_
    )
    assert second.figure_ is first.figure_
    found = texts(second.axes_[0])
    assert [text.split(" (")[0] for text in found] == [
        "Validation", "Chance level", "threshold 1", "Test", "threshold 1",
    ]  # fmt: skip


def test_an_estimator_is_drawn_by_the_probability_of_its_positive(data, model):
    X, y = data
    display = OperatingPointDisplay.from_estimator(model, X, y, threshold=0.5)
    assert display.roc.roc_auc == pytest.approx(roc_auc_score(y, X[:, 0]))
    assert texts(display.axes_[0])[0].startswith("LogisticRegression")
    named = np.where(y == 1, "OMI", "no OMI")
    first = LogisticRegression().fit(X, named)
    display = OperatingPointDisplay.from_estimator(first, X, named, pos_label="OMI")
    assert display.roc.roc_auc == pytest.approx(roc_auc_score(y, X[:, 0]))
    with pytest.raises(ValueError, match="pos_label='STEMI' is not one of the classes"):
        OperatingPointDisplay.from_estimator(first, X, named, pos_label="STEMI")


@pytest.mark.parametrize("display", [OperatingPointDisplay, DecisionCurveDisplay])
def test_the_positive_that_an_estimator_names_is_drawn(data, display):
    X, y = data
    named = np.where(y == 1, "OMI", "no OMI")  # OMI sorts first
    model = FixedThresholdClassifier(LogisticRegression(), pos_label="OMI").fit(X, named)
    ours, asked = (display.from_estimator(model, X, named, pos_label=p) for p in (None, "OMI"))
    for mine, theirs in zip(ours.figure_.axes, asked.figure_.axes, strict=True):
        for line, expected in zip(mine.lines, theirs.lines, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), expected.get_ydata())
    prevalence = texts(ours.figure_.axes[-1])
    if display is OperatingPointDisplay:
        assert f"prevalence {y.mean():.3f}" in prevalence


def test_curves_of_one_class_or_at_no_threshold_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="need rows of both classes"):
        OperatingPointDisplay.from_predictions([1, 1], [0.2, 0.5], pos_label=1, threshold=0.3)
    with pytest.raises(ValueError, match="threshold must be a number, got nan"):
        OperatingPointDisplay.from_predictions(y, X[:, 0], threshold=np.nan)


def test_curves_are_drawn_again_elsewhere(data):
    X, y = data
    display = OperatingPointDisplay.from_predictions(y, X[:, 0], threshold=1.0, name="Test")
    before = texts(display.axes_[1])
    _, axes = plt.subplots(ncols=2)
    assert display.plot(ax=axes).figure_ is axes[0].figure
    assert texts(axes[1]) == before


def test_decision_curve_is_the_net_benefit(data, model):
    X, y = data
    display = DecisionCurveDisplay.from_estimator(model, X, y)
    table = net_benefit(y, model.predict_proba(X))
    lines = {line.get_label(): line for line in display.ax_.lines}
    assert list(lines) == ["Treat all", "Treat none", "LogisticRegression"]
    np.testing.assert_array_equal(lines["LogisticRegression"].get_ydata(), table["model"])
    np.testing.assert_array_equal(lines["Treat all"].get_ydata(), table["treat_all"])
    assert not lines["Treat none"].get_ydata().any()


def test_a_decision_curve_of_no_use_is_drawn():
    rare = np.arange(1000) < 1  # treating anyone at a risk of 1 % or more harms
    display = DecisionCurveDisplay.from_predictions(rare, np.linspace(0, 1, 1000))
    low, high = display.ax_.get_ylim()
    assert low < 0 < high


def test_a_second_model_joins_the_decision_curve(data):
    X, y = data
    prob = 1 / (1 + np.exp(1.5 - X[:, 0]))
    first = DecisionCurveDisplay.from_predictions(y, prob, name="a")
    second = DecisionCurveDisplay.from_predictions(y, prob**2, name="b", ax=first.ax_)
    assert texts(second.ax_) == ["Treat all", "Treat none", "a", "b"]
