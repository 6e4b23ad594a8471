"""Fits with a checkpoint: interrupted anywhere, they end as if they had not been."""

import errno
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler
from test_base import Linear, hash_of, make_signals, quick

import skecg
from skecg import ALVDClassifier, NetClassifier, SmartNetClassifier
from skecg._checkpoint import _fingerprint
from skecg._files import hash_array, read_archive, write_archive
from skecg.persistence import ModelFileError, save_model
from skecg.preprocessing import LeadStandardScaler


class Dropping(Linear):
    """A network whose dropout draws from torch's generator, with batch norm's running means."""

    def __init__(self, n_classes=2):
        super().__init__(n_classes)
        self.norm = torch.nn.BatchNorm1d(3)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, x):
        return super().forward(self.drop(self.norm(x)))


class Counting(Callback):
    """Says nothing of what it keeps."""


class Halving(Callback):
    """Halves the rate every second epoch, and says what it keeps."""

    def on_train_begin(self, net, **kwargs):
        self.n_epochs_ = 0

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs_ += 1
        net.optimizer_.param_groups[0]["lr"] /= 1 + self.n_epochs_ % 2

    def state_dict(self):
        return {"n_epochs": self.n_epochs_}

    def load_state_dict(self, state):
        self.n_epochs_ = state["n_epochs"]


@pytest.fixture(scope="module")
def signals():
    return make_signals()


def dropping(**params):
    return quick(Dropping, **({"max_epochs": 7, "batch_size": 32} | params))


def stop_in_epoch_after(epoch, net, *data, **fit_params):
    """Press Ctrl-C when the epoch after this one has trained, and not yet validated."""
    step = NetClassifier.validation_step

    def pressed(self, *args, **kwargs):
        if len(self.history) > epoch:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetClassifier, "validation_step", pressed)
        with pytest.raises(KeyboardInterrupt):
            net.fit(*data, **fit_params)


def resumed(net, epoch, path, *data, **fit_params):
    """Return a net that a call with the same arguments fitted after an interrupted one."""
    stop_in_epoch_after(epoch, clone(net), *data, checkpoint=path, **fit_params)
    assert manifest(path)["epoch"] == epoch
    return clone(net).fit(*data, checkpoint=path, **fit_params)


def manifest(path):
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read("manifest.json"))


def assert_same(net, other, X):
    assert hash_of(net) == hash_of(other)
    tables = [each.epochs_.drop(columns="seconds") for each in (net, other)]
    assert tables[0].equals(tables[1])
    assert net.best_epoch_ == other.best_epoch_
    np.testing.assert_array_equal(net.predict_proba(X), other.predict_proba(X))
    states = [each.optimizer_.state_dict() for each in (net, other)]
    assert states[0]["param_groups"] == states[1]["param_groups"]
    for i, state in states[0]["state"].items():
        assert all(torch.equal(value, states[1]["state"][i][name]) for name, value in state.items())


# -- to the bit ------------------------------------------------------------------------


def test_writing_checkpoints_changes_nothing(signals, tmp_path):
    net = dropping().fit(*signals, checkpoint=tmp_path / "fit")
    assert_same(net, dropping().fit(*signals), signals[0])


@pytest.mark.parametrize("epoch", range(1, 7))
def test_a_fit_goes_on_to_the_bit_after_any_epoch(signals, tmp_path, epoch):
    net = resumed(dropping(), epoch, tmp_path / "fit", *signals)
    assert_same(net, dropping().fit(*signals), signals[0])


def test_a_fit_in_bfloat16_goes_on_to_the_bit(signals, tmp_path):
    X, y = signals
    net = SmartNetClassifier(lr=1e-3, max_epochs=3, batch_size=16, random_state=0, precision="bf16")
    assert_same(resumed(net, 2, tmp_path / "fit", X, y), clone(net).fit(X, y), X)


@pytest.mark.parametrize("sampling", ["half", None])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.RMSprop])
def test_every_sampler_and_optimizer_goes_on(signals, tmp_path, sampling, optimizer):
    net = dropping(sampling=sampling, optimizer=optimizer)
    assert_same(resumed(net, 3, tmp_path / "fit", *signals), clone(net).fit(*signals), signals[0])


