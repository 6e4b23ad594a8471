"""The paper's rotation of folds: train on most, validate on one, test on one; and its results."""

import heapq
import os
import time
from collections.abc import Mapping
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, assert_all_finite, indexable
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import column_or_1d, has_fit_parameter
from tqdm import tqdm

from ._comparison import best_fold, fold_differences
from ._duplicates import DuplicateECGWarning, find_duplicates, warn_of_duplicates
from ._fold_cache import fingerprint, read_fit, write_fit
from ._validation import (
    check_fold_classes,
    check_folds,
    check_groups,
    draw_seed,
    named_positive,
    validation_fold,
)
from .metrics import _auc_ap, f1_threshold

__all__ = [
    "DuplicateECGWarning",
    "best_fold",
    "cross_validate_rotation",
    "find_duplicates",
    "fold_differences",
    "rotate_folds",
]


def rotate_folds(y, groups=None, *, n_splits=10, random_state=None):
    """Deal patients into folds so that every fold has its share of each class.

    The rarest class is dealt first, patients with most of its ECGs before the others,
    each to the fold that has fewest; then the next class. Fold sizes follow.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels.
    groups : array-like of shape (n_samples,), default=None
        Patients; all rows of a patient get one fold. None means one row a patient.
    n_splits : int, default=10
        Number of folds, at least 3: one to test, one to validate, the rest to train.
    random_state : int, RandomState instance or None, default=None
        Seed; decides among equals. None takes fresh entropy from the operating system.

    Returns
    -------
    fold : ndarray of int64 of shape (n_samples,)
        Fold ids 0..n_splits - 1, for ``PredefinedSplit(fold)`` and for ``fit``'s `fold`.

    Raises
    ------
    ValueError
        If there are fewer patients than folds, or a fold would be left with one class.

    Examples
    --------
    >>> fold = rotate_folds([0, 1] * 6, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], n_splits=3)
    >>> sorted(fold.tolist())
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    """
    y = column_or_1d(y)
    assert_all_finite(y, input_name="y")
    labels, codes = np.unique(y, return_inverse=True)
    n_samples = len(codes)
    groups = np.arange(n_samples) if groups is None else check_groups(groups, n_samples)
    if not isinstance(n_splits, Integral) or n_splits < 3:
        raise ValueError(
            "n_splits must be an integer of at least 3 (one fold to test, one to validate), got "
            f"{n_splits!r}."
        )
    if len(labels) < 2:
        raise ValueError(f"y holds one class only: {labels.tolist()}.")
    patients, patient = np.unique(groups, return_inverse=True)
    if len(patients) < n_splits:
        raise ValueError(
            f"{len(patients)} patients cannot fill {n_splits} folds; lower n_splits to "
            f"{len(patients)} at most."
        )
    counts = np.bincount(patient * len(labels) + codes, minlength=len(patients) * len(labels))
    counts = counts.reshape(len(patients), len(labels))
    rng = np.random.default_rng(draw_seed(random_state))

    start = np.full(len(patients), -1)
    fold = _deal(counts, start, n_splits, rng)
    lacking = _fold_of_one_class(counts, fold, n_splits)
    if lacking is not None:
        fold = _deal(counts, _one_of_each(counts, n_splits, rng), n_splits, rng)
        lacking = _fold_of_one_class(counts, fold, n_splits)
    if lacking is not None:
        holders = dict(zip(labels.tolist(), (counts > 0).sum(axis=0).tolist(), strict=True))
        raise ValueError(
            f"Fold {lacking} of {n_splits} would hold one class only. Patients of each class: "
            f"{holders}. Lower n_splits."
        )
    return fold[patient].astype(np.int64)


def _deal(counts, start, n_splits, rng):
    """Deal the patients that `start` leaves at -1, class by class from the rarest on."""
    fold = start.copy()
    for code in np.argsort(counts.sum(axis=0), kind="stable"):
        waiting = rng.permutation(np.flatnonzero((fold < 0) & (counts[:, code] > 0)))
        waiting = waiting[np.argsort(-counts[waiting, code], kind="stable")]
        dealt = fold >= 0
        load = np.bincount(fold[dealt], counts[dealt, code], minlength=n_splits)
        rows = np.bincount(fold[dealt], counts[dealt].sum(axis=1), minlength=n_splits)
        tie = rng.permutation(n_splits)
        heap = [(load[f], rows[f], tie[f], f) for f in range(n_splits)]
        heapq.heapify(heap)
        sizes = counts.sum(axis=1)
        for i in waiting:
            n_code, n_rows, order, f = heap[0]
            fold[i] = f
            heapq.heapreplace(heap, (n_code + counts[i, code], n_rows + sizes[i], order, f))
        _even_out(counts[:, code], fold, waiting, n_splits)
    return fold


