"""Tests of differences between models."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.datasets import make_moons
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from skecg.metrics import classification_table, delong_test, paired_differences
from skecg.model_selection import best_fold, fold_differences

# Albumin, total protein, K-G score and benefit of 43 women with ovarian cancer: DeLong et al.
# (1988), as printed in SAS/STAT's user's guide, "Comparing Receiver Operating Characteristic
# Curves" in the examples of PROC LOGISTIC.
# fmt: off
ALBUMIN = np.array([
    3.0, 3.2, 3.9, 2.8, 3.2, 0.9, 2.5, 1.6, 3.8, 3.7, 3.2, 3.8, 4.1, 3.6, 4.3, 3.6, 2.3,
    4.2, 4.0, 3.5, 3.8, 3.0, 4.5, 3.7, 3.1, 4.1, 4.3, 4.3, 3.2, 2.6, 3.3, 1.7, 3.7, 3.3,
    4.2, 3.5, 2.9, 2.1, 2.8, 4.0, 3.3, 3.7, 3.6,
])
PROTEIN = np.array([
    5.8, 6.3, 6.8, 4.8, 5.8, 4.0, 5.7, 5.6, 5.7, 6.7, 5.4, 6.6, 6.6, 5.7, 7.0, 6.7, 4.4,
    7.6, 6.6, 5.8, 6.8, 4.7, 7.4, 7.4, 6.6, 8.2, 7.0, 6.5, 5.1, 4.7, 6.8, 4.0, 6.1, 6.3,
    7.7, 6.2, 5.7, 4.8, 6.2, 7.0, 5.7, 6.9, 6.6,
])
KG = 10 - np.array([
    10, 5, 3, 6, 3, 5, 8, 5, 5, 6, 4, 6, 5, 5, 4, 4, 6, 4, 6, 6, 7, 8, 5, 5, 6, 6, 5, 4, 5,
    6, 6, 7, 5, 7, 6, 5, 9, 7, 8, 7, 6, 5, 5,
])
BENEFIT = np.array([
    0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1,
    1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 1, 1,
])
# fmt: on


def draw(seed, n=300):
    """Draw labels, a score, and the same with noise, of patients with an ECG or two."""
    rng = np.random.default_rng(seed)
    groups = np.sort(rng.integers(2 * n // 3, size=n))
    y = groups < n // 6
    score = rng.normal(size=n) + 2 * y
    return y, {"good": score, "noisy": score + rng.normal(size=n)}, groups


# SAS prints AUC .7366, .6478, .7258 and these contrasts with the K-G score.
@pytest.mark.parametrize(
    ("score", "auc", "difference", "limits", "chi_square", "p"),
    [
        (ALBUMIN, 0.7366, 0.0108, (-0.1761, 0.1976), 0.0127, 0.9102),
        (PROTEIN, 0.6478, -0.0780, (-0.2830, 0.1271), 0.5554, 0.4561),
    ],
    ids=["albumin", "total protein"],
)
def test_delong_agrees_with_sas_on_delongs_own_data(score, auc, difference, limits, chi_square, p):
    found = delong_test(BENEFIT, score, KG)
    assert (found.auc_1, found.auc_2) == pytest.approx((auc, 0.7258), abs=5e-5)
    assert found.difference == pytest.approx(difference, abs=5e-5)
    assert (found.low, found.high) == pytest.approx(limits, abs=5e-5)
    assert found.statistic**2 == pytest.approx(chi_square, abs=5e-5)
    assert found.pvalue == pytest.approx(p, abs=5e-5)


@pytest.mark.parametrize("seed", range(3))
def test_delong_agrees_with_its_definition_by_pairs(seed):
    y, scores, _ = draw(seed)
    scores = [score.round(1) for score in scores.values()]  # ties
    above, below = [], []
    for score in scores:
        pairs = np.sign(score[y][:, None] - score[~y]) / 2 + 0.5
        above.append(pairs.mean(axis=1))
        below.append(pairs.mean(axis=0))
    covariance = np.cov(above) / y.sum() + np.cov(below) / (~y).sum()
    se = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = delong_test(y, *scores)
    assert found.difference == pytest.approx(roc_auc_score(y, scores[0]) - found.auc_2)
    assert found.statistic == pytest.approx(found.difference / se)


def test_delong_refuses_a_patient_with_two_ecgs():
    y, scores, groups = draw(0)
    with pytest.raises(ValueError, match=r"300 ECGs are of \d+ patients.* Use paired_differences"):
        delong_test(y, *scores.values(), groups=groups)


def test_delong_of_the_same_ranking_has_no_p():
    found = delong_test(BENEFIT, KG, 2 * KG + 1)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert np.isnan([found.statistic, found.pvalue]).all()


def test_bootstrap_of_the_difference_is_near_delong_where_each_patient_has_one_ecg():
    y, scores, _ = draw(0, n=1000)
    exact = delong_test(y, scores["noisy"], scores["good"])
    found = paired_differences(y, scores, reference="good", random_state=0).loc[("noisy", "AUC")]
    assert found["difference"] == pytest.approx(exact.difference)
    assert found["low"] == pytest.approx(exact.low, abs=0.004)
    assert found["high"] == pytest.approx(exact.high, abs=0.004)


def test_differences_are_those_of_the_metrics():
    y, scores, groups = draw(0)
    cuts = {"good": 1.0, "noisy": 1.2}
    found = paired_differences(
        y, scores, reference="good", thresholds=cuts, groups=groups, n_resamples=50
    )["difference"]["noisy"]
    good, noisy = scores.values()
    for metric, name in ((roc_auc_score, "AUC"), (average_precision_score, "AP")):
        assert found[name] == pytest.approx(metric(y, noisy) - metric(y, good))
    assert found["F1"] == pytest.approx(f1_score(y, noisy >= 1.2) - f1_score(y, good >= 1.0))


def test_areas_of_out_of_fold_scores_are_those_within_folds():
    y, scores, groups = draw(0)
    fold = groups % 3
    # Each fold's model has a level of its own: harmless within a fold.
    shifted = {"good": scores["good"], "noisy": scores["noisy"] + 10 * fold}
    settings = {"reference": "good", "groups": groups, "n_resamples": 50, "random_state": 0}
    found = paired_differences(y, shifted, fold=fold, **settings)
    for metric, area in (("AUC", roc_auc_score), ("AP", average_precision_score)):
        means = [
            np.mean([area(y[fold == k], score[fold == k]) for k in range(3)])
            for score in (scores["noisy"], scores["good"])
        ]
        difference = found.loc[("noisy", metric), "difference"]
        assert difference == pytest.approx(means[0] - means[1])
    pd.testing.assert_frame_equal(found, paired_differences(y, scores, fold=fold, **settings))
    cuts = {"good": 1.0, "noisy": {k: 1.2 + 10 * k for k in range(3)}}
    with_cuts = paired_differences(y, shifted, fold=fold, thresholds=cuts, **settings)
    called = f1_score(y, scores["noisy"] >= 1.2) - f1_score(y, scores["good"] >= 1.0)
    assert with_cuts.loc[("noisy", "F1"), "difference"] == pytest.approx(called)
    pooled = paired_differences(y, shifted, **settings).loc[("noisy", "AUC"), "difference"]
    assert pooled < found.loc[("noisy", "AUC"), "difference"] - 0.1


def test_pairing_narrows_the_interval():
    y, scores, groups = draw(0)
    paired = paired_differences(y, scores, reference="good", groups=groups, random_state=0)
    apart = [
        classification_table(y, score, threshold=1, groups=groups, random_state=0)
        for score in scores.values()
    ]
    width = paired.loc[("noisy", "AUC"), "high"] - paired.loc[("noisy", "AUC"), "low"]
    separate = np.hypot(*(t.loc["AUC", "high"] - t.loc["AUC", "low"] for t in apart))
    assert width < 0.9 * separate


def test_a_model_does_not_differ_from_itself():
    y, scores, groups = draw(0)
    same = {"a": scores["good"], "b": scores["good"].copy()}
    found = paired_differences(y, same, reference="a", groups=groups, n_resamples=50)
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)
    assert found["p"].isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "other"}, r"reference='other' is not one of \['good', 'noisy'\]"),
        ({"y_scores": {"good": [0, 1]}}, "two models or more"),
        ({"thresholds": {"good": 1}}, "give each model its own"),
        ({"fold": np.arange(300) // 150}, "Fold 1 holds rows of class"),
        ({"thresholds": {"good": 1, "noisy": np.nan}}, "threshold must be a number, got nan"),
    ],
)
def test_comparisons_that_make_no_sense_are_refused(change, message):
    y, scores, _ = draw(0)
    given = {"y_true": y, "y_scores": scores, "reference": "good"} | change
    with pytest.raises(ValueError, match=message):
        paired_differences(**given)


def difference_coverage(n_data_sets, n_resamples, n_patients=300, prevalence=0.15):
    """Return how often the 95 % intervals of the AUC's difference hold the true one."""
    rng = np.random.default_rng(0)
    truth = norm.cdf(2 / np.sqrt(3)) - norm.cdf(2 / np.sqrt(2))  # noise of variance 0.5 added
    hits = 0
    for seed in range(n_data_sets):
        omi = rng.random(n_patients) < prevalence
        groups = np.repeat(np.arange(n_patients), rng.choice([1, 2, 3], n_patients))
        own, each, noise = (rng.normal(size=n) for n in (n_patients, len(groups), len(groups)))
        score = 2 * omi[groups] + np.sqrt(0.5) * (own[groups] + each)
        scores = {"good": score, "noisy": score + np.sqrt(0.5) * noise}
        found = paired_differences(
            omi[groups], scores, reference="good", groups=groups, n_resamples=n_resamples,
            random_state=seed,
        ).loc[("noisy", "AUC")]  # fmt: skip
        hits += found["low"] <= truth <= found["high"]
    return hits / n_data_sets


