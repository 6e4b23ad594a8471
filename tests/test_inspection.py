"""Tests of saliency maps, on networks whose maps are known."""

import sys

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skecg import FeatureForestClassifier, NetClassifier
from skecg.datasets import make_omi
from skecg.inspection import (
    aggregate_maps,
    deletion_curve,
    lead_contributions,
    randomization_check,
    saliency_maps,
    window_means,
)
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

METHODS = ("saliency", "integrated_gradients", "gradient_shap", "occlusion")


class Linear(torch.nn.Module):
    """Its logits are sums of weights times voltages: every method has a closed form."""

    def __init__(self, n_leads=12, n_classes=2, n_times=400, dropout=0.0):
        super().__init__()
        self.dropout = torch.nn.Dropout(dropout)
        self.fc = torch.nn.Linear(n_leads * n_times, n_classes)

    def forward(self, x):
        return self.fc(self.dropout(x.flatten(1)))


def fit_linear(X, y, **params):
    return NetClassifier(Linear, lr=1e-3, max_epochs=3, random_state=0, **params).fit(X, y)


def weights(net, n_times=400, code=1):
    return net.module_.fc.weight[code].detach().numpy().reshape(-1, n_times)


@pytest.fixture(scope="module")
def data():
    X, y, _ = make_omi(80, prevalence=0.5, severity=2, random_state=0)
    beats = BeatCropper().fit_transform(X)
    return LeadStandardScaler().fit_transform(beats), y, X


@pytest.fixture(scope="module")
def net(data):
    X, y, _ = data
    return fit_linear(X, y)


def test_saliency_of_a_linear_network_is_the_size_of_its_weights(net, data):
    maps = saliency_maps(net, data[0][:3])
    assert maps.dtype == np.float32
    assert np.allclose(maps, np.abs(weights(net)))
    signed = saliency_maps(net, data[0][:3], signed=True)
    assert np.allclose(signed, weights(net))


def test_integrated_gradients_of_a_linear_network_are_weights_times_input(net, data):
    X = data[0][:3]
    maps = saliency_maps(net, X, method="integrated_gradients", signed=True)
    assert np.allclose(maps, weights(net) * X, atol=1e-5)


def test_gradient_shap_of_a_linear_network_is_weights_times_distance_from_the_baseline(net, data):
    X, baseline = data[0][:3], data[0][5:6]
    params = {"method": "gradient_shap", "signed": True, "random_state": 0}
    maps = saliency_maps(net, X, baselines=baseline, **params)
    assert np.allclose(maps, weights(net) * (X - baseline), atol=1e-5)
    again = saliency_maps(net, X, baselines=data[0][5:9], **params)
    assert np.array_equal(again, saliency_maps(net, X, baselines=data[0][5:9], **params))


def test_occlusion_of_a_linear_network_is_what_the_window_adds_to_the_logit(net, data):
    X = data[0][:3]
    maps = saliency_maps(net, X, method="occlusion", signed=True, window=30)
    parts = weights(net) * X
    for start in range(0, 400, 30):  # the last window holds 10 samples
        window = slice(start, start + 30)
        added = parts[..., window].sum(axis=-1, keepdims=True)
        assert np.allclose(maps[..., window], added, atol=1e-4)


def test_target_chooses_the_logit(net, data):
    assert np.allclose(saliency_maps(net, data[0][:1], target=0), np.abs(weights(net, code=0)))
    assert np.allclose(saliency_maps(net, data[0][:1], target=1), np.abs(weights(net)))


def test_positive_label_is_explained_without_a_target(data):
    X, y, _ = data
    net = fit_linear(X, np.where(y == 1, "OMI", "no OMI"), pos_label="OMI")
    assert np.allclose(saliency_maps(net, X[:1]), np.abs(weights(net, code=0)))
    with pytest.raises(ValueError, match="target='STEMI' is not one of the classes"):
        saliency_maps(net, X[:1], target="STEMI")


def test_three_classes_need_a_target(data):
    X, y, _ = data
    net = fit_linear(X, np.where(np.arange(len(y)) % 3 == 0, 2, y))
    with pytest.raises(ValueError, match=r"there are 3: \[0, 1, 2\]"):
        saliency_maps(net, X[:1])
    assert np.allclose(saliency_maps(net, X[:1], target=2), np.abs(weights(net, code=2)))