def _even_out(count, fold, movable, n_splits):
    """Exchange patients between the fullest and the emptiest fold while that evens them."""
    while True:
        load = np.bincount(fold[fold >= 0], count[fold >= 0], minlength=n_splits)
        full, empty = load.argmax(), load.argmin()
        excess = load[full] - load[empty]
        if excess <= 1:
            return
        give = movable[fold[movable] == full]
        take = movable[fold[movable] == empty]
        # Patients alike in their count are interchangeable: one of each count is enough.
        give = give[np.unique(count[give], return_index=True)[1]]
        take = take[np.unique(count[take], return_index=True)[1]]
        moved = count[give][:, None] - np.append(count[take], 0)[None, :]
        left = np.where((moved > 0) & (moved < excess), np.abs(excess - 2 * moved), np.inf)
        if not left.size or not np.isfinite(left.min()):
            return
        i, j = np.unravel_index(left.argmin(), left.shape)
        fold[give[i]] = empty
        if j < len(take):
            fold[take[j]] = full


def _fold_of_one_class(counts, fold, n_splits):
    """Return the first fold that holds fewer than two classes, or None."""
    for f in range(n_splits):
        if np.count_nonzero(counts[fold == f].sum(axis=0)) < 2:
            return f
    return None


def _one_of_each(counts, n_splits, rng):
    """Give each fold two classes: a patient who has two, or two of one class each.

    The folds that can be served are as many as patients with two classes plus pairs of
    patients of different classes, so this succeeds whenever it can be done. Patients
    with fewest rows go first.
    """
    fold = np.full(len(counts), -1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(counts[order].sum(axis=1), kind="stable")]
    pure = np.count_nonzero(counts[order], axis=1) == 1
    mixed, single = order[~pure], order[pure]
    code = counts[single].argmax(axis=1)
    # Class by class; patients further apart than the largest class is long are of two.
    single = single[np.argsort(code, kind="stable")]
    step = max(np.bincount(code, minlength=1).max(), len(single) // 2)
    n_pairs = min(step, len(single) - step, n_splits)
    fold[single[:n_pairs]] = fold[single[step : step + n_pairs]] = np.arange(n_pairs)
    n_rest = min(n_splits - n_pairs, len(mixed))
    fold[mixed[:n_rest]] = np.arange(n_pairs, n_pairs + n_rest)
    return fold


def cross_validate_rotation(
    estimators,
    X,
    y,
    *,
    groups=None,
    fold=None,
    n_splits=10,
    alpha=2 / 3,
    pos_label=None,
    return_proba=False,
    return_estimator=False,
    random_state=None,
    n_jobs=None,
    cache_dir=None,
    verbose=0,
):
    """Fit and score several models on the same rotation of folds.

    Each fold tests once and validates once: for test fold k, the validation fold is the
    next one and all others train. The test scores are those of
    ``cross_validate(model, X, y, cv=PredefinedSplit(fold), params={"fold": fold})``.

    Parameters
    ----------
    estimators : dict of str to estimator
        Classifiers or whole pipelines by name; each is cloned for each fold. Where the
        last step's ``fit`` takes `fold`, it is given the fold ids of its rows and holds
        out the validation fold itself; any other is fitted without these rows. `groups`
        go to the last step likewise. A net inside another estimator (calibrated, searched)
        is reached by metadata routing only: without it, the net chooses its validation rows
        without regard to patients.
    X : array-like of shape (n_samples, ...)
        What the estimators take. Workers are given the array, by memory map if large,
        and row numbers.
    y : array-like of shape (n_samples,)
        Labels.
    groups : array-like of shape (n_samples,), default=None
        Patients.
    fold : array-like of shape (n_samples,), default=None
        Integer fold ids; None makes them by :func:`rotate_folds`.
    n_splits : int, default=10
        Number of folds when `fold` is None.
    alpha : float, default=2/3
        Weight of the AUC in the scores.
    pos_label : label, default=None
        The positive of two classes; None takes that of the estimators that name one, else
        the second of the sorted labels.
    return_proba : bool, default=False
        Whether to return the out-of-fold probabilities as well.
    return_estimator : bool, default=False
        Whether to return the fitted estimators as well.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds when `fold` is None; estimators have seeds of their own.
    n_jobs : int, default=None
        Fits at a time, as joblib counts them. Each process computes on its share of the
        cores: two jobs on two cores are two processes of one thread.
    cache_dir : str or path-like, default=None
        Folder, made if need be, where each finished fit is kept: its row of the table and its
        test probabilities. The same call after an interruption does the missing fits only.
        Other data, folds, parameters or versions of the packages are never taken for the same;
        the number of jobs or threads may change.
    verbose : int, default=0
        1 shows a progress bar over the fits.

    Returns
    -------
    table : pandas.DataFrame
        A row a model and fold: model, fold, n_train, n_val, n_test, val_auc, val_ap,
        val_score, test_auc, test_ap, test_score, threshold (of two classes, the
        :func:`skecg.metrics.f1_threshold` of the validation fold), best_epoch (missing where a
        model has none) and seconds of the fit.
    proba : dict of str to ndarray of shape (n_samples, n_classes)
        Only with ``return_proba=True``: each row's probabilities from the one fit that
        neither trained nor validated on it, columns in the order of the sorted labels.
    fitted : dict of str to list of estimator
        Only with ``return_estimator=True``: the fitted clones in the order of the table's folds.

    Raises
    ------
    ValueError
        If a patient is in two folds, or a test or validation fold lacks a class; the
        message names the fold. If `return_estimator` is asked for with a `cache_dir`, which
        holds no estimators.
    TypeError
        If a parameter of an estimator is an object that `cache_dir` cannot tell from another.

    Warns
    -----
    DuplicateECGWarning
        If X is an array or a table, and equal rows are in two folds.

    Notes
    -----
    The table does not depend on `n_jobs` or joblib's backend where every process computes on
    one torch thread and every estimator has a seed. Each process holds a copy of the rows that it
    trains on, while ``cross_validate`` of scikit-learn copies those of all fits as it deals them.

    `cache_dir` looks at the code of a function or class of one's own, but not at what that calls
    in turn: take another folder after a change there. The folder holds probabilities and labels'
    scores, no ECGs; it grows until it is deleted.

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, section II.B.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from skecg.datasets import make_omi
    >>> X, y, groups = make_omi(60, prevalence=0.3, random_state=0)
    >>> models = {"chance": DummyClassifier()}
    >>> table = cross_validate_rotation(models, X, y, groups=groups, n_splits=3)
    >>> table[["model", "fold", "test_auc"]]
        model  fold  test_auc
    0  chance     0       0.5
    1  chance     1       0.5
    2  chance     2       0.5
    """
    if not isinstance(estimators, Mapping) or not estimators:
        raise ValueError(
            f"estimators must be a dict of one model or more by name, got {estimators!r}."
        )
    X, y = indexable(X, y)
    y = column_or_1d(y)
    labels = np.unique(y)
    if pos_label is None:
        pos_label = _common_pos_label(estimators)
    if fold is None:
        fold = rotate_folds(y, groups, n_splits=n_splits, random_state=random_state)
    fold = check_folds(fold, len(y))
    if groups is not None:
        groups = check_groups(groups, len(y))
        _check_patients_whole(groups, fold)
    _check_every_fold(y, fold)
    array = X.to_numpy() if isinstance(X, pd.DataFrame) else X
    if isinstance(array, np.ndarray):
        warn_of_duplicates(array, fold, "the folds")

    if cache_dir is not None and return_estimator:
        raise ValueError(
            "cache_dir keeps scores and probabilities, not estimators; leave out cache_dir or "
            "return_estimator."
        )
    jobs = [(name, k) for name in estimators for k in np.unique(fold).tolist()]
    common = (X, y, fold, groups, labels, alpha, pos_label, return_estimator)
    found = _fit_all(estimators, jobs, common, n_jobs, cache_dir, verbose)
    rows, fitted = [], {name: [] for name in estimators}
    proba = {name: np.full((len(y), len(labels)), np.nan) for name in estimators}
    for (name, k), (row, test_proba, *estimator) in zip(jobs, found, strict=True):
        rows.append({"model": name, **row})
        proba[name][fold == k] = test_proba
        fitted[name] += estimator
    table = pd.DataFrame(rows).astype({"best_epoch": "Int64"})
    asked = (table, *([proba] if return_proba else []), *([fitted] if return_estimator else []))
    return asked if len(asked) > 1 else table


def _fit_all(estimators, jobs, common, n_jobs, cache_dir, verbose):
    """Do the fits that `cache_dir` does not hold; return all in the order of the jobs."""
    found = [None] * len(jobs)
    if cache_dir is not None:
        os.makedirs(cache_dir, exist_ok=True)
        data = fingerprint(common, get_config()["enable_metadata_routing"])
        models = {name: fingerprint(data, estimator) for name, estimator in estimators.items()}
        keys = [fingerprint(models[name], k) for name, k in jobs]
        found = [read_fit(cache_dir, key) for key in keys]
    missing = [i for i, fit in enumerate(found) if fit is None]
    # As they come, not in order: a fit that is finished is kept at once.
    results = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(_fit_and_score)(i, clone(estimators[name]), k, *common)
        for i, (name, k) in ((i, jobs[i]) for i in missing)
    )
    done = len(jobs) - len(missing)
    results = tqdm(results, initial=done, total=len(jobs), unit="fit", disable=not verbose)
    for i, *fit in results:
        found[i] = fit
        if cache_dir is not None:
            write_fit(cache_dir, keys[i], *fit[:2])
        name, k = jobs[i]
        results.set_postfix_str(f"{name}, fold {k}: test AUC {fit[0]['test_auc']:.3f}")
    return found


