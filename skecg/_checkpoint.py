"""Fits that go on after a kill: all that training depends on, in one file without code."""

import functools
import glob
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from importlib.metadata import version

import numpy as np
import torch
from skorch.callbacks import (
    BatchScoring,
    Callback,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)
from torch.utils.data import DataLoader

from ._callbacks import BestEpoch, Plateau, Progress, ValidationScore
from ._files import (
    ModelFileError,
    check_regular,
    hash_array,
    read_archive,
    whole_file,
    write_archive,
)

_FORMAT, _VERSION = "skecg checkpoint", 1
_KEYS = {"format", "format_version", "epoch", "finished", "seed", "settings", "data"}
# What these callbacks keep from one epoch to the next.
_KEPT = {
    BatchScoring: ("best_score_",),
    BestEpoch: ("best_", "state_"),
    EarlyStopping: ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_"),
    EpochScoring: ("best_score_",),
    EpochTimer: (),
    GradientNormClipping: (),
    LRScheduler: ("batch_idx_", "lr_scheduler_"),
    PassthroughScoring: ("best_score_",),
    Plateau: ("batch_idx_", "lr_scheduler_"),
    PrintLog: (),
    Progress: (),
    ValidationScore: (),
}
_NO_EFFECT = {"random_state", "verbose"}  # the seed that random_state gave is compared instead


class Checkpoint(Callback):
    """Write a file after each epoch, and go on from the one that is there.

    Parameters
    ----------
    path : str or path-like
        The file. One that is there is read at once.

    Attributes
    ----------
    epoch : int
        Epochs in the file.
    finished : bool
        Whether the file holds the end of the fit.

    Raises
    ------
    ModelFileError
        If there is a file, but no checkpoint that can be read.
    """

    def __init__(self, path):
        self.path = os.path.realpath(path)
        self.epoch, self.finished = 0, False
        self._manifest = self._arrays = None
        folder, name = os.path.split(self.path)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"checkpoint={path!s}: there is no folder {folder}.")
        # What a kill while writing left.
        for part in glob.glob(os.path.join(glob.escape(folder), f".{glob.escape(name)}.*.part")):
            with suppress(FileNotFoundError):
                os.remove(part)
        if os.path.exists(self.path):
            check_regular(self.path)
            with _naming(self.path), open(self.path, "rb") as file:
                self._manifest, self._arrays = read_archive(file)
                self._check_manifest()
            self.epoch, self.finished = self._manifest["epoch"], self._manifest["finished"]

    def _check_manifest(self):
        found = self._manifest
        if found.get("format") != _FORMAT:
            raise ModelFileError("its manifest is not that of a checkpoint.")
        if found.get("format_version") != _VERSION or set(found) != _KEYS:
            raise ModelFileError(
                f"it is of format {found.get('format_version')!r:.80}, and this skecg reads format "
                f"{_VERSION}."
            )
        types = {"epoch": int, "finished": bool, "seed": int, "settings": dict, "data": dict}
        if any(type(found[name]) is not cls for name, cls in types.items()):
            raise ModelFileError("its manifest holds a value of the wrong type.")

    def seed(self, drawn, random_state):
        """Return the seed of the fit: that of the file where `random_state` leaves it open."""
        if random_state is None and self._manifest is not None:
            return self._manifest["seed"]
        return drawn

    def compare(self, net, seed, data):
        """Raise ValueError unless the file was written for these parameters and data.

        Parameters
        ----------
        net : NetClassifier
            Before it is trained.
        seed : int
            Its seed.
        data : dict of str to array-like or None
            The arguments of fit.
        """
        self._check_loader(net)
        settings = {
            name: _text(value, name)
            for name, value in net.get_params(deep=False).items()
            if name not in _NO_EFFECT
        }
        settings |= {
            "precision_": net.precision_,
            "random_state": _random_state(net.random_state, seed),
            "skecg.__version__": version("skecg"),
            "torch.__version__": str(torch.__version__),
            "torch.get_num_threads()": str(torch.get_num_threads()),
        }
        prints = {name: None if each is None else _fingerprint(each) for name, each in data.items()}
        found = self._manifest or {"settings": settings, "data": prints}
        differences = [
            f"{name}={found['settings'].get(name, 'default')}, now {settings.get(name, 'default')}"
            for name in sorted(found["settings"].keys() | settings.keys())
            if found["settings"].get(name) != settings.get(name)
        ]
        differences += [
            f"{'no' if found['data'].get(name) is None else 'another'} {name}"
            + (", now none" if prints[name] is None else "")
            for name in prints
            if found["data"].get(name) != prints[name]
        ]
        if differences:
            raise ValueError(
                f"The checkpoint {self.path} was written for {'; '.join(differences)}. Go on with "
                "what it was written for, or give another path to begin anew."
            )
        self._header = {"seed": seed, "settings": settings, "data": prints}

    def _check_loader(self, net):
        params = net.get_params_for("iterator_train")
        own = [f"iterator_train__{k}" for k in ("sampler", "batch_sampler", "generator", "shuffle")]
        own = [name for name in own if name.removeprefix("iterator_train__") in params]
        if own or net.iterator_train is not DataLoader:
            raise ValueError(
                f"checkpoint= cannot hold the state of {' or '.join(own) or 'iterator_train'}. "
                "Leave it out, or fit without checkpoint."
            )

    # -- skorch: called after all other callbacks --------------------------------------

    def on_train_begin(self, net, **kwargs):
        """Put the fit where the file left it."""
        for name, callback in net.callbacks_:
            _check_kept(name, callback)
        if self._manifest is None:
            return
        with _naming(self.path):
            text = bytes(self._arrays.pop("state")).decode()
            _restore(net, _unpack(json.loads(text), self._arrays))
        self._manifest = self._arrays = None

    def on_epoch_end(self, net, **kwargs):
        """Write the file."""
        self.write(net, finished=False)

    def on_train_end(self, net, **kwargs):
        """Write the file with the final network."""
        self.write(net, finished=True)

    def write(self, net, finished):
        """Put the state of the fit into the file, which stays whole until the new one is."""
        arrays = {}
        text = json.dumps(_pack(_state(net), arrays))
        arrays["state"] = np.frombuffer(text.encode(), dtype=np.uint8)
        manifest = {
            "format": _FORMAT,
            "format_version": _VERSION,
            "epoch": len(net.history),
            "finished": finished,
            **self._header,
        }
        with whole_file(self.path) as file:
            write_archive(file, manifest, arrays, compress=False)


