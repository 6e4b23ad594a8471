"""Tests of the simulated ECGs."""

import numpy as np
import pytest
from scipy.signal import find_peaks
from scipy.stats import iqr

from skecg.datasets import make_omi
from skecg.leads import LEADS

LEAD = {name: i for i, name in enumerate(LEADS)}
N_TIMES = {"beat": 600, "ecg": 5000}


def root_mean_square(X):
    return np.sqrt(np.square(X).mean(axis=1))


def st_level(X, table):
    """ST 60 ms after the end of QRS, in mV: (n_samples, 12)."""
    index = 300 + np.rint((table["onset"] + table["qrs"] + 60) / 2).astype(int).to_numpy()
    return np.take_along_axis(X, index[:, None, None], axis=-1)[..., 0]


def rr_intervals(X):
    """Find the beats of recordings by their steepness: intervals in samples, by recording."""
    for steepness in root_mean_square(np.diff(X, axis=-1)):
        smooth = np.convolve(steepness, np.ones(40) / 40, mode="same")
        height = 0.4 * np.quantile(smooth, 0.98)
        yield np.diff(find_peaks(smooth, height=height, distance=125)[0])


@pytest.fixture(scope="module")
def occlusions():
    return make_omi(1500, prevalence=1.0, return_table=True, random_state=0)


@pytest.fixture(scope="module")
def normals():
    X, _, _, table = make_omi(1000, prevalence=0.0, return_table=True, random_state=1)
    keep = (table["confounder"] == "none").to_numpy()
    return X[keep], table[keep]


@pytest.fixture(scope="module")
def recordings():
    return make_omi(60, prevalence=0.3, form="ecg", return_table=True, random_state=2)


@pytest.mark.parametrize("form", ["beat", "ecg"])
def test_arrays_have_the_documented_shapes_and_types(form):
    X, y, groups = make_omi(20, prevalence=0.3, form=form, random_state=0)
    assert X.shape == (len(y), 12, N_TIMES[form])
    assert (X.dtype, y.dtype, groups.dtype) == (np.float32, np.int64, np.int64)
    assert groups.shape == y.shape == (len(X),)
    assert np.isfinite(X).all()


@pytest.mark.parametrize("form", ["beat", "ecg"])
def test_limb_leads_obey_einthoven_and_goldberger(form):
    X, _, _ = make_omi(20, prevalence=0.3, form=form, random_state=0)
    lead = dict(zip(LEADS, X.astype(np.float64).swapaxes(0, 1), strict=True))
    exact = {"rtol": 0, "atol": 1e-6}
    np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"], **exact)
    np.testing.assert_allclose(lead["aVR"], -(lead["I"] + lead["II"]) / 2, **exact)
    np.testing.assert_allclose(lead["aVL"], lead["I"] - lead["II"] / 2, **exact)
    np.testing.assert_allclose(lead["aVF"], lead["II"] - lead["I"] / 2, **exact)


@pytest.mark.parametrize(
    ("n_patients", "prevalence", "n_omi"), [(400, 0.088, 35), (10, 0, 0), (10, 1, 10), (1, 0.2, 0)]
)
def test_prevalence_is_an_exact_share_of_the_patients(n_patients, prevalence, n_omi):
    _, y, groups = make_omi(n_patients, prevalence=prevalence, random_state=3)
    assert len(set(groups)) == n_patients
    assert len(set(groups[y == 1])) == n_omi


def test_every_ecg_of_a_patient_has_the_patients_class():
    _, y, groups = make_omi(300, prevalence=0.3, random_state=4)
    assert not set(groups[y == 1]) & set(groups[y == 0])


def test_patients_have_one_to_four_ecgs_and_a_half_more_than_one_in_the_mean():
    _, _, groups = make_omi(2000, random_state=5)
    counts = np.bincount(groups)
    assert set(counts) == {1, 2, 3, 4}
    assert counts.mean() == pytest.approx(10_893 / 7_297, abs=0.06)  # the paper's cohort


