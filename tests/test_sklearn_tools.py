"""scikit-learn's tools around classifiers of 3-D arrays."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    LeaveOneGroupOut,
    PredefinedSplit,
    StratifiedGroupKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier, FeatureForestClassifier
from skecg.metrics import auc_ap_scorer
from skecg.model_selection import rotate_folds
from skecg.preprocessing import BeatCropper, LeadStandardScaler


def net(**params):
    return ALVDClassifier(
        **({"lr": 1e-2, "max_epochs": 10, "batch_size": 32, "random_state": 0} | params)
    )


def pipeline(**params):
    return make_pipeline(BeatCropper(start=5, stop=-5), LeadStandardScaler(), net(**params))


FORESTS = [
    FeatureForestClassifier(n_estimators=10, random_state=0),
    FeatureForestClassifier(preset="published", random_state=0),
]


@pytest.fixture(scope="module")
def data():
    """Return 3-lead signals of 60 patients, two each, in which a bump makes the positive."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 2)
    y = rng.permutation(np.arange(60) % 3 // 2)[groups]
    X = rng.normal(size=(120, 3, 60)).astype(np.float32)
    X[y == 1, 1, 20:35] += 2
    return X, y, groups


def test_pipeline_learns(data):
    X, y, groups = data
    model = pipeline().fit(X, y, alvdclassifier__groups=groups)
    assert auc_ap_scorer(model, X, y) > 0.9


@pytest.mark.parametrize("model", [pipeline(), *FORESTS], ids=["net", "forest", "published"])
def test_cross_validate_with_groups(data, model):
    X, y, groups = data
    cv = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    scores = cross_validate(model, X, y, groups=groups, cv=cv, scoring=auc_ap_scorer)
    assert scores["test_score"].mean() > 0.8


@pytest.mark.parametrize("model", [pipeline(), *FORESTS], ids=["net", "forest", "published"])
def test_one_site_after_the_other_is_left_out(data, model):
    X, y, groups = data
    site = np.array(["Pittsburgh", "Charlotte", "Chongqing"])[groups % 3]
    name = model.steps[-1][0] + "__" if hasattr(model, "steps") else ""
    scores = cross_validate(
        model,
        X,
        y,
        groups=site,
        cv=LeaveOneGroupOut(),
        params={f"{name}groups": groups},  # patients stay whole inside the sites that train
        scoring=auc_ap_scorer,
        return_indices=True,
    )
    left_out = [set(site[rows]) for rows in scores["indices"]["test"]]
    assert left_out == [{"Charlotte"}, {"Chongqing"}, {"Pittsburgh"}]
    assert scores["test_score"].min() > 0.8


def test_sites_and_patients_reach_splitter_and_step_by_routing(data):
    X, y, groups = data
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(LeadStandardScaler(), net().set_fit_request(groups="patient"))
        scores = cross_validate(
            model,
            X,
            y,
            cv=LeaveOneGroupOut(),
            params={"groups": groups % 3, "patient": groups},
            scoring=auc_ap_scorer,
        )
    assert scores["test_score"].min() > 0.8


def test_cross_val_predict_fills_every_row(data):
    X, y, groups = data
    proba = cross_val_predict(
        pipeline(), X, y, groups=groups, cv=GroupKFold(3), method="predict_proba"
    )
    assert proba.shape == (120, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


def test_grid_search_chooses_the_rate_that_learns(data):
    X, y, groups = data
    grid = {"alvdclassifier__lr": [1e-9, 1e-2]}
    search = GridSearchCV(pipeline(), grid, scoring=auc_ap_scorer, cv=GroupKFold(3))
    assert search.fit(X, y, groups=groups).best_params_ == {"alvdclassifier__lr": 1e-2}


def test_halving_search_spends_epochs(data):
    X, y, _ = data
    search = HalvingGridSearchCV(
        pipeline(),
        {"alvdclassifier__lr": [1e-9, 1e-8, 1e-2]},
        resource="alvdclassifier__max_epochs",
        max_resources=6,
        min_resources=2,
        scoring=auc_ap_scorer,
        cv=3,
        random_state=0,
    )
    assert search.fit(X, y).best_params_["alvdclassifier__lr"] == 1e-2


def test_learning_curve_rises_above_chance(data):
    X, y, groups = data
    _, _, test = learning_curve(
        FORESTS[0], X, y, groups=groups, train_sizes=[0.5, 1.0], cv=GroupKFold(3), scoring="roc_auc"
    )
    _, _, test_net = learning_curve(
        pipeline(), X, y, train_sizes=[0.5, 1.0], cv=3, scoring="roc_auc", shuffle=True,
        random_state=0,
    )  # fmt: skip
    assert test.mean(axis=1)[-1] > 0.8
    assert test_net.mean(axis=1)[-1] > 0.8


def test_permuted_labels_score_worse(data):
    X, y, _ = data
    score, permuted, _ = permutation_test_score(
        pipeline(), X, y, cv=3, n_permutations=3, scoring="roc_auc", random_state=0
    )
    assert score > permuted.max()


def test_calibrated_probabilities_keep_the_ranking(data):
    X, y, _ = data
    model = CalibratedClassifierCV(pipeline(), method="sigmoid", cv=3).fit(X, y)
    assert auc_ap_scorer(model, X, y) > 0.9


def test_tuned_threshold_moves_the_cut(data):
    X, y, _ = data
    model = TunedThresholdClassifierCV(pipeline(), scoring="recall", cv=3, random_state=0)
    model.fit(X, y)
    assert model.best_threshold_ < 0.5
    assert model.predict(X).shape == (120,)


def test_fixed_threshold_is_applied(data):
    X, y, _ = data
    model = FixedThresholdClassifier(pipeline(), threshold=0.9).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X)[:, 1] >= 0.9)