def _fit_and_score(
    i, estimator, test_fold, X, y, fold, groups, labels, alpha, pos_label, return_estimator
):
    """Fit on all folds but one; return `i`, a row of the table, test probabilities, the fit."""
    test = np.flatnonzero(fold == test_fold)
    rest = np.flatnonzero(fold != test_fold)
    validates = fold[rest] == validation_fold(fold[rest])
    params = _fit_params(estimator, fold[rest], None if groups is None else groups[rest])
    train = rest
    if not any(name.endswith("fold") for name in params):
        train, params = rest[~validates], {k: v[~validates] for k, v in params.items()}
    start = time.perf_counter()
    estimator.fit(_safe_indexing(X, train), y[train], **params)
    row = {
        "fold": int(test_fold),
        "n_train": int((~validates).sum()),
        "n_val": int(validates.sum()),
        "n_test": len(test),
    }
    seconds = time.perf_counter() - start
    for part, part_rows in (("val", rest[validates]), ("test", test)):
        proba = estimator.predict_proba(_safe_indexing(X, part_rows))
        auc, ap = _auc_ap(y[part_rows], proba, pos_label=pos_label, labels=labels)
        row |= {
            f"{part}_auc": auc,
            f"{part}_ap": ap,
            f"{part}_score": alpha * auc + (1 - alpha) * ap,
        }
        if part == "val" and len(labels) == 2:
            threshold = f1_threshold(y[part_rows], proba, pos_label=pos_label)
    row |= {"threshold": threshold} if len(labels) == 2 else {}
    best_epoch = getattr(_last_step(estimator), "best_epoch_", None)
    row |= {"best_epoch": best_epoch, "seconds": seconds}
    return i, row, proba, estimator if return_estimator else None


