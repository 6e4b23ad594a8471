"""Tests of pretrained models, of starting from their weights, and of half precision."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from saved_models import ecgs
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

import skecg
from skecg import ALVDClassifier, SmartNetClassifier
from skecg._pretrained import pretrained_path
from skecg.datasets import load_ptbxl, make_omi
from skecg.io import read_ecg
from skecg.persistence import (
    ModelFileError,
    load_model,
    load_pretrained,
    read_manifest,
    save_model,
)
from skecg.preprocessing import BeatCropper, LeadStandardScaler

# Name and the size in MB that its file may have in the wheel.
SHIPPED = {"alvd-sim": 0.5, "forest-sim": 5, "smartnet-sim": 15}
GOLDEN = Path(__file__).parent / "golden" / "pretrained.json"


@pytest.fixture(scope="module")
def beats():
    return make_omi(60, prevalence=0.5, random_state=0)


@pytest.fixture(scope="module")
def net():
    X, y = ecgs()
    return ALVDClassifier(lr=1e-2, max_epochs=20, random_state=0).fit(X, y)


@pytest.fixture
def file(net, tmp_path):
    save_model(net, tmp_path / "net.skecg")
    return tmp_path / "net.skecg"


def untrained(**params):
    """Return a classifier whose one epoch moves nothing but the batch norms' averages."""
    return ALVDClassifier(lr=0.0, max_epochs=1, random_state=1, **params)


def start_of(clf, X, y):
    """Return the weights that fit starts from."""
    state = {}

    class Look(type(clf)):
        def fit_loop(self, X, y=None, **params):
            state.update({k: v.clone() for k, v in self.module_.state_dict().items()})
            return super().fit_loop(X, y, **params)

    Look(**clf.get_params()).fit(X, y)
    return state


# -- the files of the package ----------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_a_pretrained_model_tells_occlusions_on_new_simulated_beats(name):
    X, y, _ = make_omi(200, prevalence=0.5, random_state=12345)
    model = load_pretrained(name)
    assert model.classes_.tolist() == [0, 1]
    assert roc_auc_score(y, model.predict_proba(X)[:, 1]) > 0.9


@pytest.mark.parametrize("name", SHIPPED)
def test_probabilities_are_those_of_the_day_the_files_were_made(name):
    # Of make_omi(6, prevalence=0.5, random_state=20261126). Other weights or another simulator
    # give others: then, and only then, write them anew.
    X, _, _ = make_omi(6, prevalence=0.5, random_state=20261126)
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))[name]
    found = load_pretrained(name).predict_proba(X)[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_fresh_process_says_the_same(name, beats, tmp_path):
    np.save(tmp_path / "X.npy", beats[0][:4])
    code = (
        "import sys, numpy as np, torch; torch.set_num_threads(1);"
        "from skecg.persistence import load_pretrained;"
        "name, folder = sys.argv[1:];"
        "X = np.load(folder + '/X.npy');"
        "np.save(folder + '/p.npy', load_pretrained(name).predict_proba(X))"
    )
    root = Path(skecg.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code, name, tmp_path], cwd=root, check=True)
    expected = load_pretrained(name).predict_proba(beats[0][:4])
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), expected)


@pytest.mark.parametrize("name", SHIPPED)
def test_recordings_give_what_their_median_beats_give(name):
    recordings = make_omi(3, form="ecg", random_state=0)[0]
    model = load_pretrained(name, form="ecg")
    found = model[1:].predict_proba(model[0].transform(recordings))
    np.testing.assert_array_equal(model.predict_proba(recordings), found)


@pytest.mark.parametrize("name", SHIPPED)
def test_real_recordings_of_any_length_and_rate_get_a_probability(name, data_dir):
    files = [data_dir / f"ptbxl/records500/00000/{number:05d}_hr.hea" for number in (1, 8)]
    ecgs = [read_ecg(file) for file in files]
    model = load_pretrained(name, form="ecg")
    whole = model.predict_proba(ecgs)[:, 1]
    cut = model.predict_proba([ecgs[0].signal[:, :1250], ecgs[1].signal[:, :3333]])[:, 1]
    slow = model.predict_proba([read_ecg(data_dir / "ptbxl/records100/00000/00001_lr.hea")])
    assert ((cut > 0) & (cut < 1)).all()
    assert whole[0] < whole[1]  # a normal ECG, and one with old infarction
    assert slow[0, 1] == pytest.approx(whole[0], abs=0.03)  # the same ECG at 100 Hz


