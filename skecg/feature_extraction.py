"""Named features of median beats."""

import numbers

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skecg._delineation import WAVES, qrs_bounds, t_window, wave_bounds
from skecg._validation import validate_ecgs
from skecg.leads import LEADS

# Where R lies in a beat of the package's own lengths (samples at 500 Hz).
_DEFAULT_R_INDEX = {600: 300, 400: 150}
_DEFAULT_RATE = 500

_GLOBAL = ("qrs_duration",)
_BEAT = ("j", "st40", "st60", "st80", "stslope", "starea")
_BEAT += ("qamp", "ramp", "samp", "qrsarea", "tamp", "tarea")
_STATISTICS = ("min", "max", "mean", "std", "first", "last")

_NEEDED = (0.200, 0.450)  # s before and after R that the search for the waves looks at
# s before the QRS's onset: the PQ junction. Its median, so that neither the end of a late P wave
# nor an onset found a little late moves the zero level.
_PQ = (0.024, 0.008)
_QRS = (0.160, 0.200)  # s before and after R: the widest QRS that qrs_bounds returns
_ST_TIMES = {"j": 0.0, "st40": 0.040, "st60": 0.060, "st80": 0.080}
_SLOPE_FROM = 0.020

_CHUNK_VALUES = 2**21  # values worked on at once: 16 MiB, about 290 beats of 12 x 600