def test_pipeline_is_explained_by_the_input_of_its_network(net, data):
    Z, _, X = data
    model = make_pipeline(BeatCropper(), LeadStandardScaler(), net)
    params = {"method": "integrated_gradients", "signed": True}
    assert np.array_equal(
        saliency_maps(model, X[:3], **params), saliency_maps(net, Z[:3], **params)
    )


def test_recordings_go_through_the_pipeline(net):
    recordings = make_omi(2, form="ecg", random_state=0)[0]
    model = make_pipeline(MedianBeat(), BeatCropper(), LeadStandardScaler(), net)
    assert saliency_maps(model, list(recordings)).shape == (len(recordings), 12, 400)


def test_one_lead_may_have_two_dimensions(data):
    X, y, _ = data
    net = fit_linear(X[:, 0], y)
    maps = saliency_maps(net, X[:3, 0], method="occlusion")
    assert maps.shape == (3, 400)
    assert np.allclose(saliency_maps(net, X[:3, 0]), np.abs(weights(net)))


@pytest.mark.parametrize("method", METHODS)
def test_batches_make_no_difference(net, data, method):
    X = data[0][:7]
    params = {"method": method, "random_state": 0}
    if method == "gradient_shap":
        params["baselines"] = data[0][10:11]
    whole = saliency_maps(net, X, **params)
    was = net.batch_size
    try:
        net.set_params(batch_size=3)
        assert np.allclose(saliency_maps(net, X, **params), whole, atol=1e-5)
    finally:
        net.set_params(batch_size=was)


@pytest.mark.parametrize("method", METHODS)
def test_network_is_in_evaluation_mode_and_left_as_found(data, method):
    X, y, _ = data
    net = fit_linear(X, y, module__dropout=0.5)
    net.module_.train()
    baselines = X[10:11] if method == "gradient_shap" else None
    params = {"method": method, "signed": True, "baselines": baselines, "random_state": 0}
    maps = saliency_maps(net, X[:2], **params)
    assert net.module_.training
    net.module_.eval()
    assert np.array_equal(saliency_maps(net, X[:2], **params), maps)


@pytest.mark.parametrize("method", METHODS)
def test_global_generators_are_left_as_found(net, data, method):
    np_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    baselines = data[0][10:14] if method == "gradient_shap" else None
    saliency_maps(net, data[0][:2], method=method, baselines=baselines)
    assert np.array_equal(np.random.get_state()[1], np_state)
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_progress_is_shown_when_asked_for(net, data, capsys):
    saliency_maps(net, data[0][:2])
    assert capsys.readouterr().err == ""
    saliency_maps(net, data[0][:2], verbose=1)
    assert "saliency" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "gradcam"}, "method='gradcam' is unknown: use one of saliency"),
        ({"method": "gradient_shap"}, "give baselines"),
        ({"baselines": np.zeros((1, 12, 400))}, "takes no baselines"),
        ({"window": 0}, "window must be a number of samples from 1, got 0"),
        ({"target": 3}, r"target=3 is not one of the classes \[0, 1\]"),
    ],
)
def test_wrong_parameters_are_refused(net, data, params, message):
    with pytest.raises(ValueError, match=message):
        saliency_maps(net, data[0][:1], **params)


def test_only_fitted_networks_have_maps(data):
    with pytest.raises(TypeError, match="FeatureForestClassifier is none"):
        saliency_maps(FeatureForestClassifier(), data[2][:1])
    with pytest.raises(NotFittedError):
        saliency_maps(NetClassifier(Linear), data[0][:1])


