"""The same recording twice: found in a set of ECGs, and warned of on two sides of a split."""

import hashlib
import warnings

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ._files import hash_array

_CHUNK = 2**24  # bytes of X at a time
_BLOCKS = 64  # averages a lead
_AXES, _SAMPLE = 16, 1000  # of the search: directions, and ECGs from which they are found
_FEWEST = 50  # values; shorter rows are alike by chance


class DuplicateECGWarning(UserWarning):
    """The same ECG is on both sides of a split."""


def find_duplicates(X, *, min_correlation=0.999):
    """Find ECGs that are in the data more than once.

    Found are ECGs that are equal, and such as differ by gain and offset of each lead, rounding
    and little noise: whose samples correlate by `min_correlation` in the mean of the leads. Copies
    that were shifted, cut, resampled or filtered do not; most of them are found by their median
    beats, as in ``find_duplicates(MedianBeat().transform(X), min_correlation=0.98)``. Other
    recordings of the same patient are not looked for: they are what `groups` are for.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
        ECGs; a memory map is read in parts.
    min_correlation : float, default=0.999
        Pearson's correlation over time, in the mean of the leads. A lead that is flat in both
        ECGs does not count. The lower, the more pairs are compared in full.

    Returns
    -------
    DataFrame
        A row for each ECG that repeats an earlier one: row, duplicate_of (the first of its kind,
        over a chain of pairs) and the correlation with it, which is 1 if they are equal. ECGs with
        NaN, infinity or no lead that varies are left out.

    Notes
    -----
    Averages over time and a projection on orthogonal axes never move two ECGs apart, so that
    neighbours among the projections, found by a k-d tree, hold every pair; these alone are
    compared in full.

    Examples
    --------
    >>> import numpy as np
    >>> from skecg.datasets import make_omi
    >>> from skecg.model_selection import find_duplicates
    >>> X, y, groups = make_omi(20, form="ecg", random_state=0)
    >>> X[7] = np.round(2 * X[3], 2)
    >>> find_duplicates(X).round(3)
       row  duplicate_of  correlation
    0    7             3          1.0
    """
    X = X if isinstance(X, np.ndarray) else np.asarray(X)
    if X.ndim not in (2, 3) or X.dtype.kind not in "biuf":
        raise ValueError(
            f"X has shape {X.shape} of {X.dtype}; give numbers of shape (n_samples, n_leads, "
            "n_times), or (n_samples, n_times) for one lead."
        )
    if not 0 < min_correlation <= 1:
        raise ValueError(f"min_correlation must lie above 0, up to 1, got {min_correlation!r}.")
    X = X if X.ndim == 3 else X[:, np.newaxis]
    numbers, of_row = np.unique([key or b"" for key in row_keys(X)], return_inverse=True)
    kept = np.unique(of_row, return_index=True)[1]  # the first of those that are equal
    kept = np.sort(kept[numbers != b""])
    first = np.full(len(numbers), -1)
    first[of_row[kept]] = kept

    pairs = _close_pairs(X, kept, min_correlation)
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(X), len(X)))
    component = connected_components(graph, directed=False)[1]
    earliest = np.full(len(X), len(X))
    np.minimum.at(earliest, component[kept], kept)
    rows = np.flatnonzero(numbers[of_row] != b"")
    origin = earliest[component[first[of_row[rows]]]]
    rows, origin = rows[rows != origin], origin[rows != origin]
    equal = of_row[rows] == of_row[origin]
    correlation = np.where(equal, 1.0, _correlations(X, np.stack([rows, origin], axis=1)))
    return pd.DataFrame({"row": rows, "duplicate_of": origin, "correlation": correlation})


def row_keys(X):
    """Return a hash of each row of an array; None for one with NaN or of one value a lead."""
    keys = []
    for part in _parts(X, X):
        part = part + 0.0  # -0.0 equals 0.0
        varies = np.isfinite(part).all(axis=tuple(range(1, part.ndim)))
        varies &= (part.max(axis=-1) > part.min(axis=-1)).reshape(len(part), -1).any(axis=1)
        keys += [_key(row) if is_ecg else None for row, is_ecg in zip(part, varies, strict=True)]
    return keys


