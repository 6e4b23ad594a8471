"""NetClassifier: the protocol, its arguments, its errors and its seeds."""

import hashlib
import pickle
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import PredefinedSplit, cross_validate
from skorch.callbacks import Callback, EarlyStopping, EpochScoring

from skecg import ALVDClassifier, NetClassifier, ResNetClassifier, SmartNetClassifier
from skecg.metrics import auc_ap_score
from skecg.model_selection import rotate_folds
from skecg.networks import SmartNet


class Linear(torch.nn.Module):
    """Logistic regression on all samples of all leads."""

    def __init__(self, n_classes=2):
        super().__init__()
        self.fc = torch.nn.LazyLinear(n_classes)

    def forward(self, x):
        return self.fc(x.flatten(1))


class Undecided(Linear):
    """Says one half to everything, so no epoch is better than another."""

    def forward(self, x):
        return 0 * super().forward(x)


class OwnNet(SmartNet):
    """A network of the user's own, of whose layout nothing is known."""


class Interrupt(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def quick(module=Linear, **params):
    return NetClassifier(module, **({"lr": 1e-2, "max_epochs": 4, "random_state": 0} | params))


def hash_of(classifier):
    digest = hashlib.sha256()
    for name, tensor in classifier.module_.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def make_signals(n=120, n_classes=2, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    X = rng.normal(size=(n, 3, 40)).astype(np.float32)
    X[np.arange(n), y] += 0.4
    return X, y


@pytest.fixture(scope="module")
def signals():
    return make_signals()


# -- the protocol ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("max_epochs", 100),
        ("batch_size", 128),
        ("lr", 1e-05),
        ("alpha", 2 / 3),
        ("sampling", "undersample"),
        ("optimizer", torch.optim.Adam),
    ],
)
def test_defaults_are_the_papers(name, default):
    assert SmartNetClassifier().get_params()[name] == default


def test_default_rate_of_alvd_is_ten_times_the_others():
    assert ALVDClassifier().lr == 1e-4


def test_rate_falls_by_a_fifth_after_the_fourth_epoch_without_a_rise(signals):
    net = quick(Undecided, max_epochs=10, lr=1.0).fit(*signals)
    np.testing.assert_allclose(net.epochs_["lr"], [1.0] * 5 + [0.8] * 4 + [0.64])


def test_weights_kept_are_those_of_the_best_epoch(signals):
    long = quick(max_epochs=12).fit(*signals)
    assert 1 < long.best_epoch_ < 12
    short = clone(long).set_params(max_epochs=long.best_epoch_).fit(*signals)
    assert hash_of(short) == hash_of(long)


def test_best_epoch_has_the_highest_score(signals):
    net = quick(max_epochs=8).fit(*signals)
    epochs = net.epochs_.set_index("epoch")
    assert epochs["valid_score"].max() == epochs.loc[net.best_epoch_, "valid_score"]


def test_of_equal_scores_the_lower_loss_is_kept():
    X, y = make_signals()
    X[y == 1] += 3
    net = quick(max_epochs=8).fit(X, y)
    ties = net.epochs_[net.epochs_["valid_score"] == net.epochs_["valid_score"].max()]
    assert len(ties) > 1
    assert net.best_epoch_ == ties.loc[ties["valid_loss"].idxmin(), "epoch"]


def test_recorded_score_is_that_of_the_kept_weights(signals):
    X, y = signals
    net = quick().fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])
    score = auc_ap_score(y[:20], net.predict_proba(X[:20])[:, 1])
    assert net.epochs_["valid_score"].max() == pytest.approx(score)


def test_alpha_weighs_auc_against_ap(signals):
    epochs = quick(alpha=0.25).fit(*signals).epochs_
    np.testing.assert_allclose(
        epochs["valid_score"], 0.25 * epochs["valid_auc"] + 0.75 * epochs["valid_ap"]
    )


def test_epochs_have_the_promised_columns(signals):
    columns = "epoch train_loss valid_loss valid_auc valid_ap valid_score lr seconds"
    epochs = quick().fit(*signals).epochs_
    assert list(epochs.columns) == columns.split()
    assert np.isfinite(epochs.to_numpy()).all()


