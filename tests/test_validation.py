"""Tests of the checks that the estimators share, and of the choice of validation rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from skecg._validation import check_folds, split_validation, validate_ecgs, validation_fold


class Reader(BaseEstimator):
    """An estimator that only checks its input."""

    def read(self, X, *args, reset=True, **params):
        return validate_ecgs(self, X, *args, reset=reset, **params)


# -- which fold validates -------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1, 7])
@pytest.mark.parametrize("n_folds", [3, 4, 5, 10])
@pytest.mark.parametrize("place", range(10))
def test_validation_fold_is_the_one_after_the_test_fold(n_folds, first, place):
    test = place % n_folds
    ids = np.arange(n_folds)
    left = np.repeat(first + ids[ids != test], 3)
    assert validation_fold(left) == first + (test + 1) % n_folds


@pytest.mark.parametrize("first", [0, 1])
def test_rotation_is_8_1_1_and_each_fold_validates_and_tests_once(first):
    fold = first + np.arange(100) % 10
    codes = np.arange(100) // 10 % 2
    tested, validated = [], []
    for test in np.unique(fold):
        rest = np.flatnonzero(fold != test)
        train, valid = split_validation(codes[rest], fold=fold[rest], rng=None)
        assert (len(train), len(valid)) == (80, 10)
        tested.append(int(test))
        validated += np.unique(fold[rest][valid]).tolist()
    assert sorted(tested) == sorted(validated) == list(range(first, first + 10))


def test_without_a_gap_the_smallest_id_validates():
    assert validation_fold([3, 1, 2, 3, 1]) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_order_of_rows_does_not_matter(order):
    assert validation_fold([0, 5, 3, 1, 4][::order]) == 3


# -- which rows validate --------------------------------------------------------------------


def test_rows_of_the_validation_fold_validate():
    fold = np.array([0, 3, 1, 3, 0, 1])
    train, valid = split_validation(np.array([0, 1, 0, 0, 1, 1]), fold=fold, rng=None)
    assert (train.tolist(), valid.tolist()) == ([0, 2, 4, 5], [1, 3])


@pytest.mark.parametrize("ids", [[1.0, 2.0, 4.0], [True, False, True], ["a", "b", "c"]])
@pytest.mark.parametrize("kind", [list, pd.Series])
def test_groups_of_any_type_are_taken_beside_fold(kind, ids):
    train, valid = split_validation(
        np.array([0, 1, 1, 0]), groups=kind([*ids, ids[0]]), fold=kind([0, 1, 0, 0]), rng=None
    )
    assert (train.tolist(), valid.tolist()) == ([1], [0, 2, 3])


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_a_share_of_the_rows_keeps_the_prevalence(fraction, seed):
    codes = (np.arange(1000) < 88).astype(int)
    train, valid = split_validation(codes, fraction=fraction, rng=np.random.RandomState(seed))
    np.testing.assert_array_equal(np.sort(np.append(train, valid)), np.arange(1000))
    assert codes[valid].sum() == round(fraction * 88)
    assert len(valid) == round(fraction * 88) + round(fraction * 912)


@pytest.mark.parametrize("n_positive", [2, 3, 5])
def test_a_share_of_few_positives_leaves_some_on_both_sides(n_positive):
    codes = (np.arange(50) < n_positive).astype(int)
    train, valid = split_validation(codes, fraction=0.1, rng=np.random.RandomState(0))
    assert codes[valid].sum() == 1
    assert codes[train].sum() == n_positive - 1


@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_a_class_of_one_row_trains(fraction):
    codes = (np.arange(50) == 7).astype(int)
    train, _ = split_validation(codes, fraction=fraction, rng=np.random.RandomState(0))
    assert 7 in train


@pytest.mark.parametrize("fraction", [0.1, 0.25])
@pytest.mark.parametrize("seed", range(5))
def test_a_share_of_the_patients_splits_none_and_keeps_the_prevalence(fraction, seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(400), rng.integers(1, 5, 400))
    codes = (groups % 11 == 0).astype(int)
    train, valid = split_validation(
        codes, groups=groups, fraction=fraction, rng=np.random.RandomState(seed)
    )
    assert not set(groups[train]) & set(groups[valid])
    np.testing.assert_array_equal(np.sort(np.append(train, valid)), np.arange(len(codes)))
    assert len(valid) / len(codes) == pytest.approx(fraction, abs=0.03)
    assert codes[valid].mean() == pytest.approx(codes.mean(), abs=0.03)


@pytest.mark.parametrize("n_positive", [2, 3, 4])
def test_few_positive_patients_are_on_both_sides(n_positive):
    groups = np.repeat(np.arange(30), 2)
    codes = (groups < n_positive).astype(int)
    train, valid = split_validation(codes, groups=groups, rng=np.random.RandomState(0))
    assert set(codes[train]) == set(codes[valid]) == {0, 1}


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(100), 2)], ids=["rows", "patients"])
def test_the_seed_decides_the_share(groups):
    codes = np.arange(200) // 2 % 5 == 0
    one, same, other = (
        split_validation(codes, groups=groups, rng=np.random.RandomState(seed))[1].tolist()
        for seed in (0, 0, 1)
    )
    assert one == same != other


# -- folds and patients that do not fit -----------------------------------------------------

CODES = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fold": [0, 1, 2]}, "fold has 3 ids for 4 rows of X; give one a row"),
        ({"groups": [0, 1, 2]}, "groups has 3 ids for 4 rows; give one a row"),
        ({"groups": range(5), "fold": [0, 1, 2, 3]}, "groups has 5 ids for 4 rows"),
        ({"fold": [0, 1, 1.5, 2]}, r"fold must hold integer ids, got float64 .*0\.0, 1\.0, 1\.5"),
        ({"fold": [0, 1, np.nan, 2]}, "fold must hold integer ids, got float64 .*nan"),
        ({"fold": ["a", "b", "c", "a"]}, "fold must hold integer ids, got <U1 .*a, b, c"),
        ({"fold": [0, None, 1, 2]}, "fold must hold integer ids, got object .*None"),
        ({"fold": [4, 4, 4, 4]}, r"fold holds one id only \(4\); at least two are needed"),
        ({"groups": [7, 8, 7, 9], "fold": [0, 0, 1, 1]}, r"^1 patients are .*\(groups \[7\]\)"),
        ({"groups": [0, 1, 2, 1]}, "comes from a single patient.*Give fold="),
        ({"fraction": 0}, "validation_fraction must lie between 0 and 1, got 0"),
        ({"fraction": 1.0}, r"validation_fraction must lie between 0 and 1, got 1\.0"),
    ],
)
def test_what_cannot_be_split_is_refused_in_words(params, message):
    with pytest.raises(ValueError, match=message):
        split_validation(CODES, **params, rng=np.random.RandomState(0))


def test_patients_who_cannot_be_split_without_losing_a_class_are_refused():
    groups = np.array([0, 0, 1, 1, 2, 2])
    with pytest.raises(ValueError, match=r"No split by patient was found .*Give fold="):
        split_validation(np.array([0, 1, 1, 2, 2, 0]), groups=groups, rng=np.random.RandomState(0))


@pytest.mark.parametrize("fold", [[0, 1, 2], [0.0, 1.0, 2.0], pd.Series([0, 1, 2]), [-1, 5, 9]])
def test_whole_numbers_of_any_type_are_fold_ids(fold):
    checked = check_folds(fold, 3)
    assert checked.dtype == np.int64
    assert checked.tolist() == list(fold)


# -- ECGs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "n_leads", "n_times", "n_features_in"),
    [((4, 12, 400), 12, 400, 12), ((4, 1, 400), 1, 400, 1), ((4, 400), 1, 400, 400)],
)
def test_leads_and_samples_are_remembered(shape, n_leads, n_times, n_features_in):
    reader = Reader()
    reader.read(np.zeros(shape))
    assert (reader.n_leads_, reader.n_times_) == (n_leads, n_times)
    assert reader.n_features_in_ == n_features_in


@pytest.mark.parametrize("kind", [np.float64, np.int16, np.float16])
def test_ecgs_become_single_precision(kind):
    X = np.arange(24).reshape(2, 3, 4).astype(kind)
    read = Reader().read(X)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, X)


def test_single_precision_ecgs_are_not_copied():
    X = np.zeros((2, 12, 40), dtype=np.float32)
    assert np.shares_memory(Reader().read(X), X)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 8, 400), "X has 8 leads, but Reader is expecting 12 leads as input"),
        ((2, 400), "X has 1 leads, but Reader is expecting 12 leads as input"),
        ((2, 12, 399), r"X has 399 samples a lead \(n_times\), but Reader is expecting 400"),
        ((2, 12, 400, 1), r"shape \(2, 12, 400, 1\); give \(n_samples, n_leads, n_times\)"),
        ((400,), r"(?s)Expected 2D array, got 1D array"),
        ((0, 12, 400), "0 sample"),
        ((2, 0, 400), "0 feature"),
        ((2, 12, 0), "0 feature"),
    ],
)
def test_ecgs_of_another_shape_than_in_fit_are_refused(shape, message):
    reader = Reader()
    reader.read(np.zeros((3, 12, 400)))
    with pytest.raises(ValueError, match=message):
        reader.read(np.zeros(shape), reset=False)


def test_one_lead_may_come_in_two_or_three_dimensions():
    reader = Reader()
    reader.read(np.zeros((3, 1, 400)))
    assert reader.read(np.zeros((2, 400)), reset=False).shape == (2, 400)


def test_one_lead_of_another_length_is_refused_in_scikit_learns_words():
    reader = Reader()
    reader.read(np.zeros((3, 400)))
    with pytest.raises(ValueError, match="X has 399 features, but Reader is expecting 400"):
        reader.read(np.zeros((2, 399)), reset=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(30, 12, 40), (30, 40)])
def test_rows_with_nan_or_infinity_are_named(shape, bad):
    X = np.zeros(shape)
    X[3, ..., 0] = X[17, ..., -1] = bad
    with pytest.raises(ValueError, match=r"NaN or infinity in 2 of 30 rows \(3, 17\)\. Drop"):
        Reader().read(X)


def test_rows_with_infinities_of_both_signs_are_named():
    X = np.zeros((3, 2, 4))
    X[1, 0, 0], X[1, 1, 1] = np.inf, -np.inf
    with pytest.raises(ValueError, match=r"in 1 of 3 rows \(1\)"):
        Reader().read(X)


def test_only_the_first_ten_of_many_bad_rows_are_named():
    with pytest.raises(ValueError, match=r"in 30 of 30 rows \(0, 1, .*, 9, \.\.\.\)"):
        Reader().read(np.full((30, 2, 4), np.nan))


def test_large_finite_values_are_not_taken_for_infinity():
    X = np.full((2, 3, 4), np.finfo(np.float32).max)
    assert np.isfinite(Reader().read(X)).all()


def test_nan_rows_pass_where_they_are_allowed():
    X = np.full((2, 3, 4), np.nan)
    assert np.isnan(Reader().read(X, ensure_all_finite=False)).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1], r"inconsistent numbers of samples: \[3, 2\]"),
        ([0, 1, np.nan], "Input y contains NaN"),
        ([0.1, 0.2, 0.3], "Unknown label type: continuous"),
        ([[0, 1], [1, 0], [1, 1]], "y should be a 1d array"),
        (None, "requires y to be passed"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        Reader().read(np.zeros((3, 2, 4)), y)