def test_intervals_of_the_difference_hold_the_truth_about_as_often_as_they_say():
    # 95 % of 150 data sets, and four standard errors of that below it.
    assert difference_coverage(150, 200) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 150)


@pytest.mark.slow
def test_intervals_of_the_difference_hold_the_truth_in_93_to_97_percent():
    assert 0.93 <= difference_coverage(1000, 500) <= 0.97


# -- over folds ------------------------------------------------------------------------


def test_corrected_t_agrees_with_scikit_learns_example():
    # "Statistical comparison of models using grid search": t 0.750, one-sided p 0.227.
    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    models = {kernel: SVC(kernel=kernel, random_state=0) for kernel in ("rbf", "linear")}
    table = pd.concat(
        pd.DataFrame(
            {
                "model": name,
                "fold": range(100),
                "n_train": 90,
                "n_test": 10,
                "test_auc": cross_val_score(model, X, y, scoring="roc_auc", cv=cv),
            }
        )
        for name, model in models.items()
    )
    found = fold_differences(table, reference="linear", metrics=["test_auc"]).loc["rbf"].iloc[0]
    assert found["t"] == pytest.approx(0.750, abs=5e-4)
    assert found["p"] / 2 == pytest.approx(0.227, abs=5e-4)


def folds(**scores):
    n = len(next(iter(scores.values())))
    tables = [
        pd.DataFrame({"model": name, "fold": range(n), "n_train": 80, "n_test": 10, "test_auc": s})
        for name, s in scores.items()
    ]
    return pd.concat(tables, ignore_index=True)


