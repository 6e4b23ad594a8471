"""Tests of the table of subgroups."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from skecg import STEMICriteriaClassifier
from skecg.datasets import make_omi
from skecg.metrics import classification_table, omi_subgroups, subgroup_table

# Patients a, b, c and d; the ECGs of a and b are not in the order they were taken in.
GROUPS = ["a", "a", "b", "b", "c", "d"]
ORDER = [2, 1, 1, 2, 1, 1]
Y = np.array([1, 1, 0, 0, 1, 0])
SCORE = np.array([0.9, 0.2, 0.1, 0.6, 0.4, 0.3])
ALL = pd.DataFrame({"all": np.ones(6, bool)})
SETTINGS = {"threshold": 0.5, "n_resamples": 20, "random_state": 0}


def test_a_patient_has_the_highest_score_and_the_first_ecg_is_the_first():
    table = subgroup_table(Y, SCORE, ALL, groups=GROUPS, order=ORDER, **SETTINGS)
    every, patient, first = (
        table.loc[(unit, "all")] for unit in ("every ECG", "patient", "first ECG")
    )
    assert every[["n", "n_positive", "n_patients"]].tolist() == [6, 3, 4]
    assert patient[["n", "n_positive", "n_patients"]].tolist() == [4, 2, 4]
    assert (every["Sens"], every["Spec"]) == (1 / 3, 2 / 3)
    assert (patient["Sens"], patient["Spec"]) == (1 / 2, 1 / 2)  # a 0.9, c 0.4; b 0.6, d 0.3
    assert (first["Sens"], first["Spec"]) == (0, 1)  # a 0.2, c 0.4; b 0.1, d 0.3
    assert patient["AUC"] == roc_auc_score([1, 0, 1, 0], [0.9, 0.6, 0.4, 0.3])
    assert first["AUC"] == roc_auc_score([1, 0, 1, 0], [0.2, 0.1, 0.4, 0.3])


def test_without_times_the_first_row_of_a_patient_is_first():
    table = subgroup_table(Y, SCORE, ALL, groups=GROUPS, **SETTINGS)
    assert table.loc[("first ECG", "all"), "Sens"] == 1 / 2  # a 0.9, c 0.4


def test_the_first_ecg_counts_where_it_is_and_a_patient_by_the_ecgs_there():
    wide = pd.DataFrame({"wide": [True, False, True, True, False, False]})
    table = subgroup_table(Y, SCORE, wide, groups=GROUPS, order=ORDER, **SETTINGS)
    assert table["n"].tolist() == [3, 2, 1]  # only b's first ECG is wide
    assert table.loc[("patient", "wide"), ["Sens", "Spec"]].tolist() == [1, 0]


def test_a_patient_with_another_culprit_is_no_negative():
    y, groups = [1, 0, 1, 0, 0], [1, 1, 2, 2, 3]  # patients 1 and 2 have a normal ECG as well
    masks = omi_subgroups(y, culprit=["LAD", None, "RCA", None, None])
    table = subgroup_table(y, [0.9, 0.1, 0.8, 0.7, 0.2], masks, groups=groups, **SETTINGS)
    counts = table.loc["patient", ["n", "n_positive", "Spec"]]
    assert counts.loc["culprit LAD"].tolist() == [2, 1, 1]  # 1 and 3, not 2 at 0.7
    assert counts.loc["all"].tolist() == [3, 2, 1]
    assert table.loc[("every ECG", "culprit LAD"), "n"] == 4


def test_every_ecg_of_all_is_the_table_of_classification():
    rng = np.random.default_rng(0)
    groups = rng.integers(80, size=200)
    y = (groups < 20).astype(int)
    score = rng.normal(size=200) + y
    settings = {"threshold": 0.5, "groups": groups, "random_state": 0}
    row = subgroup_table(y, score, pd.DataFrame({"all": np.ones(200, bool)}), **settings).iloc[0]
    table = classification_table(y, score, **settings)
    for name in ("Sens", "Spec", "PPV", "NPV", "AUC", "AP"):
        assert row[[name, f"{name}_low", f"{name}_high"]].tolist() == table.loc[name].tolist()


def test_out_of_fold_scores_are_ranked_and_cut_within_folds():
    rng = np.random.default_rng(0)
    groups = rng.integers(80, size=200)
    y, fold = (groups < 20).astype(int), groups % 2
    score = rng.normal(size=200) + y
    masks = pd.DataFrame({"all": np.ones(200, bool), "fold 0": fold == 0, "odd": groups % 3 > 0})
    settings = {"groups": groups, "fold": fold, "n_resamples": 20, "random_state": 0}
    one_level = subgroup_table(y, score, masks, threshold=0.5, **settings)
    cuts = {0: 0.5, 1: 8.5}  # the model of fold 1 has a level of its own
    own_level = subgroup_table(y, score + 8 * fold, masks, threshold=cuts, **settings)
    pd.testing.assert_frame_equal(own_level, one_level)
    inside = fold == 0
    auc = one_level.loc[("every ECG", "fold 0"), "AUC"]
    assert auc == pytest.approx(roc_auc_score(y[inside], score[inside]))


def test_a_subgroup_of_one_class_has_what_can_be_told_of_it():
    masks = pd.DataFrame({"OMI": Y == 1, "nobody": np.zeros(6, bool)})
    table = subgroup_table(Y, SCORE, masks, **SETTINGS)
    assert table["n"].tolist() == [3, 0]
    assert table.loc[("every ECG", "OMI"), "Sens"] == 1 / 3
    assert np.isnan(table.loc[("every ECG", "OMI"), ["Spec", "AUC", "AP"]].astype(float)).all()
    assert table.loc[("every ECG", "nobody"), "Sens":].isna().all()


def test_ecgs_that_do_not_meet_the_stemi_criteria_come_first():
    X, y, groups, truth = make_omi(150, prevalence=0.3, return_table=True, random_state=0)
    stemi = STEMICriteriaClassifier().fit(X, y).reasons(X)["positive"]
    masks = omi_subgroups(
        y,
        stemi=stemi,
        culprit=truth["artery"],
        qrs_duration=truth["qrs"],
        sex=truth["sex"],
        age=truth["age"],
        site=np.where(groups % 2, "Pittsburgh", "Charlotte"),
    )
    assert list(masks)[:2] == ["STEMI criteria not met", "STEMI criteria met"]
    assert list(masks)[-1] == "all"
    np.testing.assert_array_equal(masks["STEMI criteria not met"], ~stemi)
    np.testing.assert_array_equal(masks["QRS 120 ms and over"], truth["qrs"] >= 120)
    np.testing.assert_array_equal(masks["age 45 to 64"], truth["age"].between(45, 64.999))
    np.testing.assert_array_equal(masks["sex F"], truth["sex"] == "F")
    np.testing.assert_array_equal(masks["site Charlotte"], groups % 2 == 0)
    table = subgroup_table(y, stemi.astype(float), masks, groups=groups, **SETTINGS)
    missed = table.loc[("every ECG", "STEMI criteria not met")]
    assert (missed["Sens"], missed["Spec"]) == (0, 1)  # by the criteria themselves
    assert missed["n_positive"] == (y[~stemi] == 1).sum() > 0


def test_a_culprit_is_looked_at_with_all_negatives():
    masks = omi_subgroups([0, 1, 1, 1, 0], culprit=["LAD", "LAD", "RCA", None, None])
    assert masks["culprit LAD"].tolist() == [True, True, False, False, True]
    assert masks["culprit RCA"].tolist() == [True, False, True, False, True]
    assert masks["culprit unknown"].tolist() == [True, False, False, True, True]
    assert list(masks) == ["culprit LAD", "culprit RCA", "culprit unknown", "all"]


def test_nobody_without_a_value_is_lost():
    masks = omi_subgroups([0, 1, 1], sex=["F", None, "M"], age=[44.9, 45, np.nan], stemi=[1, 0, 1])
    assert masks["sex unknown"].tolist() == [False, True, False]
    assert masks["age unknown"].tolist() == [False, False, True]
    assert masks["age under 45"].tolist() == [True, False, False]
    assert masks["STEMI criteria met"].tolist() == [True, False, True]


def test_a_value_that_is_called_unknown_or_empty_joins_those_without_one():
    masks = omi_subgroups(
        [0, 1, 1, 1], sex=["F", None, "unknown", " "], culprit=["", "RCA", "", None]
    )
    assert masks["sex unknown"].tolist() == [False, True, True, True]
    assert masks["culprit unknown"].tolist() == [True, False, True, True]
    assert list(masks) == ["culprit RCA", "culprit unknown", "sex F", "sex unknown", "all"]


def test_sites_may_be_named_by_numbers_and_words():
    assert list(omi_subgroups([0, 1, 1], site=pd.Series([10, "north", 9]))) == [
        "site 9",
        "site 10",
        "site north",
        "all",
    ]


@pytest.mark.parametrize("values", [list("FMFMFM"), [np.nan, 1, 1, 1, 1, 1]], ids=["text", "NaN"])
def test_columns_of_values_are_not_taken_for_masks(values):
    with pytest.raises(
        ValueError, match=r"subgroups must hold True and False, but 'sex' holds ('F'|nan)"
    ):
        subgroup_table(Y, SCORE, pd.DataFrame({"sex": values}), **SETTINGS)


def test_a_threshold_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="threshold must be a number, got nan"):
        subgroup_table(Y, SCORE, ALL, threshold=np.nan)


def test_values_for_other_rows_are_refused():
    with pytest.raises(ValueError, match="age has 2 values for 3 rows"):
        omi_subgroups([0, 1, 1], age=[50, 60])
    with pytest.raises(ValueError, match="subgroups has 6 values for 3 rows"):
        subgroup_table([0, 1, 1], [0.1, 0.2, 0.3], ALL, threshold=0.5)
