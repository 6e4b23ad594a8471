"""A network's ONNX file as a classifier, run by ONNX Runtime."""

import json
import os

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, ClassifierMixin

from ._files import ModelFileError, check_regular
from ._validation import validate_ecgs

_AT_ONCE = 16  # ECGs at a time: what a network computes of them stays in the cache


class ONNXClassifier(ClassifierMixin, BaseEstimator):
    """A file of :func:`skecg.persistence.export_onnx` as a classifier, run by ONNX Runtime.

    It says what the exported estimator says, to 1e-5, in less time where a network is small or one
    ECG waits, and runs in a process that need not train. It is fitted from the start: put it at
    the end of a pipeline, or into scikit-learn's ``FrozenEstimator`` for a calibrator or a
    threshold. The extra ``onnx`` brings the ``onnxruntime`` package.

    An ONNX file holds arithmetic and nothing that Python would run; weights outside the file are
    refused. ONNX Runtime reads it in native code: take files from those you trust.

    Parameters
    ----------
    path : str or path-like
        The file. It is read at the first use, and again where the classifier was pickled or cloned.
    n_jobs : int, default=None
        Threads of one prediction; None is one, -1 all cores.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    n_leads_, n_times_ : int
        Leads, and samples a lead, that the file takes.
    n_features_in_ : int
        Leads.
    metadata_ : dict
        What the file says of its input: leads, sampling_rate in Hz, unit, preprocessing.

    Raises
    ------
    ImportError
        If onnxruntime is not installed.
    ModelFileError
        If the file cannot be read, or was not written by ``export_onnx``.

    Examples
    --------
    >>> import os, tempfile
    >>> from skecg.datasets import make_omi
    >>> from skecg.persistence import ONNXClassifier, export_onnx, load_pretrained
    >>> X, _, _ = make_omi(2, random_state=0)
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "alvd.onnx")
    >>> export_onnx(load_pretrained("alvd-sim"), path)
    >>> ONNXClassifier(path).predict_proba(X[:2]).shape
    (2, 2)
    >>> folder.cleanup()
    """

    def __init__(self, path, *, n_jobs=None):
        self.path = path
        self.n_jobs = n_jobs

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self):
        state = super().__getstate__()
        state.pop("_open", None)  # a session cannot be pickled
        return state

    def fit(self, X, y=None):
        """Learn nothing, as scikit-learn's ``FrozenEstimator`` does.

        Parameters
        ----------
        X, y : ignored

        Returns
        -------
        self
        """
        return self

    def _session(self):
        """Return the running file and its metadata, opened once."""
        key = os.fspath(self.path), effective_n_jobs(self.n_jobs)
        if getattr(self, "_open", (None,))[0] != key:
            self._open = key, *_opened(*key)
        return self._open[1:]

    @property
    def metadata_(self):
        """What the file says of its input."""
        return dict(self._session()[1])

    @property
    def classes_(self):
        """Labels, the columns of ``predict_proba``."""
        return np.array(self._session()[1]["classes"])

    @property
    def n_leads_(self):
        """Leads that the file takes."""
        return self._session()[0].get_inputs()[0].shape[1]

    @property
    def n_features_in_(self):
        """Leads that the file takes."""
        return self.n_leads_

    @property
    def n_times_(self):
        """Samples a lead that the file takes."""
        return self._session()[0].get_inputs()[0].shape[2]

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            ECGs as the exported estimator takes them; two dimensions mean one lead.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Columns in the order of ``classes_``.
        """
        session, _ = self._session()
        X = validate_ecgs(self, X, reset=False)
        X = X if X.ndim == 3 else X[:, np.newaxis, :]
        parts = (np.ascontiguousarray(X[i : i + _AT_ONCE]) for i in range(0, len(X), _AT_ONCE))
        return np.concatenate([session.run(["probability"], {"ecg": x})[0] for x in parts])

    def predict(self, X):
        """Return the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            ECGs as in ``predict_proba``.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def _opened(path, n_threads):
    """Return ONNX Runtime's session of a file, and the file's metadata."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "Running ONNX needs the onnxruntime package: pip install 'skecg[onnx]'"
        ) from error
    check_regular(path)
    with open(path, "rb") as file:
        content = file.read()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = n_threads, 4
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no class in common
        raise ModelFileError(f"{path} is not a file that ONNX Runtime can run: {error}") from error
    found = session.get_modelmeta().custom_metadata_map
    shapes = [each.shape for each in session.get_inputs()]
    if not {"skecg", "classes"} <= found.keys() or [len(shape) for shape in shapes] != [3]:
        raise ModelFileError(f"{path} was not written by skecg.persistence.export_onnx.")
    try:
        return session, {name: json.loads(value) for name, value in found.items()}
    except json.JSONDecodeError as error:
        raise ModelFileError(f"{path} has metadata that cannot be read: {error}") from error
