"""Model files that hold no code: a manifest to read, and arrays."""

import math
import platform
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from ._base import NetClassifier
from ._files import ModelFileError, check_regular, read_archive, whole_file, write_archive
from ._forest import FeatureForestClassifier
from ._onnx import export_onnx
from ._onnx_classifier import ONNXClassifier
from ._pretrained import pretrained_path
from ._state import Decoder, Encoder
from .clinical import STEMICriteriaClassifier
from .feature_extraction import BeatFeatures
from .leads import LEADS
from .preprocessing import MedianBeat

__all__ = [
    "ModelFileError",
    "ONNXClassifier",
    "export_onnx",
    "load_model",
    "load_pretrained",
    "read_manifest",
    "save_model",
]

_FORMAT, _VERSION = "skecg model", 1
_KEYS = {"format", "format_version", "class", "versions", "input", "classes", "card", "estimators"}
_PACKAGES = ("skecg", "scikit-learn", "skorch", "torch", "numpy")
_TAKES_MV = (MedianBeat, BeatFeatures, FeatureForestClassifier, STEMICriteriaClassifier)
_MOST_VALUES = 2**20  # of one ECG; 12 leads of 10 s at 500 Hz are 60,000


def save_model(estimator, path, *, card=None, precision="float32"):
    """Write a fitted estimator to a file that holds no code.

    Every estimator of this package can be saved, with scikit-learn's pipelines, scalers,
    imputers, calibrators, thresholds, logistic regression, trees, forests, voting and stacking
    around it. A network is one of ``skecg.networks``.

    The file is a zip of ``manifest.json`` and ``arrays.safetensors``, with the sha256 of the
    latter in the former. The manifest holds parameters, labels, the versions of the packages, the
    card, and the input the model takes: leads, samples a lead, sampling rate in Hz, unit, names of
    columns; null where the estimator does not know it. The same model gives the same bytes.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    path : str or path-like
        Where to write. A file that is there stays whole until the new one is complete, on the
        disk, and has been read back.
    card : str or dict, default=None
        What the model is, was trained and tested on: anything that JSON can hold.
    precision : {"float32", "float16"}, default="float32"
        How the weights of networks are stored. "float16" halves the file and rounds the weights
        of convolutions and linear layers, so that probabilities differ a little, by some 1e-4:
        compare them before relying on the file. The loaded network computes in float32.

    Raises
    ------
    ModelFileError
        If the estimator holds what a model file cannot: another class, a function, a network of
        one's own, NaN in its weights.
    NotFittedError
        If the estimator is not fitted.
    OSError
        If the file cannot be written, as on a full disk.

    Notes
    -----
    The optimizer of a network is left out: ``partial_fit`` begins a new one. Saving needs memory
    for twice the arrays.

    Examples
    --------
    >>> import os, tempfile
    >>> from skecg import FeatureForestClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.persistence import load_model, read_manifest, save_model
    >>> X, y, groups = make_omi(100, prevalence=0.5, random_state=0)
    >>> forest = FeatureForestClassifier(n_estimators=50, random_state=0).fit(X, y)
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "forest.skecg")
    >>> save_model(forest, path, card="simulated ECGs, for this example alone")
    >>> bool((load_model(path).predict_proba(X) == forest.predict_proba(X)).all())
    True
    >>> manifest = read_manifest(path)
    >>> manifest["input"]["unit"], manifest["card"]
    ('mV', 'simulated ECGs, for this example alone')
    >>> folder.cleanup()
    """
    if precision not in ("float32", "float16"):
        raise ValueError(f"precision must be 'float32' or 'float16', got {precision!r}.")
    check_is_fitted(estimator)
    encoder = Encoder(half=precision == "float16")
    encoder.estimator(estimator)
    versions = {"python": platform.python_version()}
    manifest = {
        "format": _FORMAT,
        "format_version": _VERSION,
        **_description(estimator),
        "versions": versions | {name: version(name) for name in _PACKAGES},
        "card": card,
        "estimators": encoder.estimators,
    }
    with whole_file(path) as file:
        write_archive(file, manifest, encoder.arrays)
        try:
            _read(file, torch.device("cpu"))
        except ModelFileError as error:
            raise ModelFileError(f"This model cannot be saved: {error}") from error


