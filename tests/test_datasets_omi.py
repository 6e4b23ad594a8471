"""Tests of the simulated ECGs."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import find_peaks

from skecg import STEMICriteriaClassifier
from skecg._beats import r_offset
from skecg._vectorcardiogram import DOWER, INVERSE_DOWER
from skecg.datasets import load_ptbxl, make_omi
from skecg.datasets._heart import draw_detail, draw_hearts, draw_timing, landmarks, project
from skecg.datasets._recording import find_r, median_beats
from skecg.feature_extraction import BeatFeatures, add_patient
from skecg.leads import INDEPENDENT_LEADS, LEADS
from skecg.preprocessing import MedianBeat

LEAD = {name: i for i, name in enumerate(LEADS)}
EIGHT = [LEAD[name] for name in INDEPENDENT_LEADS]
N_TIMES = {"beat": 600, "ecg": 5000}

# Normal ECGs, 2.5, 50 and 97.5 % points in 0.01 mV: the ECGs 1-500 of PTB-XL labelled NORM alone,
# 132 men and 158 women of 44 years in the median. R, S, T and J of men, then of women.
PUBLISHED = """
I   |30 85 147|20 64 132 |-39 -11 0    |-26 -7 0    |10 25 48  |10 23 42 |-4 1 8   |-4 0 6
II  |33 81 193|47 102 169|-43 -9 0     |-38 -8 0    |15 29 62  |12 28 49 |-8 1 12  |-8 0 7
III |1 29 158 |5 43 132  |-117 -23 0   |-84 -12 0   |-17 9 28  |-14 7 24 |-8 0 10  |-8 0 6
aVL |5 44 127 |5 25 107  |-69 -16 0    |-66 -11 0   |-5 10 30  |-6 9 26  |-5 1 7   |-5 0 5
aVF |10 47 186|12 67 146 |-59 -12 0    |-44 -9 0    |5 17 43   |4 17 33  |-7 0 11  |-8 0 6
V1  |3 18 56  |1 17 47   |-185 -89 -37 |-143 -86 -38|-25 10 47 |-20 -5 17|-7 -1 9  |-9 -2 6
V2  |18 59 134|13 44 110 |-295 -144 -46|-224 -123 -34|25 67 113|8 40 77  |-6 4 19  |-10 -1 10
V3  |30 102 255|24 77 172|-206 -96 -13 |-150 -64 -9 |28 66 119 |18 42 84 |-11 2 19 |-10 -2 6
V4  |45 155 299|46 119 253|-141 -52 -6 |-93 -28 -2  |24 53 102 |12 37 71 |-11 -1 16|-9 -2 4
V5  |75 160 263|68 127 246|-75 -21 0   |-50 -15 -1  |16 43 78  |11 31 58 |-8 -1 14 |-7 -2 5
V6  |62 122 219|53 113 179|-43 -9 0    |-31 -9 0    |11 30 60  |10 26 46 |-7 0 11  |-6 0 7
"""


def published(measure, sex):
    """Yield the lead and its percentiles in mV."""
    column = 1 + 2 * "RSTJ".index(measure) + "MF".index(sex)
    for row in PUBLISHED.strip().splitlines():
        cells = row.split("|")
        yield cells[0].strip(), np.array(cells[column].split(), dtype=float) / 100


def features(X, table):
    """The features of beats, with age, sex and heart rate."""
    found = BeatFeatures().set_output(transform="pandas").fit_transform(X)
    return add_patient(found, age=table["age"], sex=table["sex"], heart_rate=table["rate"])


def is_normal(table):
    plain = table[["confounder", "conduction", "rhythm", "placement"]]
    return (plain == ["none", "normal", "sinus", "in place"]).all(axis=1).to_numpy()


def meets_stemi_criteria(found):
    return STEMICriteriaClassifier().fit(found, np.arange(len(found)) % 2).predict(found) == 1


@pytest.fixture(scope="module")
def negatives():
    X, _, _, table = make_omi(3000, prevalence=0.0, return_table=True, random_state=1)
    return X, table, features(X, table)


@pytest.fixture(scope="module")
def normals(negatives):
    X, table, found = negatives
    keep = is_normal(table)
    return X[keep], table[keep], found[keep]


@pytest.fixture(scope="module")
def young_normals():
    """Normal beats at the ages of those that the published percentiles are of."""
    rng = np.random.default_rng(0)
    n = 3000
    female = np.arange(n) % 2 == 0
    age = np.interp(rng.random(n), [0, 0.25, 0.5, 0.75, 1], [17, 25, 44, 55, 84])
    rate = np.clip(68 + 11 * rng.standard_normal(n), 48, 105)
    loops, fields = draw_hearts(female, age, rng)
    detail, timing = draw_detail(n, rng), draw_timing(female, rng)
    timing["qt"] = timing["qtc"] * (60 / rate) ** 0.42
    marks = landmarks(timing, rate)
    leads = project(loops, fields) + detail
    marks -= find_r(leads, marks)[:, None]
    table = pd.DataFrame({"age": age, "sex": np.where(female, "F", "M"), "rate": rate})
    table = table.assign(rhythm="sinus", noise=0.018)
    X = median_beats(leads, marks, {name: table[name].to_numpy() for name in table}, rng)
    return X, table, features(X, table)


@pytest.fixture(scope="module")
def occlusions():
    X, _, _, table = make_omi(1200, prevalence=1.0, return_table=True, random_state=0)
    return X, table, features(X, table)


@pytest.fixture(scope="module")
def recordings():
    return make_omi(60, prevalence=0.3, form="ecg", return_table=True, random_state=2)


# -- arrays, seeds and arguments ---------------------------------------------------------------


@pytest.mark.parametrize("form", ["beat", "ecg"])
def test_arrays_have_the_documented_shapes_and_types(form):
    X, y, groups = make_omi(20, prevalence=0.3, form=form, random_state=0)
    assert X.shape == (len(y), 12, N_TIMES[form])
    assert (X.dtype, y.dtype, groups.dtype) == (np.float32, np.int64, np.int64)
    assert groups.shape == y.shape == (len(X),)
    assert np.isfinite(X).all()


@pytest.mark.parametrize("form", ["beat", "ecg"])
def test_limb_leads_obey_einthoven_and_goldberger(form):
    X, _, _ = make_omi(60, prevalence=0.3, form=form, random_state=0)
    lead = dict(zip(LEADS, X.astype(np.float64).swapaxes(0, 1), strict=True))
    exact = {"rtol": 0, "atol": 1e-6}
    np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"], **exact)
    np.testing.assert_allclose(lead["aVR"], -(lead["I"] + lead["II"]) / 2, **exact)
    np.testing.assert_allclose(lead["aVL"], lead["I"] - lead["II"] / 2, **exact)
    np.testing.assert_allclose(lead["aVF"], lead["II"] - lead["I"] / 2, **exact)


@pytest.mark.parametrize(
    ("n_patients", "prevalence", "n_omi"),
    [(400, 0.088, 35), (10, 0, 0), (10, 1, 10), (1, 0.2, 0), (65, 0.2, 13)],
)
def test_prevalence_is_an_exact_share_of_the_patients(n_patients, prevalence, n_omi):
    _, y, groups = make_omi(n_patients, prevalence=prevalence, random_state=3)
    np.testing.assert_array_equal(np.unique(groups), np.arange(n_patients))
    assert len(set(groups[y == 1])) == n_omi


def test_every_ecg_of_a_patient_has_the_patients_class():
    _, y, groups = make_omi(300, prevalence=0.3, random_state=4)
    assert not set(groups[y == 1]) & set(groups[y == 0])


def test_patients_have_one_to_four_ecgs_and_a_half_more_than_one_in_the_mean():
    _, _, groups = make_omi(2000, random_state=5)
    counts = np.bincount(groups)
    assert set(counts) == {1, 2, 3, 4}
    assert counts.mean() == pytest.approx(10_893 / 7_297, abs=0.06)  # the paper's cohort


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
        ({"severity": -1}, "severity=-1.*at least 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_omi(**arguments)


# -- the table -------------------------------------------------------------------------------


def test_table_has_a_row_an_ecg_and_agrees_with_y_and_groups():
    X, y, groups, table = make_omi(300, prevalence=0.3, return_table=True, random_state=0)
    assert len(table) == len(X)
    np.testing.assert_array_equal(table["omi"], y)
    np.testing.assert_array_equal(table["patient"], groups)
    length = np.linalg.norm(table[["st_x", "st_y", "st_z"]], axis=1)
    np.testing.assert_allclose(length, table["st_vector"])
    np.testing.assert_array_equal(length > 0, y == 1)
    np.testing.assert_array_equal(table["minutes"].notna(), y == 1)


def test_serial_ecgs_differ_in_time_and_size_of_the_occlusion(occlusions):
    _, table, _ = occlusions
    of_patients = table.groupby("patient")
    assert (of_patients["st_vector"].nunique() == of_patients.size()).all()
    assert of_patients["minutes"].is_monotonic_increasing.all()


def test_arteries_have_their_angiographic_shares(occlusions):
    _, table, _ = occlusions
    share = table.drop_duplicates("patient")["artery"].value_counts(normalize=True)
    expected = {"LAD": 0.38, "RCA": 0.37, "LCx": 0.20, "diagonal": 0.05}
    assert share.to_dict() == pytest.approx(expected, abs=0.04)


def test_reperfused_and_subendocardial_ischaemia_are_negative(negatives):
    _, table, _ = negatives
    assert {"reperfusion", "STE aVR", "aneurysm", "ST depression"} < set(table["confounder"])
    reperfused = table["confounder"] == "reperfusion"
    assert (table["artery"] != "none").equals(reperfused)


def test_every_confounder_conduction_and_rhythm_occurs_among_negatives(negatives):
    _, table, _ = negatives
    assert set(table["conduction"]) == {
        "normal", "LBBB", "RBBB", "incomplete RBBB", "LAFB", "IVCD", "paced", "WPW"
    }  # fmt: skip
    assert set(table["rhythm"]) == {"sinus", "AF", "PVC", "PAC", "bigeminy"}
    assert table["confounder"].nunique() == 15
    assert table["placement"].nunique() == 8


# -- normal ECGs -----------------------------------------------------------------------------


def test_r_lies_at_sample_300_as_in_median_beats(normals):
    X, *_ = normals
    found = 240 + r_offset(X[:, :, 240:380])
    assert np.mean(np.abs(found - 300) <= 1) > 0.97


def test_level_before_qrs_is_zero(occlusions):
    X, table, _ = occlusions
    onset = 300 + np.rint(table["onset"] / 2).astype(int).to_numpy()
    index = onset[:, None, None] + np.arange(-10, -1)
    level = np.take_along_axis(X, index, axis=-1).mean(axis=-1)
    assert np.abs(level).max() < 1e-5


@pytest.mark.parametrize("sex", ["M", "F"])
@pytest.mark.parametrize("measure", ["R", "S", "T", "J"])
def test_normal_amplitudes_have_published_percentiles(young_normals, measure, sex):
    X, table, found = young_normals
    young = (table["sex"] == sex).to_numpy()
    values = {
        "R": lambda lead: X[young, LEAD[lead], 270:330].max(axis=-1),
        "S": lambda lead: X[young, LEAD[lead], 270:330].min(axis=-1),
        "T": lambda lead: found[f"tamp_{lead}"][young],
        "J": lambda lead: found[f"j_{lead}"][young],
    }
    wrong = {}
    for lead, expected in published(measure, sex):
        points = np.nanpercentile(values[measure](lead), [2.5, 50, 97.5])
        if (np.abs(points - expected) > np.maximum(0.1, 0.2 * np.abs(expected))).any():
            wrong[lead] = (points.round(2).tolist(), expected.tolist())
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "sex", "median"),
    [("pr", "M", 164), ("pr", "F", 158), ("qrs", "M", 92), ("qrs", "F", 86), ("qtc", "M", 410),
     ("qtc", "F", 421)],
)  # fmt: skip
def test_normal_intervals_have_published_medians(normals, name, sex, median):
    _, table, _ = normals  # ELSA-Brasil
    values = table.assign(qtc=table["qt"] / np.sqrt(60 / table["rate"]))[name]
    assert values[table["sex"] == sex].median() == pytest.approx(median, abs=10)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("pr", 113, 212), ("qrs", 69, 109), ("qtc", 361, 457)]
)
def test_normal_intervals_have_published_limits(normals, name, low, high):
    _, table, _ = normals  # 2-98 %, Mason 2007
    values = table.assign(qtc=table["qt"] / np.sqrt(60 / table["rate"]))[name]
    found = np.quantile(values, [0.02, 0.98])
    np.testing.assert_allclose(found, [low, high], rtol=0.1)


@pytest.mark.parametrize(
    ("name", "column"), [("pr", "pr_interval"), ("qrs", "qrs_duration"), ("qt", "qt_interval")]
)
def test_intervals_of_the_table_are_in_the_beats(normals, name, column):
    _, table, found = normals
    difference = found[column] - table[name]
    # The end of T is marked at its corner, some 20 ms before T has gone.
    assert difference.median() == pytest.approx(-20 if name == "qt" else 0, abs=6)
    assert difference.std() < 20


@pytest.mark.parametrize(("part", "low", "high"), [("qrs", 0.04, 0.09), ("t", 0.04, 0.09)])
def test_lead_fields_vary_between_people_as_in_normal_ecgs(normals, part, low, high):
    X, table, _ = normals
    eight = X[:, EIGHT].astype(float)
    outside = np.square(eight - DOWER @ (INVERSE_DOWER @ eight)).sum(axis=1)
    onset = 300 + table["onset"].to_numpy() / 2
    j = onset + table["qrs"].to_numpy() / 2
    end = onset + table["qt"].to_numpy() / 2
    first, last = (onset, j) if part == "qrs" else (j + 20, end)
    time = np.arange(600)
    inside = (time >= first[:, None]) & (time < last[:, None])
    share = (outside * inside).sum(axis=1) / (np.square(eight).sum(axis=1) * inside).sum(axis=1)
    assert low < np.median(share) < high


@pytest.mark.parametrize(("sex", "angle"), [("M", 56), ("F", 44)])
def test_qrs_t_angles_are_those_of_normal_ecgs(young_normals, sex, angle):
    _, table, found = young_normals
    assert found["qrst_angle_kors"][table["sex"] == sex].mean() == pytest.approx(angle, abs=8)


def test_t_is_upright_in_i_ii_and_v3_to_v6_of_normals(normals):
    *_, found = normals
    for lead in ("I", "II", "V3", "V4", "V5", "V6"):
        assert np.mean(found[f"tamp_{lead}"] > 0) > 0.9
    assert np.mean(found["tamp_aVR"] < 0) > 0.9


def test_men_have_higher_st_in_v2_and_v3_than_women(normals):
    _, table, found = normals
    st = found[["st60_V2", "st60_V3"]].groupby(table["sex"].to_numpy()).median()
    assert (st.loc["M"] > st.loc["F"] + 0.03).all()


def test_ecgs_of_a_patient_resemble_each_other_more_than_those_of_others(normals):
    X, table, _ = normals
    qrs = X[:, :, 285:320].reshape(len(X), -1)
    same = table["patient"].to_numpy()[1:] == table["patient"].to_numpy()[:-1]
    distance = np.linalg.norm(np.diff(qrs, axis=0), axis=1)
    assert np.median(distance[same]) < 0.25 * np.median(distance[~same])


# -- occlusions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("artery", "segment", "up", "down"),
    [
        ("LAD", "proximal", ["V2", "V3", "aVL"], ["III", "aVF"]),
        ("LAD", "mid", ["V2", "V3", "V4"], []),
        ("LAD", "wrap-around", ["V2", "V3", "V4", "III"], []),
        ("LAD", "de Winter", [], ["V3", "V4"]),
        ("diagonal", "first", ["I", "aVL", "V2"], ["III", "aVF"]),
        ("RCA", "proximal", ["III", "aVF", "II", "V1"], ["aVL", "I"]),
        ("RCA", "distal", ["III", "aVF", "II"], ["aVL", "I", "V2"]),
        ("LCx", "lateral", ["V6"], ["V1", "V2", "V3"]),
        ("LCx", "posterior", [], ["V1", "V2", "V3", "V4"]),
        ("LCx", "inferior", ["II", "III", "aVF"], ["V2", "V3"]),
    ],
)
def test_culprit_gives_its_textbook_pattern(occlusions, normals, artery, segment, up, down):
    _, table, found = occlusions
    of_segment = ((table["artery"] == artery) & (table["segment"] == segment)).to_numpy()
    columns = [f"j_{lead}" for lead in LEADS]
    change = found.loc[of_segment, columns].mean() - normals[2][columns].mean()
    assert all(change[f"j_{lead}"] > 0.01 for lead in up)
    assert all(change[f"j_{lead}"] < -0.01 for lead in down)


@pytest.mark.parametrize(
    ("artery", "segment", "low", "high"),
    [("RCA", "proximal", 0.0, 0.5), ("RCA", "distal", 0.5, 1.2), ("LCx", "inferior", 1.2, 4)],
)
def test_depression_in_v3_over_elevation_in_iii_tells_the_culprit(
    occlusions, normals, artery, segment, low, high
):
    _, table, found = occlusions
    rows = ((table["artery"] == artery) & (table["segment"] == segment)).to_numpy()
    change = {
        lead: found[f"j_{lead}"][rows].mean() - normals[2][f"j_{lead}"].mean()
        for lead in ("III", "V3")
    }
    assert low < -change["V3"] / change["III"] < high


def test_right_coronary_raises_iii_more_than_ii(occlusions):
    _, table, found = occlusions
    mean = found[(table["artery"] == "RCA").to_numpy()].mean()
    assert mean["j_III"] > mean["j_II"] + 0.03


def test_stemi_criteria_find_two_in_five_occlusions(occlusions):
    _, table, found = occlusions
    fired = meets_stemi_criteria(found)
    by_artery = {name: fired[(table["artery"] == name).to_numpy()].mean() for name in
                 ("LAD", "RCA", "LCx")}  # fmt: skip
    assert 0.35 < fired.mean() < 0.45
    assert by_artery["LAD"] > by_artery["RCA"] > by_artery["LCx"]
    assert by_artery["LCx"] < by_artery["LAD"] / 2


def test_stemi_criteria_are_specific_as_published(negatives):
    _, table, found = negatives
    fired = meets_stemi_criteria(found)
    assert 0.94 < 1 - fired.mean() < 0.98
    assert 0.96 < 1 - fired[is_normal(table)].mean() < 0.99


def test_severity_of_zero_leaves_no_elevation():
    X, _, _, table = make_omi(2000, prevalence=1.0, severity=0, return_table=True, random_state=0)
    assert (table["st_vector"] == 0).all()
    # As often as in normals that never had one: conduction and old infarcts raise ST by themselves.
    assert meets_stemi_criteria(features(X, table))[is_normal(table)].mean() < 0.04


@pytest.fixture(scope="module")
def ptbxl(data_dir):
    """The median beats of PTB-XL's ECGs without infarction, and their table."""
    data = load_ptbxl(data_dir / "ptbxl", positive="MI", negative=None)
    beats = MedianBeat(on_bad="nan").fit_transform(data.data)
    keep = np.isfinite(beats).all(axis=(1, 2)) & (data.target == 0)
    return beats[keep], data.table[keep]