def test_corrected_interval_is_wider_than_the_plain_one_by_the_share_tested():
    table = folds(a=[0.8, 0.9, 0.7, 0.8], b=[0.85, 0.9, 0.8, 0.8])
    found = fold_differences(table, reference="a", metrics=["test_auc"]).iloc[0]
    d = np.array([0.05, 0, 0.1, 0])
    assert found["difference"] == pytest.approx(d.mean())
    assert found["se"] == pytest.approx(d.std(ddof=1) * np.sqrt(1 / 4 + 10 / 80))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (folds(b=[0.8, 0.9]), "reference='a' is not one of the models"),
        (folds(a=[0.8, 0.9], b=[0.8, np.nan]), "without a missing score"),
        (folds(a=[0.8], b=[0.9]), "same two folds or more"),
        (pd.concat([folds(a=[0.8, 0.9], b=[0.7, 0.9])] * 2), "A model has a fold twice"),
        (pd.concat([folds(a=[0.8, 0.9, 0.7]), folds(b=[0.8, 0.9])]), "same two folds or more"),
    ],
    ids=["reference", "NaN", "one fold", "twice", "other folds"],
)
def test_folds_that_cannot_be_paired_are_refused(table, message):
    with pytest.raises(ValueError, match=message):
        fold_differences(table, reference="a", metrics=["test_auc"])


def test_what_is_chosen_by_a_test_score_is_called_optimistic():
    rng = np.random.default_rng(0)
    table = folds(a=rng.random(10)).assign(val_score=rng.random(10))
    fair, flattered = best_fold(table), best_fold(table, by="test_auc")
    assert fair.loc["a", "chosen_by"] == "val_score"
    assert flattered.loc["a", "chosen_by"] == "test_auc (optimistic)"
    assert fair.loc["a", "fold"] == table["val_score"].argmax()
    assert flattered.loc["a", "test_auc"] == table["test_auc"].max()


def test_the_papers_best_fold_is_what_chance_would_make_of_ten():
    # Test AUC .889 +- .027 over ten folds (Table 4), .930 in the one chosen by its test score.
    ten = np.linspace(-1, 1, 10)
    table = folds(smart=0.889 + 0.027 * ten / ten.std(ddof=1))
    expected = best_fold(table, by="test_auc").loc["smart", "expected_best"]
    assert expected == pytest.approx(0.930, abs=1e-3)


def test_an_unknown_column_to_choose_by_is_refused():
    with pytest.raises(ValueError, match="by='auc' is not a column"):
        best_fold(folds(a=[1, 2]), by="auc")