def test_pos_label_chooses_whose_average_precision_counts():
    X, y = make_signals(200)
    names = np.where(y == 1, "OMI", "no OMI")
    X_val, y_val = X[:60], names[:60]
    keep = np.r_[np.flatnonzero(y_val == "OMI")[:6], np.flatnonzero(y_val == "no OMI")]
    net = quick(pos_label="OMI").fit(X[60:], names[60:], X_val=X_val[keep], y_val=y_val[keep])
    proba = net.predict_proba(X_val[keep])[:, list(net.classes_).index("OMI")]
    expected = auc_ap_score(y_val[keep], proba, pos_label="OMI")
    assert net.epochs_["valid_score"].max() == pytest.approx(expected)


def test_a_batch_of_one_row_is_never_trained_on():
    X, y = make_signals(130)
    net = ALVDClassifier(sampling=None, batch_size=9, max_epochs=1, random_state=0)
    net.fit(X[:119], y[:119], X_val=X[119:], y_val=y[119:])  # 119 = 13 * 9 + 2, 118 = 13 * 9 + 1
    net.fit(X[:118], y[:118], X_val=X[119:], y_val=y[119:])
    assert len(net.epochs_) == 1


def test_bfloat16_probabilities_are_float32_and_close(signals):
    X, y = signals
    full = ALVDClassifier(lr=1e-3, max_epochs=3, random_state=0).fit(X, y)
    half = ALVDClassifier(lr=1e-3, max_epochs=3, random_state=0, precision="bf16").fit(X, y)
    assert half.predict_proba(X).dtype == np.float32
    np.testing.assert_allclose(half.predict_proba(X), full.predict_proba(X), atol=0.05)
    assert (half.predict_proba(X) != full.predict_proba(X)).any()


def test_a_network_of_the_package_lies_channels_last_in_bfloat16_and_no_other_does(signals):
    params = {"max_epochs": 1, "batch_size": 32, "random_state": 0}
    nets = [
        SmartNetClassifier(precision="bf16", **params),
        SmartNetClassifier(**params),
        NetClassifier(OwnNet, precision="bf16", **params),
    ]
    for net, expected in zip(nets, (True, False, False), strict=True):
        weight = net.fit(*signals).module_.conv_spatial.weight
        assert weight.is_contiguous(memory_format=torch.channels_last) == expected


# -- labels ----------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [["OMI", "no OMI"], [True, False], [7, -1], [0.0, 1.0]], ids=str)
def test_labels_of_any_type_come_back(signals, labels):
    X, y = signals
    names = np.array(labels)[y]
    net = quick(max_epochs=20).fit(X, names)
    assert net.predict(X).dtype == names.dtype
    assert net.score(X, names) > 0.8


def test_three_classes_are_learned_and_scored():
    X, y = make_signals(150, n_classes=3)
    net = quick(max_epochs=30).fit(X, y)
    assert net.predict_proba(X).shape == (150, 3)
    assert net.score(X, y) > 0.8
    assert net.epochs_["valid_auc"].max() > 0.8


# -- validation data -------------------------------------------------------------------


def test_fold_after_the_gap_validates_as_if_given_by_hand(signals):
    X, y = signals
    fold = np.arange(len(y)) // 2 % 5
    kept = fold != 2
    by_fold = quick().fit(X[kept], y[kept], fold=fold[kept])
    train, valid = kept & (fold != 3), fold == 3
    by_hand = quick().fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    assert hash_of(by_fold) == hash_of(by_hand)


def test_x_val_wins_over_fold(signals):
    X, y = signals
    fold = np.arange(len(y)) // 2 % 5
    both = quick().fit(X[20:], y[20:], fold=fold[20:], X_val=X[:20], y_val=y[:20])
    alone = quick().fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])
    assert hash_of(both) == hash_of(alone)


def test_cross_validate_gives_the_8_1_1_rotation(signals):
    X, y = signals
    fold = rotate_folds(y, n_splits=4, random_state=0)
    scores = cross_validate(
        quick(), X, y, cv=PredefinedSplit(fold), params={"fold": fold}, return_estimator=True
    )
    for k, net in enumerate(scores["estimator"]):
        valid = fold == (k + 1) % 4
        train = ~valid & (fold != k)
        by_hand = quick().fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
        assert hash_of(net) == hash_of(by_hand)


def test_groups_decide_who_validates(signals):
    X, y = signals
    groups = np.arange(len(y)) // 4
    assert hash_of(quick().fit(X, y, groups=groups)) != hash_of(quick().fit(X, y))