CALLBACKS = {
    "early stopping": EarlyStopping("valid_score", patience=2, lower_is_better=False),
    "keeps the best itself": EarlyStopping("valid_loss", patience=2, load_best=True),
    "another rate": LRScheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=9),
    "a rate a batch": LRScheduler(
        torch.optim.lr_scheduler.CyclicLR, step_every="batch", base_lr=0.001, max_lr=0.1
    ),
    "scores": EpochScoring("roc_auc", lower_is_better=False),
    "one's own": Halving(),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_go_on(signals, tmp_path, name):
    net = dropping(callbacks=[CALLBACKS[name]], max_epochs=12, lr=0.1)
    whole = clone(net).fit(*signals)
    again = resumed(net, 2, tmp_path / "fit", *signals)
    assert_same(again, whole, signals[0])
    assert again.history[:, "train_loss_best"] == whole.history[:, "train_loss_best"]


def test_a_fit_without_a_seed_goes_on_with_the_seed_it_drew(signals, tmp_path):
    net = dropping(random_state=None)
    again = resumed(net, 3, tmp_path / "fit", *signals)
    seed = manifest(tmp_path / "fit")["seed"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skecg._base.draw_seed", lambda random_state: seed)
        assert_same(again, clone(net).fit(*signals), signals[0])


def test_the_papers_own_network_goes_on(signals, tmp_path):
    net = ALVDClassifier(lr=1e-3, max_epochs=3, random_state=0)
    assert_same(resumed(net, 2, tmp_path / "fit", *signals), clone(net).fit(*signals), signals[0])


def test_a_pipeline_passes_the_checkpoint_on(signals, tmp_path):
    X, y = signals
    pipe = make_pipeline(LeadStandardScaler(), quick())
    pipe.fit(X, y, netclassifier__checkpoint=tmp_path / "fit")
    assert manifest(tmp_path / "fit")["finished"]


def test_a_finished_fit_comes_back_without_an_epoch(signals, tmp_path, monkeypatch):
    whole = dropping().fit(*signals, checkpoint=tmp_path / "fit")
    content = (tmp_path / "fit").read_bytes()
    monkeypatch.setattr(NetClassifier, "train_step", None)
    assert_same(dropping().fit(*signals, checkpoint=tmp_path / "fit"), whole, signals[0])
    assert (tmp_path / "fit").read_bytes() == content


def test_a_fit_that_went_on_can_be_trained_on_and_saved(signals, tmp_path):
    net = ALVDClassifier(lr=1e-3, max_epochs=2, random_state=0)
    again = resumed(net, 1, tmp_path / "fit", *signals)
    save_model(again, tmp_path / "model")
    whole = clone(net).fit(*signals)
    assert_same(again.partial_fit(*signals), whole.partial_fit(*signals), signals[0])


# -- killed ----------------------------------------------------------------------------

PROGRAM = """
import sys, time
import torch
torch.set_num_threads(1)
from test_base import hash_of, make_signals
from test_checkpoint import dropping
X, y = make_signals()
print("ready", flush=True)
print(hash_of(dropping(max_epochs=12).fit(X, y, checkpoint=sys.argv[1])), flush=True)
"""


def start(path):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONPATH": str(Path(skecg.__file__).parents[1])},
    )
    assert program.stdout.readline() == "ready\n"
    return program


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("seed", range(2))
def test_kill_9_at_a_random_moment_loses_one_epoch_at_most(signals, tmp_path, seed):
    path = tmp_path / "fit"
    program = start(path)
    until = random.Random(seed).randint(1, 6)
    while not path.exists() or manifest(path)["epoch"] < until:
        time.sleep(0.001)
    program.send_signal(signal.SIGKILL)
    program.communicate()
    assert program.returncode == -signal.SIGKILL
    assert until <= manifest(path)["epoch"] < 12
    program = start(path)
    assert program.communicate()[0].strip() == hash_of(dropping(max_epochs=12).fit(*signals))
    assert [each.name for each in tmp_path.iterdir()] == ["fit"]


def test_what_a_kill_while_writing_left_is_removed(signals, tmp_path):
    (tmp_path / ".fit.0a1b2c3d.part").write_bytes(b"half of a checkpoint")
    (tmp_path / ".fit2.0a1b2c3d.part").write_bytes(b"of another")
    quick().fit(*signals, checkpoint=tmp_path / "fit")
    assert sorted(each.name for each in tmp_path.iterdir()) == [".fit2.0a1b2c3d.part", "fit"]


