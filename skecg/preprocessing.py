"""From raw recordings to scaled median beats, one ECG at a time."""

import math
from itertools import groupby
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone

from . import _beats
from ._quality import judge, lead_names, unusable
from ._validation import validate_ecgs
from .io import ECG

__all__ = ["BeatCropper", "LeadStandardScaler", "MedianBeat", "r_peaks"]

_CHUNK = 2**20  # values worked on at a time
_PART = 2**19  # values of recordings looked at together: 8 of 12 x 5000, quickest of 1 to 48


class _RowByRow(TransformerMixin, BaseEstimator):
    """A transformer that learns nothing: `fit` only notes the shape that `transform` expects."""

    def fit(self, X, y=None):
        """Check the parameters and note the shape of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            ECGs, as for `transform`.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The transformer.
        """
        self._check(X, reset=True)
        return self

    def _check(self, X, *, reset):
        # Without a fit there is no shape to compare with, and none is kept.
        kept = self if reset or hasattr(self, "n_leads_") else clone(self)
        return validate_ecgs(kept, X, reset=reset or kept is not self, dtype="numeric")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class LeadStandardScaler(_RowByRow):
    """Standardise each ECG over time by its own mean and standard deviation.

    Nothing is learnt from other ECGs. A flat lead (its range is within float rounding)
    becomes zeros.

    Parameters
    ----------
    scope : {"lead", "ecg"}, default="lead"
        "lead" gives every lead mean 0 and standard deviation 1. "ecg" gives every lead
        mean 0 and divides all leads of an ECG by one common standard deviation (the root
        of the leads' mean variance), which keeps their sizes relative to each other.

    Attributes
    ----------
    n_leads_, n_times_ : int
        Number of leads, and of samples a lead, seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from skecg.preprocessing import LeadStandardScaler
    >>> X = np.array([[[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]])
    >>> LeadStandardScaler().fit_transform(X).round(2)
    array([[[-1.22,  0.  ,  1.22],
            [ 0.  ,  0.  ,  0.  ]]], dtype=float32)
    """

    def __init__(self, *, scope="lead"):
        self.scope = scope

    def transform(self, X):
        """Standardise each ECG.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            ECGs, in any unit.

        Returns
        -------
        ndarray of the shape of `X`, float32
            The standardised ECGs.
        """
        X = self._check(X, reset=False)
        rounding = 4 * np.finfo(X.dtype).eps if X.dtype.kind == "f" else 0
        ecgs = X[:, None] if X.ndim == 2 else X
        scaled = np.empty(ecgs.shape, dtype=np.float32)
        n_rows = max(1, _CHUNK // ecgs[0].size)
        for start in range(0, len(ecgs), n_rows):
            rows = slice(start, start + n_rows)
            scaled[rows] = self._standardise(ecgs[rows].astype(np.float64), rounding)
        return scaled.reshape(X.shape)

    def _standardise(self, x, rounding):
        low, high = x.min(axis=-1, keepdims=True), x.max(axis=-1, keepdims=True)
        flat = high - low <= rounding * np.maximum(abs(low), abs(high))
        x -= x.mean(axis=-1, keepdims=True)
        x *= ~flat
        variance = np.einsum("slt,slt->sl", x, x)[..., None] / x.shape[-1]
        if self.scope == "ecg":
            variance = variance.mean(axis=1, keepdims=True)
        x /= np.sqrt(np.where(variance > 0, variance, 1))
        return x

    def _check(self, X, *, reset):
        if self.scope not in ("lead", "ecg"):
            raise ValueError(f"scope must be 'lead' or 'ecg', got {self.scope!r}.")
        return super()._check(X, reset=reset)


class BeatCropper(_RowByRow):
    """Keep a window of every lead, by default the part of a median beat that networks see.

    The default cuts a beat of 600 samples with R at 300 to 400 samples with R at 150:
    from 300 ms before R to 500 ms after it, at 500 Hz.

    Parameters
    ----------
    start : int or None, default=150
        First sample kept, counted as in a slice: negative from the end.
    stop : int or None, default=-50
        First sample not kept any more, counted as in a slice; None keeps the rest.

    Attributes
    ----------
    n_leads_, n_times_ : int
        Number of leads, and of samples a lead, seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from skecg.preprocessing import BeatCropper
    >>> BeatCropper().fit_transform(np.zeros((2, 12, 600))).shape
    (2, 12, 400)
    """

    def __init__(self, *, start=150, stop=-50):
        self.start = start
        self.stop = stop

    def transform(self, X):
        """Cut out the window.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            ECGs, in any unit.

        Returns
        -------
        ndarray of shape (n_samples, n_leads, n_kept) or (n_samples, n_kept), float32
            A copy, contiguous in memory.
        """
        X = self._check(X, reset=False)
        return np.array(X[..., self.start : self.stop], dtype=np.float32, order="C")

    def _check(self, X, *, reset):
        for name in ("start", "stop"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Integral):
                raise ValueError(f"{name} must be an integer or None, got {value!r}.")
        X = super()._check(X, reset=reset)
        n_times = X.shape[-1]
        if not len(range(n_times)[self.start : self.stop]):
            raise ValueError(
                f"BeatCropper(start={self.start}, stop={self.stop}) leaves nothing of X, which "
                f"has {n_times} samples a lead (n_times). Give a window inside them."
            )
        return X


class MedianBeat(_RowByRow):
    """Turn raw recordings into median beats: 1.2 s at 500 Hz, R in the middle, PQ at zero.

    Each recording is resampled to 500 Hz and freed of mains hum where there is any. QRS
    complexes are found in the 8 to 40 Hz band by the median lead, and beats are aligned to the
    one nearest to all others. Ectopic beats and artefacts are dropped, those of a single lead in
    that lead only. The baseline is the smoothest spline that leaves the beats alike: what is in
    step with them, ST above all, is never taken for baseline, and no filter bends it. The median
    of the beats is low-passed at 150 Hz without phase shift, and its PQ segment put at zero.

    R, at index 300, is where 43 % of the way through the QRS complex has been made, summed over
    the leads: near the R wave of most leads, and the same for ECGs whose leads point up or down.

    Every recording is worked on by itself: a bad one never changes or stops the others.

    Parameters
    ----------
    sampling_rate : float, default=500
        Sampling rate of the recordings in Hz, at least 80. Recordings of :class:`skecg.io.ECG`
        bring their own.
    on_bad : {"raise", "nan"}, default="raise"
        What to do if no beat can be made of a recording (no QRS complex found, flat in every
        lead, too short, ...) or of one of its leads (no value in it): raise ValueError naming
        the rows, or give NaN there.

    Attributes
    ----------
    n_leads_ : int
        Number of leads seen in `fit`.

    Notes
    -----
    Single missing samples (NaN) are bridged, and beats that they touch are left out in that
    lead; so are beats that touch a stretch at one value of 1 s or more, or a rail. `report`
    tells of all these.

    Examples
    --------
    >>> import numpy as np
    >>> from skecg.preprocessing import MedianBeat
    >>> t = np.arange(5000) % 400 - 200
    >>> recording = np.exp(-0.5 * (t / 5) ** 2) + 0.2 * np.exp(-0.5 * ((t - 130) / 25) ** 2)
    >>> beat = MedianBeat().fit_transform(recording[None, None])
    >>> beat.shape
    (1, 1, 600)
    >>> round(float(beat[0, 0, 300 + 130]), 2)
    0.2
    """

    def __init__(self, *, sampling_rate=500, on_bad="raise"):
        self.sampling_rate = sampling_rate
        self.on_bad = on_bad

    def transform(self, X):
        """Make the median beat of each recording.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times), or list
            Recordings in mV, of 2.5 s or more; NaN where samples are missing. Two dimensions
            mean one lead. A list of arrays of shape (n_leads, n_times) may hold recordings of
            unequal length, and a list of :class:`skecg.io.ECG` any sampling rates.

        Returns
        -------
        ndarray of shape (n_samples, n_leads, 600) or (n_samples, 600), float32
            Median beats in mV at 500 Hz, R at index 300.
        """
        recordings, one_lead = self._check(X, reset=False)
        n_leads = recordings[0].signal.shape[0]
        beats = np.full((len(recordings), n_leads, _beats.N_TIMES), np.nan, dtype=np.float32)
        bad = []
        for i, found in enumerate(_in_parts(_beats.measure_all, recordings)):
            if isinstance(found, _beats.UnusableECG):
                bad.append(f"row {i} ({found})")
                continue
            beats[i] = found.beat
            if found.missing.any():
                bad.append(f"row {i} (no values in {lead_names(found.missing)})")
        if bad and self.on_bad == "raise":
            raise ValueError(
                f"No median beat could be made of {len(bad)} of {len(recordings)} ECGs: "
                f"{', '.join(bad[:10])}{', ...' if len(bad) > 10 else ''}. Leave them out, or set "
                "on_bad='nan' to get NaN in their place."
            )
        return beats[:, 0] if one_lead else beats

    def report(self, X):
        """Tell what was found in each recording.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times), or list
            Recordings in mV, as for `transform`.

        Returns
        -------
        DataFrame of n_samples rows
            - ``heart_rate``: beats a minute, from the mean RR interval.
            - ``n_beats``, ``n_used``: beats found, and used in the median (of the median lead).
            - ``n_spikes``: spikes of less than 12 ms that were cut out, of a pacemaker mostly.
            - ``noise_uv``: how far single beats lie from the median beat, in microvolt: RMS over
              time of the difference, in the median beat and lead.
            - ``flat_leads``, ``saturated_leads``, ``missing_leads``: their names (numbers if
              there are not twelve leads), or "". Flat is a swing of less than 10 uV, saturated
              a stand of 20 ms or more at the extreme value, missing is without a value.
            - ``swapped``: "LA/RA" or "RA/LL" if these limb electrodes look swapped, or "".
            - ``quality``: "good", "doubtful" (see the remarks) or "unusable" (no median beat).
            - ``remarks``: all that was noticed, in words: the reason if unusable; few beats
              (under 3); noise over 40 uV; the leads above; gaps; limb leads that contradict
              each other, and the order that would explain it; a QRS so narrow that the
              sampling rate is in doubt; a recorder's high-pass above 0.05 Hz.
        """
        recordings, _ = self._check(X, reset=False)
        measured = _in_parts(_beats.measure_all, recordings)
        return pd.DataFrame(map(_tell, recordings, measured), columns=_COLUMNS)

    def _check(self, X, *, reset):
        if self.on_bad not in ("raise", "nan"):
            raise ValueError(f"on_bad must be 'raise' or 'nan', got {self.on_bad!r}.")
        recordings, one_lead = _recordings(X, self.sampling_rate)
        n_leads = recordings[0].signal.shape[0]
        if reset:
            self.n_leads_ = self.n_features_in_ = n_leads
        elif n_leads != getattr(self, "n_leads_", n_leads):
            raise ValueError(
                f"X has {n_leads} leads, but MedianBeat is expecting {self.n_leads_} leads as "
                "input."
            )
        return recordings, one_lead


_COLUMNS = [
    "heart_rate",
    "n_beats",
    "n_used",
    "n_spikes",
    "noise_uv",
    "flat_leads",
    "saturated_leads",
    "missing_leads",
    "swapped",
    "quality",
    "remarks",
]


def r_peaks(X, sampling_rate=500):
    """Find the R peaks of recordings from all leads together, whichever way they point.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times), or list
        Recordings in mV, of 2.5 s or more, as for `MedianBeat`.
    sampling_rate : float, default=500
        Sampling rate of the recordings in Hz, at least 80.

    Returns
    -------
    list of n_samples ndarray of int
        Sample indices at the given rate, of normal and ectopic beats; where they lie in a beat
        is told in `MedianBeat`. Empty where a recording is flat or shows no QRS complex.

    Examples
    --------
    >>> import numpy as np
    >>> from skecg.preprocessing import r_peaks
    >>> t = np.arange(1500) % 400 - 200
    >>> r_peaks(np.exp(-0.5 * (t / 4) ** 2)[None])
    [array([ 198,  598,  998, 1398])]
    """
    recordings, _ = _recordings(X, sampling_rate)
    peaks = []
    for (_, rate, _), found in zip(
        recordings, _in_parts(_beats.locate_all, recordings), strict=True
    ):
        at = [] if isinstance(found, _beats.UnusableECG) else found.peaks
        peaks.append(np.rint(np.multiply(at, rate / _beats.SAMPLING_RATE)).astype(int))
    return peaks


def _in_parts(function, recordings):
    # What a function of signals of one shape and their rate returns for each recording.
    for (shape, rate), alike in groupby(recordings, lambda one: (one.signal.shape, one[1])):
        signals = [recording.signal for recording in alike]
        n_rows = max(1, _PART // math.prod(shape))
        for start in range(0, len(signals), n_rows):
            yield from function(signals[start : start + n_rows], rate)


def _tell(recording, found):
    # A row of the report.
    if isinstance(found, _beats.UnusableECG):
        return unusable(str(found))
    return {
        "heart_rate": found.heart_rate,
        "n_beats": found.n_beats,
        "n_used": found.n_used,
        "n_spikes": found.n_spikes,
        "noise_uv": found.noise_uv,
    } | judge(recording.signal, found, recording.highpass)


class _Recording(NamedTuple):
    signal: np.ndarray  # (n_leads, n_times)
    sampling_rate: float
    highpass: float | None = None


def _recordings(X, sampling_rate):
    # A list of recordings, and whether they were given as (n_times,) each.
    if not isinstance(sampling_rate, Real) or not _beats.MIN_RATE <= sampling_rate < np.inf:
        raise ValueError(
            f"sampling_rate must be a number from {_beats.MIN_RATE} Hz, got {sampling_rate!r}."
        )
    rows = X if isinstance(X, list | tuple) else np.atleast_1d(np.asarray(X))
    recordings = [
        _Recording(row.signal, row.sampling_rate, row.highpass)
        if isinstance(row, ECG)
        else _Recording(np.asarray(row), sampling_rate)
        for row in rows
    ]
    if not recordings:
        raise ValueError("X holds no recordings.")
    first = recordings[0].signal.shape
    for i, (row, _, _) in enumerate(recordings):
        if row.dtype.kind not in "fiub":
            raise ValueError(f"ECG {i} holds values of type {row.dtype}; give real numbers.")
        if row.ndim not in (1, 2) or not row.size or row.shape[:-1] != first[:-1]:
            raise ValueError(
                f"ECG {i} has shape {row.shape}, ECG 0 has {first}; give every ECG as (n_leads, "
                "n_times) of the same leads, or every ECG as (n_times,) for one lead."
            )
    seconds = max(row.shape[-1] / rate for row, rate, _ in recordings)
    if seconds < _beats.MIN_SECONDS:
        raise ValueError(
            f"X has recordings of {seconds:.2g} s at sampling_rate={sampling_rate}; at least "
            f"{_beats.MIN_SECONDS} s are needed. Is the rate right, and X not yet median beats?"
        )
    one_lead = len(first) == 1
    return [row._replace(signal=np.atleast_2d(row.signal)) for row in recordings], one_lead