# -- bad input -------------------------------------------------------------------------


def fit(params, **data):
    X, y = make_signals()
    return quick(**params).fit(**({"X": X, "y": y} | data))


ALTERNATE = np.arange(120) % 2


@pytest.mark.parametrize(
    ("params", "data", "message"),
    [
        ({}, {"y": np.zeros(120, int)}, r"at least two classes, but y holds one class only: \[0\]"),
        ({}, {"y": ALTERNATE[:100]}, "inconsistent numbers of samples"),
        ({}, {"y": np.linspace(0, 1, 120)}, "Unknown label type"),
        ({}, {"y": np.where(ALTERNATE, np.nan, 1.0)}, "NaN"),
        ({}, {"X_val": np.zeros((2, 3, 40))}, "X_val and y_val together"),
        (
            {},
            {"X_val": np.zeros((2, 3, 40)), "y_val": [0, 5]},
            r"y_val holds \[5\], not among the classes \[0, 1\]",
        ),
        ({}, {"X_val": np.zeros((2, 2, 40)), "y_val": [0, 1]}, "X has 2 leads"),
        ({}, {"X_val": np.zeros((2, 3, 40)), "y_val": [0, 0]}, r"hold no row of \[1\]"),
        (
            {},
            {"y": ALTERNATE, "fold": 1 - ALTERNATE},
            r"validation data \(fold 0\) hold no row of \[0\]",
        ),
        ({}, {"fold": np.zeros(120, int)}, "fold holds one id only"),
        ({}, {"fold": np.full(120, 0.5)}, "integer ids"),
        ({}, {"fold": ALTERNATE[:5]}, "fold has 5 ids for 120 rows"),
        ({}, {"groups": ALTERNATE[:5]}, "groups has 5 ids for 120 rows"),
        ({}, {"groups": np.arange(120), "fold": ALTERNATE, "y": None}, "requires y"),
        (
            {},
            {"groups": np.arange(120) // 2, "fold": np.arange(120) % 3},
            "patients are in the training and in the validation data",
        ),
        ({"device": "abacus"}, {}, "device='abacus' cannot be used here"),
        ({"device": "cuda:99"}, {}, "device='cuda:99' cannot be used here"),
        ({"precision": "float8"}, {}, "precision must be"),
        ({"sampling": "over"}, {}, "mode must be"),
        ({"max_epochs": 0}, {}, "max_epochs must be an integer from 1"),
        ({"max_epochs": 1.5}, {}, "max_epochs must be an integer from 1"),
        ({"batch_size": 2.5}, {}, "batch_size must be an integer from 2, got 2.5"),
        ({"alpha": 2}, {}, "alpha must lie between 0 and 1, got 2"),
        ({}, {"X": np.full((120, 3, 40), 1e300)}, r"Values over 3.4e\+38 are infinite in float32"),
        ({}, {"y": np.where(ALTERNATE, "a", None)}, "y mixes labels of the types NoneType, str"),
        (
            {},
            {"groups": np.where(ALTERNATE, np.nan, 1)},
            "groups has no id in 60 rows, such as row 1",
        ),
        ({"validation_fraction": 1.5}, {}, "validation_fraction must lie between 0 and 1"),
        ({"pos_label": "OMI"}, {}, "pos_label='OMI' is not one of the classes"),
        ({"lr": 1e38, "optimizer": torch.optim.SGD}, {}, "Training diverged"),
        ({"modul__n": 1}, {}, "unexpected"),
    ],
)
def test_bad_input_is_told_in_words(params, data, message):
    with pytest.raises(ValueError, match=message):
        fit(params, **data)


def test_patient_in_x_val_and_in_x_is_refused():
    X, y = make_signals()
    groups = np.arange(120)
    with pytest.raises(ValueError, match=r"1 patients are in the training.*\[7\]"):
        quick().fit(X, y, groups=groups, X_val=X[:2], y_val=[0, 1], groups_val=np.array([7, 1000]))


@pytest.mark.parametrize("name", ["train_split", "classes"])
def test_skorch_parameters_that_fit_replaces_are_refused(name):
    with pytest.raises(TypeError, match=f"takes no {name}"):
        SmartNetClassifier(**{name: None})


def test_unfitted_predict_raises_not_fitted():
    with pytest.raises(Exception, match="not fitted yet"):
        SmartNetClassifier().predict(np.zeros((2, 12, 400)))


def test_initialize_before_fit_raises_not_fitted():
    with pytest.raises(NotFittedError, match="SmartNetClassifier instance is not fitted yet"):
        SmartNetClassifier().initialize()


# -- skorch's own parameters -----------------------------------------------------------


def test_parameters_of_skorch_pass_through(signals):
    net = quick(optimizer__weight_decay=0.5, iterator_valid__batch_size=7).fit(*signals)
    assert net.optimizer_.param_groups[0]["weight_decay"] == 0.5
    assert hash_of(net) != hash_of(quick().fit(*signals))


def test_module_may_be_an_instance(signals):
    net = quick(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(120, 2)), max_epochs=20)
    assert clone(net).fit(*signals).score(*signals) > 0.8


