"""Tests of the rotation of folds."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    PredefinedSplit,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from skecg import ALVDClassifier, FeatureForestClassifier
from skecg._validation import validation_fold
from skecg.datasets import make_omi
from skecg.metrics import auc_ap_scorer, f1_threshold
from skecg.model_selection import cross_validate_rotation, rotate_folds
from skecg.preprocessing import BeatCropper, LeadStandardScaler

# -- rotate_folds: random patterns of labels and patients -----------------------------------

SHARES = [(0.5, 0.5), (0.912, 0.088), (0.2, 0.8), (0.75, 0.15, 0.1)]


def draw_pattern(seed):
    """Draw labels and patients: few or many, with one row or up to twelve, mixed or not."""
    rng = np.random.default_rng(seed)
    shares = SHARES[seed % len(SHARES)]
    n_splits = int(rng.choice([3, 4, 5, 10]))
    n_patients = n_splits + int(rng.choice([0, 5, 20, 50, 300]))
    n_rows = np.minimum(rng.geometric(rng.choice([0.2, 0.5, 1.0]), n_patients), 12)
    groups = np.repeat(np.arange(n_patients), n_rows)
    of_patient = rng.choice(len(shares), n_patients, p=shares)
    of_patient[:2] = 0, 1
    mixed = rng.random(n_patients) < rng.choice([0, 0.1, 0.8])
    mixed[:2] = False
    y = np.where(mixed[groups], rng.choice(len(shares), len(groups), p=shares), of_patient[groups])
    shuffled = rng.permutation(len(y))
    return y[shuffled], groups[shuffled], n_splits


def can_fill(y, groups, n_splits):
    """Say whether every fold can have two classes.

    A fold needs a patient who has two, or two patients of one class each that differ; of S
    patients with one class, L with the most frequent, min(S / 2, S - L) such pairs can be made.
    """
    classes = [frozenset(y[groups == patient]) for patient in np.unique(groups)]
    single = Counter(each for each in classes if len(each) == 1)
    n_mixed, n_single = len(classes) - single.total(), single.total()
    n_pairs = min(n_single // 2, n_single - max(single.values(), default=0))
    return n_mixed + n_pairs >= n_splits


PATTERNS = [draw_pattern(seed) for seed in range(340)]
POSSIBLE = [seed for seed, pattern in enumerate(PATTERNS) if can_fill(*pattern)]
IMPOSSIBLE = [seed for seed in range(340) if seed not in POSSIBLE]


def deal(seed):
    y, groups, n_splits = PATTERNS[seed]
    fold = rotate_folds(y, groups, n_splits=n_splits, random_state=seed)
    return y, groups, n_splits, fold


def test_more_than_200_of_the_patterns_can_be_dealt_and_some_cannot():
    assert len(POSSIBLE) >= 200
    assert len(IMPOSSIBLE) >= 30


@pytest.mark.parametrize("n_only_0", range(4))
@pytest.mark.parametrize("n_only_1", range(4))
@pytest.mark.parametrize("n_both", range(4))
def test_two_classes_fill_as_many_folds_as_mixed_patients_and_pairs(n_both, n_only_0, n_only_1):
    y = np.array([0] * n_only_0 + [1] * n_only_1 + [0, 1] * n_both)
    single = n_only_0 + n_only_1
    groups = np.append(np.arange(single), single + np.repeat(np.arange(n_both), 2))
    possible = n_both + min(n_only_0, n_only_1) >= 3
    assert can_fill(y, groups, 3) == possible
    if possible:
        fold = rotate_folds(y, groups, n_splits=3, random_state=0)
        assert [set(y[fold == k]) for k in range(3)] == [{0, 1}] * 3
    else:
        with pytest.raises(ValueError, match=r"one class only|cannot fill 3 folds"):
            rotate_folds(y, groups, n_splits=3, random_state=0)


@pytest.mark.parametrize("seed", POSSIBLE)
def test_no_patient_is_in_two_folds(seed):
    _, groups, _, fold = deal(seed)
    assert len(set(zip(groups, fold, strict=True))) == len(set(groups))


@pytest.mark.parametrize("seed", POSSIBLE)
def test_every_fold_tests_once_and_validates_once(seed):
    _, _, n_splits, fold = deal(seed)
    tested, validated = [], []
    for rest, test in PredefinedSplit(fold).split():
        tested += set(fold[test].tolist())
        validated.append(validation_fold(fold[rest]))
    assert sorted(tested) == sorted(validated) == list(range(n_splits))


@pytest.mark.parametrize("seed", POSSIBLE)
def test_every_fold_has_two_classes_where_it_can(seed):
    y, _, n_splits, fold = deal(seed)
    assert fold.dtype == np.int64
    assert min(len(set(y[fold == k])) for k in range(n_splits)) >= 2


@pytest.mark.parametrize("seed", IMPOSSIBLE)
def test_where_a_fold_must_have_one_class_the_error_names_it(seed):
    with pytest.raises(ValueError, match=r"Fold \d of \d+ would hold one class only.*Lower n_spl"):
        deal(seed)


def positives_by_patient(y, groups):
    rarest = Counter(y.tolist()).most_common()[-1][0]
    return y == rarest, np.array(list(Counter(groups[y == rarest]).values()))


# Single rows enough to fill up what the largest patients leave uneven.
EVEN = [
    seed
    for seed in POSSIBLE
    for _, counts in [positives_by_patient(*PATTERNS[seed][:2])]
    if np.count_nonzero(counts == 1) >= (PATTERNS[seed][2] - 1) * counts.max()
]


@pytest.mark.parametrize("seed", EVEN)
def test_positives_are_within_one_of_even_where_enough_patients_have_one(seed):
    y, groups, n_splits, fold = deal(seed)
    positive, _ = positives_by_patient(y, groups)
    assert np.ptp(np.bincount(fold[positive], minlength=n_splits)) <= 1


@pytest.mark.parametrize("seed", range(10))
def test_positives_are_even_where_the_emptiest_fold_first_leaves_them_uneven(seed):
    # Largest patients first, each to the emptiest of three folds: 11, 8 and 8.
    counts = [5, 5, 4, 4, 3, 3, 3]
    groups = np.append(np.repeat(np.arange(7), counts), np.arange(7, 60))
    y = groups < 7
    fold = rotate_folds(y, groups, n_splits=3, random_state=seed)
    assert np.bincount(fold[y]).tolist() == [9, 9, 9]


MANY = [seed for seed in POSSIBLE if len(set(PATTERNS[seed][1])) >= 5 * PATTERNS[seed][2]]


@pytest.mark.parametrize("seed", MANY)
def test_fold_sizes_differ_by_no_more_than_the_largest_patient(seed):
    _, groups, n_splits, fold = deal(seed)
    assert np.ptp(np.bincount(fold, minlength=n_splits)) <= np.bincount(groups).max()


@pytest.mark.parametrize("seed", range(5))
def test_ten_folds_of_the_papers_cohort_keep_its_prevalence(seed):
    # 10,893 ECGs of 7,297 patients, 956 OMI; 478 of the patients.
    rng = np.random.default_rng(seed)
    omi = np.append(np.arange(478), rng.integers(478, size=956 - 478))
    other = np.append(np.arange(478, 7297), rng.integers(478, 7297, size=10_893 - 956 - 6_819))
    y = np.repeat([1, 0], [len(omi), len(other)])
    fold = rotate_folds(y, np.append(omi, other), random_state=seed)
    assert set(np.bincount(fold[y == 1])) == {95, 96}
    assert set(np.bincount(fold[y == 0])) == {993, 994}


def test_rows_are_their_own_patients_without_groups():
    y = np.arange(100) < 20
    fold = rotate_folds(y, random_state=0)
    assert set(np.bincount(fold)) == {10}
    assert set(np.bincount(fold[y])) == {2}


@pytest.mark.parametrize(
    "name", [str, lambda i: -i, lambda i: 10**9 * i], ids=["str", "-", "large"]
)
def test_names_of_patients_and_classes_do_not_matter(name):
    y, groups, n_splits = PATTERNS[POSSIBLE[0]]
    order = np.unique([name(int(g)) for g in range(groups.max() + 1)], return_inverse=True)[1]
    named = np.array([name(int(g)) for g in groups])
    renamed = rotate_folds(np.array(["a", "b", "c"])[y], named, n_splits=n_splits, random_state=0)
    np.testing.assert_array_equal(
        renamed, rotate_folds(y, order[groups], n_splits=n_splits, random_state=0)
    )


@pytest.mark.parametrize("seed", POSSIBLE[:10])
def test_same_seed_gives_the_same_folds(seed):
    np.testing.assert_array_equal(deal(seed)[-1], deal(seed)[-1])


@pytest.mark.parametrize("random_state", [None, 1, np.random.RandomState(2)])
def test_another_seed_gives_other_folds(random_state):
    y = np.arange(200) % 3
    fold = rotate_folds(y, random_state=random_state)
    assert (fold != rotate_folds(y, random_state=0)).any()


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        ([0, 1] * 3, {"groups": [0, 0, 1, 1, 2, 2], "n_splits": 4}, "3 patients cannot fill 4"),
        ([0, 1] * 3, {}, "6 patients cannot fill 10 folds; lower n_splits to 6 at most"),
        ([1] * 20, {}, r"y holds one class only: \[1\]"),
        ([0, 1] * 5, {"n_splits": 2}, "n_splits must be an integer of at least 3 .* got 2"),
        ([0, 1] * 5, {"n_splits": 3.5}, "n_splits must be an integer of at least 3 .* got 3.5"),
        ([0, 1] * 5, {"groups": [None, *"abcdefghi"]}, "groups has no id in 1 rows, .* row 0"),
        ([0, 1] * 5, {"groups": range(9)}, "groups has 9 ids for 10 rows; give one a row"),
        ([0] * 18 + [1] * 2, {"n_splits": 3}, r"Fold \d of 3 .*each class: {0: 18, 1: 2}"),
    ],
)  # fmt: skip
def test_what_cannot_be_dealt_is_refused_in_words(y, params, message):
    with pytest.raises(ValueError, match=message):
        rotate_folds(y, **params)


# -- cross_validate_rotation ----------------------------------------------------------------


def some_samples(X):
    """Take eight samples a lead of the ST segment and T wave."""
    return X[:, :, 330:410:10].reshape(len(X), -1)


NET = ALVDClassifier(max_epochs=2, lr=1e-3, random_state=0)
FOREST = FeatureForestClassifier(n_estimators=20, random_state=0)
PIPELINE = make_pipeline(BeatCropper(), LeadStandardScaler(), NET)
LINEAR = make_pipeline(FunctionTransformer(some_samples), LogisticRegression(max_iter=1000))
MODELS = {"net": NET, "pipeline": PIPELINE, "forest": FOREST, "linear": LINEAR}
FOLD_AS = {"net": "fold", "pipeline": "alvdclassifier__fold", "forest": "fold"}


@pytest.fixture(scope="module")
def data():
    """ECGs, labels, patients, and three folds of them."""
    X, y, groups = make_omi(80, prevalence=0.3, random_state=1)
    return X, y, groups, rotate_folds(y, groups, n_splits=3, random_state=0)


@pytest.fixture(scope="module")
def result(data):
    X, y, groups, fold = data
    return cross_validate_rotation(MODELS, X, y, groups=groups, fold=fold, return_proba=True)


def test_table_has_the_documented_columns(result):
    table, _ = result
    assert table.columns.tolist() == [
        "model", "fold", "n_train", "n_val", "n_test", "val_auc", "val_ap", "val_score",
        "test_auc", "test_ap", "test_score", "threshold", "best_epoch", "seconds",
    ]  # fmt: skip


def test_table_has_a_row_a_model_and_fold(result):
    table, _ = result
    expected = [(name, k) for name in MODELS for k in range(3)]
    assert list(zip(table["model"], table["fold"], strict=True)) == expected


def test_each_fold_tests_while_the_next_validates(data, result):
    size = np.bincount(data[-1])
    for _, row in result[0].iterrows():
        k = row["fold"]
        expected = [size[(k + 2) % 3], size[(k + 1) % 3], size[k]]
        assert row[["n_train", "n_val", "n_test"]].tolist() == expected


def test_score_is_two_thirds_auc_and_one_third_ap(result):
    table, _ = result
    for part in ("val", "test"):
        expected = (2 * table[f"{part}_auc"] + table[f"{part}_ap"]) / 3
        np.testing.assert_allclose(table[f"{part}_score"], expected)


def test_threshold_is_that_of_the_validation_fold(data, result):
    X, y, _, fold = data
    by_hand = clone(LINEAR).fit(X[fold == 2], y[fold == 2]).predict_proba(X[fold == 1])
    row = result[0].query("model == 'linear' and fold == 0").iloc[0]
    assert row["threshold"] == f1_threshold(y[fold == 1], by_hand)


def test_best_epoch_is_missing_where_a_model_has_none(result):
    best = result[0].set_index("model")["best_epoch"]
    assert best.loc[["net", "pipeline"]].isin([1, 2]).all()
    assert best.loc[["forest", "linear"]].isna().all()


@pytest.mark.parametrize("name", FOLD_AS)
def test_test_scores_are_those_of_plain_cross_validate(data, result, name):
    X, y, groups, fold = data
    plain = cross_validate(
        MODELS[name],
        X,
        y,
        cv=PredefinedSplit(fold),
        params={FOLD_AS[name]: fold, FOLD_AS[name].replace("fold", "groups"): groups},
        scoring={"score": auc_ap_scorer, "auc": "roc_auc", "ap": "average_precision"},
        error_score="raise",
    )
    table = result[0].query("model == @name")
    for score in ("score", "auc", "ap"):
        np.testing.assert_allclose(table[f"test_{score}"], plain[f"test_{score}"], rtol=1e-12)


@pytest.mark.parametrize("name", FOLD_AS)
def test_out_of_fold_probabilities_are_those_of_cross_val_predict(data, result, name):
    X, y, groups, fold = data
    plain = cross_val_predict(
        MODELS[name],
        X,
        y,
        cv=PredefinedSplit(fold),
        params={FOLD_AS[name]: fold, FOLD_AS[name].replace("fold", "groups"): groups},
        method="predict_proba",
    )
    np.testing.assert_array_equal(result[1][name], plain)


@pytest.mark.parametrize("test", [0, 1, 2])
def test_estimators_without_fold_are_fitted_without_the_validation_rows(data, result, test):
    X, y, _, fold = data
    train = fold == (test + 2) % 3
    by_hand = clone(LINEAR).fit(X[train], y[train]).predict_proba(X[fold == test])
    np.testing.assert_array_equal(result[1]["linear"][fold == test], by_hand)


def test_validation_scores_of_a_net_are_those_of_its_best_epoch(data, result):
    X, y, _, fold = data
    row = result[0].query("model == 'net' and fold == 1").iloc[0]
    net = clone(NET).fit(X[fold != 1], y[fold != 1], fold=fold[fold != 1])
    epoch = net.epochs_.set_index("epoch").loc[row["best_epoch"]]
    for score in ("auc", "ap", "score"):
        assert row[f"val_{score}"] == pytest.approx(epoch[f"valid_{score}"])


def test_estimators_that_were_given_stay_unfitted(result):
    with pytest.raises(NotFittedError):
        check_is_fitted(LINEAR[-1])


@pytest.mark.parametrize("first", [1, 5])
def test_numbering_of_folds_does_not_matter(data, result, first):
    X, y, groups, fold = data
    table = cross_validate_rotation({"forest": FOREST}, X, y, groups=groups, fold=first + fold)
    expected = result[0].query("model == 'forest'")
    assert table["fold"].tolist() == [first, first + 1, first + 2]
    assert table["test_score"].tolist() == expected["test_score"].tolist()


def test_two_workers_give_the_same_table_as_one(data, result):
    X, y, groups, fold = data
    with parallel_config(backend="loky", inner_max_num_threads=1):
        table, proba = cross_validate_rotation(
            MODELS, X, y, groups=groups, fold=fold, n_jobs=2, return_proba=True
        )
    pd.testing.assert_frame_equal(
        table.drop(columns="seconds"), result[0].drop(columns="seconds"), check_exact=True
    )
    for name in MODELS:
        np.testing.assert_array_equal(proba[name], result[1][name])


def test_folds_are_dealt_by_rotate_folds_unless_given(data):
    X, y, groups, fold = data
    dealt = cross_validate_rotation(
        {"linear": LINEAR}, X, y, groups=groups, n_splits=3, random_state=0
    )
    given = cross_validate_rotation({"linear": LINEAR}, X, y, groups=groups, fold=fold)
    pd.testing.assert_frame_equal(dealt.drop(columns="seconds"), given.drop(columns="seconds"))


def test_alpha_weighs_auc_against_ap_in_the_scores(data):
    X, y, _, fold = data
    table = cross_validate_rotation({"linear": LINEAR}, X, y, fold=fold, alpha=0.25)
    np.testing.assert_allclose(
        table["test_score"], 0.25 * table["test_auc"] + 0.75 * table["test_ap"]
    )


def test_pos_label_names_the_positive(data, result):
    X, y, _, fold = data
    named = np.where(y == 1, "OMI", "no OMI")
    table = cross_validate_rotation({"linear": LINEAR}, X, named, fold=fold, pos_label="OMI")
    expected = result[0].query("model == 'linear'")
    np.testing.assert_allclose(table["test_ap"], expected["test_ap"])
    np.testing.assert_allclose(table["val_score"], expected["val_score"])


def test_fitted_estimators_are_those_that_were_scored(data):
    X, y, groups, fold = data
    table, proba, fitted = cross_validate_rotation(
        {"linear": LINEAR}, X, y, groups=groups, fold=fold, return_proba=True, return_estimator=True
    )
    for k, estimator in zip(table["fold"], fitted["linear"], strict=True):
        test = fold == k
        np.testing.assert_array_equal(estimator.predict_proba(X[test]), proba["linear"][test])
    table_alone, fitted = cross_validate_rotation(
        {"linear": LINEAR}, X, y, groups=groups, fold=fold, return_estimator=True
    )
    assert table_alone["test_auc"].equals(table["test_auc"])
    assert len(fitted["linear"]) == 3


def test_three_classes_have_one_vs_rest_scores(data):
    X, y, groups, _ = data
    y3 = np.where(y == 1, 2, groups % 2)
    fold = rotate_folds(y3, groups, n_splits=3, random_state=0)
    table, proba = cross_validate_rotation(
        {"chance": DummyClassifier()}, X, y3, fold=fold, return_proba=True
    )
    assert proba["chance"].shape == (len(y3), 3)
    prevalence = [np.bincount(y3[fold == k], minlength=3) / np.sum(fold == k) for k in range(3)]
    assert table["test_auc"].tolist() == [0.5] * 3
    np.testing.assert_allclose(table["test_ap"], np.mean(prevalence, axis=1))


@pytest.mark.parametrize(("verbose", "shown"), [(0, False), (1, True)])
def test_progress_is_shown_when_asked_for(data, capsys, verbose, shown):
    X, y, _, fold = data
    cross_validate_rotation({"chance": DummyClassifier()}, X, y, fold=fold, verbose=verbose)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("3/3" in err and "chance, fold 2: test AUC 0.500" in err) == shown
    assert bool(err) == shown


# -- with metadata routing ------------------------------------------------------------------


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def requesting(name):
    """Return a copy of a model whose classifier requests fold and groups."""
    model = clone(MODELS[name])
    (model[-1] if name == "pipeline" else model).set_fit_request(fold=True, groups=True)
    return model


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("name", FOLD_AS)
def test_metadata_routing_gives_the_same_scores(data, result, name):
    X, y, groups, fold = data
    expected = result[0].query("model == @name")["test_score"].tolist()
    model = requesting(name)
    table = cross_validate_rotation({"m": model}, X, y, groups=groups, fold=fold)
    assert table["test_score"].tolist() == expected
    params = {"fold": fold, "groups": groups}
    plain = cross_validate(
        model, X, y, cv=PredefinedSplit(fold), params=params, scoring=auc_ap_scorer
    )
    assert plain["test_score"].tolist() == pytest.approx(expected)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_metadata_routing_reaches_a_wrapped_classifier_in_every_worker(data, result, n_jobs):
    X, y, _, fold = data
    model = FixedThresholdClassifier(requesting("net"))
    table = cross_validate_rotation({"wrapped": model}, X, y, fold=fold, n_jobs=n_jobs)
    expected = result[0].query("model == 'net'")
    assert table["test_score"].tolist() == expected["test_score"].tolist()


@pytest.mark.usefixtures("routing")
def test_a_pipeline_that_takes_fold_without_requesting_it_is_refused(data):
    X, y, _, fold = data
    with pytest.raises(UnsetMetadataPassedError, match="fold"):
        cross_validate_rotation({"pipeline": PIPELINE}, X, y, fold=fold)


# -- errors ---------------------------------------------------------------------------------

Y = np.tile([0, 1], 15)
FOLD = np.repeat([0, 1, 2], 10)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fold": FOLD, "groups": np.arange(30) % 10},
         r"10 patients have ECGs in more than one fold \(groups \[0, 1, 2, 3, 4\]\.\.\.\)"),
        ({"fold": FOLD, "groups": [*map(str, range(29)), "0"]},
         r"1 patients have ECGs in more than one fold \(groups \['0'\]\)"),
        ({"fold": FOLD + np.where((Y == 1) & (FOLD == 1), 1, 0)},
         r"Fold 1 holds rows of class \[0\] only, of \[0, 1\]"),
        ({"fold": FOLD % 2}, r"fold holds the ids \[0, 1\]; at least three are needed"),
        ({"fold": 2 * FOLD}, r"the ids \[0, 2, 4\]; they must follow on one another without a gap"),
        ({"fold": FOLD - 1}, r"the ids \[-1, 0, 1\]; they must .* not be negative"),
        ({"fold": FOLD[:-1]}, "fold has 29 ids for 30 rows of X"),
        ({"fold": FOLD / 2}, "fold must hold integer ids"),
        ({"n_splits": 3, "groups": np.arange(30) // 15}, "2 patients cannot fill 3 folds"),
    ],
)  # fmt: skip
def test_folds_that_do_not_fit_are_refused_in_words(params, message):
    with pytest.raises(ValueError, match=message):
        cross_validate_rotation({"chance": DummyClassifier()}, np.zeros((30, 4)), Y, **params)


@pytest.mark.parametrize("models", [DummyClassifier(), {}], ids=["a model", "none"])
def test_models_without_names_are_refused(models):
    with pytest.raises(ValueError, match="estimators must be a dict of one model or more by name"):
        cross_validate_rotation(models, np.zeros((30, 4)), Y, fold=FOLD)


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cross_validate_rotation({"chance": DummyClassifier()}, np.zeros((31, 4)), Y, fold=FOLD)


class RememberingDummy(DummyClassifier):
    """Keeps the patients that reached its fit."""

    def fit(self, X, y, groups=None):
        self.groups_ = groups
        return super().fit(X, y)

    def predict_proba(self, X):
        if self.groups_ is None:
            raise NotFittedError("no groups reached fit")
        return super().predict_proba(X)


@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline], ids=["bare", "pipeline"])
def test_patients_reach_a_fit_that_takes_groups(data, wrap):
    X, y, groups, fold = data
    models = {"dummy": wrap(RememberingDummy())}
    table = cross_validate_rotation(models, X, y, groups=groups, fold=fold)
    assert (table["test_auc"] == 0.5).all()


def test_missing_labels_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        rotate_folds([0.0, 1.0, np.nan] * 4, n_splits=3)


def named(y):
    return np.where(y == 1, "OMI", "no OMI")


def test_pos_label_of_the_estimators_is_the_positive(data):
    X, y, groups, fold = data
    net = clone(NET).set_params(pos_label="OMI")
    table, proba = cross_validate_rotation(
        {"net": net}, X, named(y), groups=groups, fold=fold, return_proba=True
    )
    omi = proba["net"][:, 0]  # "OMI" comes before "no OMI"
    expected = [average_precision_score(y[fold == k], omi[fold == k]) for k in range(3)]
    np.testing.assert_allclose(table["test_ap"], expected)


def test_estimators_that_name_other_positives_are_refused(data):
    X, y, groups, fold = data
    models = {label: clone(NET).set_params(pos_label=label) for label in ("OMI", "no OMI")}
    with pytest.raises(ValueError, match="do not agree on pos_label"):
        cross_validate_rotation(models, X, named(y), groups=groups, fold=fold)
