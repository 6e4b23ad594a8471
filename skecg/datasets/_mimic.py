"""MIMIC-IV-ECG, read from a local copy."""

import os
import re
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from ..io._wfdb import read_wfdb
from ..leads import LEADS, to_standard_order
from ._common import check_folder, of_one_class, path_array, read_arrays, read_table

_SAMPLING_RATE = 500
_N_TIMES = 5000


def load_mimic_iv_ecg(path, *, positive=None, negative=None, as_paths=True, n_jobs=None):
    """Load ECGs from a local copy of MIMIC-IV-ECG.

    The database has 800,035 ECGs of 161,352 patients of a hospital, and **no diagnosis made
    by a person, and no finding of angiography**. What it has is the statements that the
    recorder's program printed. `positive` makes a class of the ECGs whose statements match,
    which is good for finding ECGs to look at or to pretrain on: a classifier that is trained
    on it learns that program, and a score on it is no claim about infarction or occlusion.
    Statements are negated and hedged ("cannot rule out anterior infarct"): read those that
    match before you trust them. Without `positive` there is no target.

    Only ECGs whose header is present are taken, so a part of the database makes a smaller
    data set; ``DESCR`` says how many are absent.

    Parameters
    ----------
    path : path-like
        Folder that holds ``record_list.csv``, ``machine_measurements.csv`` and ``files``.
    positive : str, callable or None, default=None
        Regular expression, searched for without regard to case in the statements of an ECG,
        one on each line: "^normal ecg$", for "normal ecg" is in "Abnormal ECG" as well. Or a
        function that takes the statements as one str and returns whether the ECG is of class
        1.
    negative : str, callable or None, default=None
        The same for class 0. None takes every ECG that has statements and is not positive.
        ECGs of both classes or of neither are left out, and those without a statement.
    as_paths : bool, default=True
        Return where the recordings are instead of what they hold. False reads them all,
        240 kB each: 192 GB for the whole database.
    n_jobs : int, default=None
        Number of processes that read files; None is one, -1 all cores.

    Returns
    -------
    Bunch
        ``data`` : ndarray of str, the recordings' headers, or without `as_paths` ndarray of
        shape (n_samples, 12, 5000), float32, in mV, leads in the order of
        `skecg.leads.LEADS` (the files have aVF before aVL); ``target`` : ndarray of int64, 1
        where positive, or None; ``target_names`` : ndarray, the names of classes 0 and 1, or
        None; ``groups`` : ndarray of int64, the patient; ``sampling_rate`` : int, 500 Hz;
        ``table`` : DataFrame, the rows of ``record_list.csv`` and ``machine_measurements.csv``
        with ``report`` in place of ``report_0`` to ``report_17``: the statements, a line
        each, empty where there are none; ``DESCR`` : str. Dates are shifted and measurements
        are the machine's; codes for "not found" are left as they are.

    Raises
    ------
    FileNotFoundError
        If `path` is not a copy of MIMIC-IV-ECG, or holds none of its recordings.
    ValueError
        If a class is empty, or a table or recording is damaged.

    Notes
    -----
    Written to the published layout and tested on made-up copies of it.

    References
    ----------
    .. [1] Gow et al., "MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset", version
       1.0, PhysioNet, 2023, doi:10.13026/4nqg-sb35. Open Database License 1.0.

    Examples
    --------
    >>> from skecg.datasets import load_mimic_iv_ecg
    >>> mimic = load_mimic_iv_ecg("mimic-iv-ecg-1.0", positive="acute mi")  # doctest: +SKIP
    >>> mimic.data[mimic.target == 1]  # doctest: +SKIP
    """
    table, n_absent = _read_tables(Path(path))
    target = names = None
    left_out = ""
    if positive is not None:
        has_report = (table["report"] != "").to_numpy()
        is_positive = _matches(table["report"], positive) & has_report
        is_negative = ~is_positive if negative is None else _matches(table["report"], negative)
        is_negative &= has_report
        negative_name = f"not {_name(positive)}" if negative is None else _name(negative)
        names = [negative_name, _name(positive)]
        chosen = of_one_class(is_positive, is_negative, names, path)
        left_out = (
            f" {int((~has_report).sum())} ECGs without statements, "
            f"{int((is_positive & is_negative).sum())} of both classes and "
            f"{int((has_report & ~is_positive & ~is_negative).sum())} of neither left out."
        )
        table = table[chosen].reset_index(drop=True)
        target, names = is_positive[chosen].astype(np.int64), np.array(names)
    elif negative is not None:
        raise ValueError("negative is the other class of positive, but positive is None.")

    files = [os.path.join(path, f"{name}.hea") for name in table["path"]]
    return Bunch(
        data=path_array(files) if as_paths else read_arrays(_read, files, _N_TIMES, n_jobs),
        target=target,
        target_names=names,
        groups=table["subject_id"].to_numpy(dtype=np.int64),
        sampling_rate=_SAMPLING_RATE,
        table=table,
        DESCR=f"{len(table)} ECGs of MIMIC-IV-ECG, {_SAMPLING_RATE} Hz. {n_absent} ECGs of "
        f"record_list.csv are not in the folder.{left_out} Classes, if any, are matches of "
        "the recorder's printed statements, not diagnoses.",
    )


def _read_tables(path):
    check_folder(path, ("record_list.csv", "machine_measurements.csv"), "MIMIC-IV-ECG")
    records = read_table(path / "record_list.csv", ("subject_id", "study_id", "path"))
    present = [os.path.isfile(path / f"{name}.hea") for name in records["path"]]
    if not any(present):
        raise FileNotFoundError(
            f"{path} holds none of the recordings that its record_list.csv names, such as "
            f"{records['path'].iloc[0] if len(records) else 'files/p1000'}.hea."
        )
    # The columns are those of version 1.0: five in record_list.csv; in machine_measurements.csv
    # subject_id, study_id, cart_id, ecg_time, report_0..17, bandwidth, filtering, rr_interval,
    # p_onset, p_end, qrs_onset, qrs_end, t_end, p_axis, qrs_axis, t_axis.
    machine = read_table(
        path / "machine_measurements.csv", ("study_id", "report_0"), low_memory=False
    )
    reports = [name for name in machine if re.fullmatch(r"report_\d+", name)]
    reports.sort(key=lambda name: int(name.removeprefix("report_")))
    statements = machine[reports].itertuples(index=False, name=None)
    machine["report"] = ["\n".join(s for s in row if isinstance(s, str)) for row in statements]
    machine = machine.drop(columns=[*reports, "subject_id", "ecg_time"], errors="ignore")
    for name, part in (("record_list.csv", records), ("machine_measurements.csv", machine)):
        if part["study_id"].duplicated().any():
            raise ValueError(f"{path / name} has a study_id twice. Get the file again.")
    table = records[present].merge(machine, how="left", on="study_id").reset_index(drop=True)
    table["report"] = table["report"].fillna("")
    return table, len(records) - len(table)


def _matches(reports, wanted):
    if not callable(wanted):
        wanted = re.compile(wanted, re.IGNORECASE | re.MULTILINE).search
    return np.array([bool(wanted(report)) for report in reports], dtype=bool)


def _name(wanted):
    return getattr(wanted, "__name__", "positive") if callable(wanted) else wanted


def _read(file):
    signal, rate, leads = read_wfdb(file)
    signal = to_standard_order(signal, leads)
    if signal.shape != (len(LEADS), _N_TIMES) or rate != _SAMPLING_RATE:
        raise ValueError(
            f"{file} holds {signal.shape} samples at {rate} Hz, not (12, 5000) at 500 Hz."
        )
    return signal