def test_ecgs_of_a_patient_resemble_each_other_more_than_those_of_others(normals):
    X, table = normals
    qrs = X[:, :, 285:320].reshape(len(X), -1)
    same = table["patient"].to_numpy()[1:] == table["patient"].to_numpy()[:-1]
    distance = np.linalg.norm(np.diff(qrs, axis=0), axis=1)
    assert np.median(distance[same]) < 0.2 * np.median(distance[~same])


def test_table_has_a_row_an_ecg_and_agrees_with_y_and_groups(occlusions):
    X, y, groups, table = occlusions
    assert len(table) == len(X)
    np.testing.assert_array_equal(table["omi"], y)
    np.testing.assert_array_equal(table["patient"], groups)
    assert set(table["artery"]) == {"LAD", "RCA", "LCx"}


def test_occlusion_changes_size_between_the_ecgs_of_a_patient(occlusions):
    *_, table = occlusions
    several = table.groupby("patient")["st_vector"].nunique()
    assert (several == table.groupby("patient").size()).all()


def test_arteries_have_their_angiographic_shares(occlusions):
    *_, table = occlusions
    share = table.drop_duplicates("patient")["artery"].value_counts(normalize=True)
    assert share["LAD"] == pytest.approx(0.40 / 0.97, abs=0.05)
    assert share["RCA"] == pytest.approx(0.37 / 0.97, abs=0.05)


def test_r_lies_at_sample_300(normals):
    X, _ = normals
    found = 200 + root_mean_square(X)[:, 200:400].argmax(axis=1)
    assert np.mean(np.abs(found - 300) <= 1) >= 0.95


def test_level_before_qrs_is_zero(occlusions):
    X, _, _, table = occlusions
    onset = 300 + np.rint(table["onset"] / 2).astype(int).to_numpy()
    index = onset[:, None, None] + np.arange(-8, -2)
    level = np.take_along_axis(X, index, axis=-1).mean(axis=-1)
    assert np.abs(level).max() < 1e-5


def test_normal_intervals_have_published_medians(normals):
    _, table = normals
    qtc = table["qt"] / np.sqrt(60 / table["rate"])
    assert table["pr"].median() == pytest.approx(161, abs=8)  # ELSA-Brasil, men and women
    assert table["qrs"].median() == pytest.approx(89, abs=5)
    assert qtc.median() == pytest.approx(415, abs=8)


def test_normal_r_waves_have_published_medians(normals):
    X, table = normals
    r = X[:, :, 270:330].max(axis=-1)
    published = {  # PTB-XL, normal ECGs, mV
        "M": {"I": 0.85, "II": 0.81, "V1": 0.18, "V3": 1.02, "V4": 1.55, "V5": 1.60, "V6": 1.22},
        "F": {"I": 0.64, "II": 1.02, "V1": 0.17, "V3": 0.77, "V4": 1.19, "V5": 1.27, "V6": 1.13},
    }
    for sex, medians in published.items():
        rows = (table["sex"] == sex).to_numpy()
        for name, median in medians.items():
            assert np.median(r[rows, LEAD[name]]) == pytest.approx(median, rel=0.3), (sex, name)


def test_r_grows_and_s_shrinks_from_v1_to_v5(normals):
    X, _ = normals
    r = np.median(X[:, 6:11, 270:330].max(axis=-1), axis=0)
    s = np.median(X[:, 7:12, 270:330].min(axis=-1), axis=0)  # S is deepest in V2
    assert np.all(np.diff(r[:4]) > 0)
    assert np.all(np.diff(s) > 0)


def test_t_is_upright_in_i_ii_and_v3_to_v6_of_normals(normals):
    X, table = normals
    peak = 300 + np.rint((table["onset"] + table["qt"] - 80) / 2).astype(int).to_numpy()
    t = np.take_along_axis(X, peak[:, None, None], axis=-1)[..., 0]
    upright = [LEAD[name] for name in ("I", "II", "V3", "V4", "V5", "V6")]
    assert (np.mean(t[:, upright] > 0, axis=0) > 0.9).all()
    assert np.mean(t[:, LEAD["aVR"]] < 0) > 0.9