def of_diagnosis(negatives, column, name):
    """The beats and features of simulated ECGs of a diagnosis, electrodes in place."""
    X, table, found = negatives
    keep = ((table[column] == name) & (table["placement"] == "in place")).to_numpy()
    return X[keep], found[keep]


def test_left_bundle_branch_block_goes_left_and_back_and_t_the_other_way(negatives):
    _, found = of_diagnosis(negatives, "conduction", "LBBB")
    middle = found.median()
    assert middle["qrs_duration"] >= 120
    assert all(middle[f"qrsarea_{lead}"] > 0 > middle[f"tamp_{lead}"] for lead in ("I", "V6"))
    assert all(middle[f"qrsarea_{lead}"] < 0 < middle[f"tamp_{lead}"] for lead in ("V1", "V2"))


def test_right_bundle_branch_block_ends_with_r_in_v1_and_s_in_i_and_v6(negatives):
    X, found = of_diagnosis(negatives, "conduction", "RBBB")
    late = np.median(X, axis=0)[:, 315:330]  # 30 to 60 ms after R
    assert late[LEAD["V1"]].max() > 0.3
    assert all(late[LEAD[lead]].min() < -0.15 for lead in ("I", "V6"))
    assert found["tamp_V1"].median() < 0


def test_left_anterior_fascicular_block_has_left_axis_and_s_to_v6(negatives):
    _, found = of_diagnosis(negatives, "conduction", "LAFB")
    assert found["qrs_axis"].between(-90, -30).mean() > 0.8
    assert (found["qrs_duration"] < 120).mean() > 0.9
    middle = found.median()
    assert all(-middle[f"samp_{lead}"] > middle[f"ramp_{lead}"] for lead in ("II", "III", "aVF"))
    assert middle["samp_V6"] < -0.1


