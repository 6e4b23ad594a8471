"""What the loaders share: tables, two classes, and records in WFDB's format 16."""

import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ..leads import LEADS

MISSING = -32768  # format 16's mark of a sample without a value


def check_folder(path, names, database):
    """Raise unless `path` holds the files that make it a copy of `database`."""
    for name in names:
        if not (path / name).is_file():
            raise FileNotFoundError(
                f"{path} is not a copy of {database}: there is no {name} in it. Give the folder "
                f"that holds {names[0]}."
            )


def read_table(file, columns, **kwargs):
    """Read a CSV file that must have `columns`; anything else is named as damage."""
    try:
        table = pd.read_csv(file, **kwargs)
    except ValueError as error:  # as pandas' parser errors are
        raise ValueError(f"{file} is no table: {error}. Get the file again.") from error
    absent = [name for name in columns if name not in table]
    if absent:
        raise ValueError(f"{file} has no column {', '.join(absent)}. Get the file again.")
    return table


def of_one_class(is_positive, is_negative, names, path):
    """Return which ECGs belong to exactly one of the classes named (negative, positive)."""
    chosen = is_positive ^ is_negative
    for name, found in zip(names, (is_negative & chosen, is_positive & chosen), strict=True):
        if not found.any():
            raise ValueError(f"No ECG of {path} is {name} and not also of the other class.")
    return chosen


def class_names(positive, negative):
    """Name the two classes, of which each is a word, several words, or None for the rest."""
    return [join(negative) if negative is not None else f"not {join(positive)}", join(positive)]


def join(words):
    """Write one word, or several with "or" between them."""
    return words if isinstance(words, str) else " or ".join(words)


def as_set(words):
    """Return the set of one word or of several."""
    return {words} if isinstance(words, str) else set(words)


def path_array(files):
    """Return file names as an ndarray of str objects."""
    return np.array([str(file) for file in files], dtype=object)


def read_arrays(read, items, n_times, n_jobs):
    """Stack what `read` returns for each of `items`, each of shape (12, n_times)."""
    data = np.empty((len(items), len(LEADS), n_times), dtype=np.float32)
    signals = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(read)(item) for item in items)
    for row, signal in zip(data, signals, strict=True):
        row[:] = signal
    return data


@contextmanager
def _wfdb():
    """Give the package wfdb, an optional dependency, without what pandas 3.1 says of its code."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        try:
            import wfdb
        except ImportError as error:
            raise ImportError(
                "Reading WFDB records needs the wfdb package: pip install 'skecg[wfdb]'"
            ) from error
        yield wfdb


def read_annotations(record, extension):
    """Return the samples, symbols and notes of a record's annotation file."""
    file = record.with_name(f"{record.name}.{extension}")
    if not file.is_file():
        raise FileNotFoundError(f"There are no annotations {file}.")
    with _wfdb() as wfdb:
        annotation = wfdb.rdann(str(record), extension)
    return annotation.sample, annotation.symbol, annotation.aux_note


def read_header(record):
    """Return the header of a record in format 16, its signal file, and its length in samples.

    The length is the header's, or what the signal file holds where that is less.
    """
    if not record.with_name(f"{record.name}.hea").is_file():
        raise FileNotFoundError(f"There is no WFDB header {record}.hea.")
    with _wfdb() as wfdb:
        header = wfdb.rdheader(str(record))
    if set(header.fmt) != {"16"} or len(set(header.file_name)) != 1:
        raise ValueError(f"{record}.hea does not describe one signal file in format 16.")
    file = record.with_name(header.file_name[0])  # raises at a name with a folder in it
    stored = (file.stat().st_size - (header.byte_offset[0] or 0)) // (2 * header.n_sig)
    return header, file, min(header.sig_len, stored)


def read_counts(record, start=0, stop=None):
    """Read the stored integers (n_leads, n_times) of a record in format 16, and its header.

    Neither the header's checksums and first values nor its length have to be right; samples
    that the signal file lacks are left out.
    """
    header, file, n_times = read_header(record)
    stop = n_times if stop is None else min(stop, n_times)
    counts = np.fromfile(
        file,
        dtype="<i2",
        count=(stop - start) * header.n_sig,
        offset=(header.byte_offset[0] or 0) + 2 * start * header.n_sig,
    )
    return counts.reshape(-1, header.n_sig).T, header


def to_millivolt(counts, header):
    """Convert stored integers to mV by the header's gains; missing samples become NaN."""
    if set(header.units) != {"mV"}:
        raise ValueError(f"{header.record_name}.hea gives units {set(header.units)}, not mV.")
    signal = (counts - np.array(header.baseline)[:, None]) / np.array(header.adc_gain)[:, None]
    signal[counts == MISSING] = np.nan
    return signal.astype(np.float32)
