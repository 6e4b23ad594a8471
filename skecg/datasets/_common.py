"""What the loaders share: tables, two classes, arrays of recordings, and annotations."""

import warnings

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ..leads import LEADS


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


def read_annotations(record, extension):
    """Return the samples, symbols and notes of a record's annotation file."""
    file = record.with_name(f"{record.name}.{extension}")
    if not file.is_file():
        raise FileNotFoundError(f"There are no annotations {file}.")
    with warnings.catch_warnings():
        # wfdb 4.3 has words of pandas that pandas 3.1 deprecates.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        try:
            import wfdb
        except ImportError as error:
            raise ImportError(
                "Reading annotations needs the wfdb package: pip install 'skecg[wfdb]'"
            ) from error
        annotation = wfdb.rdann(str(record), extension)
    return annotation.sample, annotation.symbol, annotation.aux_note