def test_missing_captum_is_named_with_its_extra(net, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[captum\]'"):
        saliency_maps(net, data[0][:1])


def test_windows_of_twenty_samples_are_averaged_and_the_last_may_be_short():
    maps = np.arange(2 * 50, dtype=float).reshape(1, 2, 50)
    assert window_means(maps).tolist() == [[[9.5, 29.5, 44.5], [59.5, 79.5, 94.5]]]


def test_contributions_are_shares_of_the_sum_of_sizes():
    maps = np.array([[[1.0, -2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    shares = lead_contributions(maps)
    assert shares[0].tolist() == [0.3, 0.7]
    assert np.isnan(shares[1]).all()


def test_aggregate_of_magnitudes_runs_from_zero_to_one_in_each_lead_before_the_mean():
    maps = [[[2.0, 4.0, 3.0], [5.0, 5.0, 5.0]], [[100.0, 0.0, 50.0], [0.0, 0.0, 1.0]]]
    assert aggregate_maps(maps).tolist() == [[0.5, 0.5, 0.5], [0, 0, 0.5]]


def test_aggregate_of_signed_maps_keeps_signs_and_zero():
    assert aggregate_maps([[[-4.0, 2.0, 0.0]], [[1.0, -1.0, 0.0]]]).tolist() == [[0, -0.25, 0]]


def test_one_map_is_no_aggregate():
    with pytest.raises(ValueError, match=r"maps has shape \(12, 400\); give those of several"):
        aggregate_maps(np.ones((12, 400)))


def test_random_weights_destroy_the_saliency_of_a_linear_network(net, data):
    # Fitted with the seed of the check: its first weights must not come back.
    before = weights(net).copy()
    table = randomization_check(net, data[0][:4], random_state=0)
    assert table["layer"].tolist() == ["fc"]
    # Of 4800 independent pairs Spearman's correlation has a standard deviation of .014.
    assert abs(table.loc[0, "correlation"]) < 0.06
    assert np.array_equal(weights(net), before)


def test_random_weights_leave_the_ecg_in_maps_that_multiply_by_it(net, data):
    table = randomization_check(net, data[0][:4], method="integrated_gradients", random_state=0)
    assert table.loc[0, "correlation"] > 0.3  # Adebayo et al. (2018), section 5.1


def test_layers_become_random_from_the_last_to_the_first(data):
    X, y, _ = data

    class Deep(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(4800, 8)
            self.act = torch.nn.ReLU()
            self.last = torch.nn.Linear(8, 2)

        def forward(self, x):
            return self.last(self.act(self.first(x.flatten(1))))

    net = NetClassifier(Deep, lr=1e-3, max_epochs=3, random_state=0).fit(X, y)
    table = randomization_check(net, X[:4], random_state=0)
    assert table["layer"].tolist() == ["last", "first"]
    assert table["correlation"].iloc[-1] < 0.1
    assert table.equals(randomization_check(net, X[:4], random_state=0))


def test_weights_that_cannot_be_drawn_anew_are_named(data):
    X, y, _ = data

    class Bare(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.zeros(4800, 2))

        def forward(self, x):
            return x.flatten(1) @ self.w

    net = NetClassifier(Bare, max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="Bare has weights but no reset_parameters"):
        randomization_check(net, X[:2])


def test_deleting_what_speaks_for_the_class_hurts_more_than_deleting_at_random(net, data):
    X, y, _ = data
    positive = X[y == 1]
    maps = saliency_maps(net, positive, method="occlusion", signed=True)
    curve = deletion_curve(net, positive, maps, random_state=0)
    assert curve["salient"][0] == pytest.approx(curve["random"][0])
    assert curve["salient"][0] == pytest.approx(net.predict_proba(positive)[:, 1].mean(), abs=1e-6)
    assert (curve["salient"][1:] < curve["random"][1:]).all()
    assert curve["salient"].iloc[1] < curve["salient"][0]


def test_deletion_takes_windows_in_the_order_of_the_map(net, data):
    X = data[0][:1]
    maps = np.zeros((1, 12, 400))
    maps[0, 3, 40:60] = 1
    curve = deletion_curve(net, X, maps, fractions=[0, 1 / 240], random_state=0)
    without = X.copy()
    without[0, 3, 40:60] = 0
    assert curve["salient"][1] == pytest.approx(net.predict_proba(without)[0, 1], abs=1e-6)


def test_maps_of_another_shape_are_refused(net, data):
    with pytest.raises(ValueError, match=r"maps has shape \(2, 12, 20\)"):
        deletion_curve(net, data[0][:2], np.ones((2, 12, 20)))