class BeatFeatures(TransformerMixin, BaseEstimator):
    """Turn median beats into a table of named features.

    The QRS is delineated on all leads together; zero is the PQ level just before its onset, in
    each lead. The features of one beat depend on that beat alone.

    ========================  =====  ==============================================================
    column (then the lead)    unit   meaning
    ========================  =====  ==============================================================
    ``qrs_duration``          ms     global QRS duration, all leads together
    ``j_``                    mV     amplitude at J, the end of the global QRS
    ``st40_ st60_ st80_``     mV     amplitude 40, 60 and 80 ms after J
    ``stslope_``              mV/s   slope of the line fitted from J + 20 to J + 80 ms
    ``starea_``               mV ms  signed area from J to J + 80 ms
    ``qamp_``                 mV     deepest value before the highest of the QRS, 0 if none is < 0
    ``ramp_``                 mV     highest value of the QRS, 0 if none is > 0
    ``samp_``                 mV     deepest value of the QRS, 0 if none is < 0
    ``qrsarea_``              mV ms  signed area of the QRS
    ``tamp_``                 mV     largest deviation in the T window, with its sign
    ``tarea_``                mV ms  signed area of the T window
    ``min_ max_ mean_ std_``  mV     of all samples of the row as it is given, zero not moved
    ``first_ last_``          mV     first and last sample of the row as it is given
    ========================  =====  ==============================================================

    The T window lasts from J + 80 ms to 440 ms after R, or to the next QRS if it comes before.

    Parameters
    ----------
    r_index : int, default=None
        The sample of R. None means 300 in beats of 600 samples and 150 in beats of 400, at
        500 Hz; in rows of any other length or rate it means that R is not known.
    sampling_rate : float, default=500
        Samples a second.

    Attributes
    ----------
    r_index_ : int or None
        The sample of R that is used. None where it is not known: then the rows are not taken for
        beats, only the six statistics from `min` to `last` are computed and all else is NaN.
    n_features_in_, n_leads_, n_times_ : int
        Size of the axis after the samples, number of leads and of samples a lead.

    Notes
    -----
    `qrs_duration` is NaN in a beat without any slope around R, and `tamp` and `tarea` where the
    next QRS leaves no T window. Nothing else is NaN in a beat.

    `samp` is the deepest value wherever it lies: a deep Q counts in `qamp` and in `samp`, a QS
    complex in `samp`, and in `qamp` as well if the QRS ends above zero.

    References
    ----------
    Al-Zaiti SS, Martin-Gill C, Zegre-Hemsey JK, et al. Machine learning for ECG diagnosis and
    risk stratification of occlusion myocardial infarction. Nature Medicine 2023;29:1804-1813.

    Thygesen K, Alpert JS, Jaffe AS, et al. Fourth universal definition of myocardial infarction
    (2018). Circulation 2018;138:e618-e651 (J point and zero level).

    Examples
    --------
    >>> import numpy as np
    >>> from skecg.feature_extraction import BeatFeatures
    >>> beat = np.zeros((1, 12, 600))
    >>> beat[:, :, 280:321] = 1 - np.abs(np.linspace(-1, 1, 41))
    >>> beat[:, 7, 321:500] = 0.2  # V2: ST elevation of 2 mm
    >>> table = BeatFeatures().set_output(transform="pandas").fit_transform(beat)
    >>> table[["ramp_V2", "st80_V2", "st80_V3"]].round(3)
       ramp_V2  st80_V2  st80_V3
    0      1.0      0.2      0.0
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
        validate_ecgs(self, X, reset=True)
        self.r_index_ = _find_r_index(self.r_index, self.n_times_, self.sampling_rate)
        return self

    def transform(self, X):
        """Compute the features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            Median beats in mV, not scaled; two dimensions mean one lead.

        Returns
        -------
        ndarray of shape (n_samples, 1 + 18 * n_leads)
            The table, with the columns of :meth:`get_feature_names_out`. A DataFrame after
            ``set_output(transform="pandas")``.
        """
        check_is_fitted(self)
        X = validate_ecgs(self, X, reset=False)
        if X.ndim == 2:
            X = X[:, np.newaxis]
        n_rows = max(1, _CHUNK_VALUES // (X.shape[1] * X.shape[2]))
        table = np.empty((len(X), len(self.get_feature_names_out())))
        for start in range(0, len(X), n_rows):
            rows = slice(start, start + n_rows)
            beats = np.array(X[rows], dtype=np.float64, order="C")
            table[rows] = self._features(beats)
        return table

    def get_feature_names_out(self, input_features=None):
        """Name the columns.

        Parameters
        ----------
        input_features : None
            Not used: the names come from the leads.

        Returns
        -------
        ndarray of str objects of shape (1 + 18 * n_leads,)
            ``qrs_duration``, then ``j_I``, ``j_II`` ... With other than twelve leads, they are
            called ``lead0``, ``lead1`` ...
        """
        check_is_fitted(self)
        twelve = self.n_leads_ == len(LEADS)
        leads = LEADS if twelve else [f"lead{i}" for i in range(self.n_leads_)]
        names = [f"{feature}_{lead}" for feature in _BEAT + _STATISTICS for lead in leads]
        return np.array([*_GLOBAL, *names], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _features(self, beats):
        """Return the table of some beats, an array of float64 of its own."""
        statistics = _statistics(beats)
        if self.r_index_ is None:
            n_columns = len(_GLOBAL) + len(_BEAT) * beats.shape[1]
            columns = [np.full((len(beats), n_columns), np.nan)]
        else:
            features = _beat_features(beats, self.r_index_, self.sampling_rate)
            columns = [features["qrs_duration"][:, np.newaxis]]
            columns += [features[name] for name in _BEAT]
        return np.concatenate(columns + [statistics[name] for name in _STATISTICS], axis=1)


def _statistics(beats):
    return {
        "min": beats.min(axis=2),
        "max": beats.max(axis=2),
        "mean": beats.mean(axis=2),
        "std": beats.std(axis=2),
        "first": beats[:, :, 0],
        "last": beats[:, :, -1],
    }


def _beat_features(beats, r_index, sampling_rate):
    onset, offset = qrs_bounds(beats, r_index, sampling_rate)
    t_start, t_stop = t_window(beats, r_index, sampling_rate, offset)
    pq = _samples(beats, onset, *(-round(s * sampling_rate) for s in _PQ))
    beats = beats - np.median(pq, axis=2, keepdims=True)
    duration = (offset - onset) * 1000 / sampling_rate
    return {
        "qrs_duration": np.where(duration > 0, duration, np.nan),
        **_st_features(beats, offset, sampling_rate),
        **_qrs_features(beats, onset, offset, r_index, sampling_rate),
        **_t_features(beats, t_start, t_stop, r_index, sampling_rate),
    }


def _st_features(beats, offset, sampling_rate):
    at = {name: round(s * sampling_rate) for name, s in _ST_TIMES.items()}
    st = _samples(beats, offset, 0, at["st80"] + 1)
    features = {name: st[:, :, i] for name, i in at.items()}
    sloping = st[:, :, round(_SLOPE_FROM * sampling_rate) :]
    time = np.arange(sloping.shape[2]) / sampling_rate
    time -= time.mean()
    features["stslope"] = (sloping * (time / (time**2).sum())).sum(axis=2)
    features["starea"] = st[:, :, :-1].sum(axis=2) * 1000 / sampling_rate
    return features


def _qrs_features(beats, onset, offset, r_index, sampling_rate):
    first, last = (round(s * sampling_rate) for s in (-_QRS[0], _QRS[1]))
    time = np.arange(r_index + first, r_index + last + 1)
    qrs = beats[:, :, time[0] : time[-1] + 1]
    inside = ((time >= onset[:, None]) & (time <= offset[:, None]))[:, None]
    peak = np.where(inside, qrs, -np.inf).argmax(axis=2)[:, :, None]
    qrs = np.where(inside, qrs, 0.0)
    return {
        "qamp": np.where(np.arange(len(time)) < peak, qrs, 0.0).min(axis=2),
        "ramp": np.maximum(qrs.max(axis=2), 0.0),
        "samp": np.minimum(qrs.min(axis=2), 0.0),
        # J itself belongs to the ST segment.
        "qrsarea": (qrs.sum(axis=2) - _samples(beats, offset, 0, 1)[:, :, 0])
        * (1000 / sampling_rate),
    }


def _t_features(beats, start, stop, r_index, sampling_rate):
    # As many samples in every call: the sum of a beat must not depend on the others' windows.
    time = r_index + np.arange(round(_NEEDED[1] * sampling_rate))
    inside = ((time >= start[:, None]) & (time < stop[:, None]))[:, None]
    t_wave = np.where(inside, beats[:, :, time[0] : time[-1] + 1], 0.0)
    high, low = t_wave.max(axis=2), t_wave.min(axis=2)
    defined = (start < stop)[:, None]
    amplitude = np.where(high >= -low, high, low)
    area = t_wave.sum(axis=2) * 1000 / sampling_rate
    return {
        "tamp": np.where(defined, amplitude, np.nan),
        "tarea": np.where(defined, area, np.nan),
    }


def _samples(beats, origin, start, stop):
    """Return samples `start` to `stop` of each beat, counted from the beat's own `origin`."""
    index = origin[:, np.newaxis] + np.arange(start, stop)
    return np.take_along_axis(beats, index[:, np.newaxis], axis=2)