def test_voting_averages_network_and_forest(data):
    X, y, _ = data
    model = VotingClassifier([("net", pipeline()), ("forest", FORESTS[0])], voting="soft")
    model.fit(X, y)
    mean = np.mean([each.predict_proba(X) for each in model.estimators_], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), mean)


def test_stacking_learns_from_network_and_forest(data):
    X, y, _ = data
    model = StackingClassifier(
        [("net", pipeline()), ("forest", FORESTS[0])], LogisticRegression(), cv=3
    )
    assert auc_ap_scorer(model.fit(X, y), X, y) > 0.9


def test_one_vs_rest_has_a_column_a_class(data):
    X, y, _ = data
    three = y + (X[:, 2, :5].mean(axis=1) > 0.5)
    model = OneVsRestClassifier(pipeline()).fit(X, three)
    assert model.predict_proba(X).shape == (120, 3)


# -- folds and groups through pipelines and routing ------------------------------------


def expected_scores(X, y, fold):
    """Rotate by hand: the next fold validates, scaled by nothing but its own rows."""
    crop_and_scale = make_pipeline(BeatCropper(start=5, stop=-5), LeadStandardScaler())
    Z = crop_and_scale.fit_transform(X)
    scores = []
    for k in range(4):
        valid = fold == (k + 1) % 4
        train = ~valid & (fold != k)
        by_hand = net().fit(Z[train], y[train], X_val=Z[valid], y_val=y[valid])
        scores.append(auc_ap_scorer(by_hand, Z[fold == k], y[fold == k]))
    return scores


@pytest.fixture(scope="module")
def folded(data):
    X, y, groups = data
    fold = rotate_folds(y, groups, n_splits=4, random_state=0)
    return X, y, groups, fold, expected_scores(X, y, fold)


def test_fold_reaches_the_step_by_its_name(folded):
    X, y, _, fold, expected = folded
    scores = cross_validate(
        pipeline(),
        X,
        y,
        cv=PredefinedSplit(fold),
        params={"alvdclassifier__fold": fold},
        scoring=auc_ap_scorer,
    )
    np.testing.assert_array_equal(scores["test_score"], expected)


def test_fold_reaches_the_step_by_routing(folded):
    X, y, _, fold, expected = folded
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(
            BeatCropper(start=5, stop=-5), LeadStandardScaler(), net().set_fit_request(fold=True)
        )
        scores = cross_validate(
            model, X, y, cv=PredefinedSplit(fold), params={"fold": fold}, scoring=auc_ap_scorer
        )
    np.testing.assert_array_equal(scores["test_score"], expected)


def test_groups_reach_splitter_and_step_by_routing(data):
    X, y, groups = data
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(LeadStandardScaler(), net().set_fit_request(groups=True))
        scores = cross_validate(
            model, X, y, cv=GroupKFold(3), params={"groups": groups}, return_estimator=True
        )
    for fitted, (train, _) in zip(
        scores["estimator"], GroupKFold(3).split(X, y, groups), strict=True
    ):
        by_hand = make_pipeline(LeadStandardScaler(), net())
        by_hand.fit(X[train], y[train], alvdclassifier__groups=groups[train])
        np.testing.assert_array_equal(fitted.predict_proba(X), by_hand.predict_proba(X))


def test_x_val_is_scaled_on_its_way_through_a_pipeline(data):
    X, y, _ = data
    scaled = LeadStandardScaler().fit_transform(X)
    by_hand = net().fit(scaled[30:], y[30:], X_val=scaled[:30], y_val=y[:30])
    with config_context(enable_metadata_routing=True):
        step = net().set_fit_request(X_val=True, y_val=True)
        model = make_pipeline(LeadStandardScaler(), step, transform_input=["X_val"])
        model.fit(X[30:], y[30:], X_val=X[:30], y_val=y[:30])
    np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(scaled))


def test_tuned_threshold_passes_groups_with_routing(data):
    X, y, groups = data
    with config_context(enable_metadata_routing=True):
        model = TunedThresholdClassifierCV(
            net().set_fit_request(groups=True), cv=GroupKFold(3), random_state=0
        )
        model.fit(X, y, groups=groups)
    assert model.predict(X).shape == (120,)


def test_nested_folds_work_after_renumbering(folded):
    X, y, _, fold, _ = folded
    outer = fold != 0
    inner = np.unique(fold[outer], return_inverse=True)[1]
    search = GridSearchCV(
        net(), {"lr": [1e-9, 1e-2]}, cv=PredefinedSplit(inner), scoring=auc_ap_scorer
    )
    search.fit(X[outer], y[outer], fold=inner)
    assert search.best_params_ == {"lr": 1e-2}
