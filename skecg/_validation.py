"""Checks of arrays, labels, folds and seeds that the estimators share."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_X_y, column_or_1d, validate_data


@contextmanager
def all_or_nothing(estimator):
    """Put an estimator's attributes back as found if the block raises an error."""
    before = vars(estimator).copy()
    try:
        yield
    except Exception:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def validate_ecgs(
    estimator, X, y="no_validation", *, reset, dtype=np.float32, ensure_all_finite=True
):
    """Validate ECGs for an estimator in scikit-learn's way, on 2-D and 3-D arrays.

    Parameters
    ----------
    estimator : estimator
        Where `n_features_in_`, `n_leads_` and `n_times_` are kept (``reset=True``) or
        compared (``reset=False``).
    X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
        ECGs; two dimensions mean one lead.
    y : array-like of shape (n_samples,), optional
        Class labels, checked for length, type and NaN unless left out.
    reset : bool
        True in ``fit``, False afterwards.
    dtype : dtype, default=float32
        Type of the array returned.
    ensure_all_finite : bool, default=True
        Whether NaN and infinity are errors.

    Returns
    -------
    X : ndarray of the same number of dimensions
    y : ndarray of shape (n_samples,)
        Only when `y` was given.
    """
    check = {
        "allow_nd": True,
        "dtype": dtype,
        "ensure_all_finite": False,
        "estimator": estimator,
    }
    with_y = not (isinstance(y, str) and y == "no_validation")
    with np.errstate(over="ignore"):  # infinite in `dtype`: an error below
        if with_y:
            array, y = check_X_y(X, y, **check)
            _check_labels(y)
        elif type(X) is np.ndarray and X.dtype == dtype and X.ndim > 2 and len(X):
            array = X  # nothing left to check, and a single ECG need not wait for it
        else:
            array = check_array(X, input_name="X", **check)
    if array.ndim > 3:
        raise ValueError(
            f"X has shape {array.shape}; give (n_samples, n_leads, n_times), or "
            "(n_samples, n_times) for one lead."
        )
    if 0 in array.shape:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={array.shape}) while a minimum of 1 is required."
        )
    if ensure_all_finite:
        _check_finite(array)
    n_leads = 1 if array.ndim == 2 else array.shape[1]
    n_times = array.shape[-1]
    if reset:
        validate_data(estimator, X if array.ndim == 2 else array, reset=True, skip_check_array=True)
        estimator.n_leads_, estimator.n_times_ = n_leads, n_times
    else:
        if array.ndim == 2 and estimator.n_leads_ == 1 and estimator.n_features_in_ != 1:
            validate_data(estimator, X, reset=False, skip_check_array=True)
        _check_same(estimator, "leads", n_leads, estimator.n_leads_)
        _check_same(estimator, "samples a lead (n_times)", n_times, estimator.n_times_)
    return (array, y) if with_y else array


def validate_table(estimator, X, y="no_validation", *, reset):
    """Validate a table of features for an estimator in scikit-learn's way; NaN is allowed.

    Parameters
    ----------
    estimator : estimator
        Where the columns' number and names are kept (``reset=True``) or compared.
    X : DataFrame of shape (n_samples, n_features)
        Numbers, NaN where a feature is missing.
    y : array-like of shape (n_samples,), optional
        Class labels, checked for length, type and NaN unless left out.
    reset : bool
        True in ``fit``, False afterwards.

    Returns
    -------
    X : ndarray of float64 of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Only when `y` was given.
    """
    check = {"reset": reset, "dtype": np.float64, "ensure_all_finite": "allow-nan"}
    if isinstance(y, str) and y == "no_validation":
        return validate_data(estimator, X, **check)
    array, y = validate_data(estimator, X, y, **check)
    _check_labels(y)
    return array, y


def _check_labels(y):
    try:
        np.unique(y)
    except TypeError as error:
        types = ", ".join(sorted({type(label).__name__ for label in y}))
        raise ValueError(
            f"y mixes labels of the types {types}. Give labels of one type, and leave out rows "
            "without a label."
        ) from error
    check_classification_targets(y)


