"""LUDB, read from a local copy."""

import re
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.utils import Bunch

from ..io._wfdb import MISSING, read_counts
from ..io._wfdb_header import read_header
from ..leads import LEADS, to_standard_order
from ._common import (
    as_set,
    check_folder,
    class_names,
    of_one_class,
    path_array,
    read_annotations,
    read_arrays,
    read_table,
)

_SAMPLING_RATE = 500
_N_TIMES = 5000
_WAVES = {"p": "P", "N": "QRS", "t": "T"}
# A wave is onset, peak, offset, of which one or two may be absent. Where a QRS begins with its
# peak the onset can stand after it (record 7, V2). Boundaries without a peak, and single ones,
# are of an unknown wave (record 8, V5).
_WAVE = re.compile(r"[pNt]\(\)|\(?[pNt]\)?|\(\)|[()]")


def load_ludb(path, *, positive="STEMI", negative=None, as_paths=False, n_jobs=None):
    """Load ECGs and their wave boundaries from a local copy of LUDB.

    LUDB has 200 ECGs of 200 people, and in every lead the P waves, QRS complexes and T waves
    that cardiologists marked: it is for testing detectors of waves rather than for
    diagnosis; 8 ECGs are called STEMI. The first and last beats of a lead are often not
    marked.

    The signals are given in true units, not in those of the headers. Each lead's gain in the
    header stretches it to 1 mV from peak to peak, which gives every lead its own unit: by the
    headers, I + III differs from II by up to 0.66 mV in records 1 to 100. In the stored
    integers it differs by 0, and aVR, aVL and aVF agree with I and II to half a unit, so one
    unit is the same voltage in all leads. It is taken as 1 uV: the leads' median swings are
    then 0.94 to 2.29 mV, against 0.78 to 2.18 mV in normal ECGs and infarctions of PTB-XL.
    `skecg.io.read_ecg` follows the headers.

    Only ECGs whose recording is present are loaded, so a part of the database makes a smaller
    data set; ``DESCR`` says how many are absent.

    Parameters
    ----------
    path : path-like
        Folder that holds ``ludb.csv`` and ``data``.
    positive : str or list of str, default="STEMI"
        Diagnosis of class 1, in any case: a statement of ``ludb.csv`` ("Stemi: septal") or
        what stands before its colon ("Stemi"); of a list, any one is enough.
    negative : str, list of str or None, default=None
        The same for class 0. None takes every ECG that is not positive. ECGs of both classes
        or of neither are left out.
    as_paths : bool, default=False
        Return where the recordings are instead of what they hold; only marks are read.
    n_jobs : int, default=None
        Number of processes that read files; None is one, -1 all cores.

    Returns
    -------
    Bunch
        ``data`` : ndarray of shape (n_samples, 12, 5000), float32, in mV, leads in the order
        of `skecg.leads.LEADS`, or with `as_paths` ndarray of str, the recordings' headers;
        ``target`` : ndarray of int64, 1 where positive; ``target_names`` : ndarray, the names
        of classes 0 and 1; ``groups`` : ndarray of int64, the record's number, as there is
        one ECG of each person; ``sampling_rate`` : int, 500 Hz; ``table`` : DataFrame, the
        row of ``ludb.csv`` of each ECG, with each group of diagnoses as a list of statements
        and ``Age`` ">89" for the oldest; ``marks`` : DataFrame with a row for each wave:
        ``record``, ``lead``, ``wave`` ("P", "QRS" or "T"; missing where boundaries were
        marked without a peak), ``beat``, ``onset``, ``peak`` and ``offset``, in samples, NaN
        where a mark is absent; ``DESCR`` : str. Beats are counted in each lead by itself, from
        1: a P wave belongs to the QRS complex after it, a T wave to the one before it.

    Raises
    ------
    FileNotFoundError
        If `path` is not a copy of LUDB, or a file of a recording is missing.
    ValueError
        If a diagnosis is unknown, a class is empty, or a table or recording is damaged.

    References
    ----------
    .. [1] Kalyakulina et al., "LUDB: A New Open-Access Validation Tool for
       Electrocardiogram Delineation Algorithms", IEEE Access 8:186181, 2020.

    Examples
    --------
    >>> from skecg.datasets import load_ludb
    >>> ludb = load_ludb("ludb-1.0.1")  # doctest: +SKIP
    >>> ludb.marks.query("lead == 'II' and wave == 'QRS'")  # doctest: +SKIP
    """
    table, diagnoses, n_absent = _read_table(Path(path))
    is_positive = _has(diagnoses, positive)
    is_negative = ~is_positive if negative is None else _has(diagnoses, negative)
    names = class_names(positive, negative)
    chosen = of_one_class(is_positive, is_negative, names, path)

    table = table[chosen].reset_index(drop=True)
    files = [Path(path, "data", f"{record}.hea") for record in table["ID"]]
    marks = Parallel(n_jobs=n_jobs)(delayed(_read_marks)(file) for file in files)
    return Bunch(
        data=path_array(files) if as_paths else read_arrays(_read, files, _N_TIMES, n_jobs),
        target=is_positive[chosen].astype(np.int64),
        target_names=np.array(names),
        groups=table["ID"].to_numpy(dtype=np.int64),
        sampling_rate=_SAMPLING_RATE,
        table=table,
        marks=pd.concat(marks, ignore_index=True),
        DESCR=f"{len(table)} ECGs of LUDB: {names[1]} against {names[0]}, {_SAMPLING_RATE} Hz, 1 "
        f"stored unit taken as 1 uV. {n_absent} ECGs of ludb.csv are not in the folder. "
        f"{int((is_positive & is_negative).sum())} ECGs of both and "
        f"{int((~is_positive & ~is_negative).sum())} of neither left out.",
    )