@pytest.mark.parametrize("n_whole", range(3))
def test_a_full_disk_raises_and_leaves_the_last_whole_file(signals, tmp_path, monkeypatch, n_whole):
    fsync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 2 * n_whole:  # file and folder
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    net = dropping()
    with pytest.raises(OSError, match="No space left"):
        net.fit(*signals, checkpoint=tmp_path / "fit")
    assert not hasattr(net, "module_")
    monkeypatch.undo()
    if n_whole:
        assert manifest(tmp_path / "fit")["epoch"] == n_whole
    assert len(list(tmp_path.iterdir())) == bool(n_whole)
    again = dropping().fit(*signals, checkpoint=tmp_path / "fit")
    assert_same(again, dropping().fit(*signals), signals[0])


def test_a_folder_that_is_not_there_is_told_before_training(signals, tmp_path, monkeypatch):
    monkeypatch.setattr(NetClassifier, "train_step", None)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        quick().fit(*signals, checkpoint=tmp_path / "none" / "fit")


# -- other data, other parameters ------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lr": 0.5}, "written for lr=0.01, now 0.5"),
        ({"max_epochs": 9}, "written for max_epochs=7, now 9"),
        ({"lr": 0.5, "batch_size": 7}, "written for batch_size=32, now 7; lr=0.01, now 0.5"),
        ({"random_state": 1}, "random_state=0, now 1"),
        ({"random_state": None}, "random_state=0, now None"),
        ({"random_state": np.random.RandomState(0)}, "now RandomState that draws"),
        ({"module": Linear}, "Dropping, now test_base.Linear"),
        ({"module": Linear()}, r"now Linear\("),
        ({"optimizer__weight_decay": 0.1}, "optimizer__weight_decay=default, now 0.1"),
        ({"callbacks": [EarlyStopping()]}, r"callbacks=None, now \[.*EarlyStopping"),
        ({"precision": "bf16"}, "precision_=float32, now bf16"),
    ],
)
def test_other_parameters_are_refused_by_name(signals, tmp_path, params, message):
    dropping().fit(*signals, checkpoint=tmp_path / "fit")
    with pytest.raises(ValueError, match=message):
        dropping().set_params(**params).fit(*signals, checkpoint=tmp_path / "fit")


@pytest.mark.parametrize("name", ["X", "y", "groups", "fold", "X_val", "y_val", "groups_val"])
def test_other_data_are_refused_by_name(signals, tmp_path, name):
    X, y = signals
    n = np.arange(len(y))
    given = {"X": X, "y": y, "groups": n // 2, "fold": n // 2 % 3}
    given |= {"X_val": X[:20] + 1, "y_val": y[:20], "groups_val": n[:20] + 1000}
    net = dropping().fit(**given, checkpoint=tmp_path / "fit")
    clone(net).fit(**given, checkpoint=tmp_path / "fit")
    changed = given[name].copy()
    changed[-1] = 1 - changed[-1] if name.startswith("y") else changed[-1] + 5000
    with pytest.raises(ValueError, match=rf"was written for another {name}\. Go on with"):
        clone(net).fit(**(given | {name: changed}), checkpoint=tmp_path / "fit")


def test_data_that_were_not_there_are_refused_by_name(signals, tmp_path):
    X, y = signals
    groups = np.arange(len(y))
    quick().fit(X, y, checkpoint=tmp_path / "fit")
    with pytest.raises(ValueError, match="written for no groups"):
        quick().fit(X, y, groups=groups, checkpoint=tmp_path / "fit")
    quick().fit(X, y, groups=groups, checkpoint=tmp_path / "fit2")
    with pytest.raises(ValueError, match="written for another groups, now none"):
        quick().fit(X, y, checkpoint=tmp_path / "fit2")


def test_another_number_of_threads_is_refused(signals, tmp_path, monkeypatch):
    quick().fit(*signals, checkpoint=tmp_path / "fit")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    with pytest.raises(ValueError, match=r"torch.get_num_threads\(\)=1, now 64"):
        quick().fit(*signals, checkpoint=tmp_path / "fit")


def test_a_refused_call_leaves_the_file_as_it_was(signals, tmp_path):
    dropping().fit(*signals, checkpoint=tmp_path / "fit")
    content = (tmp_path / "fit").read_bytes()
    with pytest.raises(ValueError, match="Go on with what it was written for"):
        dropping(lr=1).fit(*signals, checkpoint=tmp_path / "fit")
    assert (tmp_path / "fit").read_bytes() == content


def test_a_change_of_one_bit_or_of_type_changes_the_fingerprint(tmp_path):
    X = np.random.default_rng(0).normal(size=(300, 12, 20)).astype(np.float32)
    other = X.copy()
    other.view(np.int32)[-1, -1, -1] ^= 1
    prints = [X, other, X.astype(np.float64), X.reshape(300, 240), X.swapaxes(1, 2)]
    assert len({_fingerprint(each) for each in prints}) == 5
    assert _fingerprint(X[::-1][::-1]) == _fingerprint(np.asfortranarray(X)) == _fingerprint(X)


def test_a_memory_map_has_the_fingerprint_of_its_array_and_is_read_in_parts(tmp_path, monkeypatch):
    X = np.random.default_rng(0).normal(size=(300, 12, 20)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    expected, parts = _fingerprint(X), []
    monkeypatch.setattr("skecg._files._PART", 10_000)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert _fingerprint(mapped) == expected
    hash_array(SimpleNamespace(update=parts.append), mapped)
    assert b"".join(parts) == X.tobytes()
    assert max(map(len, parts)) <= 10_000


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"callbacks": [Counting()]}, "state of the callback 'Counting'"),
        ({"iterator_train__shuffle": False}, "state of iterator_train__shuffle"),
        ({"module__n_classes": object()}, "cannot tell whether module__n_classes=<object"),
    ],
)
def test_what_a_checkpoint_cannot_hold_is_refused_before_training(
    signals, tmp_path, monkeypatch, params, message
):
    monkeypatch.setattr(NetClassifier, "train_step", None)
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(*signals, checkpoint=tmp_path / "fit")
    assert not list(tmp_path.iterdir())