def test_men_have_higher_st_in_v2_and_v3_than_women(normals):
    X, table = normals
    st = st_level(X, table)[:, [LEAD["V2"], LEAD["V3"]]]
    male = (table["sex"] == "M").to_numpy()
    assert (np.median(st[male], axis=0) > np.median(st[~male], axis=0) + 0.03).all()


@pytest.mark.parametrize(
    ("artery", "up", "down"),
    [("LAD", ["V2", "V3", "V4", "aVL"], ["III"]), ("RCA", ["III", "aVF", "II"], ["aVL", "I"]),
     ("LCx", ["V6"], ["V1", "V2", "V3"])],
)  # fmt: skip
def test_arteries_move_st_as_balloon_occlusions_do(occlusions, normals, artery, up, down):
    X, _, _, table = occlusions  # signs: STAFF III
    change = st_level(X, table) - np.median(st_level(*normals), axis=0)
    mean = change[(table["artery"] == artery).to_numpy()].mean(axis=0)
    assert all(mean[LEAD[name]] > 0.01 for name in up)
    assert all(mean[LEAD[name]] < -0.01 for name in down)


def test_right_coronary_raises_iii_more_than_ii(occlusions):
    X, _, _, table = occlusions
    mean = st_level(X, table)[(table["artery"] == "RCA").to_numpy()].mean(axis=0)
    assert mean[LEAD["III"]] > mean[LEAD["II"]] + 0.03


def test_next_beat_is_in_view_only_when_the_heart_is_fast(occlusions):
    X, _, _, table = occlusions
    narrow = (table["confounder"] == "none").to_numpy()
    late = np.abs(np.diff(X[:, :, 440:], axis=-1)).max(axis=(1, 2))  # 280 to 600 ms after R
    fast, slow = table["rate"].to_numpy() > 115, table["rate"].to_numpy() < 75
    assert np.median(late[narrow & fast]) > 3 * np.median(late[narrow & slow])


def test_recordings_have_beats_at_the_stated_rate(recordings):
    X, _, _, table = recordings
    rates = [60 * 500 / np.median(intervals) for intervals in rr_intervals(X)]
    assert np.mean(np.abs(rates / table["rate"] - 1) < 0.06) >= 0.9


def test_rr_intervals_of_a_recording_vary_by_a_few_percent(recordings):
    X, *_ = recordings
    spread = [iqr(intervals) / np.median(intervals) for intervals in rr_intervals(X)]
    assert 0.02 < np.median(spread) < 0.07  # 3 % of SD are 4 % between the quartiles


@pytest.mark.parametrize("form", ["beat", "ecg"])
def test_same_seed_gives_the_same_bytes(form):
    first = make_omi(20, prevalence=0.3, form=form, random_state=7)
    second = make_omi(20, prevalence=0.3, form=form, random_state=7)
    assert [part.tobytes() for part in first] == [part.tobytes() for part in second]


@pytest.mark.parametrize("other", [8, np.random.RandomState(8), None])
def test_another_seed_gives_another_set(other):
    first, _, _ = make_omi(5, random_state=7)
    second, _, _ = make_omi(5, random_state=other)
    assert first[0].tobytes() != second[0].tobytes()


def test_both_forms_hold_the_same_patients():
    *_, beats = make_omi(20, prevalence=0.3, return_table=True, random_state=7)
    *_, ecgs = make_omi(20, prevalence=0.3, form="ecg", return_table=True, random_state=7)
    assert beats.equals(ecgs)


@pytest.mark.parametrize("random_state", [0, None])
def test_global_generator_is_left_as_found(random_state):
    before = np.random.get_state()
    make_omi(5, random_state=random_state)
    after = np.random.get_state()
    assert before[2] == after[2]
    np.testing.assert_array_equal(before[1], after[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_patients": 0}, "n_patients=0.*at least 1"),
        ({"n_patients": 2.5}, "n_patients=2.5.*whole number"),
        ({"prevalence": 1.2}, "prevalence=1.2.*from 0 to 1"),
        ({"prevalence": float("nan")}, "prevalence=nan.*from 0 to 1"),
        ({"form": "holter"}, "form='holter'.*'beat' or 'ecg'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_omi(**arguments)