def load_model(path, *, device="cpu"):
    """Read an estimator from a file that :func:`~skecg.persistence.save_model` wrote.

    No code comes from the file: it names classes of a list that is part of this package, and
    everything else is numbers, text and arrays, which are checked before they are used. Nothing
    but the file is read. The sha256 tells a damaged file, not who made it.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or torch.device, default="cpu"
        Where networks compute, wherever they were trained.

    Returns
    -------
    estimator
        Fitted. With the versions of packages that the manifest names, and on one torch thread,
        its predictions are those of the saved one to the bit.

    Raises
    ------
    ModelFileError
        If the file is damaged, was tampered with, is of a newer version or no model file.
    OSError
        If the file cannot be read.
    """
    device = NetClassifier(None, device=device)._checked_device()
    check_regular(path)
    with open(path, "rb") as file:
        try:
            return _read(file, device)
        except ModelFileError as error:
            raise ModelFileError(f"{path} cannot be used as a model: {error}") from error


def load_pretrained(name, *, form="beat"):
    """Load a model that comes with this package, trained on simulated ECGs alone.

    For research, not a medical device: none has been tested on ECGs with a label of occlusion.
    The file's card tells what the model was trained and tested on. Probabilities belong to a
    prevalence of one half, see :class:`skecg.calibration.PriorCorrection`.

    Parameters
    ----------
    name : {"alvd-sim", "forest-sim", "smartnet-sim"}
        The model: an :class:`skecg.ALVDClassifier`, a :class:`skecg.FeatureForestClassifier`,
        or a :class:`skecg.SmartNetClassifier`.
    form : {"beat", "ecg"}, default="beat"
        What it is given: median beats, (n_samples, 12, 600) in mV at 500 Hz with R at sample
        300, or recordings of 2.5 s or more, as :class:`skecg.preprocessing.MedianBeat` takes
        them.

    Returns
    -------
    estimator
        Fitted; ``predict_proba(X)[:, 1]`` is the probability of an occlusion (OMI).

    Raises
    ------
    ValueError
        If there is no model of this name.
    FileNotFoundError
        If its file is not in this installation.

    Examples
    --------
    >>> from skecg.datasets import make_omi
    >>> from skecg.persistence import load_pretrained
    >>> X, y, groups = make_omi(10, random_state=0)
    >>> load_pretrained("alvd-sim").predict_proba(X[:2]).shape
    (2, 2)
    >>> recordings = make_omi(2, form="ecg", random_state=0)[0]
    >>> load_pretrained("alvd-sim", form="ecg").predict_proba(recordings[:1]).shape
    (1, 2)
    """
    if form not in ("beat", "ecg"):
        raise ValueError(f"form must be 'beat' or 'ecg', got {form!r}.")
    model = load_model(pretrained_path(name))
    if form == "beat":
        return model
    recording = np.zeros((1, len(LEADS), 5000), dtype=np.float32)
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    return make_pipeline(MedianBeat().fit(recording), *steps)


def read_manifest(path):
    """Read what a model file says of itself, without building the model.

    Parameters
    ----------
    path : str or path-like
        A file that :func:`save_model` wrote.

    Returns
    -------
    dict
        ``"class"``; ``"input"``: what ECGs the model takes (n_leads, leads, n_times,
        sampling_rate, unit, columns); ``"classes"``; ``"versions"`` of the packages that wrote
        it; and the ``"card"``. The whole file is checked for damage, but that `class`, `input`
        and `classes` are those of its content is checked by :func:`load_model` alone.

    Raises
    ------
    ModelFileError
        If the file is damaged, of a newer version or no model file.
    OSError
        If the file cannot be read.
    """
    check_regular(path)
    with open(path, "rb") as file:
        try:
            manifest = _manifest_and_arrays(file)[0]
        except ModelFileError as error:
            raise ModelFileError(f"{path} cannot be used as a model: {error}") from error
    return {name: manifest[name] for name in ("class", "input", "classes", "versions", "card")}


def _manifest_and_arrays(file):
    manifest, arrays = read_archive(file)
    if manifest.get("format") != _FORMAT:
        raise ModelFileError("its manifest is not that of a model.")
    if manifest.get("format_version") != _VERSION:
        raise ModelFileError(
            f"it is of format {manifest.get('format_version')!r:.80}, and this skecg reads format "
            f"{_VERSION}. Install the skecg that wrote it, or a newer one."
        )
    if set(manifest) != _KEYS:
        raise ModelFileError("its manifest lacks a part, or has an unknown one.")
    return manifest, arrays


def _read(file, device):
    manifest, arrays = _manifest_and_arrays(file)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            decoder = Decoder(arrays, str(device), check=_try_out)
            estimator = decoder.estimators(manifest["estimators"])
            found = _description(estimator)
    except ModelFileError:
        raise
    except Exception as error:  # the file says what happens above; what fails is its fault
        raise ModelFileError(
            f"its content does not fit together ({type(error).__name__}: {error!s:.400}). It was "
            f"written with {manifest['versions']!r:.400}."
        ) from error
    for name in found:
        if manifest[name] != found[name]:
            raise ModelFileError(
                f"its {name} is {manifest[name]!r:.200}, but its content has {found[name]!r:.200}."
            )
    return estimator


