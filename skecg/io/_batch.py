"""Many files at once, as the array that transformers and classifiers take."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.ndimage import uniform_filter1d
from tqdm import tqdm

from skecg import _beats
from skecg.leads import LEADS

from ._ecg import ECGFormatError
from ._read import read_ecg

_AS_STORED = ("format", "sampling_rate", "age", "sex", "acquired", "highpass", "lowpass", "notch")
_DTYPES = {
    "n_times": "Int64",
    "st_reliable": "boolean",
    "has_median": bool,
    "acquired": "datetime64[us]",
    **dict.fromkeys(("sampling_rate", "age", "highpass", "lowpass", "notch"), float),
}
_NOT_TOLD = 20  # samples of 500 Hz between a fiducial point and R above which it is no R


def read_ecgs(
    paths,
    *,
    form="raw",
    sampling_rate=500,
    n_jobs=None,
    keep_identifiers=False,
    strict=False,
    verbose=0,
):
    """Read many ECGs of any known formats.

    A file that cannot be read, or has no median beat where that is asked for, becomes NaN in
    X and a row of the table that tells why. Order and number are those of `paths`.

    Parameters
    ----------
    paths : iterable of path-like
        Files, or WFDB records, as for `read_ecg`. Of a WFDB record give the header or the
        signal file: either stands for the whole record.
    form : {"raw", "median"}, default="raw"
        "raw" takes the recordings, "median" the recorders' own median beats. These are brought
        to 500 Hz and 600 samples with R at sample 300 and the PQ level at zero, both as
        `skecg.preprocessing.MedianBeat` has them. Where a median beat ends sooner, its last
        value is held; the notes say for how long. From -300 to +500 ms, which
        `skecg.preprocessing.BeatCropper` cuts out, little is mostly held.
    sampling_rate : float or None, default=500
        In Hz, to which recordings are resampled; None leaves them as they are. Median beats
        always have 500 Hz.
    n_jobs : int, default=None
        Number of processes; None is one, -1 all cores.
    keep_identifiers : bool, default=False
        Whether the table has a column ``identifiers``.
    strict : bool, default=False
        Whether files that do not prove what they say count as unreadable, as for `read_ecg`.
    verbose : int, default=0
        Above 0, progress is shown.

    Returns
    -------
    X : ndarray of shape (n_samples, 12, n_times), or list of ndarray of shape (12, n_times)
        In mV, float32. A list if recordings differ in length, or in sampling rate where that
        is None; in a list an unreadable file is one sample of NaN.
    table : DataFrame
        A row a path: ``path``, ``format``, ``n_times`` and ``sampling_rate`` as stored,
        ``age``, ``sex``, ``acquired``, ``highpass``, ``lowpass``, ``notch``, ``st_reliable``,
        ``has_median``, ``derived_leads``, ``missing_leads``, ``notes``, ``error``. See `ECG`.

    Examples
    --------
    >>> from skecg.io import read_ecgs
    >>> X, table = read_ecgs(["nowhere.dcm"])
    >>> X.shape, table["error"][0]
    ((1, 12, 1), 'There is no file nowhere.dcm, nor a WFDB record of this name.')
    """
    if isinstance(paths, str | bytes | os.PathLike):
        raise TypeError(f"paths must be an iterable of paths, got the one path {paths!r}.")
    if form not in ("raw", "median"):
        raise ValueError(f'form must be "raw" or "median", got {form!r}.')
    if sampling_rate is not None and not sampling_rate > 0:
        raise ValueError(f"sampling_rate must be above 0 or None, got {sampling_rate!r}.")
    paths = list(paths)
    for path in paths:
        Path(path)  # before anything is read, a TypeError at what is no path
    read = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_read_one)(path, form, sampling_rate, keep_identifiers, strict) for path in paths
    )
    signals, rows = [], []
    for signal, row in tqdm(read, total=len(paths), disable=not verbose, unit="ECG"):
        signals.append(signal)
        rows.append(row)
    columns = list(_row("", None, None, keep_identifiers))
    table = pd.DataFrame(rows, columns=columns).astype(_DTYPES)
    rates = table["sampling_rate"].dropna() if form == "raw" and sampling_rate is None else []
    return _stack(signals, n_rates=len(set(rates))), table


def _stack(signals, n_rates):
    lengths = {signal.shape[1] for signal in signals if signal is not None}
    absent = np.full((len(LEADS), 1), np.nan, dtype=np.float32)
    if len(lengths) > 1 or n_rates > 1:
        return [absent if signal is None else signal for signal in signals]
    X = np.empty((len(signals), len(LEADS), *(lengths or {1})), dtype=np.float32)
    for i, signal in enumerate(signals):
        X[i], signals[i] = absent if signal is None else signal, None  # frees it
    return X


def _read_one(path, form, sampling_rate, keep_identifiers, strict):
    try:
        ecg = read_ecg(path, keep_identifiers=keep_identifiers, strict=strict)
    except (ECGFormatError, OSError, ImportError) as error:
        return None, _row(path, None, error, keep_identifiers)
    signal, notes = ecg.signal, ()
    if form == "median":
        signal, notes = place_median(ecg)
    elif sampling_rate is not None:
        signal = _resample(signal, ecg.sampling_rate, sampling_rate)
    return signal, _row(path, ecg, None, keep_identifiers, notes)


def _row(path, ecg, error, keep_identifiers, notes=()):
    row = {"path": os.fspath(path), "n_times": None if ecg is None else ecg.signal.shape[1]}
    row |= {name: getattr(ecg, name, None) for name in (*_AS_STORED, "st_reliable")}
    row["has_median"] = ecg is not None and ecg.median is not None
    row["derived_leads"] = ", ".join(ecg.derived_leads) if ecg else ""
    row["missing_leads"] = ", ".join(ecg.missing_leads) if ecg else ""
    row["notes"] = "; ".join((*ecg.notes, *notes)) if ecg else ""
    row["error"] = None if error is None else str(error)
    if keep_identifiers:
        row["identifiers"] = getattr(ecg, "identifiers", None)
    return row


def _resample(signal, old, new):
    """Resample along time; gaps are bridged meanwhile, and are gaps again afterwards."""
    if old == new:
        return signal
    gaps, t = np.isnan(signal), np.arange(signal.shape[1])
    whole = np.stack(
        [
            lead if not gap.any() or gap.all() else np.interp(t, t[~gap], lead[~gap])
            for lead, gap in zip(signal, gaps, strict=True)
        ]
    )
    # This goes to 500 Hz, and only the ratio counts.
    resampled = _beats.resample(whole, old * _beats.SAMPLING_RATE / new).astype(np.float32)
    if gaps.any():
        at = np.minimum(np.rint(np.arange(resampled.shape[1]) * old / new), len(t) - 1)
        resampled[gaps[:, at.astype(int)]] = np.nan
    return resampled


def place_median(ecg):
    """Return the recorder's median beat as (12, 600) at 500 Hz with R at 300, and notes.

    The beat is None if there is none in the file, or too little of it.
    """
    if ecg.median is None:
        return None, ["no median beat in the file"]
    recorded = np.flatnonzero(~np.isnan(ecg.median).all(axis=0))
    if not len(recorded):
        return None, ["the median beat is empty"]
    part = slice(recorded[0], recorded[-1] + 1)
    beat = _resample(ecg.median[:, part], ecg.median_sampling_rate, _beats.SAMPLING_RATE)
    r, notes = _find_r(beat), []
    if ecg.median_r_index is not None:
        told = (ecg.median_r_index - part.start) * _beats.SAMPLING_RATE / ecg.median_sampling_rate
        if abs(told - r) > _NOT_TOLD:
            notes.append(
                f"the median beat's R is {2 * (r - told):.0f} ms from where the file has it"
            )
    if r < 75 or beat.shape[1] - r < 150:
        return None, [*notes, "the median beat is shorter than -150 to +300 ms around R"]
    held = 2 * max(0, _beats.R_INDEX - r), 2 * max(0, r + _beats.R_INDEX - beat.shape[1])
    if any(held):
        notes.append(f"the median beat's first value is held for {held[0]} ms, its last {held[1]}")
    beat = _around(beat, r)
    pq = _beats.pq_window(np.nan_to_num(beat), _beats.R_INDEX)
    return beat - beat[:, pq].mean(axis=1, keepdims=True), notes


def _around(beat, r):
    at = np.clip(r + np.arange(-_beats.R_INDEX, _beats.R_INDEX), 0, beat.shape[1] - 1)
    return beat[:, at]


def _find_r(beat):
    beat = np.nan_to_num(beat)
    slope = np.linalg.norm(np.diff(beat, axis=1), axis=0)
    rough = uniform_filter1d(slope, 25).argmax()  # 50 ms
    return rough - 60 + int(_beats.r_offset(_beats.windows(beat, [rough], 60, 80))[0])
