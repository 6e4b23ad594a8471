"""Plain arrays, CSV and NPY, which do not tell what their numbers are."""

import re
from functools import partial
from itertools import islice

import numpy as np
import pandas as pd

from skecg.leads import match_lead

from ._ecg import ECGFormatError, Stored, check_size, millivolt_per

_WITH_UNIT = re.compile(r"(.*\S)(?:\s*[\[(]\s*([muµμn]?V)\s*[\])]|[ _]+([muµμn]V))", re.IGNORECASE)
_MAX_LINE = 2**22  # characters; a lead of a row of its own may be long: some 20 min at 500 Hz
_WIDE = 1000  # columns, each of which costs pandas a kB or more


def is_npy(head):
    """Return whether a file that begins with these bytes is an array of NumPy."""
    return head.startswith(b"\x93NUMPY")


def read_npy(path, sampling_rate, unit, leads):
    """Read an array of n_leads rows or columns; objects are never unpickled."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise ECGFormatError(
            f"holds an array of shape {array.shape} and type {array.dtype}; one ECG is numbers "
            "of shape (n_leads, n_times)."
        )
    check_size(*array.shape)
    _require("an NPY file", sampling_rate=sampling_rate, unit=unit, leads=leads)
    return _stored(_orient(array, leads), sampling_rate, unit, leads)


def read_csv(path, sampling_rate, unit, leads):
    """Read numbers with a row or a column for each lead, or columns below their names."""
    lines = [*islice(_lines(path), 2), "", ""][:2]
    separator = next((c for c in "\t;," if c in lines[0]), r"\s+")
    decimal = "," if separator == ";" and "," in lines[1] else "."
    first, second = (_cells(line, separator, decimal) for line in lines)
    words = [isinstance(cell, str) for cell in first]
    has_header = any(words) and all(isinstance(cell, str) or np.isnan(cell) for cell in first)
    if any(words) and not (has_header and len(second) == len(first) and _has_number(second)):
        raise ECGFormatError(
            "is text of no known format. A CSV file holds numbers, perhaps below one line with "
            "the names of the leads."
        )
    if len(first) > _WIDE:
        if has_header:
            raise ECGFormatError(f"names {len(first)} columns, more than {_WIDE}.")
        table = _wide_table(path, separator, decimal)
    else:
        with path.open("rb") as file:  # of a path, pandas takes "file:x" for another file
            table = pd.read_csv(
                file,
                sep=separator,
                decimal=decimal,
                header=0 if has_header else None,
                encoding="utf-8-sig",
                skipinitialspace=True,
                index_col=False,
                compression=None,
            )
    check_size(*table.shape)
    if not has_header:
        _require("a CSV file without names", sampling_rate=sampling_rate, unit=unit, leads=leads)
        return _stored(_orient(_numbers(table), leads), sampling_rate, unit, leads)
    names = ["" if not isinstance(cell, str) else cell.strip("\"' ") for cell in first]
    names, units = zip(*map(_name_and_unit, names), strict=True)
    if leads is not None and list(map(_spelling, leads)) != list(map(_spelling, names)):
        raise ECGFormatError(f"names its columns {', '.join(names)}; leads={list(leads)} differ.")
    chosen = [i for i, name in enumerate(names) if match_lead(name)]
    if not chosen:
        raise ECGFormatError(f"None of the twelve leads is among {list(names)}.")
    unit = _one_unit([units[i] for i in chosen], unit)
    _require("a CSV file", sampling_rate=sampling_rate, unit=unit)
    signal = _numbers(table.iloc[:, chosen]).T
    stored = _stored(signal, sampling_rate, unit, [names[i] for i in chosen])
    others = [name or "unnamed" for i, name in enumerate(names) if i not in chosen]
    stored.notes += [f"columns left out: {', '.join(others)}"] if others else []
    return stored


def _lines(path):
    """Yield the lines of a text that are not empty, without white space around them."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in iter(partial(file.readline, _MAX_LINE), ""):
            if len(line) == _MAX_LINE:
                raise ECGFormatError(f"has a line of {_MAX_LINE} characters or more.")
            if line.strip():
                yield line.strip()


def _wide_table(path, separator, decimal):
    """Return rows of many numbers as a table."""
    rows = []
    for number, line in enumerate(_lines(path)):
        row = np.array(_cells(line, separator, decimal))
        if row.dtype.kind != "f":
            raise ECGFormatError(f"holds something other than a number in row {number}.")
        rows.append(row)
        if len(row) != len(rows[0]):
            raise ECGFormatError(f"has rows of {len(rows[0])} and of {len(row)} numbers.")
        check_size(len(rows), len(row))
    return np.stack(rows)


def _name_and_unit(text):
    # "I (mV)", "aVR [uV]", "V1_mV"
    match = _WITH_UNIT.fullmatch(text)
    return (match[1], match[2] or match[3]) if match else (text, None)


def _one_unit(told, unit):
    """Return the unit that the columns tell, else the one given; they may not differ."""
    factors = {text and millivolt_per(text) for text in told}
    if factors == {None}:
        return unit
    if len(factors) > 1 or (unit is not None and millivolt_per(unit) not in factors):
        units = " and ".join(sorted({text or "none" for text in told}))
        given = "" if unit is None else f"; {unit=} was given"
        raise ECGFormatError(f"has columns of the units {units}{given}. They must be one.")
    return told[0]


def _spelling(name):
    return match_lead(name) or str(name)


def _has_number(cells):
    return not all(isinstance(cell, str) for cell in cells)


def _cells(line, separator, decimal):
    """Return the cells of a line, as numbers where they are; an empty cell is NaN."""
    cells = []
    for cell in re.split(separator, line):
        try:
            cells.append(float(cell.replace(decimal, ".") or "nan"))
        except ValueError:
            cells.append(cell)
    return cells


def _numbers(table):
    if isinstance(table, np.ndarray):
        return table
    for name, column in table.items():
        if column.dtype.kind not in "iufb":
            bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
            where = int(np.flatnonzero(bad)[0])
            raise ECGFormatError(
                f"holds something other than a number in column {name}, row {where} of the data."
            )
    return table.to_numpy(dtype=np.float64)


def _require(kind, **given):
    absent = [name for name, value in given.items() if value is None]
    if absent:
        raise ECGFormatError(
            f"is {kind}, which does not tell its {', '.join(absent)}. Give read_ecg "
            f"{', '.join(f'{name}=' for name in absent)}."
        )


def _orient(array, leads):
    fits = [n == len(leads) for n in array.shape]
    if all(fits):
        raise ECGFormatError(
            f"holds {array.shape[0]} x {array.shape[1]} numbers: whether rows or columns are "
            "leads cannot be told."
        )
    if not any(fits):
        raise ECGFormatError(
            f"holds {array.shape[0]} x {array.shape[1]} numbers, of which neither the rows nor "
            f"the columns are {len(leads)}, one for each of {list(leads)}."
        )
    return array if fits[0] else array.T


def _stored(signal, sampling_rate, unit, leads):
    factor = millivolt_per(unit)
    return Stored(
        signal=np.array(signal * factor, dtype=np.float32),
        sampling_rate=float(sampling_rate),
        leads=list(leads),
    )