def _last_step(estimator):
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _common_pos_label(estimators):
    """Return the positive that the estimators name, if any does and all of these agree."""
    named = {
        name: label
        for name, estimator in estimators.items()
        if (label := named_positive(estimator)) is not None
    }
    if len(set(named.values())) > 1:
        raise ValueError(
            f"The estimators do not agree on pos_label ({named}); their average precisions could "
            "not be compared."
        )
    return next(iter(named.values()), None)


def _fit_params(estimator, fold, groups):
    """Return what `fit` must be given so that the classifier gets its folds and patients."""
    given = {"fold": fold} if groups is None else {"fold": fold, "groups": groups}
    takes = {name for name in given if has_fit_parameter(_last_step(estimator), name)}
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    if get_config()["enable_metadata_routing"]:
        prefix = ""
        # A pipeline whose last step takes fold but has not requested it says so itself.
        takes &= {"fold"}
        takes |= set(get_routing_for_object(estimator).consumes("fit", given))
    return {prefix + name: value for name, value in given.items() if name in takes}


def _check_patients_whole(groups, fold):
    pairs = np.unique(np.stack([np.unique(groups, return_inverse=True)[1], fold]), axis=1)
    patients, n_folds = np.unique(pairs[0], return_counts=True)
    if (n_folds > 1).any():
        split = np.unique(groups)[patients[n_folds > 1]]
        raise ValueError(
            f"{len(split)} patients have ECGs in more than one fold (groups {split[:5].tolist()}"
            f"{'...' if len(split) > 5 else ''}). rotate_folds keeps patients whole."
        )


def _check_every_fold(y, fold):
    ids = np.unique(fold)
    if len(ids) < 3:
        raise ValueError(
            f"fold holds the ids {ids.tolist()}; at least three are needed, to train, validate "
            "and test."
        )
    if ids[0] < 0 or ids[-1] - ids[0] >= len(ids):
        raise ValueError(
            f"fold holds the ids {ids.tolist()}; they must follow on one another without a gap "
            "and not be negative, since a gap marks the test fold. Renumber them: "
            "fold = np.unique(fold, return_inverse=True)[1]."
        )
    check_fold_classes(y, fold)
