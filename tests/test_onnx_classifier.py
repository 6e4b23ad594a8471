"""Tests of ONNX files as classifiers: they say what the exported estimator says, or why not."""

import pickle
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.datasets import make_omi
from skecg.persistence import ModelFileError, ONNXClassifier, export_onnx
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def beats():
    X, y, _ = make_omi(40, prevalence=0.5, random_state=0)
    return X[:40].astype(np.float32), np.where(y[:40] == 1, "OMI", "no OMI")


@pytest.fixture(scope="module")
def model(beats):
    net = ALVDClassifier(lr=1e-3, max_epochs=2, random_state=0)
    return make_pipeline(BeatCropper(), LeadStandardScaler(), net).fit(*beats)


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, path)
    return path


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_it_predicts_what_the_estimator_predicts(model, path, beats, n_jobs):
    clf = ONNXClassifier(path, n_jobs=n_jobs)
    X = beats[0][::-1]  # runs backwards
    np.testing.assert_allclose(clf.predict_proba(X), model.predict_proba(X), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(clf.predict(X), model.predict(X))
    assert clf.score(*beats) == model.score(*beats)


def test_it_tells_what_it_takes(path):
    clf = ONNXClassifier(path)
    assert (clf.n_leads_, clf.n_times_, clf.classes_.tolist()) == (12, 600, ["OMI", "no OMI"])
    assert (clf.metadata_["unit"], clf.metadata_["sampling_rate"]) == ("mV", 500)


@pytest.mark.parametrize("copied", [clone, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_open_the_file_themselves(path, beats, copied):
    clf = ONNXClassifier(path)
    expected = clf.predict_proba(beats[0])
    np.testing.assert_array_equal(copied(clf).predict_proba(beats[0]), expected)


def test_another_path_is_another_model(path, beats, tmp_path):
    other = ALVDClassifier(lr=1e-3, max_epochs=1, random_state=1).fit(*beats)
    export_onnx(other, tmp_path / "other.onnx")
    clf = ONNXClassifier(path)
    clf.predict_proba(beats[0])
    clf.set_params(path=tmp_path / "other.onnx")
    np.testing.assert_allclose(
        clf.predict_proba(beats[0]), other.predict_proba(beats[0]), rtol=0, atol=1e-5
    )


def test_one_lead_may_come_as_rows(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(40, 140)).astype(np.float32), np.arange(40) % 2
    net = ALVDClassifier(max_epochs=1, random_state=0).fit(X, y)
    export_onnx(net, tmp_path / "m.onnx")
    proba = ONNXClassifier(tmp_path / "m.onnx").predict_proba(X)
    np.testing.assert_allclose(proba, net.predict_proba(X), rtol=0, atol=1e-5)


def test_recordings_go_in_and_calibrated_probabilities_come_out(path):
    X, y, _ = make_omi(20, prevalence=0.5, form="ecg", random_state=1)
    labels = np.where(y == 1, "OMI", "no OMI")
    model = make_pipeline(MedianBeat(), ONNXClassifier(path))
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(X, labels)
    assert calibrated.predict_proba(X).shape == (len(X), 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[..., :500], "600"),
        (lambda X: X[:, :8], "12"),
        (lambda X: np.where(np.arange(600) == 300, np.nan, X), "NaN"),
    ],
    ids=["length", "leads", "NaN"],
)
def test_what_the_estimator_would_refuse_is_refused(path, beats, change, message):
    with pytest.raises(ValueError, match=message):
        ONNXClassifier(path).predict_proba(change(beats[0]))


def without_metadata(model):
    del model.metadata_props[:]


def with_weights_elsewhere(model):
    weights = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../etc/passwd")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_metadata, "was not written by skecg.persistence.export_onnx"),
        (with_weights_elsewhere, "is not a file that ONNX Runtime can run"),
    ],
)
def test_files_of_others_are_refused(path, tmp_path, damage, message):
    model = onnx.load(path)
    damage(model)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=message):
        ONNXClassifier(tmp_path / "m.onnx").classes_  # noqa: B018


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04N."])
def test_what_is_no_onnx_file_is_refused(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"m\.onnx"):
        ONNXClassifier(tmp_path / "m.onnx").classes_  # noqa: B018


def test_a_missing_package_is_told_with_the_extra(path, beats, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[onnx\]'"):
        ONNXClassifier(path).predict_proba(beats[0])
