"""PTB-XL, read from a local copy."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.utils import Bunch

from ..io._wfdb import read_wfdb
from ..leads import LEADS, to_standard_order

_SECONDS = 10
_FILENAME = {500: "filename_hr", 100: "filename_lr"}


def load_ptbxl(path, *, positive="MI", negative="NORM", sampling_rate=500, n_jobs=None):
    """Load ECGs of two diagnoses from a local copy of PTB-XL.

    Diagnoses are the database's SCP statements and its superclasses NORM, MI, STTC, CD and
    HYP. A statement counts whatever its likelihood; 0 means that it was not graded. An ECG
    that has `positive` as well as `negative`, or neither, is left out. Most MI statements
    of PTB-XL describe an old infarction: they are a poor stand-in for occlusion MI.

    Only the ECGs listed in ``ptbxl_database.csv`` are read, so a shortened table makes a
    smaller data set. The whole database takes 5.2 GB of memory at 500 Hz.

    Parameters
    ----------
    path : path-like
        Folder that holds ``ptbxl_database.csv``, ``scp_statements.csv`` and ``records500``
        or ``records100``.
    positive : str or list of str, default="MI"
        Superclass or SCP code of class 1; of a list, any one is enough.
    negative : str, list of str or None, default="NORM"
        The same for class 0. None takes every ECG that is not positive.
    sampling_rate : {500, 100}, default=500
        Which of the two copies of each recording to read, in Hz.
    n_jobs : int, default=None
        Number of processes that read files; None is one, -1 all cores.

    Returns
    -------
    Bunch
        ``data`` : ndarray of shape (n_samples, 12, 10 * sampling_rate), float32, in mV,
        leads in the order of `skecg.leads.LEADS`; ``target`` : ndarray of int64, 1 where
        positive; ``target_names`` : ndarray, the names of classes 0 and 1; ``groups`` :
        ndarray of int64, the patient; ``fold`` : ndarray of int64, the recommended fold 1
        to 10; ``table`` : DataFrame, the database's row of each ECG, with ``scp_codes`` as
        dict, ``sex`` 0 for men and 1 for women, and ``age`` 300 for over 89; ``DESCR`` :
        str.

    Raises
    ------
    FileNotFoundError
        If `path` is not a copy of PTB-XL, or a recording is missing.

    References
    ----------
    .. [1] Wagner et al., "PTB-XL, a large publicly available electrocardiography dataset",
       Scientific Data 7:154, 2020.

    Examples
    --------
    >>> from skecg.datasets import load_ptbxl
    >>> ptbxl = load_ptbxl("ptb-xl-1.0.3")  # doctest: +SKIP
    >>> ptbxl.data.shape, ptbxl.target.mean()  # doctest: +SKIP
    """
    if sampling_rate not in _FILENAME:
        raise ValueError(f"sampling_rate must be 500 or 100, got {sampling_rate!r}.")
    table, superclass = _read_tables(Path(path))
    is_positive = _has(table, superclass, positive)
    is_negative = ~is_positive if negative is None else _has(table, superclass, negative)
    chosen = is_positive ^ is_negative
    names = [_name(negative) if negative is not None else f"not {_name(positive)}", _name(positive)]
    for name, found in zip(names, (is_negative & chosen, is_positive & chosen), strict=True):
        if not found.any():
            raise ValueError(f"No ECG of {path} is {name} and not also of the other class.")

    table = table[chosen].reset_index(drop=True)
    files = [Path(path, name) for name in table[_FILENAME[sampling_rate]]]
    data = np.empty((len(files), len(LEADS), _SECONDS * sampling_rate), dtype=np.float32)
    read = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_read_recording)(file, data.shape[1:], sampling_rate) for file in files
    )
    for i, recording in enumerate(read):
        data[i] = recording
    return Bunch(
        data=data,
        target=is_positive[chosen].astype(np.int64),
        target_names=np.array(names),
        groups=table["patient_id"].to_numpy(dtype=np.int64),
        fold=table["strat_fold"].to_numpy(dtype=np.int64),
        table=table,
        DESCR=f"{len(data)} ECGs of PTB-XL: {names[1]} against {names[0]}, {sampling_rate} Hz. "
        f"{int((is_positive & is_negative).sum())} ECGs of both and "
        f"{int((~is_positive & ~is_negative).sum())} of neither left out.",
    )


def _read_tables(path):
    for name in ("ptbxl_database.csv", "scp_statements.csv"):
        if not (path / name).is_file():
            raise FileNotFoundError(
                f"{path} is not a copy of PTB-XL: there is no {name} in it. Give the folder "
                "that holds ptbxl_database.csv."
            )
    table = pd.read_csv(path / "ptbxl_database.csv")
    table["scp_codes"] = table["scp_codes"].map(ast.literal_eval)
    statements = pd.read_csv(path / "scp_statements.csv", index_col=0)
    return table, statements["diagnostic_class"]


def _has(table, superclass, wanted):
    wanted = {wanted} if isinstance(wanted, str) else set(wanted)
    classes = set(superclass.dropna())
    unknown = sorted(wanted - classes - set(superclass.index))
    if unknown or not wanted:
        raise ValueError(
            f"{', '.join(unknown) or 'An empty list'} is no diagnosis of PTB-XL. Superclasses: "
            f"{', '.join(sorted(classes))}. Codes: {', '.join(sorted(superclass.index))}."
        )
    codes = wanted | set(superclass.index[superclass.isin(wanted)])
    return np.array([not codes.isdisjoint(present) for present in table["scp_codes"]], dtype=bool)


def _name(wanted):
    return wanted if isinstance(wanted, str) else " or ".join(wanted)


def _read_recording(file, shape, sampling_rate):
    signal, rate, leads = read_wfdb(file)
    signal = to_standard_order(signal, leads)
    if signal.shape != shape or rate != sampling_rate:
        raise ValueError(
            f"{file} holds {signal.shape} samples at {rate} Hz, not {shape} at {sampling_rate} Hz."
        )
    return signal
