"""Named features of median beats."""

import numbers
from functools import cache

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skecg._delineation import WAVES, wave_bounds
from skecg._features import beat_features
from skecg._validation import validate_ecgs
from skecg.leads import LEADS

__all__ = ["BeatFeatures", "add_patient", "delineate"]

# Where R lies in a beat of the package's own lengths (samples at 500 Hz).
_DEFAULT_R_INDEX = {600: 300, 400: 150}
_DEFAULT_RATE = 500

_NEEDED = (0.200, 0.450)  # s before and after R that the search for the waves looks at
_CHUNK = 64  # beats worked on at a time, so that they stay in the processor's cache


class BeatFeatures(TransformerMixin, BaseEstimator):
    """Turn median beats into a table of named features.

    The waves are delineated on all leads together, then measured in each lead. Zero is the PQ
    level just before the onset of the QRS, in each lead. The features of one beat depend on that
    beat alone. J is the last sample of the QRS and the first of the ST segment.

    One column of each lead, such as ``st80_V2``:

    - ``pamp``, ``parea`` (mV, mV ms): P wave, largest deviation with its sign, and signed area.
    - ``qamp``, ``ramp``, ``samp``, ``r2amp``, ``s2amp`` (mV): amplitudes of Q, R, S, R' and S' as
      in IEC 60601-2-51 [1]_, deflections that are 30 uV away from zero for 6 ms; below zero for Q,
      S and S', 0 where there is none. A QS counts as Q as well as S.
    - ``qdur``, ``rdur``, ``sdur``, ``r2dur``, ``s2dur`` (ms): their durations from crossing to
      crossing of zero; 0 where there is none.
    - ``vat`` (ms): ventricular activation time, from the onset of the QRS to the top of R, of R'
      if it is higher.
    - ``qrsptp``, ``qrsarea`` (mV, mV ms): highest minus lowest value of the QRS, and signed area.
    - ``j``, ``st40``, ``st60``, ``st80`` (mV): level at J [2]_, and 40, 60 and 80 ms after it.
    - ``stamp`` (mV): median level from J to J + 80 ms.
    - ``stslope`` (mV/s): slope of the line fitted from J + 20 to J + 80 ms.
    - ``starea`` (mV ms): signed area from J to J + 80 ms.
    - ``tamp``, ``tarea`` (mV, mV ms): T wave, largest deviation with its sign, and signed area.
    - ``tqrs``: tamp / qrsptp.
    - ``tsymmetry``: T peak to end over T onset to peak, at the peak of the lead.

    One column of all leads together, where RMS is that over the leads, of twelve the eight
    independent ones I, II, V1 ... V6:

    - ``p_duration``, ``pr_interval`` (ms): P onset to P end and to QRS onset.
    - ``qrs_duration``, ``qt_interval`` (ms): QRS onset to J and to T end.
    - ``jt_interval``, ``tpte`` (ms): J and T peak to T end.
    - ``t_symmetry``: T peak to end over T onset to peak.
    - ``rms_qrs``, ``rms_t`` (mV): largest RMS in QRS and T; ``rms_t_qrs``: their ratio.
    - ``rms_st`` (mV): mean RMS from J to J + 80 ms.
    - ``rms_mean``, ``rms_min``, ``rms_var`` (mV, mV, mV^2): mean, least value and variance of the
      RMS from J to T end.

    And of twelve leads only, with vectors and components from the eight independent ones:

    - ``p_axis``, ``qrs_axis``, ``t_axis`` (degrees): frontal axis, atan2(2/sqrt(3) aVF, I) of the
      areas.
    - ``t_inflection_amp`` (mV), ``t_inflection_axis`` (degrees), ``t_inflection_magnitude`` (mV):
      RMS, and axis and length of the frontal vector, where the RMS rises most steeply before the
      T peak.
    - ``qrs_azimuth``, ``qrs_elevation`` (degrees), ``qrs_magnitude`` (mV ms), and the same of
      ``t`` and ``svg``: mean vector by Kors' matrix [3]_ of the areas of the QRS, of J to T end,
      and of both together, the spatial ventricular gradient. Azimuth 0 is left, 90 back, -90
      front; elevation is positive towards the feet.
    - ``qrst_angle_kors``, ``qrst_angle_dower`` (degrees): spatial QRS-T angle, between those mean
      vectors, by Kors' matrix and by the inverse of Dower's [4]_. The second is some 23 degrees
      wider in normal adults.
    - ``qrst_peak_angle_kors`` (degrees): between the longest vectors of QRS and T, by Kors' matrix.
    - ``t_deviation`` (degrees): between the mean vector of T and that of normal adults.
    - ``pca_ratio_qrs``, ``_j``, ``_st``, ``_stt``, ``_t``: s2^2 / s1^2 with the singular values s
      of the leads, not centred, in the QRS, J - 20 to J + 20 ms, J to J + 80 ms, J to T end, and
      T. Others print 100 s2 / s1.
    - ``ndpv_qrs`` ... ``ndpv_t`` (mV^2): non-dipolar voltage, s4^2 + ... + s8^2, at 500 Hz;
      ``ndpv_share_qrs`` ... ``ndpv_share_t``: the same over the sum of all eight squares.
    - ``pca1``, ``pca2``, ``pca3`` (mV): s / sqrt(n) of the n samples from J to T end.
    - ``pca_tamp`` (mV): largest first component of T.
    - ``tmd``, ``tmd_pre``, ``tmd_post`` (degrees): T-wave morphology dispersion [5]_ of T, and of
      its parts before and after the peak.
    - ``tcrt``, ``tcrt_angle`` (1, degrees): total cosine R-to-T [5]_ and its arc cosine.
    - ``concavity_lateral``, ``concavity_anterior``, ``concavity_inferior`` (mV): the chord from J
      to the T peak minus ST where that is largest in size, above zero where ST is concave upwards;
      the mean of I, aVL, V5 and V6, of V1 to V4, and of II, III and aVF.
    - ``selvester`` (points): infarct size by 32 points [6]_, 3 % of the left ventricle each.
    - ``aldrich_anterior``, ``aldrich_inferior`` (%): left ventricle at risk [7]_, 3 (1.5 n - 0.4)
      with n leads of J >= 0.1 mV, and 3 (0.6 sum + 2) with the mm of J in II, III and aVF.

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
        beats, and the columns are the statistics ``min max mean std first last`` of each lead.
    n_features_in_, n_leads_, n_times_ : int
        Size of the axis after the samples, number of leads and of samples a lead.

    See Also
    --------
    add_patient : Age, sex and heart rate, with the intervals corrected for it.

    Notes
    -----
    NaN means that there is no such thing: no P wave as in atrial fibrillation, no T wave, one that
    ends after the beat does, no R in a lead, the angle of a vector of no length.

    The 74 features of the published forest [8]_, whose definitions are those of a manufacturer and
    not public, and what stands for them here. By :func:`add_patient`: HR `heart_rate`, Age `age`,
    JTc `jtc`. Of all leads: PR `pr_interval`, QRSd `qrs_duration`, mfpQRSaxis `qrs_axis`, fpTaxis
    `t_axis`, txzQRSaxis `qrs_azimuth`, QRSTangle `qrst_peak_angle_kors`, mQRSTangle
    `qrst_angle_kors`, TCRT `tcrt`, TCRTangle `tcrt_angle`, TampInfl1 `t_inflection_amp`,
    fpTinfl1Axis `t_inflection_axis`, fpTinfl1Mag `t_inflection_magnitude`, Tamp `rms_t`, TrelAmp
    `rms_t_qrs`, PCA1 to PCA3 `pca1` to `pca3`, spatialTaxisDev `t_deviation`, TMD `tmd`, TMDpre
    `tmd_pre`, TMDpost `tmd_post`, TpTe `tpte`, RNDPV, JNDPV, STNDPV and TNDPV `ndpv_qrs`,
    `ndpv_j`, `ndpv_st` and `ndpv_t`, the same with pct before them `ndpv_share_qrs` and so on,
    the PCA ratios of QRS, J, STT and T `pca_ratio_qrs` and so on, pcaTamp `pca_tamp`, Tasym
    `t_symmetry`, rmsMin `rms_min`, rmsVar `rms_var`, MIsz `selvester`, latConcaveAmp
    `concavity_lateral`, antConcaveAmp `concavity_anterior`. Of single leads: qdur, ramp, vat, st80
    and tamp by these names.

    References
    ----------
    .. [1] IEC 60601-2-51:2003, Annex GG.
    .. [2] Thygesen K, Alpert JS, Jaffe AS, et al. Fourth universal definition of myocardial
       infarction (2018). Circulation 2018;138:e618-e651 (J and zero level).
    .. [3] Kors JA, van Herpen G, Sittig AC, van Bemmel JH. Reconstruction of the Frank
       vectorcardiogram from standard electrocardiographic leads. European Heart Journal
       1990;11:1083-1092.
    .. [4] Edenbrandt L, Pahlm O. Vectorcardiogram synthesized from a 12-lead ECG: superiority of
       the inverse Dower matrix. Journal of Electrocardiology 1988;21:361-367.
    .. [5] Acar B, Yi G, Hnatkova K, Malik M. Spatial, temporal and wavefront direction
       characteristics of 12-lead T-wave morphology. Medical & Biological Engineering & Computing
       1999;37:574-584.
    .. [6] Hindman NB, Schocken DD, Widmann M, et al. Evaluation of a QRS scoring system for
       estimating myocardial infarct size. V. American Journal of Cardiology 1985;55:1485-1490.
    .. [7] Aldrich HR, Wagner NB, Boswick J, et al. Use of initial ST-segment deviation for
       prediction of final electrocardiographic size of acute myocardial infarcts. American
       Journal of Cardiology 1988;61:749-753.
    .. [8] Al-Zaiti SS, Martin-Gill C, Zegre-Hemsey JK, et al. Machine learning for ECG diagnosis
       and risk stratification of occlusion myocardial infarction. Nature Medicine
       2023;29:1804-1813.

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
        X = validate_ecgs(self, X, reset=True)
        first = np.array(X[:1]).reshape(1, self.n_leads_, self.n_times_)
        self.r_index_ = _find_r_index(self.r_index, self.n_times_, self.sampling_rate)
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


@cache
def _names_of_twelve_leads():
    return frozenset(BeatFeatures().fit(np.zeros((1, 12, 600))).get_feature_names_out())


def is_feature_table(X):
    """Tell whether X is a DataFrame with at least one column of :class:`BeatFeatures`.

    Parameters
    ----------
    X : object
        Table, or beats as for :class:`BeatFeatures`.

    Returns
    -------
    bool
    """
    return isinstance(X, pd.DataFrame) and not _names_of_twelve_leads().isdisjoint(X.columns)


def check_kind(estimator, X, *, fitted_on_table):
    """Refuse a table where the estimator was fitted on median beats, and the other way round."""
    given = is_feature_table(X)
    if given != fitted_on_table:
        kinds = ("median beats", "a table of features, a DataFrame")
        raise ValueError(
            f"X is {kinds[given]}, but this {type(estimator).__name__} was fitted on "
            f"{kinds[fitted_on_table]}."
        )


def add_patient(table, *, age=None, sex=None, heart_rate=None):
    """Add what a median beat does not tell: age, sex, and heart rate with corrected intervals.

    Parameters
    ----------
    table : DataFrame of shape (n_samples, n_features)
        What :class:`BeatFeatures` returns after ``set_output(transform="pandas")``.
    age : array-like of shape (n_samples,), default=None
        In years, NaN where unknown.
    sex : array-like of shape (n_samples,), default=None
        "male" or "female", "M" or "F", 0 for men or 1 for women; None or NaN where unknown.
    heart_rate : array-like of shape (n_samples,), default=None
        Beats a minute, NaN where unknown: ``MedianBeat().report(X)["heart_rate"]``.

    Returns
    -------
    DataFrame
        A copy of `table` with the columns of those that are given: `age`; `sex`, 0 for men and 1
        for women; `heart_rate`, `qtc_bazett`, `qtc_fridericia`, `qtc_framingham`, `qtc_hodges`
        and `jtc`, all in ms.

    Raises
    ------
    ValueError
        If there are not as many values as rows, or a value is none of these.

    Notes
    -----
    With RR = 60 / heart rate in s and QT in s: Bazett QT / RR^(1/2), Fridericia QT / RR^(1/3),
    Framingham QT + 0.154 (1 - RR), Hodges QT + 0.00175 (heart rate - 60). `jtc` is JT corrected
    as by Bazett.

    Examples
    --------
    >>> import pandas as pd
    >>> from skecg.feature_extraction import add_patient
    >>> table = pd.DataFrame({"qt_interval": [360.0], "jt_interval": [270.0]})
    >>> table = add_patient(table, age=[61], sex=["F"], heart_rate=[90])
    >>> table[["age", "sex", "qtc_bazett", "qtc_fridericia"]].round(1)
        age  sex  qtc_bazett  qtc_fridericia
    0  61.0  1.0       440.9           412.1
    """
    columns = {}
    if age is not None:
        columns["age"] = _in_range(age, "age", 0, 120, "years (PTB-XL writes 300 for over 89)")
    if sex is not None:
        columns["sex"] = _sexes(sex)
    if heart_rate is not None:
        rate = columns["heart_rate"] = _in_range(heart_rate, "heart_rate", 10, 400, "a minute")
    for name, values in columns.items():
        if len(values) != len(table):
            raise ValueError(f"{name} has {len(values)} values for {len(table)} rows of the table.")
    if heart_rate is not None:
        rr, qt = 60 / rate, table["qt_interval"].to_numpy()
        columns["qtc_bazett"] = qt / rr ** (1 / 2)
        columns["qtc_fridericia"] = qt / rr ** (1 / 3)
        columns["qtc_framingham"] = qt + 154 * (1 - rr)
        columns["qtc_hodges"] = qt + 1.75 * (rate - 60)
        columns["jtc"] = table["jt_interval"].to_numpy() / rr ** (1 / 2)
    return table.assign(**columns)


def _in_range(values, name, low, high, unit):
    values = column_or_1d(values).astype(float)
    wrong = np.flatnonzero((values < low) | (values > high))
    if len(wrong):
        raise ValueError(
            f"{name} is {values[wrong[0]]:g} in row {wrong[0]}, which is not between {low} and "
            f"{high} {unit}. Give NaN where it is unknown."
        )
    return values


def _sexes(values):
    codes = {"male": 0.0, "m": 0.0, "0": 0.0, "female": 1.0, "f": 1.0, "1": 1.0}
    values = pd.Series(column_or_1d(np.asarray(values, dtype=object)), dtype=object)
    # 0, 0.0 and False are one: numbers are compared as whole numbers.
    words = values.map(lambda x: str(int(x)) if x in (0, 1) else str(x).lower())
    found = words.map(codes)
    wrong = np.flatnonzero(found.isna() & values.notna())
    if len(wrong):
        raise ValueError(
            f"sex is {values[wrong[0]]!r} in row {wrong[0]}. Give 'male' or 'female', 'M' or 'F', "
            "0 for men or 1 for women, NaN where it is unknown."
        )
    return found.to_numpy(dtype=float)


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
