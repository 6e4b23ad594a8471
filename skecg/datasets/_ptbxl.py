"""PTB-XL, read from a local copy."""

import ast
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from ..io._wfdb import read_wfdb
from ..leads import LEADS, to_standard_order
from ._common import (
    as_set,
    check_folder,
    class_names,
    of_one_class,
    path_array,
    read_arrays,
    read_table,
)

_SECONDS = 10
_FILENAME = {500: "filename_hr", 100: "filename_lr"}


def load_ptbxl(
    path, *, positive="MI", negative="NORM", sampling_rate=500, as_paths=False, n_jobs=None
):
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
    as_paths : bool, default=False
        Return where the recordings are instead of what they hold; nothing is read.
    n_jobs : int, default=None
        Number of processes that read files; None is one, -1 all cores.

    Returns
    -------
    Bunch
        ``data`` : ndarray of shape (n_samples, 12, 10 * sampling_rate), float32, in mV,
        leads in the order of `skecg.leads.LEADS`, or with `as_paths` ndarray of str, the
        recordings' headers; ``target`` : ndarray of int64, 1 where positive;
        ``target_names`` : ndarray, the names of classes 0 and 1; ``groups`` : ndarray of
        int64, the patient; ``fold`` : ndarray of int64, the recommended fold 1 to 10;
        ``sampling_rate`` : int, in Hz; ``table`` : DataFrame, the database's row of each ECG,
        with ``scp_codes`` as dict, ``sex`` 0 for men and 1 for women, and ``age`` 300 for
        over 89; ``DESCR`` : str.

    Raises
    ------
    FileNotFoundError
        If `path` is not a copy of PTB-XL, or a recording that is read is missing.
    ValueError
        If a diagnosis is unknown, a class is empty, or a table or recording is damaged.

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
    names = class_names(positive, negative)
    chosen = of_one_class(is_positive, is_negative, names, path)

    table = table[chosen].reset_index(drop=True)
    files = [Path(path, f"{name}.hea") for name in table[_FILENAME[sampling_rate]]]
    if as_paths:
        data = path_array(files)
    else:
        read = partial(_read_recording, sampling_rate=sampling_rate)
        data = read_arrays(read, files, _SECONDS * sampling_rate, n_jobs)
    return Bunch(
        data=data,
        target=is_positive[chosen].astype(np.int64),
        target_names=np.array(names),
        groups=table["patient_id"].to_numpy(dtype=np.int64),
        fold=table["strat_fold"].to_numpy(dtype=np.int64),
        sampling_rate=sampling_rate,
        table=table,
        DESCR=f"{len(data)} ECGs of PTB-XL: {names[1]} against {names[0]}, {sampling_rate} Hz. "
        f"{int((is_positive & is_negative).sum())} ECGs of both and "
        f"{int((~is_positive & ~is_negative).sum())} of neither left out.",
    )


def _read_tables(path):
    check_folder(path, ("ptbxl_database.csv", "scp_statements.csv"), "PTB-XL")
    columns = ("patient_id", "scp_codes", "strat_fold", *_FILENAME.values())
    table = read_table(path / "ptbxl_database.csv", columns)
    try:
        table["scp_codes"] = table["scp_codes"].map(ast.literal_eval)
    except (ValueError, SyntaxError) as error:
        raise ValueError(
            f"{path / 'ptbxl_database.csv'} has scp_codes that are no dict: {error}. "
            "Get the file again."
        ) from error
    statements = read_table(path / "scp_statements.csv", ["diagnostic_class"], index_col=0)
    return table, statements["diagnostic_class"]


def _has(table, superclass, wanted):
    wanted = as_set(wanted)
    classes = set(superclass.dropna())
    unknown = sorted(wanted - classes - set(superclass.index))
    if unknown or not wanted:
        raise ValueError(
            f"{', '.join(unknown) or 'An empty list'} is no diagnosis of PTB-XL. Superclasses: "
            f"{', '.join(sorted(classes))}. Codes: {', '.join(sorted(superclass.index))}."
        )
    codes = wanted | set(superclass.index[superclass.isin(wanted)])
    return np.array([not codes.isdisjoint(present) for present in table["scp_codes"]], dtype=bool)


def _read_recording(file, sampling_rate):
    signal, rate, leads = read_wfdb(file)
    signal = to_standard_order(signal, leads)
    shape = (len(LEADS), _SECONDS * sampling_rate)
    if signal.shape != shape or rate != sampling_rate:
        raise ValueError(
            f"{file.with_suffix('')} holds {signal.shape} samples at {rate} Hz, not {shape} at "
            f"{sampling_rate} Hz."
        )
    return signal