@pytest.mark.parametrize("name", SHIPPED)
def test_normal_ecgs_of_real_people_score_low(name, data_dir):
    found = load_ptbxl(data_dir / "ptbxl", as_paths=True, positive="MI", negative="NORM")
    normal = np.flatnonzero(found.target == 0)[:20]
    model = load_pretrained(name, form="ecg")
    score = model.predict_proba([read_ecg(found.data[row]) for row in normal])[:, 1]
    assert np.median(score) < 0.15


@pytest.mark.parametrize("name", SHIPPED)
def test_a_pretrained_model_can_be_pickled(name, beats):
    model = load_pretrained(name)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        copy.predict_proba(beats[0][:4]), model.predict_proba(beats[0][:4])
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_says_what_the_model_is_not(name):
    card = read_manifest(pretrained_path(name))["card"]
    assert "Not a medical device" in card["use"]
    assert "simulated training data alone" in card["data"]
    assert {"seed", "minutes", "simulated_test", "tested", "not_tested"} <= set(card)


@pytest.mark.parametrize(("name", "size"), SHIPPED.items())
def test_files_are_no_larger_than_allowed(name, size):
    assert pretrained_path(name).stat().st_size <= size * 1e6


def test_unknown_names_are_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"'vgg' is not among .*: alvd-sim, .*, smartnet-sim"):
        load_pretrained("vgg")


def test_a_missing_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("skecg._pretrained._FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'forest-sim' is missing .* has: none"):
        load_pretrained("forest-sim")


def test_unknown_forms_are_refused():
    with pytest.raises(ValueError, match="form must be 'beat' or 'ecg', got 'table'"):
        load_pretrained("forest-sim", form="table")


# -- starting from weights -------------------------------------------------------------


def test_fit_starts_from_the_weights_of_a_name(beats):
    X, y, _ = beats
    X = BeatCropper().fit_transform(X)
    start = start_of(untrained(weights="alvd-sim"), X, y)
    pretrained = load_pretrained("alvd-sim")[-1].module_.state_dict()
    for name, tensor in pretrained.items():
        assert torch.equal(start[name], tensor)


def test_a_network_that_started_from_a_name_is_saved_with_it(beats, tmp_path):
    X, y, _ = beats
    net = untrained(weights="alvd-sim").fit(BeatCropper().fit_transform(X), y)
    save_model(net, tmp_path / "m")
    assert load_model(tmp_path / "m").weights == "alvd-sim"


def test_fit_starts_from_the_weights_of_a_file(net, file):
    X, y = ecgs()
    start = start_of(untrained(weights=file), X, y)
    for name, tensor in net.module_.state_dict().items():
        assert torch.equal(start[name], tensor)


def test_the_optimizer_trains_the_weights_that_were_put_in(file):
    X, y = ecgs()
    clf = ALVDClassifier(weights=file, lr=1e-2, max_epochs=1, random_state=0)
    start = start_of(clf, X, y)
    assert not torch.equal(clf.fit(X, y).module_.state_dict()["fc.weight"], start["fc.weight"])


def test_the_last_layer_can_have_its_own_learning_rate(file):
    X, y = ecgs()
    groups = [("fc.*", {"lr": 1e-2})]
    clf = ALVDClassifier(
        weights=file, lr=0.0, max_epochs=1, random_state=0, optimizer__param_groups=groups
    )
    start, end = start_of(clf, X, y), clf.fit(X, y).module_.state_dict()
    assert torch.equal(start["spatial.0.weight"], end["spatial.0.weight"])
    assert not torch.equal(start["fc.weight"], end["fc.weight"])


def test_the_positive_class_keeps_its_weights_when_it_sorts_first(net, file):
    X, y = ecgs()
    labels = np.where(y == 1, "OMI", "no OMI")
    start = start_of(untrained(weights=file, pos_label="OMI"), X, labels)
    assert torch.equal(start["fc.weight"], net.module_.state_dict()["fc.weight"].flip(0))


