"""Tests of the pictures of training and of folds, by what is in them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.plotting import ComparisonDisplay, TrainingCurveDisplay
from skecg.preprocessing import LeadStandardScaler

# Riek et al. (2024), Table 4, two rows of it.
TABLE_4 = {
    "ECG-SMART-NET": ("0.902 ± 0.025", "0.605 ± 0.085", "0.889 ± 0.027", "0.587 ± 0.087"),
    "Random forest": ("0.872 ± 0.023", "0.516 ± 0.077", "0.864 ± 0.026", "0.514 ± 0.082"),
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def nets():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2, 60)).astype(np.float32), np.arange(60) % 2
    return [
        make_pipeline(
            LeadStandardScaler(), ALVDClassifier(max_epochs=n, batch_size=32, random_state=n)
        ).fit(X, y)
        for n in (3, 3, 4)
    ]


def ten_folds():
    """Return folds whose mean and SD are those of Table 4."""
    ten = np.linspace(-1, 1, 10) / np.linspace(-1, 1, 10).std(ddof=1)
    columns = ("val_auc", "val_ap", "test_auc", "test_ap")
    tables = []
    for model, texts in TABLE_4.items():
        moments = [map(float, text.split(" ± ")) for text in texts]
        scores = {c: mean + sd * ten for c, (mean, sd) in zip(columns, moments, strict=True)}
        tables.append(pd.DataFrame({"model": model, "fold": range(10), **scores}))
    return pd.concat(tables, ignore_index=True)


def test_curves_are_the_mean_over_the_folds_with_a_cloud_of_one_sd(nets):
    display = TrainingCurveDisplay.from_cv_results({"ALVD": nets})
    epochs = [net[-1].epochs_ for net in nets]
    columns = ("valid_auc", "valid_ap", "valid_loss", "valid_score")
    for panel, column in zip(display.axes_, columns, strict=True):
        scores = np.array([table[column][:3] for table in epochs])
        (line,) = panel.lines
        assert line.get_xdata().tolist() == [1, 2, 3, 4]
        np.testing.assert_allclose(line.get_ydata()[:3], scores.mean(axis=0))
        assert line.get_ydata()[3] == epochs[2][column][3]  # the one fit that went on
        (cloud,) = (c for c in panel.collections if isinstance(c, FillBetweenPolyCollection))
        corners = cloud.get_paths()[0].vertices
        first = corners[corners[:, 0] == 1, 1]
        sd = scores[:, 0].std(ddof=1)
        assert np.ptp(first) == pytest.approx(2 * sd)


def test_panels_are_those_of_figure_5_in_its_order(nets):
    display = TrainingCurveDisplay.from_estimator(nets[0], name="ALVD")
    titles = [panel.get_title(loc="left") for panel in display.axes_]
    labels = [panel.get_ylabel() for panel in display.axes_]
    assert titles == ["A", "B", "C", "D"]
    assert labels == ["AUC", "Average precision", "Cross-entropy loss", "Validation score"]
    assert display.axes_[0].get_legend().get_texts()[0].get_text() == "ALVD"


def test_figure_5_says_what_its_clouds_are_and_that_the_data_are_for_validation(nets):
    one = TrainingCurveDisplay.from_estimator(nets[0])
    several = TrainingCurveDisplay.from_cv_results({"ALVD": nets})
    assert one.figure_.get_supxlabel() == "Validation data"
    assert several.figure_.get_supxlabel() == (
        "Validation data; lines and clouds: mean ± SD over the folds"
    )


def test_models_without_epochs_are_left_out(nets):
    forest = LogisticRegression().fit([[0], [1]], [0, 1])
    display = TrainingCurveDisplay.from_cv_results({"ALVD": nets, "forest": [forest]})
    assert list(display.epochs) == ["ALVD"]
    with pytest.raises(ValueError, match=r"None of \['forest'\] has epochs_"):
        TrainingCurveDisplay.from_cv_results({"forest": [forest]})


def test_another_number_of_axes_is_refused(nets):
    with pytest.raises(ValueError, match="draws 4 panels, but ax has 2; give 4 axes"):
        TrainingCurveDisplay.from_estimator(nets[0], ax=plt.subplots(ncols=2)[1])


def test_summary_is_table_4():
    summary = ComparisonDisplay.from_cv_results(ten_folds()).summary()
    assert list(summary) == ["Validation AUC", "Validation AP", "Test AUC", "Test AP"]
    assert {model: tuple(row) for model, row in summary.iterrows()} == TABLE_4


def test_summary_of_one_fold_is_its_score():
    table = pd.DataFrame({"model": ["a"], "fold": [0], "test_auc": [0.8]})
    display = ComparisonDisplay.from_cv_results(table, scores={"test_auc": "AUC"})
    assert display.summary().loc["a", "AUC"] == "0.800"


def test_every_fold_is_a_point():
    table = ten_folds()
    display = ComparisonDisplay.from_cv_results(table)
    names = [text.get_text() for text in display.axes_[0].get_yticklabels()]
    assert names == list(TABLE_4)
    for panel, column in zip(
        display.axes_, ("val_auc", "val_ap", "test_auc", "test_ap"), strict=True
    ):
        points = [line.get_xdata() for line in panel.lines if len(line.get_xdata()) == 10]
        np.testing.assert_array_equal(np.concatenate(points), table[column])


def test_results_of_scikit_learn_are_drawn_as_well():
    X, y = np.arange(30).reshape(-1, 1) % 7, np.arange(30) % 2
    results = {
        str(c): cross_validate(LogisticRegression(C=c), X, y, cv=3, scoring=["roc_auc", "accuracy"])
        for c in (0.1, 1)
    }
    display = ComparisonDisplay.from_cv_results(results)
    assert [panel.get_title() for panel in display.axes_] == ["Test roc auc", "Test accuracy"]
    assert display.table["test_roc_auc"].tolist() == [
        score for each in results.values() for score in each["test_roc_auc"]
    ]


def test_scores_that_are_not_there_are_refused():
    table = ten_folds()
    with pytest.raises(ValueError, match=r"lacks the scores \['test_f1'\]"):
        ComparisonDisplay.from_cv_results(table, scores={"test_f1": "F1"})
    failed = {"a": {"test_score": [0.5, np.nan]}, "b": {"test_score": [0.5, 0.6]}}
    with pytest.raises(ValueError, match="lacks the score of some fold"):
        ComparisonDisplay.from_cv_results(failed)


def test_a_figure_of_ones_own_is_drawn_into():
    _, ax = plt.subplots()
    display = ComparisonDisplay.from_cv_results(ten_folds(), scores={"test_auc": "AUC"}, ax=ax)
    assert display.axes_[0] is ax
    assert display.figure_ is ax.figure
