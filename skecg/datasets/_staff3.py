"""STAFF III, read from a local copy."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ..io._wfdb import n_frames_of, read_wfdb
from ..io._wfdb_header import read_header
from ..leads import to_standard_order
from ._common import (
    check_folder,
    path_array,
    read_annotations,
    read_arrays,
)

_SAMPLING_RATE = 1000
_SHEET = "STAFF-III-Database-Annotations.xlsx"
_N_ROWS_ABOVE, _N_COLUMNS = 10, 29
# Columns of the sheet, from 0: patient, age, sex, then the recordings of each phase.
_BASELINE_COLUMNS = {"room": ("BR", (3,)), "cathlab": ("BC", (4, 5))}
_INFLATION_COLUMNS = (6, 10, 14, 18, 21)  # the artery stands in the next one
_PRIOR_MI_COLUMN = 28
_ARTERIES = {"left main": "LM", "lad": "LAD", "rca": "RCA", "circ": "LCx"}
# The sheet says of these patients that leads may be reversed, not which.
_REVERSED = (1, 4, 5, 6, 89)
_SUSPECT = {"016f": "V6 is zero", "089d": "file ends before its header says"}


def load_staff3(
    path, *, window=10, baseline="cathlab", inflation_end=None, as_paths=False, n_jobs=None
):
    """Load windows of baseline and of coronary occlusion from a local copy of STAFF III.

    In 104 patients a coronary artery was closed by a balloon for minutes, 152 times in all,
    and the ECG recorded. Class 1 is a window within an inflation, class 0 one before any
    balloon was inflated. Split by patient: a patient's windows resemble each other far more
    than those of one class do. All windows have the same length, for the recordings' lengths
    would tell the class. Occlusion by a balloon is sudden, short and announced; it is not the
    infarction of a patient who comes to hospital.

    Inflations are timed by the recordings' ``.event`` annotations. Contrast medium changes
    the ECG by itself; ``since_injection`` tells when it was last given, where that is noted.

    Parameters
    ----------
    path : path-like
        Folder that holds ``STAFF-III-Database-Annotations.xlsx`` and ``data``.
    window : float, default=10
        Length of a window in seconds.
    baseline : {"cathlab", "room", "preinflation"}, default="cathlab"
        Windows of class 0: the middle of each recording in the catheterisation laboratory
        before the procedure (BC), or in the room before it (BR), or the seconds before each
        inflation begins. Patients differ in what they have; the second and later inflations
        come after an occlusion.
    inflation_end : float or None, default=None
        Where a window of class 1 ends, in seconds from the start of inflation. None ends it
        at deflation. Inflations that are too short for the window are left out.
    as_paths : bool, default=False
        Return where the recordings are instead of what the windows hold; ``table`` has the
        start of each window. `skecg.io.read_ecg` reads whole recordings.
    n_jobs : int, default=None
        Number of processes that read files; None is one, -1 all cores.

    Returns
    -------
    Bunch
        ``data`` : ndarray of shape (n_samples, 12, 1000 * window), float32, in mV, leads in
        the order of `skecg.leads.LEADS`, of which aVR, aVL and aVF are derived from I and II,
        or with `as_paths` ndarray of str, the recordings' headers; ``target`` : ndarray of
        int64, 1 during inflation; ``target_names`` : ndarray, "baseline" and "inflation";
        ``groups`` : ndarray of int64, the patient; ``sampling_rate`` : int, 1000 Hz (resample
        for models of 500 Hz, as `MedianBeat` does); ``table`` : DataFrame with a row for each
        window: ``patient``, ``age``, ``sex``, ``prior_mi`` (as the sheet says it), ``record``,
        ``phase`` (BR, BC or BI), ``artery`` (LAD, RCA, LCx, LM; empty at baseline, and where
        the sheet does not say), ``site`` (the sheet's words), ``start`` (of the window in the
        recording, s), ``since_inflation`` (from the start of inflation to the window's end,
        s), ``duration`` (of the inflation, s), ``since_injection`` (s) and ``suspect`` (what
        is known to be wrong with the recording, or empty); ``DESCR`` : str.

    Raises
    ------
    FileNotFoundError
        If `path` is not a copy of STAFF III, or a recording or its annotations are missing.
    ValueError
        If a parameter is out of range, no window is left, or a file is damaged.

    Notes
    -----
    Written to the layout that users of the set describe and tested on made-up copies of it.

    References
    ----------
    .. [1] Martinez et al., "The STAFF III Database: ECGs Recorded During Acutely Induced
       Myocardial Ischemia", Computing in Cardiology 44, 2017; data: doi:10.13026/C20P4H
       (Open Data Commons Attribution License 1.0).

    Examples
    --------
    >>> from skecg.datasets import load_staff3
    >>> staff3 = load_staff3("staff-iii-1.0.0", inflation_end=60)  # doctest: +SKIP
    >>> staff3.table.groupby("artery").size()  # doctest: +SKIP
    """
    _check_parameters(window, baseline, inflation_end)
    path = Path(path)
    check_folder(path, [_SHEET], "STAFF III")
    rows, left_out = [], []
    for patient in _read_sheet(path / _SHEET):
        if baseline in _BASELINE_COLUMNS:
            found = _recording_windows(path, patient, baseline, window, left_out)
            rows += [{**row, "target": 0} for row in found]
        rows += _inflation_windows(path, patient, baseline, inflation_end, window, left_out)
    table = pd.DataFrame(rows)
    if table.empty or table["target"].nunique() < 2:
        raise ValueError(
            f"{path} has no windows of both classes with window={window!r}, "
            f"baseline={baseline!r} and inflation_end={inflation_end!r}."
        )
    target = table.pop("target").to_numpy(dtype=np.int64)
    files = [path / "data" / f"{record}.hea" for record in table["record"]]
    n_times = round(window * _SAMPLING_RATE)
    windows = [
        (file, start, start + n_times)
        for file, start in zip(files, _samples(table["start"]), strict=True)
    ]
    return Bunch(
        data=path_array(files) if as_paths else read_arrays(_read, windows, n_times, n_jobs),
        target=target,
        target_names=np.array(["baseline", "inflation"]),
        groups=table["patient"].to_numpy(dtype=np.int64),
        sampling_rate=_SAMPLING_RATE,
        table=table,
        DESCR=f"{len(table)} windows of {window} s of STAFF III, {_SAMPLING_RATE} Hz: "
        f"{int(target.sum())} of inflation, {int((1 - target).sum())} of baseline "
        f"({baseline}). {len(left_out)} windows left out for want of time or a mark"
        + (f": {', '.join(left_out)}." if left_out else "."),
    )


def _check_parameters(window, baseline, inflation_end):
    if not window > 0:
        raise ValueError(f"window must be positive, got {window!r}.")
    if baseline not in (*_BASELINE_COLUMNS, "preinflation"):
        raise ValueError(f"baseline must be 'cathlab', 'room' or 'preinflation', got {baseline!r}.")
    if inflation_end is not None and not inflation_end >= window:
        raise ValueError(
            f"inflation_end must be at least window, {window!r}, got {inflation_end!r}: the "
            "window would begin before the inflation."
        )


def _samples(seconds):
    return np.rint(np.asarray(seconds) * _SAMPLING_RATE).astype(int)


def _read_sheet(file):
    """Return for each patient the recordings of baseline and the inflations with their site."""
    try:
        sheet = pd.read_excel(file, header=None, dtype=object)
    except ImportError as error:
        raise ImportError(
            "Reading STAFF III's sheet needs the openpyxl package: pip install 'skecg[datasets]'"
        ) from error
    except Exception as error:  # openpyxl has no error of its own for a damaged file
        raise ValueError(f"{file} is no sheet: {error}. Get the file again.") from error
    rows = sheet.iloc[_N_ROWS_ABOVE:]
    if rows.empty or rows.shape[1] < _N_COLUMNS:
        raise ValueError(f"{file} has {sheet.shape} cells, not 118 x 29. Get the file again.")
    patients = []
    for row in rows.to_numpy():
        text = ["" if pd.isna(cell) else str(cell).strip() for cell in row]
        if not text[0].isdigit():
            continue  # remarks below the table
        age = pd.to_numeric(text[1], errors="coerce")  # "?" in two patients
        inflations = [(_record(text[column]), text[column + 1]) for column in _INFLATION_COLUMNS]
        patients.append(
            {
                "patient": int(text[0]),
                "age": float(age),
                "sex": text[2].upper(),
                "prior_mi": text[_PRIOR_MI_COLUMN],
                "inflations": [(record, site) for record, site in inflations if record],
                **{
                    name: [_record(text[column]) for column in columns if _record(text[column])]
                    for name, (_, columns) in _BASELINE_COLUMNS.items()
                },
            }
        )
    return patients


def _record(cell):
    """Return a record's name, "007c" for the sheet's "7c"; a cell may hold none."""
    match = re.fullmatch(r"(\d+)([a-z])", cell.lower())
    return f"{int(match[1]):03d}{match[2]}" if match else None


def _row(patient, record, phase, start):
    suspect = "leads may be reversed" if patient["patient"] in _REVERSED else ""
    return {
        **{name: patient[name] for name in ("patient", "age", "sex", "prior_mi")},
        "record": record,
        "phase": phase,
        "artery": "",
        "site": "",
        "start": start,
        "since_inflation": np.nan,
        "duration": np.nan,
        "since_injection": np.nan,
        "suspect": "; ".join(filter(None, (suspect, _SUSPECT.get(record, "")))),
    }


def _recording_windows(path, patient, baseline, window, left_out):
    phase, _ = _BASELINE_COLUMNS[baseline]
    rows = []
    for record in patient[baseline]:
        seconds = _seconds(path / "data" / record)
        if seconds < window:
            left_out.append(f"{record} (baseline)")
        else:
            rows.append(_row(patient, record, phase, (seconds - window) / 2))
    return rows


def _inflation_windows(path, patient, baseline, inflation_end, window, left_out):
    rows = []
    for record in dict.fromkeys(record for record, _ in patient["inflations"]):
        sites = [site for name, site in patient["inflations"] if name == record]
        inflations, injections, n_unpaired = _read_events(path / "data" / record)
        left_out += [f"{record} (mark without partner)"] * n_unpaired
        before = 0.0  # the end of the inflation before
        for i, (on, off) in enumerate(inflations):
            # Where the sheet has another number of inflations, only their common site is known.
            site = sites[i] if len(sites) == len(inflations) else ""
            site = sites[0] if len(set(sites)) == 1 else site
            ends = {1: off if inflation_end is None else on + inflation_end}
            if baseline == "preinflation":
                ends = {0: on} | ends
            for target, end in ends.items():
                start = end - window
                if start < (on if target else before) or end > off:
                    left_out.append(f"{record} ({'inflation' if target else 'baseline'} {i + 1})")
                    continue
                row = _row(patient, record, "BI", start)
                if target:
                    row |= {"artery": _artery(site), "site": site, "duration": off - on}
                    row["since_inflation"] = end - on
                earlier = [time for time in injections if time <= end]
                row["since_injection"] = end - max(earlier) if earlier else np.nan
                rows.append({**row, "target": target})
            before = off
    return rows


def _artery(site):
    return next((name for word, name in _ARTERIES.items() if word in site.lower()), "")


def _read_events(record):
    """Return (inflation, deflation) and injections in seconds, and how many marks do not pair."""
    samples, _, notes = read_annotations(record, "event")
    inflations, injections, n_unpaired, on = [], [], 0, None
    end = _seconds(record)
    for sample, note in zip(samples, notes, strict=True):
        seconds, note = float(sample) / _SAMPLING_RATE, note.strip("\x00 ")
        if note == "contrast injection":
            injections.append(seconds)
        elif note == "balloon inflation":
            n_unpaired += on is not None
            on = seconds
        elif note == "balloon deflation":
            if on is None:
                n_unpaired += 1
            else:
                inflations.append((on, min(seconds, end)))
            on = None
    return inflations, injections, n_unpaired + (on is not None)


def _seconds(record):
    header = read_header(record.with_name(f"{record.name}.hea"))
    return n_frames_of(header) / _SAMPLING_RATE


def _read(window):
    file, start, stop = window
    signal, rate, leads = read_wfdb(file, start, stop)
    if rate != _SAMPLING_RATE:
        raise ValueError(f"{file} is at {rate} Hz, not at {_SAMPLING_RATE} Hz.")
    return to_standard_order(signal, leads)