@contextmanager
def _naming(path):
    """Say of which file an error is, and that what does not fit in it is its fault."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        what = str(error)
        if not isinstance(error, ModelFileError):
            what = f"its content does not fit together ({type(error).__name__}: {error!s:.400})."
        raise ModelFileError(
            f"{path} cannot be used as a checkpoint: {what} Remove it, or give another path."
        ) from error


# -- the state of a fit ----------------------------------------------------------------


def _state(net):
    """Return all that the epochs to come depend on, and what fit leaves behind."""
    device = torch.device(net.device)
    return {
        "modules": [getattr(net, name + "_").state_dict() for name in _components(net)],
        "optimizers": [getattr(net, name + "_").state_dict() for name in net._optimizers],
        "callbacks": [_kept(callback) for _, callback in _others(net)],
        "history": list(net.history),
        "best_epoch": getattr(net, "best_epoch_", None),
        "batches": net._sampler._rng.bit_generator.state,
        "loader": net._loader_generator.get_state(),
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def _restore(net, state):
    for name, each in zip(_components(net), state["modules"], strict=True):
        getattr(net, name + "_").load_state_dict(each)
    for name, each in zip(net._optimizers, state["optimizers"], strict=True):
        getattr(net, name + "_").load_state_dict(each)
    for (_, callback), kept in zip(_others(net), state["callbacks"], strict=True):
        _put_back(callback, kept)
    net.history_[:] = state["history"]
    if state["best_epoch"] is not None:
        net.best_epoch_ = state["best_epoch"]
    net._sampler._rng.bit_generator.state = state["batches"]
    net._loader_generator.set_state(state["loader"])
    torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], torch.device(net.device))
    net._set_training(False)


def _components(net):
    return [*net._modules, *net._criteria]


def _others(net):
    return [each for each in net.callbacks_ if type(each[1]) is not Checkpoint]


def _check_kept(name, callback):
    own = hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")
    if type(callback) not in _KEPT and type(callback) is not Checkpoint and not own:
        raise ValueError(
            f"checkpoint= cannot hold the state of the callback {name!r}, a "
            f"{type(callback).__name__}. Give it state_dict() and load_state_dict(state), which "
            "may be of an empty dict, or fit without checkpoint."
        )


def _kept(callback):
    if type(callback) not in _KEPT:
        return callback.state_dict()
    values = {name: getattr(callback, name, None) for name in _KEPT[type(callback)]}
    if values.get("lr_scheduler_") is not None:
        values["lr_scheduler_"] = values["lr_scheduler_"].state_dict()
    return values


def _put_back(callback, kept):
    if type(callback) not in _KEPT:
        callback.load_state_dict(kept)
        return
    for name in _KEPT[type(callback)]:
        if name == "lr_scheduler_" and kept[name] is not None:
            callback.lr_scheduler_.load_state_dict(kept[name])
        else:
            setattr(callback, name, kept[name])


# -- values as JSON and arrays ---------------------------------------------------------


def _pack(value, arrays):
    """Return a value as JSON can hold it, with its tensors in `arrays`."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_pack(item, arrays) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[key, _pack(item, arrays)] for key, item in value.items()]}
    if isinstance(value, torch.Tensor) and value.dtype != torch.bfloat16:
        name = f"t{len(arrays)}"
        arrays[name] = np.ascontiguousarray(value.detach().cpu().numpy()).reshape(value.shape)
        return {"tensor": name}
    raise ValueError(
        f"checkpoint= cannot hold {value!r:.200}, which the optimizer, the scheduler or a callback "
        "keeps: it holds numbers, text and tensors. Fit without checkpoint."
    )