def test_weights_survive_clone_pickle_and_cross_validation(file):
    X, y = ecgs()
    clf = ALVDClassifier(weights=file, lr=1e-4, max_epochs=1, random_state=0)
    assert clone(clf).weights == file
    expected = clf.fit(X, y).predict_proba(X)
    again = pickle.loads(pickle.dumps(clone(clf))).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    scores = cross_validate(make_pipeline(clf), X, y, cv=2, error_score="raise")["test_score"]
    assert (scores > 0.8).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X, y: (np.repeat(X, 2, axis=1), y), r"n_leads 1 \(here 2\)"),
        (lambda X, y: (X[..., :130], y), r"n_times 140 \(here 130\)"),
        (lambda X, y: (X, np.arange(40) % 4), r"n_classes 2 \(here 4\)"),
    ],
    ids=["leads", "samples", "classes"],
)
def test_weights_of_another_shape_are_refused_in_words(change, said, file):
    with pytest.raises(ValueError, match=said):
        untrained(weights=file).fit(*change(*ecgs()))


def test_weights_of_another_network_are_refused_in_words(file):
    with pytest.raises(ValueError, match=r"module ALVDNet \(here SmartNet\)"):
        SmartNetClassifier(weights=file, random_state=0).fit(*ecgs())


def test_what_is_no_model_file_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"weights")
    with pytest.raises(ModelFileError, match="gives no weights"):
        untrained(weights=tmp_path / "x").fit(*ecgs())


def test_a_forest_gives_no_weights():
    with pytest.raises(ModelFileError, match="holds 0 networks"):
        untrained(weights="forest-sim").fit(*ecgs())


def test_a_network_that_started_from_a_path_is_not_saved_with_it(file, tmp_path):
    net = untrained(weights=str(file)).fit(*ecgs())
    with pytest.raises(ModelFileError, match="weights is the path of another file"):
        save_model(net, tmp_path / "m")


# -- half precision --------------------------------------------------------------------


def test_half_precision_changes_no_probability_by_a_thousandth(net, tmp_path):
    X, _ = ecgs()
    save_model(net, tmp_path / "half", precision="float16")
    loaded = load_model(tmp_path / "half")
    change = np.abs(loaded.predict_proba(X) - net.predict_proba(X)).max()
    assert 0 < change < 1e-3
    assert {each.dtype for each in loaded.module_.parameters()} == {torch.float32}


def test_half_precision_halves_the_file(net, tmp_path):
    save_model(net, tmp_path / "half", precision="float16")
    save_model(net, tmp_path / "full")
    assert (tmp_path / "half").stat().st_size < 0.6 * (tmp_path / "full").stat().st_size


def test_weights_too_large_for_half_precision_are_refused(net, tmp_path):
    large = pickle.loads(pickle.dumps(net))
    with torch.no_grad():
        large.module_.fc.weight[0, 0] = 1e5
    with pytest.raises(ModelFileError, match="infinity"), np.errstate(over="ignore"):
        save_model(large, tmp_path / "m", precision="float16")


def test_unknown_precisions_are_refused(net, tmp_path):
    with pytest.raises(ValueError, match="precision must be 'float32' or 'float16', got 'int8'"):
        save_model(net, tmp_path / "m", precision="int8")


# -- the wheel -------------------------------------------------------------------------


def test_files_of_all_shipped_models_lie_inside_the_package():
    # hatch takes every file under skecg/ that git does not ignore into the wheel.
    folder = Path(skecg.__file__).parent / "weights"
    assert {path.stem for path in folder.glob("*.skecg")} == set(SHIPPED)


# -- signals other than ECGs -----------------------------------------------------------


def test_a_network_learns_from_19_channels_at_256_hz():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((160, 19, 512)), np.arange(160) % 2
    t = np.arange(512) / 256
    phase = rng.uniform(0, 2 * np.pi, (80, 1, 1))
    X[y == 1, 15:] += 2 * np.sin(2 * np.pi * 10 * t + phase)  # 10 Hz in four channels
    net = ALVDClassifier(lr=3e-3, max_epochs=6, batch_size=16, random_state=0)
    model = make_pipeline(LeadStandardScaler(), net).fit(X[:120], y[:120])
    assert model[-1].n_leads_ == 19
    assert roc_auc_score(y[120:], model.predict_proba(X[120:])[:, 1]) > 0.95