def _check_finite(array):
    # A sum is finite only if every term is; look closer only if it is not.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
    axes = tuple(range(1, array.ndim))
    step = max(1, 2**24 // max(1, array[0].size))  # a memory-mapped array may exceed the memory
    finite = [
        np.isfinite(array[start : start + step]).all(axis=axes)
        for start in range(0, len(array), step)
    ]
    rows = np.flatnonzero(~np.concatenate(finite))
    if len(rows):
        shown = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
        raise ValueError(
            f"Input X contains NaN or infinity in {len(rows)} of {len(array)} rows ({shown}). "
            "Drop these rows, or repair them before this step. Values over "
            f"{np.finfo(array.dtype).max:.1e} are infinite in {array.dtype}."
        )


def _check_same(estimator, what, given, expected):
    if given != expected:
        raise ValueError(
            f"X has {given} {what}, but {type(estimator).__name__} is expecting {expected} "
            f"{what} as input."
        )


def draw_seed(random_state):
    """Return an integer seed; None takes it from the operating system, not from numpy."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(2**31))


def validation_fold(fold):
    """Return the id of the validation fold among the folds that are present.

    The first id after the first gap between the smallest and the largest id; without a
    gap, the smallest id. So when one of the folds 0..9 is held out for the test, the
    next one validates, and the first one where the last is the test fold: the
    8 / 1 / 1 rotation of Riek et al. (2024), section II.B.

    Parameters
    ----------
    fold : array-like of shape (n_samples,)
        Integer fold ids of the rows to fit on.

    Returns
    -------
    int

    Examples
    --------
    >>> validation_fold([0, 1, 2, 4, 5])
    4
    >>> validation_fold([0, 1, 2, 3, 4])
    0
    """
    ids = np.unique(fold)
    gaps = np.flatnonzero(np.diff(ids) > 1)
    return int(ids[gaps[0] + 1] if len(gaps) else ids[0])


def check_folds(fold, n_samples):
    """Return fold ids as an integer array of n_samples, or say what is wrong with them."""
    fold = column_or_1d(fold)
    if len(fold) != n_samples:
        raise ValueError(f"fold has {len(fold)} ids for {n_samples} rows of X; give one a row.")
    try:
        with np.errstate(invalid="ignore"):
            as_int = fold.astype(np.int64)
    except (TypeError, ValueError):
        as_int = None
    if as_int is None or not np.array_equal(as_int, fold):
        shown = ", ".join(np.unique(fold.astype(str))[:5])
        raise ValueError(f"fold must hold integer ids, got {fold.dtype} ids such as {shown}.")
    return as_int


def check_groups(groups, n_samples):
    """Return patients as an array of n_samples, or say that there are more or fewer."""
    groups = column_or_1d(groups)
    if len(groups) != n_samples:
        raise ValueError(f"groups has {len(groups)} ids for {n_samples} rows; give one a row.")
    missing = np.flatnonzero(pd.isna(groups))
    if len(missing):
        raise ValueError(
            f"groups has no id in {len(missing)} rows, such as row {missing[0]}. Give each of them "
            "its patient, or an id of its own."
        )
    return groups


def check_patients(groups, groups_valid):
    """Raise ValueError if a patient is among those who train and those who validate."""
    shared = np.intersect1d(groups, groups_valid)
    if len(shared):
        raise ValueError(
            f"{len(shared)} patients are in the training and in the validation data "
            f"(groups {shared[:5].tolist()}{'...' if len(shared) > 5 else ''}). Keep all ECGs of "
            "a patient on one side; skecg.model_selection.rotate_folds does."
        )


def split_validation(codes, *, groups=None, fold=None, fraction=0.1, rng):
    """Choose the rows that validate: by fold, else by groups, else a stratified share.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Classes as integers 0..n_classes - 1.
    groups : array-like of shape (n_samples,), optional
        Patients, never split.
    fold : array-like of shape (n_samples,), optional
        Integer fold ids; see :func:`validation_fold`.
    fraction : float
        Share of the rows (or patients) that validate when no fold is given.
    rng : numpy.random.RandomState
        Where the choice is drawn from when no fold is given.

    Returns
    -------
    train, valid : ndarray of int
        Sorted row indices.
    """
    n = len(codes)
    if groups is not None:
        groups = check_groups(groups, n)
    if fold is not None:
        fold = check_folds(fold, n)
        if len(np.unique(fold)) < 2:
            raise ValueError(
                f"fold holds one id only ({fold[0]}); at least two are needed, one to train and "
                "one to validate."
            )
        validates = fold == validation_fold(fold)
    elif not 0 < fraction < 1:
        raise ValueError(f"validation_fraction must lie between 0 and 1, got {fraction!r}.")
    elif groups is not None:
        validates = _group_share(codes, groups, fraction, rng)
    else:
        validates = _stratified_share(codes, fraction, rng)
    train, valid = np.flatnonzero(~validates), np.flatnonzero(validates)
    if groups is not None:
        check_patients(groups[train], groups[valid])
    return train, valid


def _stratified_share(codes, fraction, rng):
    """Draw the share class by class; a class of one row trains."""
    validates = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        rows = rng.permutation(np.flatnonzero(codes == code))
        n_valid = min(max(1, round(fraction * len(rows))), len(rows) - 1)
        validates[rows[:n_valid]] = True
    return validates


def _group_share(codes, groups, fraction, rng):
    """Draw patients so that the classes keep their shares as far as patients allow."""
    n_groups = min(len(np.unique(groups[codes == code])) for code in np.unique(codes))
    n_splits = min(max(2, round(1 / fraction)), n_groups)
    if n_splits < 2:
        raise ValueError(
            "One of the classes comes from a single patient, who cannot both train and validate. "
            "Give fold=, or X_val= and y_val=."
        )
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=rng)
    classes = len(np.unique(codes))
    for train, valid in splitter.split(codes, codes, groups):
        if len(np.unique(codes[train])) == classes == len(np.unique(codes[valid])):
            validates = np.zeros(len(codes), dtype=bool)
            validates[valid] = True
            return validates
    raise ValueError(
        "No split by patient was found that leaves every class on both sides. Give fold=, or "
        "X_val= and y_val=."
    )


def check_fold_classes(y, fold):
    """Raise ValueError if a fold lacks a second class."""
    for k in np.unique(fold):
        present = np.unique(y[fold == k])
        if len(present) < 2:
            raise ValueError(
                f"Fold {k} holds rows of class {present.tolist()} only, of "
                f"{np.unique(y).tolist()}: AUC and AP are undefined there. Use rotate_folds, or "
                "fewer folds."
            )


def named_positive(estimator):
    """Return the positive label that an estimator names, or the one inside it; None without."""
    while estimator is not None:
        label = getattr(estimator, "pos_label", None)
        if label is not None:
            return label
        is_pipeline = isinstance(estimator, Pipeline)
        estimator = estimator[-1] if is_pipeline else getattr(estimator, "estimator", None)
    return None


def positive_class(classes, pos_label):
    """Return the number of the positive class: of `pos_label`, else 1."""
    if pos_label is None:
        return 1
    found = np.flatnonzero(classes == pos_label)
    if not len(found):
        raise ValueError(f"pos_label={pos_label!r} is not one of the classes {classes.tolist()}.")
    return int(found[0])
