"""Finished fits of a cross-validation on disk, found again by a fingerprint of all they come from.

The files hold JSON and plain arrays, no pickle; each is whole or absent.
"""

import functools
import hashlib
import os
import platform
import types
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch

from ._files import ModelFileError, hash_array, read_archive, whole_file, write_archive

_FORMAT = "skecg fold 2"
_PACKAGES = ("skecg", "scikit-learn", "skorch", "torch", "numpy", "scipy", "pandas")
# Their code is told by their version.
_MODULES = {"builtins", "skecg", "sklearn", "skorch", "torch", "numpy", "scipy", "pandas"}
_PLAIN = (type(None), type(...), bool, int, float, complex, str, bytes)


def read_fit(folder, key):
    """Return the row of the table and the probabilities of a finished fit, or None.

    A file that is damaged is as good as none: the fit is done again.
    """
    try:
        with open(_path(folder, key), "rb") as file:
            manifest, arrays = read_archive(file)
    except (FileNotFoundError, ModelFileError):
        return None
    if (manifest.get("format"), manifest.get("key")) != (_FORMAT, key):
        return None
    return manifest["row"], arrays["proba"]


def write_fit(folder, key, row, proba):
    """Keep a finished fit in a file that is whole or absent."""
    with whole_file(_path(folder, key)) as file:
        manifest = {"format": _FORMAT, "key": key, "row": row}
        write_archive(file, manifest, {"proba": np.ascontiguousarray(proba)})


def _path(folder, key):
    return os.path.join(folder, f"{key}.fold")


def fingerprint(*values):
    """Return the sha256 of values: numbers, arrays, tables, estimators, functions and classes.

    An estimator is its class and parameters, a function or class its name and code (those of the
    packages above their name, the versions of these packages being part of the sha256), any other
    object its class and attributes. Code that they call in turn is not looked at.

    Raises
    ------
    TypeError
        If one holds an object that shows no attributes.
    """
    digest = hashlib.sha256()
    _feed(digest, [platform.python_version(), *(version(name) for name in _PACKAGES)], ())
    _feed(digest, values, ())
    return digest.hexdigest()


def _feed(digest, value, above):
    """Feed a value with its type and length; `above` are the objects that hold it."""
    if id(value) in above:  # a cycle, told by how far up it closes
        digest.update(f"up {len(above) - above.index(id(value))};".encode())
        return
    cls = np.ndarray if isinstance(value, np.memmap) else type(value)
    digest.update(f"{cls.__module__}.{cls.__qualname__}:".encode())
    if cls in _PLAIN:
        content = value if cls is bytes else repr(value).encode()
        digest.update(f"{len(content)}:".encode() + content)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype.descr}{value.shape}:".encode())
        hash_array(digest, value)
    else:
        parts = _parts(value)
        digest.update(f"{len(parts)}:".encode())
        for part in parts:
            _feed(digest, part, (*above, id(value)))


def _parts(value):
    """Return what tells an object from another of its class."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, dict):
        return [part for item in value.items() for part in item]
    if isinstance(value, set | frozenset):
        return sorted(fingerprint(part) for part in value)
    if isinstance(value, np.ndarray):  # of objects
        return [value.shape, value.tolist()]
    if isinstance(value, np.generic):
        return [np.asarray(value)]
    if isinstance(value, pd.DataFrame):
        return [list(value.columns), *(value.iloc[:, i] for i in range(value.shape[1]))]
    if isinstance(value, pd.Series | pd.Index):
        return [str(value.dtype), value.to_numpy()]
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().reshape(-1).view(torch.uint8)
        return [str(value.dtype), tuple(value.shape), flat.numpy()]
    if isinstance(value, np.random.RandomState):
        return list(value.get_state())
    if isinstance(value, np.random.Generator):
        return [value.bit_generator.state]
    if isinstance(value, torch.device | torch.dtype | np.dtype):
        return [str(value)]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType | np.ufunc):
        return _code(value)
    if isinstance(value, types.CodeType):
        return [value.co_code, value.co_names, value.co_consts]
    if hasattr(value, "get_params"):
        return [type(value), value.get_params(deep=False)]
    if hasattr(value, "__dict__"):
        return [type(value), vars(value)]
    raise TypeError(
        f"cache_dir cannot tell {value!r:.200} from another {type(value).__name__}, since it shows "
        "no attributes; leave out cache_dir, or this object."
    )


def _code(value):
    """Return name and code of a function or a class."""
    module = getattr(value, "__module__", None) or ""
    name = [module, getattr(value, "__qualname__", value.__name__)]
    if module.partition(".")[0] in _MODULES:
        return name
    if isinstance(value, type):
        # Methods, class methods and properties by their function, and constants.
        own = {k: getattr(v, "__func__", getattr(v, "fget", v)) for k, v in vars(value).items()}
        own = {k: v for k, v in own.items() if isinstance(v, (types.FunctionType, *_PLAIN))}
        return [*name, list(value.__bases__), own]
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [*name, value.__code__, value.__defaults__, value.__kwdefaults__, cells]
    return name
