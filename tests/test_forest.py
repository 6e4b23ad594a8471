"""Tests of the random forest on features of the median beat."""

import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skecg import FeatureForestClassifier
from skecg.datasets import make_omi
from skecg.feature_extraction import BeatFeatures, add_patient
from skecg.leads import LEADS
from skecg.model_selection import rotate_folds

PRESETS = ["improved", "published"]


@pytest.fixture(scope="module")
def beats():
    return make_omi(120, prevalence=0.4, random_state=0)


@pytest.fixture
def shap():
    """Return the package shap, whose import warns of a matplotlib that is newer than it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap
    return shap


def forest(**params):
    return FeatureForestClassifier(**{"n_estimators": 20, "random_state": 0} | params)


# -- what it learns from --------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_rows_of_the_validation_fold_are_left_out(beats, preset):
    X, y, groups = beats
    fold = rotate_folds(y, groups, n_splits=5, random_state=0)
    train = fold != 0  # without a gap, the first fold validates
    given = forest(preset=preset).fit(X, y, groups=groups, fold=fold)
    by_hand = forest(preset=preset).fit(X[train], y[train], groups=groups[train])
    everything = forest(preset=preset).fit(X, y, groups=groups)
    np.testing.assert_array_equal(given.predict_proba(X), by_hand.predict_proba(X))
    assert (given.predict_proba(X) != everything.predict_proba(X)).any()


def test_validation_data_of_ones_own_are_taken_and_not_used(beats):
    X, y, groups = beats
    with_them = forest().fit(X, y, X_val=X[:5] + 1, y_val=y[:5], groups_val=groups[:5])
    np.testing.assert_array_equal(with_them.predict_proba(X), forest().fit(X, y).predict_proba(X))


def test_features_are_those_of_beat_features(beats):
    X, y, _ = beats
    fitted = forest().fit(X, y)
    np.testing.assert_array_equal(
        fitted.feature_names_, BeatFeatures().fit(X).get_feature_names_out()
    )
    table = BeatFeatures().fit_transform(X)
    np.testing.assert_array_equal(fitted.predict_proba(X), fitted.model_.predict_proba(table))


@pytest.mark.parametrize("preset", PRESETS)
def test_each_feature_has_an_importance_and_they_sum_to_1(beats, preset):
    fitted = forest(preset=preset).fit(*beats[:2])
    assert fitted.feature_importances_.shape == fitted.feature_names_.shape
    assert fitted.feature_importances_.sum() == pytest.approx(1)
    assert fitted.feature_importances_.min() >= 0


def test_the_feature_that_tells_the_classes_apart_is_the_most_important():
    rng = np.random.default_rng(0)
    X = np.zeros((200, 12, 600), dtype=np.float32)
    X[:, :, 280:321] = 1 - np.abs(np.linspace(-1, 1, 41))
    X += rng.normal(scale=0.02, size=X.shape)
    y = np.arange(200) % 2
    X[y == 1, 7, 325:380] += 0.2  # V2: ST elevation
    fitted = forest(n_estimators=100).fit(X, y)
    ranked = fitted.feature_names_[np.argsort(fitted.feature_importances_)]
    of_one_lead = [name for name in ranked if name.split("_")[-1] in LEADS]
    assert all(name.endswith("_V2") for name in of_one_lead[-6:])


@pytest.mark.parametrize("preset", PRESETS)
def test_forest_tells_occlusions_from_others_in_held_out_patients(preset):
    X, y, groups = make_omi(400, prevalence=0.3, random_state=0)
    train = groups % 2 == 0
    fitted = FeatureForestClassifier(preset=preset, random_state=0)
    fitted.fit(X[train], y[train], groups=groups[train])
    assert roc_auc_score(y[~train], fitted.predict_proba(X[~train])[:, 1]) > 0.8


# -- the two settings -----------------------------------------------------------------------


def test_published_forest_has_its_published_parameters(beats):
    fitted = FeatureForestClassifier(preset="published", random_state=0).fit(*beats[:2])
    assert isinstance(fitted.model_, CalibratedClassifierCV)
    assert fitted.model_.method == "isotonic"
    imputer, trees = (step for _, step in fitted.model_.estimator.steps)
    assert imputer.strategy == "most_frequent"  # the training mode
    published = {
        "n_estimators": 20,
        "criterion": "entropy",
        "class_weight": "balanced_subsample",
        "max_features": "log2",
        "min_samples_split": 0.01,
        "min_samples_leaf": 0.005,
        "min_impurity_decrease": 0.01,
        "ccp_alpha": 0.01,
        "max_samples": 0.75,
    }
    assert {name: trees.get_params()[name] for name in published} == published


def test_improved_forest_has_500_trees_of_5_rows_a_leaf_and_imputes_the_median(beats):
    fitted = FeatureForestClassifier(random_state=0).fit(*beats[:2])
    assert (fitted.model_.method, fitted.model_.ensemble) == ("sigmoid", False)
    (calibrated,) = fitted.model_.calibrated_classifiers_
    imputer, trees = (step for _, step in calibrated.estimator.steps)
    assert imputer.strategy == "median"
    assert (len(trees.estimators_), trees.min_samples_leaf) == (500, 5)


@pytest.mark.parametrize("preset", PRESETS)
def test_trees_and_leaves_given_replace_those_of_the_preset(beats, preset):
    fitted = forest(preset=preset, n_estimators=7, min_samples_leaf=9).fit(*beats[:2])
    trees = fitted.model_.estimator[-1]
    assert (trees.n_estimators, trees.min_samples_leaf) == (7, 9)


@pytest.mark.parametrize("preset", PRESETS)
def test_forest_is_calibrated_in_five_folds_of_whole_patients(beats, preset):
    X, y, groups = beats
    splits = forest(preset=preset).fit(X, y, groups=groups).model_.cv
    assert len(splits) == 5
    assert [set(groups[a]) & set(groups[b]) for a, b in splits] == [set()] * 5
    np.testing.assert_array_equal(
        np.sort(np.concatenate([test for _, test in splits])), np.arange(len(y))
    )


@pytest.mark.parametrize("n_patients", [2, 3, 4])
def test_published_forest_is_calibrated_in_fewer_folds_where_a_class_has_fewer_patients(
    beats, n_patients
):
    X, y, groups = beats
    keep = (y == 0) | np.isin(groups, np.unique(groups[y == 1])[:n_patients])
    fitted = forest(preset="published").fit(X[keep], y[keep], groups=groups[keep])
    assert len(fitted.model_.calibrated_classifiers_) == n_patients


@pytest.mark.parametrize("preset", PRESETS)
def test_forest_cannot_be_calibrated_on_one_patient_of_a_class(beats, preset):
    X, y, groups = beats
    keep = (y == 0) | (groups == groups[y == 1][0])
    with pytest.raises(ValueError, match=r"at least two patients .* of each class"):
        forest(preset=preset).fit(X[keep], y[keep], groups=groups[keep])


def test_one_forest_votes_and_calibration_keeps_the_order_of_its_votes(beats):
    X, y, _ = beats
    fitted = forest().fit(X, y)
    (calibrated,) = fitted.model_.calibrated_classifiers_
    votes = calibrated.estimator.predict_proba(BeatFeatures().fit_transform(X))[:, 1]
    proba = fitted.predict_proba(X)[:, 1]
    assert (np.diff(proba[np.argsort(votes)]) >= 0).all()
    assert (proba != votes).any()


# -- tables of features ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(beats):
    return BeatFeatures().set_output(transform="pandas").fit_transform(beats[0])


@pytest.mark.parametrize("preset", PRESETS)
def test_a_table_of_the_features_gives_the_forest_of_the_beats(beats, table, preset):
    X, y, groups = beats
    of_beats = forest(preset=preset).fit(X, y, groups=groups)
    of_table = forest(preset=preset).fit(table, y, groups=groups)
    np.testing.assert_array_equal(of_table.predict_proba(table), of_beats.predict_proba(X))
    np.testing.assert_array_equal(of_table.feature_names_, of_beats.feature_names_)
    assert of_table.n_features_in_ == table.shape[1]


def test_age_and_sex_are_features_of_a_table(beats, table):
    y = beats[1]
    patients = add_patient(table, age=20 + 50 * y, sex=np.where(y == 1, "M", "F"))
    fitted = forest(n_estimators=100).fit(patients, y)
    ranked = fitted.feature_names_[np.argsort(fitted.feature_importances_)]
    assert set(ranked[-2:]) == {"age", "sex"}


def test_folds_leave_out_the_same_rows_of_a_table(beats, table):
    X, y, groups = beats
    fold = rotate_folds(y, groups, n_splits=5, random_state=0)
    of_beats = forest().fit(X, y, groups=groups, fold=fold)
    of_table = forest().fit(table, y, groups=groups, fold=fold)
    np.testing.assert_array_equal(of_table.predict_proba(table), of_beats.predict_proba(X))


def test_a_pipeline_from_beats_to_a_table_to_the_forest_works(beats):
    X, y, _ = beats
    model = make_pipeline(BeatFeatures().set_output(transform="pandas"), forest())
    np.testing.assert_array_equal(
        model.fit(X, y).predict_proba(X), forest().fit(X, y).predict_proba(X)
    )


def test_some_columns_of_a_table_are_enough(beats, table):
    few = table[["st80_V2", "st80_III", "tamp_aVL"]]
    fitted = forest().fit(few, beats[1])
    assert fitted.feature_names_.tolist() == list(few)
    assert fitted.predict_proba(few).shape == (len(few), 2)


def test_columns_missing_from_a_table_are_named(beats, table):
    fitted = forest().fit(table, beats[1])
    with pytest.raises(ValueError, match=r"st80_V2"):
        fitted.predict(table.drop(columns="st80_V2"))


def test_infinity_in_a_table_is_refused(beats, table):
    wrong = table.copy()
    wrong.iloc[3, 5] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        forest().fit(wrong, beats[1])


def test_words_in_a_table_are_refused(beats, table):
    with pytest.raises(ValueError, match="could not convert string to float: 'F'"):
        forest().fit(table.assign(sex="F"), beats[1])


def test_beats_after_a_fit_on_a_table_and_the_other_way_are_refused(beats, table):
    X, y, _ = beats
    with pytest.raises(ValueError, match=r"X is median beats, but .* was fitted on a table"):
        forest().fit(table, y).predict(X)
    with pytest.raises(ValueError, match=r"X is a table .*, but .* was fitted on median beats"):
        forest().fit(X, y).predict(table)


def test_a_fit_on_a_table_forgets_the_shape_of_the_beats(beats, table):
    X, y, _ = beats
    fitted = forest().fit(X, y).fit(table, y)
    assert not hasattr(fitted, "n_times_")
    assert not hasattr(fitted.fit(X, y), "feature_names_in_")


# -- risk -----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_risk_score_is_the_probability_in_percent(beats, preset):
    X, y, _ = beats
    fitted = forest(preset=preset).fit(X, y)
    np.testing.assert_allclose(fitted.risk_score(X), 100 * fitted.predict_proba(X)[:, 1])


@pytest.mark.parametrize(
    ("score", "group"),
    [(0, "low"), (4.99, "low"), (5, "intermediate"), (19.99, "intermediate"), (20, "high"),
     (100, "high")],
)  # fmt: skip
def test_risk_groups_have_the_published_limits(beats, monkeypatch, score, group):
    fitted = forest().fit(*beats[:2])
    monkeypatch.setattr(fitted, "risk_score", lambda X: np.array([score]))
    assert fitted.risk_group(beats[0][:1]).tolist() == [group]


def test_risk_is_that_of_the_positive_label(beats):
    X, y, _ = beats
    labels = np.where(y == 1, "OMI", "no OMI")  # 'OMI' sorts before 'no OMI'
    by_number = forest().fit(X, y).risk_score(X)
    fitted = forest(pos_label="OMI").fit(X, labels)
    np.testing.assert_allclose(fitted.risk_score(X), by_number, atol=25)
    assert np.corrcoef(fitted.risk_score(X), by_number)[0, 1] > 0.8


def test_positive_label_that_is_no_class_is_refused(beats):
    fitted = forest(pos_label="OMI").fit(*beats[:2])
    with pytest.raises(ValueError, match=r"pos_label='OMI' is not one of the classes \[0, 1\]"):
        fitted.risk_score(beats[0])


def test_risk_of_three_classes_is_refused(beats):
    X, _, groups = beats
    with pytest.raises(ValueError, match="y held 3 classes"):
        forest().fit(X, groups % 3).risk_score(X)


def test_calibrated_risk_is_near_the_observed_frequency_in_held_out_patients():
    X, y, groups = make_omi(500, prevalence=0.2, random_state=0)
    train = groups % 2 == 0
    fitted = forest(n_estimators=100).fit(X[train], y[train], groups=groups[train])
    risk = fitted.risk_score(X[~train])
    assert risk.mean() == pytest.approx(100 * y[~train].mean(), abs=6)
    low = risk < 20
    assert risk[low].mean() == pytest.approx(100 * y[~train][low].mean(), abs=6)


# -- SHAP -----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_shap_values_add_up_to_the_differences_between_votes(shap, beats, preset):
    X, y, _ = beats
    fitted = forest(preset=preset).fit(X, y)
    values = fitted.shap_values(X[:20])
    assert values.shape == (20, len(fitted.feature_names_))
    features = BeatFeatures().fit_transform(X[:20])
    forests = [calibrated.estimator for calibrated in fitted.model_.calibrated_classifiers_]
    votes = np.mean([each.predict_proba(features)[:, 1] for each in forests], axis=0)
    np.testing.assert_allclose(values.sum(axis=1) - values[0].sum(), votes - votes[0], atol=1e-6)


def test_shap_values_are_those_of_the_positive_label(shap, beats):
    X, y, _ = beats
    one, other = (forest(pos_label=label).fit(X, y).shap_values(X[:3]) for label in (0, 1))
    np.testing.assert_allclose(one, -other, atol=1e-9)


def test_shap_values_without_the_package_name_the_extra(beats, monkeypatch):
    fitted = forest().fit(*beats[:2])
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[shap\]'"):
        fitted.shap_values(beats[0])


# -- missing features, labels, seeds --------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_missing_features_are_filled_in(beats, preset):
    X, y = beats[0].copy(), beats[1]
    X[:40, :, :250] = 0  # no P wave
    assert np.isnan(BeatFeatures().fit_transform(X)).any()
    fitted = forest(preset=preset).fit(X, y)
    proba = fitted.predict_proba(X)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert fitted.feature_importances_.shape == fitted.feature_names_.shape


@pytest.mark.parametrize("preset", PRESETS)
def test_rows_too_short_for_a_beat_are_told_apart_by_their_statistics(beats, preset):
    X, y = beats[0][..., :60], beats[1]
    fitted = forest(preset=preset).fit(X, y)
    assert np.isfinite(fitted.predict_proba(X)).all()
    assert {name.split("_")[0] for name in fitted.feature_names_} == {
        "min", "max", "mean", "std", "first", "last"
    }  # fmt: skip


def test_a_feature_missing_only_in_prediction_is_filled_in(beats):
    X, y, _ = beats
    fitted = forest().fit(X, y)
    without_p = X[:2].copy()
    without_p[:, :, :250] = 0
    assert np.isfinite(fitted.predict_proba(without_p)).all()


def test_a_beat_without_a_qrs_is_refused_and_named(beats, table):
    X, y = beats[0].copy(), beats[1]
    X[[3, 8]] = 0
    flat = table.copy()
    flat.iloc[[3, 8]] = np.nan
    for given in (X, flat):
        with pytest.raises(ValueError, match=r"no QRS complex in 2 of \d+ rows \(3, 8\)"):
            forest().fit(given, y)
    with pytest.raises(ValueError, match=r"no QRS complex in 2 of \d+ rows \(3, 8\)"):
        forest().fit(*beats[:2]).predict_proba(X)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "labels", [("OMI", "no OMI"), (False, True), (3, 7), ("a", "b", "c")], ids=repr
)
def test_labels_of_any_type_and_number_are_predicted(beats, preset, labels):
    X, y, groups = beats
    y = np.array(labels)[np.where(y == 1, len(labels) - 1, groups % (len(labels) - 1))]
    fitted = forest(preset=preset).fit(X, y, groups=groups)
    proba = fitted.predict_proba(X)
    assert fitted.classes_.tolist() == sorted(labels)
    assert proba.shape == (len(X), len(labels))
    assert fitted.predict(X).dtype == y.dtype
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[proba.argmax(axis=1)])
    assert fitted.score(X, y) > np.unique(y, return_counts=True)[1].max() / len(y)


@pytest.mark.parametrize("preset", PRESETS)
def test_same_seed_gives_the_same_forest_and_another_another(beats, preset):
    X, y, groups = beats
    one, same, other = (
        forest(preset=preset, random_state=seed).fit(X, y, groups=groups).predict_proba(X)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("random_state", [None, 0])
def test_global_generator_is_left_as_found(beats, random_state):
    before = np.random.get_state()[1:3]
    forest(random_state=random_state).fit(*beats[:2])
    after = np.random.get_state()[1:3]
    assert np.array_equal(before[0], after[0])
    assert before[1] == after[1]


@pytest.mark.parametrize("preset", PRESETS)
def test_fit_leaves_parameters_as_they_were(beats, preset):
    model = FeatureForestClassifier(preset=preset, random_state=0)
    before = model.get_params()
    assert model.fit(*beats[:2]) is model
    assert model.get_params() == before == clone(model).get_params()


# -- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["published ", "default", None])
def test_unknown_preset_is_refused(beats, preset):
    with pytest.raises(ValueError, match=r"preset must be one of \['improved', 'published'\], got"):
        forest(preset=preset).fit(*beats[:2])


def test_one_class_is_refused(beats):
    X, y, _ = beats
    with pytest.raises(
        ValueError, match=r"at least two classes, but y holds one class only: \[1\]"
    ):
        forest().fit(X[y == 1], y[y == 1])


def test_a_class_that_is_in_the_validation_fold_alone_is_named(beats):
    X, y, _ = beats
    fold = np.where(y == 1, 0, 1 + np.arange(len(y)) % 3)
    with pytest.raises(ValueError, match=r"no row of \[1\]; all are in the validation fold"):
        forest().fit(X, y, fold=fold)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ["groups", "fold"])
def test_ids_of_another_length_are_refused(beats, preset, name):
    X, y, groups = beats
    with pytest.raises(ValueError, match=f"{name} has {len(y) - 1} ids for {len(y)} rows"):
        forest(preset=preset).fit(X, y, **{name: groups[:-1]})


def test_a_patient_on_both_sides_is_refused(beats):
    X, y, groups = beats
    with pytest.raises(ValueError, match="patients are in the training and in the validation data"):
        forest().fit(X, y, groups=groups, fold=np.arange(len(y)) % 3)


def test_rows_with_nan_are_named(beats):
    X, y = beats[0].copy(), beats[1]
    X[[4, 9], 3, 7] = np.nan
    with pytest.raises(ValueError, match=r"NaN or infinity in 2 of \d+ rows \(4, 9\)"):
        forest().fit(X, y)


def test_beats_of_another_shape_than_in_fit_are_refused(beats):
    X, y, _ = beats
    fitted = forest().fit(X, y)
    with pytest.raises(ValueError, match="8 leads, but FeatureForestClassifier is expecting 12"):
        fitted.predict_proba(X[:, :8])


def test_a_fit_that_fails_leaves_a_fitted_forest_as_it_was(beats):
    X, y, _ = beats
    fitted = forest().fit(X, y)
    before = fitted.predict(X)
    with pytest.raises(ValueError, match="one class only"):
        fitted.fit(X[:, :8], np.zeros(len(y)))
    np.testing.assert_array_equal(fitted.predict(X), before)


def test_importances_are_those_of_the_fitted_forest_whatever_is_set_since(beats):
    fitted = forest().fit(*beats[:2])
    before = fitted.feature_importances_
    np.testing.assert_array_equal(
        fitted.set_params(preset="published").feature_importances_, before
    )
