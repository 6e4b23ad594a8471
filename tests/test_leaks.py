"""Six leaks, planted: what would let a model know the answer is an error, a warning or no help."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from test_base import Linear, make_signals, quick

from skecg import FeatureForestClassifier
from skecg.datasets import make_omi
from skecg.feature_extraction import BeatFeatures
from skecg.io import read_ecgs
from skecg.leads import LEADS
from skecg.model_selection import (
    DuplicateECGWarning,
    best_fold,
    cross_validate_rotation,
    rotate_folds,
)
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat


@pytest.fixture(scope="module")
def signals():
    return make_signals()


@pytest.fixture(scope="module")
def recordings():
    return make_omi(40, prevalence=0.5, form="ecg", random_state=0)


def chance(n_positive, n_negative):
    """Return the standard error of an AUC without information, of Mann and Whitney."""
    return np.sqrt((n_positive + n_negative + 1) / (12 * n_positive * n_negative))


# -- 1. a patient in two folds ---------------------------------------------------------

N = np.arange(120)
PATIENTS = np.where(N == 119, 0, N)  # the first and the last row are of patient 0
FOLD = N // 40


@pytest.mark.parametrize(
    "plant",
    [
        lambda X, y: cross_validate_rotation({"net": quick()}, X, y, groups=PATIENTS, fold=FOLD),
        lambda X, y: quick().fit(X, y, groups=PATIENTS, fold=FOLD),
        lambda X, y: FeatureForestClassifier().fit(
            make_omi(120)[0][:120], y, groups=PATIENTS, fold=FOLD
        ),
        lambda X, y: quick().fit(
            X[:90],
            y[:90],
            groups=PATIENTS[:90],
            X_val=X[90:],
            y_val=y[90:],
            groups_val=PATIENTS[90:],
        ),
    ],
    ids=["cross_validate_rotation", "net", "forest", "X_val"],
)
def test_a_patient_on_two_sides_is_an_error_that_names_the_patient(signals, plant):
    with pytest.raises(ValueError, match=r"1 patients .*\(groups \[0\]\)[^$]*rotate_folds"):
        plant(*signals)


@pytest.mark.parametrize("given", ["groups", "groups_val"])
def test_patients_of_one_side_alone_are_an_error(signals, given):
    X, y = signals
    patients = {"groups": N[:90], "groups_val": N[90:]}
    with pytest.raises(ValueError, match="give both or neither"):
        quick().fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:], **{given: patients[given]})


def test_patients_of_validation_data_that_are_not_there_are_an_error(signals):
    X, y = signals
    with pytest.raises(ValueError, match="give both or neither"):
        quick().fit(X, y, groups=N, groups_val=N)


def test_rotate_folds_and_fit_keep_patients_whole(signals):
    X, y = signals
    groups = N // 3
    fold = rotate_folds(y, groups, n_splits=4, random_state=0)
    assert pd.Series(fold).groupby(groups).nunique().max() == 1
    quick().fit(X, y, groups=groups)
    quick().fit(X, y, groups=groups, fold=fold)


# -- 2. a duplicate across folds -------------------------------------------------------


@pytest.mark.parametrize("validation", ["fold", "X_val"])
def test_an_ecg_that_trains_and_validates_is_warned_of(signals, validation):
    X, y = signals[0].copy(), signals[1]
    X[3] = X[100]
    if validation == "fold":
        given, message = {"X": X, "y": y, "fold": 1 - (N >= 90)}, "row 3 of X and row 100 of X"
    else:
        given = {"X": X[:90], "y": y[:90], "X_val": X[90:], "y_val": y[90:]}
        message = "row 3 of X and row 10 of X_val"
    with pytest.warns(DuplicateECGWarning, match=f"1 ECGs are on two sides.*{message}, which"):
        quick().fit(**given)


@pytest.mark.parametrize("form", [np.asarray, lambda X: pd.DataFrame(X.reshape(len(X), -1))])
def test_an_ecg_in_two_folds_is_warned_of(signals, form):
    X, y = signals[0].copy(), signals[1]
    X[3] = X[100]
    flat = FunctionTransformer(lambda X: np.asarray(X).reshape(len(X), -1))
    models = {"linear": make_pipeline(flat, LogisticRegression())}
    with pytest.warns(DuplicateECGWarning, match="the folds, such as row 3 of X and row 100 of X"):
        cross_validate_rotation(models, form(X), y, fold=FOLD)


def test_a_duplicate_on_one_side_is_no_leak(signals):
    X, y = signals[0].copy(), signals[1]
    X[3], X[100] = X[4], X[101]
    quick().fit(X, y, fold=1 - (N >= 90))  # warnings are errors


# -- 3. a scaler fitted on the test data -----------------------------------------------


def know_of_other_rows(transformer, X):
    """Tell whether rows come out otherwise when others were there in fit or in transform."""
    half = np.asarray(transformer.fit(X[:20]).transform(X[:20]))
    whole = np.asarray(transformer.fit(X).transform(X))[:20]
    return not np.array_equal(half, whole, equal_nan=True)


@pytest.mark.parametrize(
    "transformer", [LeadStandardScaler(), BeatCropper(), BeatFeatures()], ids=str
)
def test_no_step_for_beats_learns_from_other_ecgs(transformer):
    assert not know_of_other_rows(transformer, make_omi(40, random_state=0)[0])


def test_median_beats_learn_from_no_other_ecg(recordings):
    assert not know_of_other_rows(MedianBeat(on_bad="nan"), recordings[0])


def test_a_scaler_across_ecgs_would_be_noticed():
    X = make_omi(40, random_state=0)[0]
    assert know_of_other_rows(StandardScaler(), X.reshape(len(X), -1))


# -- 4. the label in the metadata ------------------------------------------------------


def test_a_diagnosis_in_the_header_reaches_neither_signal_nor_table(tmp_path, recordings):
    counts = np.round(1000 * recordings[0][0]).astype("<i2")
    for name, label in (("a", "OMI"), ("b", "no OMI")):
        counts.T.tofile(tmp_path / f"{name}.dat")
        lines = [
            f"{name}.dat 16 1000(0)/mV 16 0 {row[0]} {row.sum(dtype=np.int16)} 0 {lead}"
            for row, lead in zip(counts, LEADS, strict=True)
        ]
        lines += [f"# Dx: {label}", f"# Reason for admission: {label}"]
        (tmp_path / f"{name}.hea").write_text("\n".join([f"{name} 12 500 5000", *lines, ""]))
    assert "Dx: OMI" in (tmp_path / "a.hea").read_text()
    X, table = read_ecgs([tmp_path / "a.hea", tmp_path / "b.hea"])
    np.testing.assert_array_equal(X[0], X[1])
    told = table.drop(columns="path").astype(str)
    assert told.iloc[0].equals(told.iloc[1])
    assert not told.apply(lambda column: column.str.contains("OMI")).to_numpy().any()


# -- 5. the length of the record -------------------------------------------------------


def test_the_length_of_the_record_tells_nothing_in_median_beats(recordings):
    X = recordings[0]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3))
    rng = np.random.default_rng(0)

    def auc(table, y):
        proba = cross_val_predict(model, table.reshape(len(y), -1), y, method="predict_proba")
        return roc_auc_score(y, proba[:, 1])

    short = X * (np.arange(X.shape[-1]) < 4000)
    whole_beats, short_beats = (MedianBeat().fit_transform(part) for part in (X, X[..., :4000]))
    gains = []
    for _ in range(20):  # labels that have nothing to do with the ECGs
        y = rng.permutation(np.arange(len(X)) % 2)
        is_cut = y[:, None, None] == 1
        assert auc(np.abs(np.where(is_cut, short, X)[..., 4000:]).mean(axis=-1), y) > 0.99
        cut = auc(np.where(is_cut, short_beats, whole_beats), y)
        gains.append(cut - auc(whole_beats, y))
    assert np.mean(gains) == pytest.approx(0, abs=0.03)


# -- 6. the fold chosen by its test ----------------------------------------------------


def test_the_best_fold_is_chosen_by_validation_and_says_so_if_not():
    table = pd.DataFrame(
        {"model": "a", "fold": range(3), "val_score": [0.5, 0.9, 0.6], "test_score": [0.9, 0.4, 0]}
    )
    fair, planted = best_fold(table), best_fold(table, by="test_score")
    assert (fair["fold"].item(), fair["chosen_by"].item()) == (1, "val_score")
    assert (planted["fold"].item(), planted["chosen_by"].item()) == (0, "test_score (optimistic)")


# -- and nothing else ------------------------------------------------------------------


def test_permuted_labels_give_chance():
    X, y, groups = make_omi(150, prevalence=0.5, random_state=0)
    patients, patient = np.unique(groups, return_inverse=True)
    y = np.random.default_rng(0).integers(2, size=len(patients))[patient]
    models = {
        "net": make_pipeline(BeatCropper(), LeadStandardScaler(), quick(Linear)),
        "forest": FeatureForestClassifier(n_estimators=50, random_state=0),
    }
    table = cross_validate_rotation(models, X, y, groups=groups, n_splits=4, random_state=0)
    n_positive = len(np.unique(groups[y == 1]))
    error = chance(n_positive, len(patients) - n_positive)
    for model in models:
        mean = table.loc[table["model"] == model, "test_auc"].mean()
        assert mean == pytest.approx(0.5, abs=2 * error)