def _unpack(value, arrays):
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return torch.tensor(arrays.pop(content))
    if kind == "dict":
        return {key: _unpack(item, arrays) for key, item in content}
    return {"tuple": tuple, "list": list}[kind](_unpack(item, arrays) for item in content)


# -- what a checkpoint was written for -------------------------------------------------


def _random_state(random_state, seed):
    if random_state is None or isinstance(random_state, int | np.integer):
        return str(random_state)
    return f"{type(random_state).__name__} that draws {seed}"


def _text(value, name):
    """Return a parameter as text that is the same in another process."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, torch.device | torch.dtype | os.PathLike):
        return str(value)
    if isinstance(value, functools.partial):
        return f"partial({_text([value.func, value.args, value.keywords], name)})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(item, name) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_text(item, name)}' for key, item in value.items())}}}"
    if isinstance(value, np.ndarray | torch.Tensor):
        return f"array {_fingerprint(np.asarray(value))}"
    if isinstance(value, torch.nn.Module):
        lazy = torch.nn.parameter.is_lazy
        weights = [w for w in value.state_dict().values() if not lazy(w)]
        prints = [_fingerprint(w.detach().cpu().numpy()) for w in weights]
        return f"{value!r} {hashlib.sha256(repr(prints).encode()).hexdigest()}"
    if hasattr(value, "__qualname__"):  # classes and functions
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_params"):
        return f"{_text(type(value), name)}({_text(value.get_params(deep=False), name)})"
    raise ValueError(
        f"checkpoint= cannot tell whether {name}={value!r:.200} is the same after a restart. Give "
        "a number, a text, a class or a network, or fit without checkpoint."
    )


def _fingerprint(data):
    """Return the sha256 of an array's type, shape and content, read in parts."""
    array = np.atleast_1d(data)
    digest = hashlib.sha256(f"{array.dtype.kind}{array.shape}".encode())
    if array.dtype.kind not in "biuf":
        digest.update(repr(array.tolist()).encode())
        return digest.hexdigest()
    digest.update(str(array.dtype.newbyteorder("=")).encode())
    hash_array(digest, array)
    return digest.hexdigest()
