"""Duplicated recordings: found where they are, and nowhere else."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skecg._duplicates import row_keys
from skecg.datasets import make_omi
from skecg.io import read_ecgs
from skecg.model_selection import find_duplicates
from skecg.preprocessing import LeadStandardScaler, MedianBeat

COPIES = {
    "equal": lambda X: X,
    "twice as large": lambda X: 2 * X,
    "a gain and an offset a lead": lambda X: X * np.linspace(0.5, 2, 12)[:, None] + 0.3,
    "z-scored": lambda X: LeadStandardScaler().fit_transform(X),
    "in steps of 5 uV": lambda X: np.round(X / 0.005) * 0.005,
    "half precision": lambda X: X.astype(np.float16),
}


@pytest.fixture(scope="module")
def ecgs():
    return make_omi(60, form="ecg", random_state=0)[0][:60]


@pytest.mark.parametrize("copy", COPIES)
def test_copies_are_found_and_nothing_else(ecgs, copy):
    X = np.concatenate([ecgs, COPIES[copy](ecgs[10:20]).astype(np.float32)])
    found = find_duplicates(X)
    assert found["row"].tolist() == list(range(60, 70))
    assert found["duplicate_of"].tolist() == list(range(10, 20))
    assert found["correlation"].between(0.999, 1 + 1e-9).all()


def test_recordings_that_begin_later_are_found_by_their_median_beats(data_dir):
    paths = sorted((data_dir / "ptbxl/records500/00000").glob("*.hea"))[:40]
    X, _ = read_ecgs(paths)
    later = MedianBeat().transform(X[10:20, :, 300:])  # 0.6 s
    beats = np.concatenate([MedianBeat().transform(X), later])
    found = find_duplicates(beats, min_correlation=0.98)
    assert found["row"].tolist() == list(range(40, 50))
    assert found["duplicate_of"].tolist() == list(range(10, 20))


def test_the_five_recordings_that_ptbxl_has_twice_are_found(data_dir):
    table = pd.read_csv(data_dir / "ptbxl" / "ptbxl_database.csv", index_col="ecg_id")
    ids = [136, 137, 138, 143, 144, 145, 456, 457, 459, 460, 463]
    X, _ = read_ecgs([data_dir / "ptbxl" / name for name in table.loc[ids, "filename_hr"]])
    found = find_duplicates(X)
    pairs = {(ids[first], ids[row]) for row, first in found[["row", "duplicate_of"]].to_numpy()}
    assert pairs == {(137, 138), (143, 144), (456, 457), (459, 460), (145, 463)}


def test_a_chain_of_copies_is_one_recording(ecgs):
    X = np.concatenate([ecgs[:3], 2 * ecgs[:1], ecgs[:1], np.round(ecgs[:1], 2)])
    found = find_duplicates(X, min_correlation=0.99)
    assert found[["row", "duplicate_of"]].to_numpy().tolist() == [[3, 0], [4, 0], [5, 0]]
    assert found["correlation"][1] == 1


def test_correlation_is_pearsons_in_the_mean_of_the_leads(ecgs):
    noisy = ecgs[0] + 0.02 * np.random.default_rng(0).normal(size=ecgs[0].shape)
    expected = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ecgs[0], noisy, strict=True)])
    found = find_duplicates(np.stack([ecgs[0], noisy]), min_correlation=0.5)
    assert found["correlation"][0] == pytest.approx(expected)
    assert find_duplicates(np.stack([ecgs[0], noisy]), min_correlation=expected + 1e-6).empty


@pytest.mark.parametrize("r", [0.9, 0.99, 0.999])
@pytest.mark.parametrize("shape", [(200, 3, 50), (200, 1, 7), (30, 12, 600), (200, 90)])
def test_pairs_are_those_of_comparing_all_with_all(shape, r):
    rng = np.random.default_rng(0)
    X = rng.normal(size=shape).cumsum(axis=-1)
    X[100:110] = X[:10] + 0.05 * rng.normal(size=X[:10].shape) if len(X) > 110 else X[100:110]
    leads = X.reshape(len(X), -1, X.shape[-1])
    each = [np.corrcoef(leads[:, k]) for k in range(leads.shape[1])]
    mean = np.mean(each, axis=0)
    later, earlier = np.nonzero(np.tril(mean >= r, -1))
    component = np.arange(len(X))
    for _ in range(len(X)):
        np.minimum.at(component, later, component[earlier])
        np.minimum.at(component, earlier, component[later])
    found = find_duplicates(X, min_correlation=r)
    expected = np.flatnonzero(component != np.arange(len(X)))
    assert found["row"].tolist() == expected.tolist()
    assert found["duplicate_of"].tolist() == component[expected].tolist()


def test_rows_that_are_no_ecg_are_no_duplicates(ecgs):
    X = ecgs[:8].copy()
    X[1:3], X[3:5], X[5:7] = np.nan, 0, 7.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_duplicates(X).empty
    assert [key is None for key in row_keys(X)] == [False, *6 * [True], False]


def test_memory_maps_are_read_in_parts(ecgs, tmp_path, monkeypatch):
    X = np.concatenate([ecgs, 2 * ecgs[5:6]])
    np.save(tmp_path / "X.npy", X)
    monkeypatch.setattr("skecg._duplicates._CHUNK", 5 * X[0].nbytes)
    found = find_duplicates(np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert found[["row", "duplicate_of"]].to_numpy().tolist() == [[60, 5]]


@pytest.mark.parametrize(
    ("X", "r", "message"),
    [
        (np.zeros(5), 0.9, r"X has shape \(5,\)"),
        (np.array([["a", "b"]]), 0.9, "give numbers"),
        (np.zeros((5, 12, 9)), 0, "min_correlation must lie above 0"),
        (np.zeros((5, 12, 9)), 1.1, "up to 1, got 1.1"),
    ],
)
def test_bad_input_is_told_in_words(X, r, message):
    with pytest.raises(ValueError, match=message):
        find_duplicates(X, min_correlation=r)
