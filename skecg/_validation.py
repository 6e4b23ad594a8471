"""One check of ECG arrays for every estimator of the package."""

import numpy as np
from sklearn.utils.validation import check_array, check_X_y, validate_data


def validate_ecgs(estimator, X, y=None, *, reset, dtype=np.float32, ensure_all_finite=True):
    """Validate ECGs for an estimator in scikit-learn's way, on 2-D and 3-D arrays.

    Parameters
    ----------
    estimator : estimator
        Where `n_features_in_`, `n_leads_` and `n_times_` are kept (``reset=True``) or
        compared (``reset=False``).
    X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
        ECGs; two dimensions mean one lead.
    y : array-like of shape (n_samples,), optional
        Labels, checked for length and NaN when given.
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
    if y is None:
        array = check_array(X, input_name="X", **check)
    else:
        array, y = check_X_y(X, y, **check)
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
    return array if y is None else (array, y)


def _check_finite(array):
    # A sum is finite only if every term is; look closer only if it is not.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
    rows = np.flatnonzero(~np.isfinite(array).all(axis=tuple(range(1, array.ndim))))
    if len(rows):
        shown = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
        raise ValueError(
            f"Input X contains NaN or infinity in {len(rows)} of {len(array)} rows ({shown}). "
            "Drop these rows, or repair them before this step."
        )


def _check_same(estimator, what, given, expected):
    if given != expected:
        raise ValueError(
            f"X has {given} {what}, but {type(estimator).__name__} is expecting {expected} "
            f"{what} as input."
        )
