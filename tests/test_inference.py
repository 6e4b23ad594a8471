"""Tests of folded networks: they say what the fitted ones say, which stay as they were."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from skorch.hf import AccelerateMixin
from test_base import Linear, hash_of, make_signals
from test_networks import ALL, ecgs, make, unsettle
from torch import nn

from skecg import ALVDClassifier, NetClassifier
from skecg._inference import _PooledReLU, folded, ready
from skecg.networks import ALVDNet


@pytest.mark.parametrize("network", ALL)
def test_folded_network_has_no_batch_norm_after_a_convolution_and_answers_the_same(network):
    net = unsettle(make(network))
    before = {name: each.clone() for name, each in net.state_dict().items()}
    fast = folded(net)
    with torch.no_grad():
        logits, expected = fast(ecgs(3, 12, 400)), net(ecgs(3, 12, 400))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert all(torch.equal(each, before[name]) for name, each in net.state_dict().items())


@pytest.mark.parametrize("n_times", [*range(4, 12), 400])
@pytest.mark.parametrize(("size", "padding"), [(2, 0), (4, 1)])
def test_a_maximum_of_views_is_the_pool_to_the_bit(size, padding, n_times):
    pool, x = nn.MaxPool2d((1, size), padding=(0, padding)), ecgs(3, 12, n_times)[:, None]
    assert torch.equal(_PooledReLU(pool)(x), pool(x.relu()))


def test_pools_without_overlap_are_views_where_an_array_is_predicted():
    net = unsettle(make(ALVDNet)).eval()
    fast = ready(net, 64)
    assert not any(isinstance(module, nn.MaxPool2d) for module in fast.modules())
    with torch.no_grad():
        assert torch.equal(fast(ecgs(3, 12, 400)), folded(net)(ecgs(3, 12, 400)))


@pytest.mark.parametrize("batch_size", [128, 20])
def test_many_ecgs_get_the_probabilities_that_few_get(batch_size):
    X, y = make_signals(150)
    net = ALVDClassifier(
        lr=1e-2, max_epochs=3, random_state=0, iterator_valid__batch_size=batch_size
    ).fit(X, y)
    before = hash_of(net)
    many = net.predict_proba(X)
    few = np.concatenate([net.predict_proba(X[i : i + 25]) for i in range(0, 150, 25)])
    np.testing.assert_allclose(many, few, rtol=0, atol=1e-6)
    assert many.dtype == np.float32
    assert hash_of(net) == before


def test_arrays_that_run_backwards_or_cannot_be_written_get_the_same_probabilities():
    X, y = make_signals(80)
    net = ALVDClassifier(lr=1e-2, max_epochs=1, random_state=0).fit(X, y)
    expected = net.predict_proba(X)
    read_only = X[::-1, :, ::-1].copy()[::-1, :, ::-1]
    read_only.flags.writeable = False
    np.testing.assert_array_equal(net.predict_proba(read_only), expected)


def replace_a_layer(network):
    network.fc = nn.Linear(network.fc.in_features, 2)


def change_a_setting(network):
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1.0


@pytest.mark.parametrize("change", [replace_a_layer, change_a_setting])
def test_what_changes_in_a_network_is_seen_by_the_next_prediction(change):
    X, y = make_signals(80)
    net = ALVDClassifier(lr=1e-2, max_epochs=1, random_state=0).fit(X, y)
    before = net.predict_proba(X)
    change(net.module_)
    with torch.no_grad():
        expected = net.module_.eval()(torch.tensor(X)).softmax(dim=1)
    np.testing.assert_allclose(net.predict_proba(X), expected, rtol=0, atol=1e-5)
    assert np.abs(before - expected.numpy()).max() > 1e-3


def test_a_forward_that_is_put_in_place_of_a_layers_is_run():
    X, y = make_signals(80)
    net = ALVDClassifier(lr=1e-2, max_epochs=1, random_state=0).fit(X, y)
    net.predict_proba(X)
    net.module_.temporal.forward = lambda x: torch.zeros(len(x), 64, 12, 2)
    assert len(np.unique(net.predict_proba(X)[:, 1])) == 1


def test_weights_that_change_are_seen_by_the_next_prediction():
    X, y = make_signals(80)
    net = ALVDClassifier(lr=1e-2, max_epochs=1, random_state=0).fit(X, y)
    net.predict_proba(X)
    net.module_.fc.bias.data += torch.tensor([0.0, 50.0])
    np.testing.assert_allclose(net.predict_proba(X)[:, 1], 1)
    net.partial_fit(X, y)
    one_by_one = np.concatenate([net.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(net.predict_proba(X), one_by_one, rtol=0, atol=1e-6)


def test_a_module_of_ones_own_is_run_as_it_is():
    class Counted(Linear):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    X, y = make_signals(200)
    net = NetClassifier(Counted, max_epochs=1, random_state=0).fit(X, y)
    before = net.module_.calls
    net.predict_proba(X)
    assert net.module_.calls == before + 2


class Doubled(ALVDClassifier):
    """With an inference step of its own."""

    def infer(self, x, **fit_params):
        return 2 * super().infer(x, **fit_params)


class Halved(ALVDClassifier):
    """With an evaluation step of its own."""

    def evaluation_step(self, batch, training=False):
        return super().evaluation_step(batch, training) / 2


class Accelerated(AccelerateMixin, ALVDClassifier):
    """With the devices of Accelerate."""


@pytest.fixture(scope="module")
def fitted():
    X, y = make_signals(80)
    return X, ALVDClassifier(lr=1e-2, max_epochs=1, random_state=0).fit(X, y)


def test_the_inference_step_of_a_subclass_is_kept(fitted):
    X, net = fitted
    doubled = Doubled(lr=1e-2, max_epochs=1, random_state=0).fit(*make_signals(80))
    doubled.module_.load_state_dict(net.module_.state_dict())
    odds = net.predict_proba(X)[:, 1] / net.predict_proba(X)[:, 0]
    proba = doubled.predict_proba(X)
    np.testing.assert_allclose(proba[:, 1] / proba[:, 0], odds**2, rtol=1e-4)


def test_the_evaluation_step_of_a_subclass_is_kept(fitted):
    X, net = fitted
    halved = Halved(lr=1e-2, max_epochs=1, random_state=0).fit(*make_signals(80))
    halved.module_.load_state_dict(net.module_.state_dict())
    odds = net.predict_proba(X)[:, 1] / net.predict_proba(X)[:, 0]
    proba = halved.predict_proba(X)
    np.testing.assert_allclose((proba[:, 1] / proba[:, 0]) ** 2, odds, rtol=1e-4)


def test_in_bfloat16_logits_reach_the_nonlinearity_in_float32():
    X, y = make_signals(80)
    seen = set()

    def softmax(logits):
        seen.add(logits.dtype)
        return logits.softmax(dim=1)

    net = ALVDClassifier(max_epochs=1, precision="bf16", predict_nonlinearity=softmax)
    net.fit(X, y).predict_proba(X)
    assert seen == {torch.float32}


def test_hooks_on_a_network_see_what_they_saw():
    X, y = make_signals(80)
    net = ALVDClassifier(lr=1e-2, max_epochs=1, random_state=0).fit(X, y)
    seen = []
    norm = net.module_.temporal[0][1]
    norm.register_forward_hook(lambda module, args, output: seen.append(len(output)))
    net.predict_proba(X)
    assert seen == [80]


def test_many_ecgs_are_predicted_under_accelerate(fitted):
    X, net = fitted
    accelerated = Accelerated(
        accelerator=Accelerator(cpu=True), lr=1e-2, max_epochs=1, random_state=0
    ).fit(*make_signals(80))
    np.testing.assert_allclose(
        accelerated.predict_proba(X), net.predict_proba(X), rtol=0, atol=1e-6
    )


def test_ecgs_held_as_a_tensor_train_the_same_network(fitted, monkeypatch):
    monkeypatch.setattr(NetClassifier, "_on_device", lambda self, X: torch.tensor(X))
    held = ALVDClassifier(lr=1e-2, max_epochs=1, random_state=0).fit(*make_signals(80))
    assert hash_of(held) == hash_of(fitted[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_a_gpu_gives_the_probabilities_of_the_cpu(precision):
    X, y = make_signals(150)
    net = ALVDClassifier(
        lr=1e-2, max_epochs=3, random_state=0, device="cuda", precision=precision
    ).fit(X, y)
    on_cpu = ALVDClassifier(lr=1e-2, max_epochs=3, random_state=0).fit(X, y)
    assert next(net.module_.parameters()).is_cuda
    on_cpu.module_.load_state_dict(net.module_.state_dict())
    np.testing.assert_allclose(net.predict_proba(X), on_cpu.predict_proba(X), atol=5e-3)