def _find_r_index(r_index, n_times, rate):
    if not (isinstance(rate, numbers.Real) and rate > 0):
        raise ValueError(f"sampling_rate={rate!r} is not a number of samples a second.")
    if r_index is None:
        return _DEFAULT_R_INDEX.get(n_times) if rate == _DEFAULT_RATE else None
    if not isinstance(r_index, numbers.Integral) or isinstance(r_index, bool):
        raise ValueError(f"r_index={r_index!r} is not the number of a sample.")
    before, after = r_index / rate, (n_times - r_index) / rate
    if before < _NEEDED[0] or after < _NEEDED[1]:
        raise ValueError(
            f"r_index={r_index} leaves {1000 * before:.0f} ms before R and "
            f"{1000 * after:.0f} ms after it in rows of {n_times} samples at {rate} Hz, "
            "but the waves are looked for from 200 ms before R to 450 ms after it. Give "
            "longer beats, or r_index=None for the plain statistics alone."
        )
    return int(r_index)


def delineate(beats, sampling_rate=500, *, r_index=None):
    """Find where P, QRS and T begin, peak and end, in all leads together.

    The onset of a wave is that of the lead in which it begins first, its end that of the lead in
    which it ends last, its peak where the RMS over leads is largest. The polarity of leads makes
    no difference. Leads that are flat or hold NaN are left out.

    Parameters
    ----------
    beats : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
        Median beats in mV, as of :class:`~skecg.preprocessing.MedianBeat`; two dimensions mean
        one lead.
    sampling_rate : float, default=500
        Samples a second.
    r_index : int, default=None
        The sample of R. None means 300 in beats of 600 samples and 150 in beats of 400, at
        500 Hz.

    Returns
    -------
    DataFrame of n_samples rows
        ``p_on p_peak p_off qrs_on qrs_off t_on t_peak t_off``, in ms from R. ``qrs_off`` is the
        J point. NaN where a wave is absent, where an end lies outside the beat, and in rows that
        hold no QRS, such as rows of NaN.

    Raises
    ------
    ValueError
        If it is not known where R is, or less than 200 ms of a beat lie before it or 450 ms
        after it.

    Notes
    -----
    Where an elevated ST segment falls all the way from J to the end of T, both are one wave, and
    T begins 60 ms after J. Not found are a P wave with its peak more than 220 ms before the QRS,
    and one that runs into the QRS. The peak of T is looked for up to 440 ms after R.

    References
    ----------
    Vazquez-Seisdedos CR, Neto JE, Maranon Reyes EJ, Klautau A, Limao de Oliveira RC. New approach
    for T-wave end detection on electrocardiogram: performance in noisy conditions. BioMedical
    Engineering OnLine 2011;10:77 (the corner of the largest trapezium).

    Examples
    --------
    >>> import numpy as np
    >>> from skecg.feature_extraction import delineate
    >>> beat = np.zeros((1, 12, 600))
    >>> beat[:, :, 280:321] = 1 - np.abs(np.linspace(-1, 1, 41))  # QRS from -40 to 40 ms
    >>> beat[:, :, 380:451] = 0.3 * np.sin(np.linspace(0, np.pi, 71))  # T from 160 to 300 ms
    >>> delineate(beat)[["p_on", "qrs_on", "qrs_off", "t_peak", "t_off"]]
       p_on  qrs_on  qrs_off  t_peak  t_off
    0   NaN   -42.0     42.0   230.0  302.0
    """
    beats = np.asarray(beats)
    if beats.dtype.kind not in "fiub" or beats.ndim not in (2, 3) or 0 in beats.shape:
        raise ValueError(
            f"beats has shape {beats.shape} and type {beats.dtype}; give real numbers as "
            "(n_samples, n_leads, n_times), or (n_samples, n_times) for one lead."
        )
    n_times = beats.shape[-1]
    r_index = _find_r_index(r_index, n_times, sampling_rate)
    if r_index is None:
        raise ValueError(
            f"It is not known where R is in beats of {n_times} samples at {sampling_rate} Hz. "
            "Give r_index, the sample of R."
        )
    beats = beats.reshape(len(beats), -1, n_times)
    found = wave_bounds(beats, r_index, sampling_rate)
    return pd.DataFrame(found, columns=list(WAVES)).sub(r_index).mul(1000 / sampling_rate)
