"""Named features of median beats."""

import numbers

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skecg._features import beat_features
from skecg._validation import validate_ecgs
from skecg.leads import LEADS

# Where R lies in a beat of the package's own lengths (samples at 500 Hz).
_DEFAULT_R_INDEX = {600: 300, 400: 150}
_DEFAULT_RATE = 500

_NEEDED = (0.200, 0.450)  # s before and after R that the search for the waves looks at
_CHUNK = 64  # beats worked on at a time, so that they stay in the processor's cache


class BeatFeatures(TransformerMixin, BaseEstimator):
    """Turn median beats into a table of named features.

    TODO

    Parameters
    ----------
    r_index : int, default=None
        The sample of R. None means 300 in beats of 600 samples and 150 in beats of 400, at
        500 Hz; in rows of any other length or rate it means that R is not known.
    sampling_rate : float, default=500
        Samples a second.
    """

    def __init__(self, *, r_index=None, sampling_rate=500):
        self.r_index = r_index
        self.sampling_rate = sampling_rate

    def fit(self, X, y=None):
        """Check the beats and find out where R is; nothing is learned from their values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            Median beats in mV, not scaled; two dimensions mean one lead.
        y : None
            Not used.

        Returns
        -------
        self : BeatFeatures
            The fitted transformer.

        Raises
        ------
        ValueError
            If a given `r_index` has less than 200 ms before it or 450 ms after it.
        """
        X = validate_ecgs(self, X, reset=True)
        first = np.array(X[:1]).reshape(1, self.n_leads_, self.n_times_)
        self.r_index_ = self._find_r_index()
        leads = LEADS if self.n_leads_ == 12 else [f"lead{i}" for i in range(self.n_leads_)]
        names = []
        for name, values in self._features(first).items():
            names += [name] if values.ndim == 1 else [f"{name}_{lead}" for lead in leads]
        self._names = np.array(names, dtype=object)
        return self

    def transform(self, X):
        """Compute the features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            Median beats in mV, not scaled; two dimensions mean one lead.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            The table, with the columns of :meth:`get_feature_names_out`. A DataFrame after
            ``set_output(transform="pandas")``.
        """
        check_is_fitted(self)
        X = validate_ecgs(self, X, reset=False)
        table = np.empty((len(X), len(self._names)))
        work = np.empty((min(len(X), _CHUNK), self.n_leads_, self.n_times_), dtype=np.float32)
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            beats = work[: len(X[rows])]
            beats[:] = X[rows].reshape(beats.shape)
            table[rows] = np.column_stack(list(self._features(beats).values()))
        return table

    def get_feature_names_out(self, input_features=None):
        """Name the columns.

        Parameters
        ----------
        input_features : None
            Not used: the names come from the leads.

        Returns
        -------
        ndarray of str objects of shape (n_features,)
            Such as ``qrs_duration`` or ``st80_V2``. With other than twelve leads, they are
            called ``lead0``, ``lead1`` ...
        """
        check_is_fitted(self)
        return self._names.copy()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _find_r_index(self):
        rate = self.sampling_rate
        if not (isinstance(rate, numbers.Real) and rate > 0):
            raise ValueError(f"sampling_rate={rate!r} is not a number of samples a second.")
        if self.r_index is None:
            return _DEFAULT_R_INDEX.get(self.n_times_) if rate == _DEFAULT_RATE else None
        if not isinstance(self.r_index, numbers.Integral) or isinstance(self.r_index, bool):
            raise ValueError(f"r_index={self.r_index!r} is not the number of a sample.")
        before, after = self.r_index / rate, (self.n_times_ - self.r_index) / rate
        if before < _NEEDED[0] or after < _NEEDED[1]:
            raise ValueError(
                f"r_index={self.r_index} leaves {1000 * before:.0f} ms before R and "
                f"{1000 * after:.0f} ms after it in rows of {self.n_times_} samples at {rate} Hz, "
                "but the waves are looked for from 200 ms before R to 450 ms after it. Give "
                "longer beats, or r_index=None for the plain statistics alone."
            )
        return int(self.r_index)

    def _features(self, beats):
        """Return the features of some rows by name; `beats` is overwritten."""
        if self.r_index_ is None:
            return _statistics(beats)
        return beat_features(beats, self.r_index_, self.sampling_rate)


def _statistics(beats):
    return {
        "min": beats.min(axis=2),
        "max": beats.max(axis=2),
        "mean": beats.mean(axis=2),
        "std": beats.std(axis=2),
        "first": beats[:, :, 0],
        "last": beats[:, :, -1],
    }


def add_patient(table):
    """TODO."""