def test_warm_start_and_a_checkpoint_exclude_one_another(signals, tmp_path):
    net = quick(warm_start=True).fit(*signals)
    with pytest.raises(ValueError, match="no checkpoint"):
        net.fit(*signals, checkpoint=tmp_path / "fit")


# -- damaged files ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(signals, tmp_path_factory):
    """Return the bytes of the checkpoint of a fit that was stopped."""
    path = tmp_path_factory.mktemp("stopped") / "fit"
    stop_in_epoch_after(2, dropping(), *signals, checkpoint=path)
    return path.read_bytes()


def edited(content, edit):
    found = read_archive(io.BytesIO(content))
    edit(*found)
    out = io.BytesIO()
    write_archive(out, *found)
    return out.getvalue()


def state(change):
    """Return an edit of the JSON in the arrays."""

    def edit(manifest, arrays):
        text = change(bytes(arrays["state"]).decode())
        arrays["state"] = np.frombuffer(text.encode(), dtype=np.uint8)

    return edit


def pickled():
    out = io.BytesIO()
    joblib.dump({"epoch": 3}, out)
    return out.getvalue()


DAMAGES = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-100],
    "one bit": lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    "pickle": lambda content: pickled(),
    "a model": lambda content: (Path(__file__).parent / "golden" / "network.skecg").read_bytes(),
    "newer format": lambda c: edited(c, lambda m, a: m.update(format_version=99)),
    "epoch of text": lambda c: edited(c, lambda m, a: m.update(epoch="3")),
    "a key less": lambda c: edited(c, lambda m, a: m.pop("seed")),
    "no state": lambda c: edited(c, lambda m, a: a.pop("state")),
    "a tensor less": lambda c: edited(c, lambda m, a: a.pop("t0")),
    "another shape": lambda c: edited(c, lambda m, a: a.update(t2=np.zeros((7, 7)))),
    "no JSON": lambda c: edited(c, state(lambda text: text[1:])),
    "unknown kind": lambda c: edited(c, state(lambda text: text.replace('"tensor"', '"class"'))),
    "deep": lambda c: edited(c, state(lambda text: '{"list": [' * 100_000)),
    "another generator": lambda c: edited(c, state(lambda text: text.replace("PCG64", "MT19937"))),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_named_and_left_alone(signals, tmp_path, stopped, damage):
    path = tmp_path / "fit"
    path.write_bytes(DAMAGES[damage](stopped))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(
        ModelFileError, match=r"(?s)fit cannot be used as a checkpoint: .*Remove it"
    ):
        dropping().fit(*signals, checkpoint=path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    path.write_bytes(stopped)
    dropping().fit(*signals, checkpoint=path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_named_pipe_is_no_checkpoint(signals, tmp_path):
    os.mkfifo(tmp_path / "fit")
    with pytest.raises(OSError, match="fit is not a regular file"):
        dropping().fit(*signals, checkpoint=tmp_path / "fit")
