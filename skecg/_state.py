"""Estimators as plain data, that JSON and arrays can hold.

Every value is a number, a string, a list, or a dict of one key that says what it is. Estimators
stand in a list, each after those that it holds, and are referred to by number: nothing is nested
without an end. No name in a file is imported: all are looked up in the tables of this package.
"""

import math

import numpy as np
import torch
from sklearn import metrics
from sklearn.metrics._scorer import _Scorer
from sklearn.utils import Bunch

from ._files import ModelFileError
from ._parts import ESTIMATORS, give_back, put_together, take_apart
from ._pretrained import half_precision
from .networks import ALVDNet, ResNet18, SmartNet, TemporalResNet18

# Classes that are parameters of a network.
_CLASSES = {
    cls.__name__: cls
    for cls in (
        ALVDNet,
        ResNet18,
        SmartNet,
        TemporalResNet18,
        torch.nn.CrossEntropyLoss,
        torch.optim.Adam,
        torch.optim.AdamW,
        torch.optim.NAdam,
        torch.optim.RMSprop,
        torch.optim.SGD,
    )
}
# Functions in a scorer of make_scorer.
_SCORES = {
    function.__name__: function
    for function in (
        metrics.accuracy_score,
        metrics.balanced_accuracy_score,
        metrics.cohen_kappa_score,
        metrics.f1_score,
        metrics.fbeta_score,
        metrics.jaccard_score,
        metrics.matthews_corrcoef,
        metrics.precision_score,
        metrics.recall_score,
    )
}
_DTYPES = {
    name: np.dtype(name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    )
}
_MOST_PARTS = 10_000  # estimators, counted as often as they are used in others
_WIDEST = 1000  # characters of a label