# -- what the manifest tells -----------------------------------------------------------


def _description(estimator):
    """Return what the manifest tells of a model, and the model must be when it is read."""
    classes = getattr(estimator, "classes_", None)
    return {
        "class": type(estimator).__name__,
        "input": _input(estimator),
        "classes": None if classes is None else classes.tolist(),
    }


def _parts(estimator):
    """Yield an estimator and those inside it, in the order in which they see the ECGs."""
    yield estimator
    if isinstance(estimator, Pipeline):
        inner = [step for _, step in estimator.steps]
    elif isinstance(estimator, FeatureUnion):
        inner = [step for _, step in estimator.transformer_list]
    elif isinstance(estimator, StackingClassifier | VotingClassifier):
        inner = estimator.estimators_
    elif hasattr(estimator, "calibrated_classifiers_"):
        inner = [each.estimator for each in estimator.calibrated_classifiers_]
    elif hasattr(estimator, "estimator_") or type(estimator).__name__ == "FrozenEstimator":
        inner = [getattr(estimator, "estimator_", None) or estimator.estimator]
    else:
        inner = []
    for each in inner:
        if not isinstance(each, str) and each is not None:
            yield from _parts(each)


def _input(estimator):
    """Return what the model takes, None for what its parts do not know."""
    parts = list(_parts(estimator))

    def first(name):
        return next((getattr(part, name) for part in parts if hasattr(part, name)), None)

    n_leads, n_times, rate = first("n_leads_"), first("n_times_"), first("sampling_rate")
    if any(isinstance(part, MedianBeat) for part in parts):
        n_times = None  # recordings of any length
    columns = first("feature_names_in_")
    return {
        "n_leads": n_leads,
        "leads": list(LEADS) if n_leads == len(LEADS) else None,
        "n_times": n_times,
        "sampling_rate": None if rate is None else float(rate),
        "unit": "mV" if any(isinstance(part, _TAKES_MV) for part in parts) else None,
        "columns": None if columns is None else columns.tolist(),
    }


# -- a look whether an estimator that was read works -----------------------------------


def _try_out(estimator):
    """Raise an error if an estimator cannot do its work on one row of zeros."""
    if isinstance(estimator, FeatureForestClassifier) and hasattr(estimator, "model_"):
        _check_forest(estimator)
    parts = list(_parts(estimator))
    # Zeros hold no QRS complex: these raise an error or give NaN, which the next step may not take.
    no_zeros = (MedianBeat, FeatureForestClassifier, BeatFeatures)
    if any(isinstance(part, no_zeros) for part in parts) and type(estimator) is not BeatFeatures:
        return
    row = _zeros(parts)
    if row is None:
        return
    if hasattr(estimator, "predict_proba"):
        proba = estimator.predict_proba(row)
        good = proba.shape == (1, len(estimator.classes_)) and np.isfinite(proba).all()
        if not good or (proba < 0).any() or not np.isclose(proba.sum(), 1, atol=1e-3):
            raise ModelFileError(f"its {type(estimator).__name__} gives no probabilities.")
    elif hasattr(estimator, "transform"):
        estimator.transform(row)
    if hasattr(estimator, "predict"):
        estimator.predict(row)


def _zeros(parts):
    """Return a row of zeros as the first part that knows its input takes it, else None."""
    first = next((part for part in parts if hasattr(part, "n_times_")), None)
    first = first or next((part for part in parts if hasattr(part, "n_features_in_")), None)
    if first is None:
        return None
    n_features = first.n_features_in_
    shape = (1, n_features)
    if n_features == getattr(first, "n_leads_", None):
        shape = (1, n_features, first.n_times_)
    if not 0 < math.prod(shape) <= _MOST_VALUES:
        raise ModelFileError(f"it takes rows of shape {shape[1:]}.")
    names = getattr(first, "feature_names_in_", None)
    row = np.zeros(shape, dtype=np.float32)
    return row if names is None else pd.DataFrame(row, columns=names)


def _check_forest(forest):
    """Check that features, imputer and forest are of one another."""
    names, features = forest.feature_names_, forest._features
    good = forest.model_.n_features_in_ == len(names)
    good &= np.array_equal(forest.model_.classes_, forest.classes_)
    if features is not None:
        good &= type(features) is BeatFeatures and np.array_equal(features._names, names)
    if not good:
        raise ModelFileError("its forest is not of the features or the classes that it names.")