def test_module_given_as_an_instance_is_never_trained(signals):
    X, y = signals
    net = quick(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(120, 2)))
    before = net.module[1].weight.clone()
    first = hash_of(net.fit(X, y))
    assert torch.equal(net.module[1].weight, before)
    assert hash_of(net.fit(X, y)) == first == hash_of(clone(net).fit(X, y))


def test_set_params_leaves_a_fitted_net_as_it_is(signals):
    net = ResNetClassifier(lr=1e-3, max_epochs=1, random_state=0).fit(*signals)
    before, state = hash_of(net), torch.get_rng_state()
    net.set_params(module__stem="sum", lr=0.5, optimizer__weight_decay=0.1)
    assert hash_of(net) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_set_params_takes_effect_at_the_next_fit(signals):
    net = quick().fit(*signals)
    net.set_params(optimizer__weight_decay=0.5, lr=0.1).fit(*signals)
    assert hash_of(net) == hash_of(quick(optimizer__weight_decay=0.5, lr=0.1).fit(*signals))


def test_warm_start_goes_on_from_the_weights(signals):
    net = quick(max_epochs=2, warm_start=True).fit(*signals)
    loss = net.epochs_["train_loss"].iloc[-1]
    net.fit(*signals)
    assert len(net.epochs_) == 4
    assert net.epochs_["train_loss"].iloc[-1] < loss


def test_partial_fit_goes_on_from_the_weights(signals):
    X, y = signals
    net = quick(max_epochs=2).partial_fit(X, y, classes=[0, 1])
    loss = net.epochs_["train_loss"].iloc[-1]
    assert net.partial_fit(X, y).epochs_["train_loss"].iloc[-1] < loss


def test_imagenet_weights_come_by_path(signals, tmp_path):
    net = ResNetClassifier(max_epochs=1, lr=0.0, random_state=0).fit(*signals)
    state = net.module_.state_dict()
    state["conv1.weight"] = state["conv1.weight"].repeat(1, 3, 1, 1)
    torch.save(state, tmp_path / "weights.pth")
    other = ResNetClassifier(
        weights=tmp_path / "weights.pth", stem="sum", max_epochs=1, lr=0.0, random_state=1
    ).fit(*signals)
    torch.testing.assert_close(other.module_.conv1.weight, 3 * net.module_.conv1.weight)
    torch.testing.assert_close(
        other.module_.layer4[1].conv2.weight, net.module_.layer4[1].conv2.weight
    )


@pytest.mark.parametrize("load_best", [False, True])
def test_early_stopping_ends_fit_with_the_best_epoch(signals, load_best):
    stop = EarlyStopping("valid_score", patience=2, lower_is_better=False, load_best=load_best)
    net = quick(max_epochs=50, callbacks=[stop]).fit(*signals)
    assert net.best_epoch_ < len(net.epochs_) < 50
    short = quick(max_epochs=net.best_epoch_).fit(*signals)
    assert hash_of(net) == hash_of(short)


@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"]], ids=str)
@pytest.mark.parametrize("on_train", [False, True])
def test_epoch_scoring_scores_the_rows_of_fit(signals, labels, on_train):
    X, y = signals
    scores = [EpochScoring(s, False, on_train, s) for s in ("roc_auc", "accuracy")]
    net = quick(callbacks=scores).fit(X, np.array(labels)[y])
    assert min(net.history[:, "accuracy"]) > 0.3
    if not on_train:
        np.testing.assert_allclose(net.history[:, "roc_auc"], net.epochs_["valid_auc"])