class Encoder:
    """Take estimators apart; afterwards `estimators` and `arrays` hold them.

    With `half`, the weights of networks are taken in half precision.
    """

    def __init__(self, *, half=False):
        self.half = half
        self.estimators, self.arrays = [], {}
        self._numbers = {}

    def estimator(self, estimator):
        """Return the number of an estimator in the list; the same one has one number."""
        if id(estimator) not in self._numbers:
            cls = type(estimator)
            if ESTIMATORS.get(cls.__name__) is not cls:
                raise ModelFileError(
                    f"A {cls.__module__}.{cls.__qualname__} cannot be saved: model files hold "
                    f"fitted estimators of {', '.join(sorted(ESTIMATORS))}."
                )
            params, fitted, extra = take_apart(estimator)
            if self.half and "weights" in extra:
                extra["weights"] = {k: half_precision(v) for k, v in extra["weights"].items()}
            encoded = {"class": cls.__name__}
            for key, part in (("params", params), ("fitted", fitted), ("extra", extra)):
                encoded[key] = {
                    name: self.value(value, f"{cls.__name__}.{name}")
                    for name, value in part.items()
                }
            self._numbers[id(estimator)] = len(self.estimators)
            self.estimators.append(encoded)
        return self._numbers[id(estimator)]

    def value(self, value, where):
        """Return a value as JSON can hold it; `where` is for the error."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if type(value) is list:
            return [self.value(item, where) for item in value]
        if type(value) is tuple:
            return {"tuple": [self.value(item, where) for item in value]}
        if type(value) in (dict, Bunch) and all(type(key) is str for key in value):
            items = {key: self.value(item, where) for key, item in value.items()}
            return {"dict" if type(value) is dict else "bunch": items}
        if isinstance(value, np.ndarray) and type(value) is np.ndarray:
            return self._array(value, where)
        if isinstance(value, np.generic) and value.dtype.name in _DTYPES:
            return {"number": [value.dtype.name, self.value(value.item(), where)]}
        if isinstance(value, np.generic) and value.dtype.kind == "U":
            return {"text": [str(value.dtype), str(value)]}
        if isinstance(value, np.dtype) and value.name in _DTYPES:
            return {"dtype": value.name}
        if isinstance(value, type) and _CLASSES.get(value.__name__) is value:
            return {"class": value.__name__}
        if type(value) is _Scorer and value._score_func in _SCORES.values():
            parts = [value._score_func.__name__, value._sign, value._response_method]
            return {"scorer": self.value([*parts, value._kwargs], where)}
        if type(value).__name__ in ESTIMATORS or hasattr(value, "get_params"):
            return {"estimator": self.estimator(value)}
        raise ModelFileError(
            f"{where} is {value!r:.200}, which a model file cannot hold: it holds numbers, text, "
            "arrays and estimators, no functions or other objects. Set the parameter to a value "
            "of these before saving; that does not change a fitted model."
        )

    def _array(self, array, where):
        if array.dtype.kind in "UO":
            if array.ndim != 1:
                raise ModelFileError(f"{where} is an array of text of {array.ndim} dimensions.")
            kind = str(array.dtype) if array.dtype.kind == "U" else "object"
            return {"texts": [kind, [self.value(item, where) for item in array.tolist()]]}
        if array.dtype.name not in _DTYPES:
            raise ModelFileError(f"{where} is an array of {array.dtype}, not of numbers.")
        # The order in memory is kept: sums over it round differently.
        by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
        array = array.T if by_columns else array
        array = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
        name = f"a{len(self.arrays)}"
        self.arrays[name] = array
        return {"columns" if by_columns else "array": name}


class Decoder:
    """Build the estimators of a list, each after a check; the last one is the model."""

    def __init__(self, arrays, device, check):
        self.arrays, self.device, self.check = arrays, device, check
        self._built, self._params, self._sizes, self._uses = [], [], [], []

    def estimators(self, encoded):
        """Return the last estimator of the list."""
        for each in encoded:
            self._uses = []
            self._built.append(self._estimator(each))
            self._sizes.append(1 + sum(self._sizes[number] for number in self._uses))
            if sum(self._sizes) > _MOST_PARTS:
                raise ModelFileError(f"it has estimators of over {_MOST_PARTS} parts.")
            self.check(self._built[-1])
        if self.arrays:
            raise ModelFileError("it holds arrays that no estimator uses.")
        for estimator, params in zip(self._built, self._params, strict=True):
            give_back(estimator, params)
        return self._built[-1]

    def _estimator(self, encoded):
        if set(encoded) != {"class", "params", "fitted", "extra"}:
            raise ModelFileError("an estimator lacks its class, parameters or attributes.")
        cls = ESTIMATORS.get(encoded["class"])
        if cls is None:
            raise ModelFileError(f"{encoded['class']!r:.80} is no class that it may hold.")
        params, fitted, extra = (
            {name: self.value(value) for name, value in encoded[key].items()}
            for key in ("params", "fitted", "extra")
        )
        for name, value in (fitted | extra).items():
            may_be_nan = cls.__name__ == "SimpleImputer" and name == "statistics_"
            is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
            if is_float and not may_be_nan and not np.isfinite(value).all():
                raise ModelFileError(f"{cls.__name__}.{name} holds NaN or infinity.")
        self._params.append(params)
        return put_together(cls, params, fitted, extra, self.device)

    def value(self, value):
        """Return a value from its JSON."""
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        ((kind, content),) = value.items()
        if kind == "float":
            return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[content]
        if kind == "tuple":
            return tuple(self.value(content))
        if kind in ("dict", "bunch"):
            items = {key: self.value(item) for key, item in content.items()}
            return items if kind == "dict" else Bunch(**items)
        if kind == "array":
            return self._array(content)
        if kind == "columns":
            return self._array(content).T
        if kind == "number":
            return _DTYPES[content[0]].type(self.value(content[1]))
        if kind == "text":
            return np.array(content[1], dtype=_text_dtype(content[0]))[()]
        if kind == "texts":
            return np.array(_plain(content[1]), dtype=_text_dtype(content[0]))
        if kind == "dtype":
            return _DTYPES[content]
        if kind == "class":
            return _CLASSES[content]
        if kind == "scorer":
            name, sign, method, further = self.value(content)
            return metrics.make_scorer(
                _SCORES[name], response_method=method, greater_is_better=sign > 0, **further
            )
        if kind == "estimator" and type(content) is int and 0 <= content < len(self._built):
            self._uses.append(content)
            return self._built[content]
        raise ModelFileError(f"it holds a value of the unknown kind {kind!r:.80}.")

    def _array(self, name):
        array = self.arrays.pop(name)  # each is used once
        if array.dtype.name not in _DTYPES:
            raise ModelFileError(f"it holds an array of {array.dtype}.")
        return array


def _text_dtype(name):
    if name == "object":
        return np.dtype(object)
    width = name.removeprefix("<U")
    if not (width.isdecimal() and 0 < int(width) <= _WIDEST):
        raise ModelFileError(f"{name!r:.80} is no type of text.")
    return np.dtype(f"<U{int(width)}")


def _plain(items):
    if not all(type(item) in (str, int, float, bool) for item in items):
        raise ModelFileError("a list of labels or names holds something else.")
    return items