def _key(row):
    digest = hashlib.blake2b(digest_size=16)
    hash_array(digest, row)
    return digest.digest()


def warn_of_duplicates(X, side, sides):
    """Warn of equal rows of X on different sides.

    Parameters
    ----------
    X : array of shape (n_samples, ...), or list of such
        Rows, numbered through.
    side : array of shape (n_samples,)
        Number of the side of each row.
    sides : str
        What the sides are, for the warning.
    """
    arrays = X if isinstance(X, list) else [X]
    if any(a.dtype.kind not in "biuf" or np.prod(a.shape[1:]) < _FEWEST for a in arrays):
        return
    keys = [key for array in arrays for key in row_keys(array)]
    seen, found = {}, []
    for row, key in enumerate(keys):
        if key is not None:
            other = seen.setdefault(key, row)
            if side[other] != side[row]:
                found.append((other, row))
    if found:
        starts = np.cumsum([0, *map(len, arrays)])
        names = ("X", "X_val")
        part = np.searchsorted(starts, found[0], side="right") - 1
        shown = [f"row {r - starts[p]} of {names[p]}" for r, p in zip(found[0], part, strict=True)]
        warnings.warn(
            f"{len(found)} ECGs are on two sides of a split, {sides}, such as {' and '.join(shown)}"
            ", which are equal: the score is that of ECGs seen before. Remove copies "
            "(skecg.model_selection.find_duplicates), or give both the same group.",
            DuplicateECGWarning,
            stacklevel=2,
        )


def _parts(X, items):
    """Yield X, or what tells its rows, in parts of as many rows as a few MiB hold."""
    n_rows = max(1, _CHUNK // max(1, X[:1].nbytes))
    for start in range(0, len(items), n_rows):
        yield items[start : start + n_rows]


def _standardized(X):
    """Return ECGs of unit length, whose product is the mean of their leads' correlations."""
    X = X - X.mean(axis=-1, keepdims=True, dtype=np.float64)
    length = np.linalg.norm(X, axis=-1, keepdims=True)
    X = np.divide(X, length, out=np.zeros_like(X), where=length > 0)
    n_leads = np.count_nonzero(length, axis=1, keepdims=True)
    return X / np.sqrt(np.maximum(n_leads, 1))


def _averages(X):
    """Return averages over time, scaled so that they are coordinates on orthonormal axes."""
    n_times = X.shape[-1]
    starts = np.unique(np.linspace(0, n_times, min(_BLOCKS, n_times), endpoint=False).astype(int))
    sizes = np.diff(np.append(starts, n_times))
    sums = np.add.reduceat(_standardized(X), starts, axis=-1)
    return (sums / np.sqrt(sizes)).reshape(len(X), -1)


def _close_pairs(X, rows, min_correlation):
    """Return the pairs of rows that correlate, as an array of shape (n_pairs, 2)."""
    if len(rows) < 2:
        return np.empty((0, 2), dtype=int)
    sample = _averages(X[rows[:: -(-len(rows) // _SAMPLE)]])
    axes = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][:_AXES]
    points = np.concatenate([_averages(X[part]) @ axes.T for part in _parts(X, rows)])
    # Of vectors of unit length, the squared distance is 2 (1 - correlation).
    radius = np.sqrt(2 * (1 - min_correlation)) + 1e-6
    pairs = rows[cKDTree(points).query_pairs(radius, output_type="ndarray").reshape(-1, 2)]
    return pairs[_correlations(X, pairs) >= min_correlation - 1e-9]  # less rounding


def _correlations(X, pairs):
    found = [
        np.einsum("ijk,ijk->i", *(_standardized(X[part[:, side]]) for side in (0, 1)))
        for part in _parts(X, pairs)
    ]
    return np.concatenate(found) if found else np.empty(0)