def test_batch_size_of_training_alone_may_be_given(signals):
    by_iterator = quick(iterator_train__batch_size=16).fit(*signals)
    assert hash_of(by_iterator) == hash_of(quick(batch_size=16).fit(*signals))


def test_warm_start_refuses_other_classes_and_shapes(signals):
    X, y = signals
    net = quick(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"y holds \[5, 6\], not among the classes \[0, 1\]"):
        net.fit(X, y + 5)
    with pytest.raises(ValueError, match="X has 20 samples a lead"):
        net.fit(X[..., :20], y)


@pytest.mark.parametrize(
    ("params", "data"),
    [
        ({}, {"y": np.zeros(120, int)}),
        ({}, {"X": np.zeros((120, 2, 30)), "fold": np.zeros(120, int)}),
        ({"lr": 1e38, "optimizer": torch.optim.SGD, "verbose": 1}, {}),
    ],
    ids=["one class", "one fold of another shape", "diverging"],
)
def test_a_fit_that_fails_leaves_a_fitted_net_as_it_was(signals, params, data):
    X, y = signals
    net = quick().fit(X, y)
    before, epochs = net.predict(X), net.epochs_
    with pytest.raises(ValueError, match=r"one class|one id|diverged"):
        net.set_params(**params).fit(**({"X": X, "y": y} | data))
    np.testing.assert_array_equal(net.predict(X), before)
    assert net.epochs_.equals(epochs)


def test_fit_adds_no_parameters(signals):
    net = quick()
    before = set(net.get_params(deep=True))
    assert set(net.fit(*signals).get_params(deep=True)) == before


def test_pickle_holds_weights_and_optimizer_once(signals):
    net = SmartNetClassifier(max_epochs=1, random_state=0).fit(*signals)
    weights = sum(4 * tensor.numel() for tensor in net.module_.parameters())
    assert len(pickle.dumps(net)) < 3.1 * weights  # Adam keeps two numbers a weight


# -- interruption, progress, seeds -----------------------------------------------------


def test_ctrl_c_leaves_fit(signals):
    with pytest.raises(KeyboardInterrupt):
        quick(callbacks=[Interrupt()]).fit(*signals)


def test_nothing_is_printed_unless_asked(signals, capfd):
    quick().fit(*signals).predict(signals[0])
    assert capfd.readouterr() == ("", "")


def test_verbose_shows_a_bar_with_the_score(signals, capfd):
    quick(verbose=1).fit(*signals)
    shown = capfd.readouterr().err
    assert "NetClassifier (float32)" in shown
    assert "4/4" in shown
    assert "score=" in shown


def test_global_generators_are_left_as_found(signals):
    numpy_before, torch_before = np.random.get_state(), torch.get_rng_state()
    for seed in (0, None):
        ALVDClassifier(max_epochs=1, random_state=seed).fit(*signals).predict(signals[0])
    numpy_after = np.random.get_state()
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert numpy_after[2] == numpy_before[2]
    np.testing.assert_array_equal(numpy_after[1], numpy_before[1])


def test_another_seed_gives_other_weights(signals):
    hashes = {hash_of(quick(random_state=seed).fit(*signals)) for seed in (0, 1, None)}
    assert len(hashes) == 3


@pytest.fixture(scope="module")
def alvd_hash(signals):
    return hash_of(ALVDClassifier(lr=1e-3, max_epochs=2, random_state=0).fit(*signals))


def test_same_seed_gives_the_same_bits_in_a_fresh_process(alvd_hash):
    program = """
        import torch
        torch.set_num_threads(1)
        from test_base import hash_of, make_signals
        from skecg import ALVDClassifier
        net = ALVDClassifier(lr=1e-3, max_epochs=2, random_state=0).fit(*make_signals())
        print(hash_of(net))
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        cwd=__file__.rsplit("/", 1)[0],
    )
    assert out.stdout.strip() == alvd_hash


def fit_hash(X, y):
    torch.set_num_threads(1)
    return hash_of(ALVDClassifier(lr=1e-3, max_epochs=2, random_state=0).fit(X, y))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_same_seed_gives_the_same_bits_in_two_jobs(signals, alvd_hash, backend):
    jobs = (joblib.delayed(fit_hash)(*signals) for _ in range(4))
    assert set(joblib.Parallel(n_jobs=2, backend=backend)(jobs)) == {alvd_hash}