def _read_table(path):
    check_folder(path, ["ludb.csv"], "LUDB")
    table = read_table(path / "ludb.csv", ("ID", "Sex", "Age", "Rhythms", "Ischemia"))
    present = np.array([(path / "data" / f"{name}.hea").is_file() for name in table["ID"]])
    if not present.any():
        raise FileNotFoundError(f"{path} has none of the recordings of its ludb.csv in data.")
    table = table[present].reset_index(drop=True)
    for name in ("Sex", "Age"):
        table[name] = table[name].str.strip()
    groups = [name for name in table if name not in ("ID", "Sex", "Age")]
    for name in groups:  # a cell has a statement on each line
        cells = table[name].fillna("").str.split("\n")
        table[name] = [[line.strip() for line in cell if line.strip()] for cell in cells]
    diagnoses = [list(chain.from_iterable(row)) for row in table[groups].to_numpy()]
    return table, diagnoses, int((~present).sum())


def _has(diagnoses, wanted):
    """Return who has one of the statements, of which the part before the colon is enough."""
    words = [
        {word.lower() for line in lines for word in (line, line.split(":")[0].strip())}
        for lines in diagnoses
    ]
    unknown = [word for word in as_set(wanted) if not any(word.lower() in has for has in words)]
    if unknown or not as_set(wanted):
        known = sorted({line.split(":")[0].strip() for lines in diagnoses for line in lines})
        raise ValueError(
            f"{', '.join(sorted(unknown)) or 'An empty list'} is no diagnosis of these ECGs. "
            f"They have: {', '.join(known)}."
        )
    lower = {word.lower() for word in as_set(wanted)}
    return np.array([not lower.isdisjoint(has) for has in words], dtype=bool)


def _read(file):
    header = read_header(file)
    counts = np.stack(read_counts(header))
    if counts.shape != (len(LEADS), _N_TIMES) or header.sampling_rate != _SAMPLING_RATE:
        raise ValueError(
            f"{file} holds {counts.shape} samples at {header.sampling_rate} Hz, not (12, 5000) at "
            "500 Hz."
        )
    signal = np.where(counts == MISSING, np.nan, counts / np.float32(1000))
    return to_standard_order(signal, [signal.name for signal in header.signals])


def _read_marks(file):
    record = file.with_suffix("")
    return pd.concat(list(map(partial(_read_lead_marks, record), LEADS)), ignore_index=True)


def _read_lead_marks(record, lead):
    samples, symbols, _ = read_annotations(record, lead.lower())
    rows = []
    n_qrs = 0
    for match in _WAVE.finditer("".join(symbols)):
        sample = {symbols[i]: samples[i] for i in range(*match.span())}
        peak = next((symbol for symbol in sample if symbol in _WAVES), None)
        n_qrs += peak == "N"
        beat = n_qrs + (peak == "p")
        marks = [sample.get(symbol, np.nan) for symbol in ("(", peak, ")")]
        rows.append((int(record.name), lead, _WAVES.get(peak), beat, *marks))
    columns = ["record", "lead", "wave", "beat", "onset", "peak", "offset"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"wave": "str", "onset": float, "peak": float, "offset": float})