def test_paced_beats_come_up_from_the_apex(negatives):
    _, found = of_diagnosis(negatives, "conduction", "paced")
    middle = found.median()
    assert middle["qrs_duration"] >= 140
    for lead in ("II", "III", "aVF", "V4"):
        assert middle[f"qrsarea_{lead}"] < 0 < middle[f"tamp_{lead}"]


def test_hypertrophied_hearts_reach_the_voltage_of_sokolow_and_lyon(negatives, normals):
    _, found = of_diagnosis(negatives, "confounder", "LVH")
    share = {}
    for name, ecgs in (("LVH", found), ("normal", normals[2])):
        voltage = ecgs[["ramp_V5", "ramp_V6"]].max(axis=1) - ecgs["samp_V1"]
        share[name] = (voltage >= 3.5).mean()
    assert share["LVH"] > 0.35
    assert share["normal"] < 0.1


@pytest.mark.parametrize(
    ("column", "name", "codes", "least"),
    [
        ("conduction", "LAFB", {"LAFB"}, 0.9),
        ("conduction", "LBBB", {"CLBBB"}, 0.85),
        ("confounder", "LVH", {"LVH", "VCLVH"}, 0.9),
        ("confounder", "T change", {"NDT", "NT_", "NST_", "INVT"}, 0.95),
        ("confounder", "ST depression", {"STD_", "ISC_", "ISCAL", "ISCIL"}, 0.95),
    ],
)
def test_median_beats_of_diagnoses_are_those_of_ptbxl(negatives, ptbxl, column, name, codes, least):
    X, _ = of_diagnosis(negatives, column, name)
    beats, table = ptbxl
    others = {"CLBBB", "CRBBB", "PACE", "IVCD", "LAFB", "IRBBB"} - codes
    real = [bool(codes & set(found)) and not others & set(found) for found in table["scp_codes"]]
    simulated, real = (np.median(part, axis=0)[:, 250:500] for part in (X, beats[real]))
    assert np.corrcoef(simulated.ravel(), real.ravel())[0, 1] > least


