"""Tests of the tables of measures and their intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from skecg._resampling import METRICS, Measures, draw_weights
from skecg.metrics import bootstrap_interval, classification_table


def of_counts(tp, fn, fp, tn):
    """Return labels and scores with these counts at a threshold of 0.5."""
    return np.repeat([1, 1, 0, 0], [tp, fn, fp, tn]), np.repeat([1, 0, 1, 0], [tp, fn, fp, tn])


def draw(rng, n_patients=300, prevalence=0.15):
    """Draw patients of one to four ECGs, whose scores differ by patient and by ECG alike."""
    omi = rng.random(n_patients) < prevalence
    n_ecgs = rng.choice([1, 2, 3, 4], n_patients, p=[0.68, 0.19, 0.09, 0.04])
    groups = np.repeat(np.arange(n_patients), n_ecgs)
    patient, ecg = rng.normal(size=n_patients), rng.normal(size=len(groups))
    score = 2 * omi[groups] + np.sqrt(0.5) * (patient[groups] + ecg)
    return omi[groups].astype(int), score, groups


def true_measures(threshold, prevalence):
    """Return what `draw` would give of endless patients."""
    sens, spec = norm.sf(threshold - 2), norm.cdf(threshold)
    tp, fp = prevalence * sens, (1 - prevalence) * (1 - spec)
    tn, fn = (1 - prevalence) * spec, prevalence * (1 - sens)
    at = np.linspace(-8, 10, 20001)
    precision = prevalence * norm.sf(at - 2)
    precision /= precision + (1 - prevalence) * norm.sf(at)
    ap = np.trapezoid(precision * norm.pdf(at - 2), at)
    auc = norm.cdf(2 / np.sqrt(2))
    return [
        tp + tn,
        sens,
        spec,
        tp / (tp + fp),
        tn / (tn + fn),
        2 * tp / (2 * tp + fp + fn),
        auc,
        ap,
    ]


# Riek et al. (2024), Table 5; the counts were found from it.
@pytest.mark.parametrize(
    ("counts", "published"),
    [
        ((57, 44, 31, 985), (0.933, 0.564, 0.969, 0.648, 0.957, 0.603)),
        ((62, 21, 37, 965), (0.947, 0.747, 0.963, 0.626, 0.979, 0.681)),
    ],
    ids=["validation", "test"],
)
def test_table_5_follows_from_its_counts(counts, published):
    table = classification_table(*of_counts(*counts), threshold=0.5, n_resamples=2)
    assert tuple(table["estimate"].iloc[:6].round(3)) == published


@pytest.mark.parametrize("seed", range(5))
def test_measures_agree_with_scikit_learn(seed):
    y, score, groups = draw(np.random.default_rng(seed))
    score = score.round(1)  # ties
    called = score >= 1.5
    expected = [
        accuracy_score(y, called),
        recall_score(y, called),
        recall_score(y, called, pos_label=0),
        precision_score(y, called),
        precision_score(y, called, pos_label=0),
        f1_score(y, called),
        roc_auc_score(y, score),
        average_precision_score(y, score),
    ]
    table = classification_table(y, score, threshold=1.5, groups=groups, n_resamples=2)
    np.testing.assert_allclose(table["estimate"], expected)
    assert tuple(table.index) == METRICS


def test_weighted_areas_are_those_of_the_repeated_rows():
    y, score, _ = draw(np.random.default_rng(0))
    score = score.round(1)
    interval = bootstrap_interval(roc_auc_score, y, score, n_resamples=40, random_state=0)
    ap = bootstrap_interval(average_precision_score, y, score, n_resamples=40, random_state=0)
    measures = Measures(y == 1, score, 1.5)
    draws = [measures(block) for block in draw_weights(np.arange(len(y)), 40, 0)]
    limits = np.quantile(np.concatenate(draws)[:, 6:], [0.025, 0.975], axis=0)
    np.testing.assert_allclose(limits.T, [interval[1:], ap[1:]])


def test_all_ecgs_of_a_patient_are_drawn_together():
    patient = np.array([0, 0, 0, 1, 2, 2])
    weights = np.concatenate(list(draw_weights(patient, 500, 0)))
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 4], weights[:, 5])
    assert (weights[:, [0, 3, 4]].sum(axis=1) == 3).all()
    assert np.abs(weights.mean(axis=0) - 1).max() < 0.1


def test_interval_of_a_share_is_near_that_of_wilson():
    table = classification_table(*of_counts(62, 21, 37, 965), threshold=0.5, random_state=0)
    wilson = binomtest(62, 83).proportion_ci(method="wilson")
    np.testing.assert_allclose(table.loc["Sens", ["low", "high"]], wilson, atol=0.01)


def test_the_same_ecg_again_tells_nothing_new_of_a_patient():
    y, score = of_counts(62, 21, 37, 965)
    each = np.repeat(np.arange(len(y)), 4)
    four_times = classification_table(
        y[each], score[each], threshold=0.5, groups=each, random_state=0
    )
    once = classification_table(y, score, threshold=0.5, random_state=0)
    np.testing.assert_allclose(four_times, once)


@pytest.mark.parametrize("n", [5, 83])
def test_a_share_of_one_has_the_exact_limit_of_clopper_and_pearson(n):
    y, score = of_counts(n, 0, 10, 100)
    table = classification_table(y, score, threshold=0.5, n_resamples=50, random_state=0)
    exact = binomtest(n, n).proportion_ci(method="exact")
    np.testing.assert_allclose(table.loc["Sens", ["low", "high"]], exact)
    y, score = of_counts(0, n, 10, 100)
    table = classification_table(y, score, threshold=0.5, n_resamples=50, random_state=0)
    exact = binomtest(0, n).proportion_ci(method="exact")
    np.testing.assert_allclose(table.loc["Sens", ["low", "high"]], exact)


def test_areas_of_one_have_no_limits():
    table = classification_table([0, 0, 1, 1], [0, 0, 1, 1], threshold=0.5, n_resamples=50)
    assert table.loc[["AUC", "AP"], "estimate"].tolist() == [1, 1]
    assert table.loc[["AUC", "AP"], ["low", "high"]].isna().all(axis=None)


def test_one_patient_tells_nothing_of_others():
    y, score = np.arange(40) % 2, np.random.default_rng(0).random(40)
    everyone = classification_table(y, score, threshold=0.5, groups=np.zeros(40), n_resamples=50)
    assert everyone[["low", "high"]].isna().all(axis=None)
    groups = np.where(y == 1, -1, np.arange(40))  # all positives are one patient's
    table = classification_table(y, score, threshold=0.5, groups=groups, n_resamples=50)
    missing = table.index[table["low"].isna()]
    assert list(missing) == ["Sens", "AUC", "AP"]
    brier = bootstrap_interval(brier_score_loss, y, score, groups=np.zeros(40), n_resamples=50)
    assert np.isnan([brier.low, brier.high]).all()


def test_a_measure_without_rows_is_missing():
    table = classification_table([0, 1, 1], [0, 0, 0.1], threshold=0.5, n_resamples=50)
    assert table.loc["PPV"].isna().all()
    assert table.loc["NPV", "estimate"] == pytest.approx(1 / 3)


def test_out_of_fold_scores_are_ranked_and_cut_within_folds():
    y, score, groups = draw(np.random.default_rng(0))
    fold = groups % 3
    settings = {"groups": groups, "n_resamples": 50, "random_state": 0}
    one_level = classification_table(y, score, threshold=1.5, fold=fold, **settings)
    auc = np.mean([roc_auc_score(y[fold == k], score[fold == k]) for k in range(3)])
    assert one_level.loc["AUC", "estimate"] == pytest.approx(auc)
    cuts = pd.Series({k: 1.5 + 8 * k for k in range(3)})  # the fold's model has a level of its own
    own_level = classification_table(y, score + 8 * fold, threshold=cuts, fold=fold, **settings)
    pd.testing.assert_frame_equal(own_level, one_level)
    pooled = classification_table(y, score + 8 * fold, threshold=1.5, **settings)
    assert pooled.loc["AUC", "estimate"] < auc - 0.1


def test_positive_may_sort_first():
    y, score, groups = draw(np.random.default_rng(0))
    named = np.where(y == 1, "OMI", "no OMI")
    settings = {"threshold": 1.5, "groups": groups, "n_resamples": 50, "random_state": 0}
    expected = classification_table(y, score, **settings)
    assert classification_table(named, score, pos_label="OMI", **settings).equals(expected)
    columns = np.stack([score, -score], axis=1)
    assert classification_table(named, columns, pos_label="OMI", **settings).equals(expected)


def test_seed_decides_the_limits():
    y, score, groups = draw(np.random.default_rng(0))
    settings = {"threshold": 1.5, "groups": groups, "n_resamples": 50}
    tables = [classification_table(y, score, random_state=s, **settings) for s in (0, 0, 1)]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": [0, 1, 2]}, "3 classes"),
        ({"y_true": [1, 1, 1]}, "Give pos_label"),
        ({"pos_label": 5}, "pos_label=5 is not one of the labels"),
        (
            {"y_true": [0, 0, np.nan], "pos_label": 0},
            "y_true has no label in 1 rows, such as row 2",
        ),
        ({"y_true": ["a", None, "b"]}, "y_true has no label in 1 rows, such as row 1"),
        ({"threshold": np.nan}, "threshold must be a number, got nan"),
        ({"threshold": None}, "threshold must be a number, got None"),
        ({"threshold": {0: 0.5}}, "needs fold"),
        ({"threshold": {0: 0.5}, "fold": [0, 0, 1]}, "Fold 1 holds rows of class"),
        ({"threshold": {7: 0.5}, "fold": [0, 0, 0]}, r"has the folds \[7\], but rows are of \[0\]"),
        ({"threshold": {0: "high"}, "fold": [0, 0, 0]}, "threshold must be a number, got 'high'"),
        ({"fold": [0, 0]}, "fold has 2 ids for 3 rows"),
        ({"y_score": [0.1, np.nan, 0.3]}, "y_score contains NaN"),
        ({"y_score": np.zeros((3, 3))}, "y_score has shape"),
        ({"y_score": [0.1, 0.2]}, "inconsistent numbers of samples"),
        ({"groups": [1, 2]}, "groups has 2 ids for 3 rows"),
        ({"confidence": 95}, "confidence must lie between 0 and 1, got 95"),
        ({"n_resamples": 1}, "n_resamples must be an integer from 2, got 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(change, message):
    given = {"y_true": [0, 1, 1], "y_score": [0.1, 0.2, 0.3], "threshold": 0.5} | change
    with pytest.raises(ValueError, match=message):
        classification_table(**given)


def test_bootstrap_interval_draws_patients():
    y, score, _ = draw(np.random.default_rng(0))
    four = np.repeat(np.arange(len(y)), 4)
    settings = {"n_resamples": 30, "random_state": 0}
    interval = bootstrap_interval(roc_auc_score, y[four], score[four], groups=four, **settings)
    assert interval == pytest.approx(bootstrap_interval(roc_auc_score, y, score, **settings))
    assert interval.low < interval.estimate < interval.high


def test_an_interval_of_a_metric_that_some_draws_lack_is_refused():
    y = np.arange(21) == 20  # one draw in three or so holds no positive

    def sensitivity(y_true, y_score):
        return (y_score[y_true] > 5).sum() / y_true.sum() if y_true.any() else np.nan

    with pytest.raises(ValueError, match="NaN in a draw of patients"):
        bootstrap_interval(sensitivity, y, np.arange(21), n_resamples=50, random_state=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        bootstrap_interval(sensitivity, y, np.arange(20), n_resamples=50)


def coverage(n_data_sets, n_resamples, **population):
    """Return how often the 95 % interval of each measure holds the true value."""
    rng = np.random.default_rng(0)
    truth = np.array(true_measures(1.5, population["prevalence"]))
    hits = np.zeros(len(truth))
    for seed in range(n_data_sets):
        y, score, groups = draw(rng, **population)
        table = classification_table(
            y, score, threshold=1.5, groups=groups, n_resamples=n_resamples, random_state=seed
        )
        hits += (table["low"] <= truth) & (truth <= table["high"])
    return hits / n_data_sets


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    # 95 % of 150 data sets, and four standard errors of that on each side.
    found = coverage(150, 200, n_patients=300, prevalence=0.15)
    assert found.min() > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 150)
    assert found.mean() < 0.985


@pytest.mark.slow
@pytest.mark.parametrize(
    "population",
    [{"n_patients": 300, "prevalence": 0.15}, {"n_patients": 730, "prevalence": 0.066}],
    ids=["small", "a fold of the paper"],
)
def test_intervals_of_95_percent_hold_the_truth_in_93_to_97_percent(population):
    found = coverage(1500, 300, **population)  # known to 0.6 %
    assert found.min() >= 0.93
    assert found.max() <= 0.97
