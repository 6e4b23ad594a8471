"""Tests of ONNX files, written and run: they say what the estimator says, of what it takes."""

import json
import pickle
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from test_base import Linear

from skecg import (
    ALVDClassifier,
    NetClassifier,
    ResNetClassifier,
    SmartNetClassifier,
    TemporalResNetClassifier,
)
from skecg.datasets import make_omi
from skecg.leads import LEADS
from skecg.persistence import ModelFileError, ONNXClassifier, export_onnx
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")


def run(path, X):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"ecg": X.astype(np.float32)})[0]


@pytest.fixture(scope="module")
def beats():
    X, y, _ = make_omi(24, prevalence=0.5, random_state=0)
    X = X[:24].astype(np.float32)
    X[0, 3] = 0.3  # a flat lead
    return X, np.where(y[:24] == 1, "OMI", "no OMI")


@pytest.fixture(scope="module")
def model(beats):
    net = ALVDClassifier(lr=1e-3, max_epochs=2, random_state=0)
    return make_pipeline(BeatCropper(), LeadStandardScaler(), net).fit(*beats)


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, path)
    return path


@pytest.mark.parametrize("n", [1, 5, 24])
def test_batches_of_any_size_get_the_probabilities_of_the_pipeline(model, path, beats, n):
    X = beats[0][:n]
    np.testing.assert_allclose(run(path, X), model.predict_proba(X), rtol=0, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_ecg_with_nan_or_infinity_gets_nan_and_the_others_their_probabilities(
    model, path, beats, bad
):
    X = beats[0][:3].copy()
    expected = model.predict_proba(X)
    X[1, 5, 200] = bad
    found = run(path, X)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], rtol=0, atol=1e-5)


def test_metadata_tell_what_the_input_is(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.get_modelmeta().custom_metadata_map
    found = {name: json.loads(value) for name, value in found.items()}
    found.pop("skecg")
    assert found == {
        "leads": list(LEADS),
        "sampling_rate": 500,
        "n_times": 600,
        "unit": "mV",
        "preprocessing": ["BeatCropper()", "LeadStandardScaler()"],
        "classes": ["OMI", "no OMI"],
    }


def test_ecgs_of_another_length_are_refused(path, beats):
    with pytest.raises(Exception, match="Got invalid dimensions"):
        run(path, beats[0][..., :500])


def test_module_of_ones_own_with_another_scaling_is_exported_alone(beats, tmp_path):
    X, y = beats
    net = NetClassifier(Linear, lr=1e-3, max_epochs=1, random_state=0)
    model = make_pipeline(LeadStandardScaler(scope="ecg"), "passthrough", net).fit(X, y)
    export_onnx(model, tmp_path / "m.onnx", sampling_rate=250)
    np.testing.assert_allclose(
        run(tmp_path / "m.onnx", X), model.predict_proba(X), rtol=0, atol=1e-5
    )


def test_exporting_prints_nothing_and_leaves_the_network_as_it_was(beats, tmp_path, capfd):
    X, y = beats
    net = NetClassifier(Linear, lr=1e-3, max_epochs=1, random_state=0).fit(X, y)
    before, state = net.predict_proba(X), torch.get_rng_state()
    export_onnx(net, tmp_path / "m.onnx")
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(net.predict_proba(X), before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "Net",
    [SmartNetClassifier, TemporalResNetClassifier, ResNetClassifier],
    ids=lambda N: N.__name__,
)
def test_other_networks_get_their_probabilities(beats, tmp_path, Net):
    X, y = beats[0][..., 150:-50:2], beats[1]
    net = Net(lr=1e-4, max_epochs=1, random_state=0).fit(X, y)
    export_onnx(net, tmp_path / "m.onnx")
    np.testing.assert_allclose(run(tmp_path / "m.onnx", X), net.predict_proba(X), rtol=0, atol=1e-5)


class Doubled(NetClassifier):
    """With an inference step of its own."""

    def infer(self, x, **fit_params):
        return 2 * super().infer(x, **fit_params)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([Doubled(Linear)], "A Doubled cannot be written to ONNX: it has its own infer"),
        ([MedianBeat(), NetClassifier(Linear)], "A MedianBeat cannot be written to ONNX"),
        ([LeadStandardScaler(), LogisticRegression()], "A LogisticRegression cannot be written"),
    ],
    ids=["Doubled", "MedianBeat", "LogisticRegression"],
)
def test_what_has_no_place_in_the_file_is_refused(monkeypatch, tmp_path, steps, message):
    monkeypatch.setattr("skecg._onnx.check_is_fitted", lambda estimator: None)
    with pytest.raises(TypeError, match=message):
        export_onnx(make_pipeline(*steps), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_network_that_is_not_fitted_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        export_onnx(ALVDClassifier(), tmp_path / "m.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_missing_package_is_told_with_the_extra(model, monkeypatch, tmp_path, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[onnx\]'"):
        export_onnx(model, tmp_path / "m.onnx")


# -- ONNXClassifier ------------------------------------------------------------------------


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


def without_classes(model):
    names = [each.key for each in model.metadata_props]
    del model.metadata_props[names.index("classes")]


def with_weights_elsewhere(model):
    weights = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../etc/passwd")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_classes, "was not written by skecg.persistence.export_onnx"),
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
