"""Tests of model files: what is saved comes back, and a failed write changes nothing."""

import json
import os
import subprocess
import sys
import zipfile
from functools import partial

import numpy as np
import pytest
import torch
from saved_models import GOLDEN, ecgs, models, table
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, fbeta_score, make_scorer
from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from skecg import (
    ALVDClassifier,
    FeatureForestClassifier,
    NetClassifier,
    ResNetClassifier,
    SmartNetClassifier,
    STEMICriteriaClassifier,
    TemporalResNetClassifier,
)
from skecg._files import read_archive, write_archive
from skecg.calibration import PriorCorrection
from skecg.datasets import make_omi
from skecg.networks import ALVDNet
from skecg.persistence import ModelFileError, load_model, read_manifest, save_model
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat


def saved(model, path):
    save_model(model, path)
    return load_model(path)


def same(model, other, X):
    """Assert that two models say the same of X to the bit."""
    for method in ("predict_proba", "predict", "transform"):
        if hasattr(model, method):
            expected, found = getattr(model, method)(X), getattr(other, method)(X)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def beats():
    X, y, _ = make_omi(60, prevalence=0.5, random_state=0)
    return X, np.where(y == 1, "OMI", "no OMI")


@pytest.fixture(scope="module")
def net():
    X, y = ecgs()
    return ALVDClassifier(lr=1e-3, max_epochs=2, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def features():
    X, y = table()
    return X.fillna(0).to_numpy(), y


@pytest.mark.parametrize(
    "Net",
    [SmartNetClassifier, TemporalResNetClassifier, ALVDClassifier],
    ids=lambda Net: Net.__name__,
)
def test_a_network_predicts_to_the_bit_what_it_did(Net, tmp_path):
    X, y = ecgs(16)
    model = Net(lr=1e-3, max_epochs=1, random_state=0, optimizer__weight_decay=0.1).fit(X, y)
    loaded = saved(model, tmp_path / "m")
    same(model, loaded, X)
    assert loaded.best_epoch_ == 1
    assert loaded.epochs_.equals(model.epochs_)
    assert loaded.get_params().keys() == model.get_params().keys()


def test_a_network_with_weights_of_another_kind_comes_back(tmp_path):
    X, y = ecgs(16)
    model = ResNetClassifier(weights=None, lr=1e-3, max_epochs=1, random_state=0).fit(X, y)
    same(model, saved(model, tmp_path / "m"), X)


def test_a_general_network_of_a_known_module_comes_back(tmp_path):
    X, y = ecgs(16)
    model = NetClassifier(ALVDNet, lr=1e-3, max_epochs=1, random_state=0).fit(X, y)
    same(model, saved(model, tmp_path / "m"), X)


def test_a_loaded_network_can_be_trained_on(net, tmp_path):
    X, y = ecgs()
    loaded = saved(net, tmp_path / "m")
    loaded.partial_fit(X, y)
    assert len(loaded.epochs_) == 4
    assert np.isfinite(loaded.predict_proba(X)).all()


def test_a_loaded_network_can_be_fitted_anew(net, tmp_path):
    X, y = ecgs()
    same(net, saved(net, tmp_path / "m").fit(X, y), X)
    same(net, clone(saved(net, tmp_path / "m")).fit(X, y), X)


@pytest.mark.parametrize("preset", ["improved", "published"])
def test_a_forest_predicts_to_the_bit_what_it_did(preset, beats, tmp_path):
    X, y = beats
    model = FeatureForestClassifier(preset=preset, n_estimators=5, random_state=0).fit(X, y)
    loaded = saved(model, tmp_path / "m")
    same(model, loaded, X)
    np.testing.assert_array_equal(loaded.feature_importances_, model.feature_importances_)


@pytest.mark.parametrize("rules", ["stemi", "omi"])
def test_the_rules_come_back(rules, beats, tmp_path):
    X, y = beats
    model = STEMICriteriaClassifier(rules=rules).fit(X, y)
    loaded = saved(model, tmp_path / "m")
    same(model, loaded, X)
    assert loaded.reasons(X).equals(model.reasons(X))


def test_a_pipeline_from_recordings_comes_back(tmp_path):
    t = np.arange(2000) % 400 - 200
    X = np.exp(-0.5 * (t / 5) ** 2) * np.linspace(1, 2, 16)[:, None, None]
    X = X + 0.2 * np.exp(-0.5 * ((t - 130) / 25) ** 2)
    y = np.arange(16) % 2
    net = ALVDClassifier(lr=1e-3, max_epochs=1, random_state=0)
    model = make_pipeline(MedianBeat(), BeatCropper(), LeadStandardScaler(), net).fit(X, y)
    same(model, saved(model, tmp_path / "m"), X)
    with zipfile.ZipFile(tmp_path / "m") as file:
        told = json.loads(file.read("manifest.json"))
    assert told["input"]["n_leads"] == 1
    assert told["input"]["n_times"] is None
    assert (told["input"]["sampling_rate"], told["input"]["unit"]) == (500, "mV")
    assert (told["classes"], told["class"]) == ([0, 1], "Pipeline")


@pytest.mark.parametrize(
    "step",
    [
        MaxAbsScaler(),
        MinMaxScaler(),
        PCA(2),
        PowerTransformer(),
        QuantileTransformer(n_quantiles=10),
        RobustScaler(),
        SimpleImputer(strategy="median"),
        StandardScaler(),
        VarianceThreshold(),
        make_union(StandardScaler(), PCA(1)),
    ],
    ids=lambda step: type(step).__name__,
)
def test_scikit_learns_transformers_come_back(step, features, tmp_path):
    X, y = features
    same(clone(step).fit(X), saved(clone(step).fit(X), tmp_path / "m"), X)
    model = make_pipeline(clone(step), LogisticRegression()).fit(X, y)
    same(model, saved(model, tmp_path / "m"), X)


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(random_state=0),
        DecisionTreeClassifier(max_leaf_nodes=5, random_state=0),
        RandomForestClassifier(5, random_state=0, class_weight="balanced"),
        RandomForestClassifier(5, random_state=0, ccp_alpha=0.02, max_depth=3),
        CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=StratifiedKFold(3)),
        CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=3),
        TunedThresholdClassifierCV(LogisticRegression(), scoring="balanced_accuracy", cv=3),
        TunedThresholdClassifierCV(
            LogisticRegression(), scoring=make_scorer(fbeta_score, beta=2, pos_label="OMI"), cv=3
        ),
        VotingClassifier([("a", LogisticRegression()), ("b", DecisionTreeClassifier())]),
        StackingClassifier([("a", LogisticRegression()), ("b", LogisticRegression(C=2))]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_scikit_learns_classifiers_come_back(model, features, tmp_path):
    X, y = features
    model = clone(model).fit(X, y)
    same(model, saved(model, tmp_path / "m"), X)


def test_a_corrected_network_keeps_its_prevalence(net, tmp_path):
    X, y = ecgs()
    model = PriorCorrection(FrozenEstimator(net), prevalence=0.088).fit(X, y)
    loaded = saved(model, tmp_path / "m")
    same(model, loaded, X)
    np.testing.assert_array_equal(loaded.prevalence_, [0.912, 0.088])


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_a_calibrated_network_is_saved_once(method, net, tmp_path):
    X, y = ecgs()
    model = CalibratedClassifierCV(FrozenEstimator(net), method=method).fit(X, y)
    loaded = saved(model, tmp_path / "m")
    same(model, loaded, X)
    assert loaded.estimator.estimator is loaded.calibrated_classifiers_[0].estimator.estimator
    save_model(net, tmp_path / "net")
    assert os.path.getsize(tmp_path / "m") < os.path.getsize(tmp_path / "net") + 5000


@pytest.mark.parametrize("y", [[1.0, 2.0], [True, False], ["a", "bc"], [3, -1]], ids=str)
def test_labels_keep_their_type(y, features, tmp_path):
    X, _ = features
    labels = np.array(y)[np.arange(len(X)) % 2]
    model = LogisticRegression().fit(X, labels)
    same(model, saved(model, tmp_path / "m"), X)


def test_what_fit_asks_for_is_kept(tmp_path):
    X, y = ecgs(16)
    with config_context(enable_metadata_routing=True):
        net = ALVDClassifier(lr=1e-3, max_epochs=1, random_state=0).set_fit_request(groups=True)
        loaded = saved(net.fit(X, y), tmp_path / "m")
        assert str(loaded.get_metadata_routing()) == str(net.get_metadata_routing())
        assert "'groups': True" in str(loaded.get_metadata_routing())


def test_the_same_model_gives_the_same_bytes(features, tmp_path):
    X, y = features
    model = RandomForestClassifier(5, random_state=0).fit(X, y)
    save_model(model, tmp_path / "a")
    save_model(load_model(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_saving_and_loading_leave_model_and_generators_as_they_are(net, tmp_path):
    X, _ = ecgs()
    before, weights = net.predict_proba(X), net.module_.state_dict()["fc.weight"].clone()
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    saved(net, tmp_path / "m")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    np.testing.assert_array_equal(net.predict_proba(X), before)
    assert torch.equal(net.module_.state_dict()["fc.weight"], weights)


# -- files of earlier versions ---------------------------------------------------------


@pytest.mark.parametrize("name", ["network", "forest", "published", "threshold"])
def test_files_of_format_1_keep_loading(name):
    expected = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))[name]
    X = ecgs()[0] if name == "network" else table()[0]
    model = load_model(GOLDEN / f"{name}.skecg")
    np.testing.assert_allclose(model.predict_proba(X), expected["predict_proba"], atol=1e-5)
    assert model.predict(X).tolist() == expected["predict"]


def test_golden_files_hold_the_classes_of_today():
    assert set(models()) == {path.stem for path in GOLDEN.glob("*.skecg")}


# -- what is not saved -----------------------------------------------------------------


class Own(torch.nn.Module):
    def __init__(self, n_classes=2):
        super().__init__()
        self.fc = torch.nn.LazyLinear(n_classes)

    def forward(self, x):
        return self.fc(x.flatten(1))


def test_a_network_of_ones_own_is_refused_in_words(tmp_path):
    X, y = ecgs(16)
    model = NetClassifier(Own, lr=1e-3, max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ModelFileError, match=r"only those of skecg\.networks"):
        save_model(model, tmp_path / "m")
    assert os.listdir(tmp_path) == []


def own_score(y_true, y_pred):
    return np.mean(y_true == y_pred)


def test_a_function_is_refused_in_words(features, tmp_path):
    X, y = features
    model = TunedThresholdClassifierCV(LogisticRegression(), scoring=make_scorer(own_score), cv=3)
    model.fit(X, y)
    with pytest.raises(ModelFileError, match=r"scoring is make_scorer"):
        save_model(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match="FunctionTransformer cannot be saved"):
        save_model(make_pipeline(FunctionTransformer(), LogisticRegression()).fit(X, y), "m")


def test_a_threshold_whose_scoring_was_changed_is_refused(features, tmp_path):
    X, y = features
    scoring = make_scorer(f1_score, pos_label="OMI")
    model = TunedThresholdClassifierCV(LogisticRegression(), scoring=scoring, cv=3).fit(X, y)
    with pytest.raises(ModelFileError, match="scoring was changed after fit"):
        save_model(model.set_params(scoring="accuracy"), tmp_path / "m")


def test_weights_that_are_nan_are_refused(net, tmp_path):
    broken = saved(net, tmp_path / "good")
    with torch.no_grad():
        broken.module_.fc.bias[0] = np.nan
    with pytest.raises(ModelFileError, match="NaN"):
        save_model(broken, tmp_path / "m")
    assert os.listdir(tmp_path) == ["good"]


def test_the_path_of_another_file_is_refused(net, tmp_path):
    model = saved(net, tmp_path / "m").set_params(module__weights="net.pt")
    with pytest.raises(ModelFileError, match=r"set_params\(module__weights=None\)"):
        save_model(model, tmp_path / "m")


def test_what_is_not_fitted_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        save_model(LogisticRegression(), tmp_path / "m")


def test_the_manifest_tells_class_input_and_card_without_building_a_model(net, tmp_path):
    save_model(net, tmp_path / "m", card={"data": "simulated"})
    manifest = read_manifest(tmp_path / "m")
    assert manifest["class"] == type(net).__name__
    assert manifest["card"] == {"data": "simulated"}
    assert manifest["input"]["n_leads"] == net.n_leads_
    assert manifest["classes"] == net.classes_.tolist()


def test_the_manifest_of_a_damaged_file_is_refused(net, tmp_path):
    save_model(net, tmp_path / "m")
    (tmp_path / "m").write_bytes((tmp_path / "m").read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="cannot be used as a model"):
        read_manifest(tmp_path / "m")


def test_a_card_that_json_cannot_hold_is_refused(net, tmp_path):
    with pytest.raises(TypeError):
        save_model(net, tmp_path / "m", card={"data": object()})
    assert os.listdir(tmp_path) == []


# -- writing ---------------------------------------------------------------------------


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_whole(fails, net, features, tmp_path, monkeypatch):
    X, y = features
    save_model(LogisticRegression().fit(X, y), tmp_path / "m")
    before = (tmp_path / "m").read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left"):
        save_model(net, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before
    assert os.listdir(tmp_path) == ["m"]


FULL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from skecg.persistence import load_model, save_model
model = load_model(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN if sys.argv[3] == "full" else signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
save_model(model, sys.argv[4])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit of a file's size")
@pytest.mark.parametrize("how", ["full", "killed"])
def test_a_full_disk_or_a_kill_half_way_leaves_the_old_file_whole(how, tmp_path):
    target, golden = tmp_path / "m", GOLDEN / "network.skecg"
    before = (GOLDEN / "forest.skecg").read_bytes()
    target.write_bytes(before)
    args = [str(GOLDEN.parent), str(golden), how, str(target)]
    run = subprocess.run(
        [sys.executable, "-c", FULL, *args], capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert ("File too large" in run.stderr) == (how == "full")
    assert target.read_bytes() == before
    if how == "full":
        assert os.listdir(tmp_path) == ["m"]


def test_a_link_stays_a_link(features, tmp_path):
    X, y = features
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    save_model(LogisticRegression().fit(X, y), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    load_model(tmp_path / "real")


def test_a_missing_file_is_no_model_file_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "absent")


def test_a_device_that_is_not_there_is_said_so():
    with pytest.raises(ValueError, match="cannot be used here"):
        load_model(GOLDEN / "network.skecg", device="nowhere")


@pytest.mark.parametrize("name", ["compile", "iterator_valid__num_workers"])
def test_loading_starts_no_compiler_and_no_process(tmp_path, monkeypatch, name):
    X, y = ecgs()
    net = ALVDClassifier(lr=1e-2, max_epochs=1, random_state=0).fit(X, y)
    path = tmp_path / "net"
    net.set_params(**{name: 2})
    monkeypatch.setattr(os, "fork", None)
    monkeypatch.setattr(subprocess, "Popen", None)
    save_model(net, path)
    loaded = load_model(path)
    assert loaded.get_params()[name] == 2
    if name == "compile":
        assert hasattr(loaded.module_, "_orig_mod")


def test_a_pipeline_that_caches_is_not_saved_and_not_loaded(tmp_path):
    # Its fit would read pickles out of the folder that the file names.
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit([[0], [1]], [0, 1])
    save_model(pipe, tmp_path / "pipe")
    with (tmp_path / "pipe").open("rb") as file:
        manifest, arrays = read_archive(file)
    manifest["estimators"][-1]["params"]["memory"] = "//host/share"
    with (tmp_path / "bad").open("wb") as file:
        write_archive(file, manifest, arrays)
    with pytest.raises(ModelFileError, match="memory is a folder"):
        load_model(tmp_path / "bad")
    with pytest.raises(ModelFileError, match=r"set_params\(memory=None\) before saving"):
        save_model(pipe.set_params(memory=str(tmp_path)), tmp_path / "pipe")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_named_pipe_is_neither_waited_for_nor_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    model = StandardScaler().fit([[0], [1]])
    for call in (load_model, read_manifest, partial(save_model, model)):
        with pytest.raises(OSError, match="pipe is not a regular file"):
            call(tmp_path / "pipe")
    assert not (tmp_path / "pipe").is_file()
