"""Tests of ONNX files: ONNX Runtime says what the estimator says, of what the estimator takes."""

import json
import sys

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
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
from skecg.persistence import export_onnx
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

onnxruntime = pytest.importorskip("onnxruntime")


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