# -- beats and recordings --------------------------------------------------------------------


def test_next_beat_is_in_view_only_when_the_heart_is_fast(occlusions):
    X, table, _ = occlusions
    plain = is_normal(table)
    late = np.abs(np.diff(X[:, :, 480:], axis=-1)).max(axis=(1, 2))  # 360 to 600 ms after R
    fast, slow = table["rate"].to_numpy() > 115, table["rate"].to_numpy() < 75
    assert np.median(late[plain & fast]) > 3 * np.median(late[plain & slow])


def rr_intervals(X):
    """Find the beats of recordings by their steepness: intervals in samples, by recording."""
    for recording in np.diff(X, axis=-1):
        steepness = np.convolve(np.sqrt(np.square(recording).mean(axis=0)), np.ones(40) / 40)
        height = 0.4 * np.quantile(steepness, 0.98)
        yield np.diff(find_peaks(steepness, height=height, distance=125)[0])


def test_recordings_have_beats_at_the_stated_rate(recordings):
    X, _, _, table = recordings
    rates = np.array([60 * 500 / np.median(intervals) for intervals in rr_intervals(X)])
    steady = (table["rhythm"] == "sinus").to_numpy()
    near = np.abs(rates / table["rate"].to_numpy() - 1) < 0.08
    assert near[steady].mean() > 0.9


def test_medians_of_recordings_are_the_beats_of_the_same_patients(recordings):
    X, *_ = recordings
    beats, *_ = make_omi(60, prevalence=0.3, random_state=2)
    medians = MedianBeat().fit_transform(X)
    core = slice(220, 480)
    size = np.abs(beats[..., core]).max(axis=(1, 2))
    away = np.abs(medians - beats)[..., core].mean(axis=(1, 2)) / size
    assert np.median(away) < 0.02
    assert np.quantile(away, 0.9) < 0.06
