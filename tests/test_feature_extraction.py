import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skecg import _features, feature_extraction
from skecg._delineation import wave_bounds
from skecg.feature_extraction import BeatFeatures, add_patient, is_feature_table
from skecg.leads import LEADS

# q, R and S as triangles: (ms after R, mV). The QRS lasts 80 ms.
QRS = [(-40, 0), (-32, -0.2), (-24, 0), (0, 1.2), (24, 0), (32, -0.5), (40, 0)]
STATISTICS = ("min", "max", "mean", "std", "first", "last")


def make_beat(qrs=QRS, st=0.0, slope=0.0, t=0.0, n_times=600, r_index=300, sampling_rate=500):
    """Draw one lead: a QRS of straight lines, an ST line from its end, a half-sine T wave.

    `st` in mV, `slope` in mV/s up to 150 ms after R, `t` in mV from 160 to 360 ms after R.
    """
    ms = (np.arange(n_times) - r_index) * 1000 / sampling_rate
    lead = np.interp(ms, *np.transpose(qrs))
    end = qrs[-1][0]
    lead += np.where((ms >= end) & (ms < 150), st + slope * (ms - end) / 1000, 0)
    return lead + t * np.sin(np.pi * np.clip((ms - 160) / 200, 0, 1))


def make_beats(n_samples=40, n_leads=12, n_times=600, r_index=300, seed=0):
    """Draw beats that differ in every lead, with noise of 10 uV."""
    rng = np.random.default_rng(seed)
    size = (n_samples, n_leads, 1)
    beats = rng.normal(0, 1, size) * make_beat(n_times=n_times, r_index=r_index)
    beats += rng.normal(0, 0.2, size) * make_beat(QRS, 1, 2, n_times=n_times, r_index=r_index)
    beats += rng.normal(0, 0.4, size) * make_beat([(0, 0)], t=1, n_times=n_times, r_index=r_index)
    return (beats + rng.normal(0, 0.01, beats.shape)).astype(np.float32)


def features_of(lead, **params):
    """Return the features of one lead as a dict without the lead's name."""
    table = BeatFeatures(**params).set_output(transform="pandas").fit_transform(lead[None])
    return {name.removesuffix("_lead0"): value for name, value in table.iloc[0].items()}


BEATS = make_beats()


# --- constructed beats with known answers


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("qamp", -0.2),
        ("ramp", 1.2),
        ("samp", -0.5),
        ("qrsarea", -0.2 * 8 + 1.2 * 24 - 0.5 * 8),  # mV ms: half base times height
        ("j", 0.0),
        ("st80", 0.0),
        ("stslope", 0.0),
        ("starea", 0.0),
        ("tamp", 0.3),
        ("tarea", 0.3 * 200 * 2 / np.pi),
    ],
)
def test_feature_of_a_beat_with_flat_st_is_known(feature, expected):
    assert features_of(make_beat(t=0.3))[feature] == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("level", [-0.3, 0.05, 0.4])
@pytest.mark.parametrize("feature", ["j", "st40", "st60", "st80", "starea", "stslope"])
def test_flat_st_is_measured_at_its_level(feature, level):
    expected = {"starea": 80 * level, "stslope": 0}.get(feature, level)
    lead = make_beat([*QRS[:-1], (40, level), (40.1, 0)], st=level)
    assert features_of(lead)[feature] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("slope", [-2.0, 1.0, 3.0])
def test_st_slope_is_in_mv_a_second(slope):
    assert features_of(make_beat(slope=slope))["stslope"] == pytest.approx(slope, rel=1e-4)


def test_st_amplitudes_lie_on_the_st_line_at_their_times():
    found = features_of(make_beat(slope=2.0))
    differences = [found[name] - found["j"] for name in ("st40", "st60", "st80")]
    assert_allclose(differences, [0.08, 0.12, 0.16], atol=1e-5)


@pytest.mark.parametrize("amplitude", [-0.8, -0.1, 0.1, 1.5])
def test_t_amplitude_keeps_its_sign(amplitude):
    assert features_of(make_beat(t=amplitude))["tamp"] == pytest.approx(amplitude, rel=1e-3)


@pytest.mark.parametrize(
    ("qrs", "expected"),
    [
        ([(-40, 0), (0, 1), (40, 0)], {"ramp": 1}),
        ([(-40, 0), (0, -1), (40, 0)], {"qamp": -1, "samp": -1}),
        ([(-40, 0), (-30, 0.3), (-20, 0), (0, -2), (40, 0)], {"ramp": 0.3, "samp": -2}),
        ([(-40, 0), (-20, -0.6), (0, 1), (40, 0)], {"qamp": -0.6, "ramp": 1}),
        (QRS, {"qamp": -0.2, "ramp": 1.2, "samp": -0.5}),
        (
            [(-60, 0), (-40, 0.4), (-28, 0), (0, -0.8), (28, 0), (44, 0.6), (60, 0)],
            {"ramp": 0.4, "samp": -0.8, "r2amp": 0.6},
        ),
        (
            [(-60, 0), (-44, 0.5), (-30, 0), (-20, -0.3), (-10, 0), (10, 0.8), (30, 0), (44, -0.4),
             (60, 0)],
            {"ramp": 0.5, "samp": -0.3, "r2amp": 0.8, "s2amp": -0.4},
        ),
        # A notch above zero parts no wave, and one of 20 uV is none.
        ([(-40, 0), (-20, 0.8), (-4, 0.3), (10, 1), (40, 0)], {"ramp": 1}),
        ([(-40, 0), (-34, -0.02), (-28, 0), (0, 1), (40, 0)], {"ramp": 1}),
    ],
    ids=["R", "QS", "rS", "QR", "qRs", "rSR'", "RSR'S'", "notched", "too small a Q"],
)  # fmt: skip
def test_shapes_of_the_qrs_have_their_waves_and_no_others(qrs, expected):
    found = features_of(make_beat(qrs))
    amplitudes = dict.fromkeys(["qamp", "ramp", "samp", "r2amp", "s2amp"], 0.0) | expected
    assert {name: found[name] for name in amplitudes} == pytest.approx(amplitudes, abs=1e-6)


@pytest.mark.parametrize(
    ("feature", "ms"), [("qdur", 16), ("rdur", 48), ("sdur", 16), ("r2dur", 0), ("s2dur", 0)]
)
def test_durations_of_the_waves_reach_from_crossing_to_crossing(feature, ms):
    # The crossings themselves lie on samples, which are zero and belong to no wave.
    assert features_of(make_beat())[feature] == pytest.approx(ms, abs=2)


@pytest.mark.parametrize("top", [-10, 0, 16])
def test_vat_is_the_time_from_onset_to_the_top_of_r(top):
    lead = make_beat([(-40, 0), (top, 1), (40, 0)])
    assert features_of(lead)["vat"] == pytest.approx(top + 40, abs=4)


def test_vat_is_to_the_higher_of_r_and_r_prime():
    lead = make_beat([(-60, 0), (-40, 0.4), (-28, 0), (0, -0.8), (28, 0), (44, 0.6), (60, 0)])
    assert features_of(lead)["vat"] == pytest.approx(104, abs=4)


def test_vat_is_nan_without_an_r():
    assert np.isnan(features_of(make_beat([(-40, 0), (0, -1), (40, 0)]))["vat"])


def test_st_elevation_that_follows_a_qs_is_no_r():
    lead = make_beat([(-40, 0), (0, -1), (30, 0), (40, 0.2), (40.1, 0)], st=0.2)
    found = features_of(lead)
    assert found["ramp"] == 0
    assert found["j"] == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("half_width", [30, 40, 50, 70, 90, 110])
def test_qrs_duration_is_the_width_of_a_triangle_within_16_ms(half_width):
    lead = make_beat([(-half_width, 0), (0, 1), (half_width, 0)], t=0.2)
    assert features_of(lead)["qrs_duration"] == pytest.approx(2 * half_width, abs=16)


def qrs_bounds(beats):
    bounds = wave_bounds(beats, 300, 500)
    return bounds["qrs_on"], bounds["qrs_off"]


def test_qrs_bounds_take_the_earliest_and_the_latest_lead():
    early = make_beat([(-60, 0), (-40, 1), (-20, 0)])
    late = make_beat([(-10, 0), (30, -1), (70, 0)])
    onset, offset = qrs_bounds(np.stack([early, late])[None])
    assert_allclose([onset[0], offset[0]], [270, 335], atol=4)


def test_qrs_bounds_are_blind_to_polarity():
    signs = np.where(np.arange(12) % 2, 1, -1)[:, None]
    assert_array_equal(qrs_bounds(BEATS), qrs_bounds(BEATS * signs))


def test_qrs_bounds_ignore_the_amplifier_gain():
    assert_array_equal(qrs_bounds(BEATS), qrs_bounds(BEATS * 4))


@pytest.mark.parametrize("peak", [0.3, 0.6, 1.0])
def test_j_stays_where_the_st_climbs_into_a_hyperacute_t(peak):
    climbing = make_beat() + np.interp(np.arange(600), [320, 430, 480], [0, peak, 0])
    moved = features_of(climbing)["qrs_duration"] - features_of(make_beat())["qrs_duration"]
    assert abs(moved) <= 10


def test_noise_of_20_uv_moves_the_qrs_duration_by_less_than_10_ms():
    rng = np.random.default_rng(0)
    noisy = make_beat() + rng.normal(0, 0.02, (50, 12, 600))
    table = BeatFeatures().set_output(transform="pandas").fit_transform(noisy)
    assert np.abs(table["qrs_duration"] - features_of(make_beat())["qrs_duration"]).max() < 10


def test_t_wave_ends_before_the_next_qrs():
    ms = (np.arange(600) - 300) * 2
    t_wave = 0.3 * np.sin(np.pi * np.clip((ms - 110) / 180, 0, 1))
    following = np.interp(ms, [360, 400, 440], [0, 2, 0])
    assert features_of(make_beat() + t_wave + following)["tamp"] == pytest.approx(0.3, rel=1e-3)


def test_zero_is_the_level_before_the_qrs_in_each_lead():
    table = BeatFeatures().fit(BEATS)
    shift = np.arange(12, dtype=np.float32)[:, None] / 4
    assert_allclose(table.transform(BEATS + shift), table.transform(BEATS), rtol=2e-3, atol=1e-3)


def test_zero_level_ignores_one_spike_in_the_pq_segment():
    lead = make_beat(st=0.1)
    lead[272] += 0.02
    assert features_of(lead)["st80"] == pytest.approx(0.1, abs=1e-6)


def test_flat_beat_has_no_waves_and_no_features():
    assert np.isnan(BeatFeatures().fit_transform(np.zeros((1, 12, 600)))).all()


# --- intervals, T wave and RMS of a beat whose corners are known

# P from -200 to -100 ms, a trapezium of 0.1 mV; QRS 80 ms; T as a half sine from 160 to 360 ms.
TRAPEZIUM = np.interp((np.arange(600) - 300) * 2, [-200, -170, -130, -100], [0, 0.1, 0.1, 0])
TRIANGLE = [(-40, 0), (0, 1.2), (40, 0)]


@pytest.mark.parametrize(
    ("feature", "expected", "tolerance"),
    [
        ("p_duration", 100, 8),
        ("pr_interval", 160, 8),
        ("qrs_duration", 80, 8),
        ("qt_interval", 400, 8),
        ("jt_interval", 320, 8),
        ("tpte", 100, 8),
        ("t_symmetry", 1, 0.1),
        ("tsymmetry", 1, 0.1),
        ("pamp", 0.1, 1e-3),
        ("parea", 0.1 * 70, 0.02),
        ("qrsptp", 1.2, 1e-3),
        ("tqrs", 0.3 / 1.2, 1e-3),
        ("rms_qrs", 1.2, 1e-3),
        ("rms_t", 0.3, 1e-3),
        ("rms_t_qrs", 0.3 / 1.2, 1e-3),
        ("rms_st", 0, 1e-3),
        ("rms_min", 0, 1e-3),
        # A half sine of 200 ms in 320 ms: mean and mean square.
        ("rms_mean", 0.3 * 2 / np.pi * 200 / 320, 3e-3),
        ("rms_var", 0.3**2 / 2 * 200 / 320 - (0.3 * 2 / np.pi * 200 / 320) ** 2, 1e-3),
    ],
)
def test_feature_of_a_beat_with_p_qrs_and_t_is_known(feature, expected, tolerance):
    found = features_of(make_beat(TRIANGLE, t=0.3) + TRAPEZIUM)
    assert found[feature] == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("sign", [-1, 1])
def test_amplitude_of_p_keeps_its_sign(sign):
    found = features_of(make_beat(TRIANGLE, t=0.3) + sign * TRAPEZIUM)
    assert (found["pamp"], found["parea"]) == pytest.approx((sign * 0.1, sign * 7), rel=5e-3)


def test_without_a_p_wave_its_features_are_nan_and_no_others():
    found = features_of(make_beat(TRIANGLE, t=0.3))
    missing = {name for name, value in found.items() if np.isnan(value)}
    assert missing == {"p_duration", "pr_interval", "pamp", "parea"}


def test_without_a_t_wave_its_features_are_nan_and_those_of_the_qrs_are_not():
    found = features_of(make_beat(TRIANGLE) + TRAPEZIUM)
    assert np.isnan([found[name] for name in ("tamp", "qt_interval", "tpte", "rms_mean")]).all()
    assert np.isfinite([found[name] for name in ("ramp", "st80", "qrs_duration", "pamp")]).all()


def test_a_t_wave_whose_end_is_not_in_the_beat_has_an_amplitude_and_no_end(monkeypatch):
    def cut(beats, r_index, sampling_rate):
        return wave_bounds(beats, r_index, sampling_rate) | {"t_off": np.full(len(beats), np.nan)}

    monkeypatch.setattr(_features, "wave_bounds", cut)
    found = features_of(make_beat(TRIANGLE, t=0.3))
    assert found["tamp"] == pytest.approx(0.3, rel=1e-3)
    assert np.isnan([found[name] for name in ("qt_interval", "jt_interval", "tpte", "tarea")]).all()


def test_t_symmetry_is_the_fall_over_the_rise():
    ms = (np.arange(600) - 300) * 2
    found = features_of(make_beat(TRIANGLE) + np.interp(ms, [150, 300, 350], [0, 0.4, 0]))
    assert found["tsymmetry"] == pytest.approx(50 / 150, abs=0.06)


def test_stamp_is_the_median_of_the_st_segment():
    # Straight from J on: the median is the level 40 ms after it.
    found = features_of(make_beat(slope=2.0))
    assert found["stamp"] == pytest.approx(found["st40"], abs=1e-6)


def twelve(lead):
    """Return the features of a beat with the same course in all leads."""
    beats = np.broadcast_to(lead, (1, 12, len(lead)))
    return BeatFeatures().set_output(transform="pandas").fit_transform(beats).iloc[0]


@pytest.mark.parametrize("power", [0.8, 1, 2, 3])
def test_concavity_is_the_largest_gap_between_chord_and_st(power):
    ms = (np.arange(600) - 300) * 2
    rise = np.clip((ms - 40) / 260, 0, 1) ** power * np.interp(ms, [300, 380], [1, 0])
    found = twelve(make_beat(TRIANGLE) + 0.5 * rise)
    x = np.linspace(0, 1, 1001)
    gap = (x - x**power)[np.abs(x - x**power).argmax()]
    expected = [0.5 * gap] * 3
    names = ["concavity_lateral", "concavity_anterior", "concavity_inferior"]
    assert_allclose(found[names].astype(float), expected, atol=0.03)


@pytest.mark.parametrize(
    ("region", "leads"),
    [
        ("lateral", ["I", "aVL", "V5", "V6"]),
        ("anterior", ["V1", "V2", "V3", "V4"]),
        ("inferior", ["II", "III", "aVF"]),
    ],
)
def test_concavity_of_a_region_is_the_mean_of_its_leads(region, leads):
    ms = (np.arange(600) - 300) * 2
    straight = np.interp(ms, [40, 300, 380], [0, 0.5, 0])
    sagging = np.interp(ms, [40, 170, 300, 380], [0, 0.1, 0.5, 0])
    beat = np.array([straight + (sagging - straight) * (name in leads) for name in LEADS])
    beat += make_beat(TRIANGLE)
    found = BeatFeatures().set_output(transform="pandas").fit_transform(beat[None]).iloc[0]
    regions = dict.fromkeys(["lateral", "anterior", "inferior"], 0.0) | {region: 0.15}
    assert {name: found[f"concavity_{name}"] for name in regions} == pytest.approx(
        regions, abs=0.02
    )


def test_inflection_of_t_is_where_it_rises_most_steeply():
    # A half sine is steepest at its beginning; this rise is steepest in its middle.
    ms = (np.arange(600) - 300) * 2
    rise = (1 - np.cos(np.pi * np.clip((ms - 150) / 150, 0, 1))) / 2
    found = twelve(make_beat(TRIANGLE) + 0.4 * rise * np.interp(ms, [300, 380], [1, 0]))
    assert found["t_inflection_amp"] == pytest.approx(0.2, abs=0.03)
    # The same level in I and aVF.
    assert found["t_inflection_axis"] == pytest.approx(np.degrees(np.arctan(2 / np.sqrt(3))))
    expected = found["t_inflection_amp"] * np.hypot(1, 2 / np.sqrt(3))
    assert found["t_inflection_magnitude"] == pytest.approx(expected, rel=1e-4)


def test_scores_of_a_beat_are_those_of_its_leads():
    beats = np.tile(make_beat(), (1, 12, 1))
    beats[0, 6:9] += 0.25 * ((np.arange(600) > 320) & (np.arange(600) < 400))  # ST in V1 to V3
    beats[0, 6:9, 310:321] = np.interp(np.arange(11), [0, 10], [beats[0, 6, 310], 0.25])
    found = BeatFeatures().set_output(transform="pandas").fit_transform(beats).iloc[0]
    assert found["aldrich_anterior"] == pytest.approx(3 * (1.5 * 3 - 0.4))
    assert found["aldrich_inferior"] == 0


# --- age, sex and heart rate


@pytest.fixture
def table():
    return pd.DataFrame(
        {"qt_interval": [400.0, 360.0, 320.0], "jt_interval": [300.0, 270.0, 240.0]}
    )


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("qtc_bazett", [400, 440.9, 413.1]),
        ("qtc_fridericia", [400, 412.1, 379.4]),
        ("qtc_framingham", [400, 411.3, 381.6]),
        ("qtc_hodges", [400, 412.5, 390.0]),
        ("jtc", [300, 330.7, 309.8]),
    ],
)
def test_intervals_are_corrected_for_the_heart_rate(table, column, expected):
    found = add_patient(table, heart_rate=[60, 90, 100])
    assert found["heart_rate"].tolist() == [60, 90, 100]
    assert_allclose(found[column], expected, atol=0.05)


def test_only_what_is_given_becomes_a_column_and_the_table_is_left_alone(table):
    before = table.copy()
    assert list(add_patient(table, age=[50, np.nan, 89])) == [*before, "age"]
    assert list(add_patient(table)) == list(before)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    "sex",
    [
        ["male", "female", None],
        ["M", "F", np.nan],
        [0, 1, np.nan],
        np.array(["m", "Female", None], dtype=object),
        pd.Series(["Male", "f", None], index=[7, 8, 9]),
    ],
    ids=str,
)
def test_sex_becomes_0_for_men_and_1_for_women(table, sex):
    assert_array_equal(add_patient(table, sex=sex)["sex"], [0, 1, np.nan])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"age": [50, 300, 20]}, r"age is 300 in row 1.*PTB-XL"),
        ({"age": [-1, 50, 20]}, "age is -1 in row 0"),
        ({"sex": ["M", "F", "W"]}, "sex is 'W' in row 2"),
        ({"sex": [0, 1, 2]}, "sex is 2 in row 2"),
        ({"heart_rate": [60, 0, 60]}, "heart_rate is 0 in row 1"),
        ({"age": [50, 60]}, "age has 2 values for 3 rows"),
        ({"sex": ["M"]}, "sex has 1 values for 3 rows"),
    ],
)
def test_values_of_patients_that_cannot_be_are_refused(table, given, message):
    with pytest.raises(ValueError, match=message):
        add_patient(table, **given)


def test_a_frame_is_a_table_by_its_columns():
    found = BeatFeatures().set_output(transform="pandas").fit_transform(BEATS)
    assert is_feature_table(found)
    assert is_feature_table(found[["st80_V2"]].assign(age=50))
    assert not is_feature_table(pd.DataFrame({"age": [50], "sex": [1]}))
    assert not is_feature_table(BEATS)


# --- where R is


def test_crop_of_400_samples_has_the_same_features():
    whole, crop = (BeatFeatures().fit_transform(x) for x in (BEATS, BEATS[..., 150:550]))
    assert_allclose(whole, crop, rtol=1e-3, atol=1e-3)


def test_given_r_index_serves_beats_of_any_length():
    found = BeatFeatures(r_index=270).fit_transform(BEATS[..., 30:580])
    assert_allclose(found, BeatFeatures().fit_transform(BEATS), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sampling_rate", [250, 1000])
def test_sampling_rate_does_not_change_the_features_much(sampling_rate):
    factor = sampling_rate / 500
    size = {"n_times": int(600 * factor), "r_index": int(300 * factor)}
    other = make_beat(slope=2, t=0.3, sampling_rate=sampling_rate, **size)
    found = features_of(other, sampling_rate=sampling_rate, r_index=size["r_index"])
    expected = features_of(make_beat(slope=2, t=0.3))
    for name in ("ramp", "samp", "qrsarea", "st80", "stslope", "tamp", "tarea"):
        assert found[name] == pytest.approx(expected[name], rel=0.05, abs=0.02), name
    assert found["qrs_duration"] == pytest.approx(expected["qrs_duration"], abs=8)


@pytest.mark.parametrize("shape", [(5, 1), (5, 2), (5, 10), (5, 599), (5, 12, 7)])
def test_rows_that_are_no_beats_have_statistics_of_each_lead(shape):
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    features = BeatFeatures().fit(X)
    assert features.r_index_ is None
    table = features.set_output(transform="pandas").transform(X)
    assert {name.split("_")[0] for name in table} == set(STATISTICS)
    leads = X[:, None] if X.ndim == 2 else X
    expected = [
        leads.min(2),
        leads.max(2),
        leads.mean(2),
        leads.std(2),
        leads[..., 0],
        leads[..., -1],
    ]
    assert_allclose(table, np.concatenate(expected, axis=1), rtol=1e-5, atol=1e-6)


def test_default_r_index_holds_at_500_hz_only():
    assert BeatFeatures(sampling_rate=250).fit(BEATS).r_index_ is None


@pytest.mark.parametrize("r_index", [0, 99, 376, 600, -300])
def test_r_index_with_too_little_around_it_raises(r_index):
    with pytest.raises(ValueError, match="200 ms before R to 450 ms after"):
        BeatFeatures(r_index=r_index).fit(BEATS)


@pytest.mark.parametrize("r_index", [100, 375])
def test_r_index_with_just_enough_around_it_works(r_index):
    assert BeatFeatures(r_index=r_index).fit_transform(BEATS).shape == (40, 375)


@pytest.mark.parametrize("params", [{"r_index": 300.0}, {"r_index": True}, {"sampling_rate": 0}])
def test_parameter_that_is_no_such_number_raises(params):
    with pytest.raises(ValueError, match="is not"):
        BeatFeatures(**params).fit(BEATS)


# --- scikit-learn's ways


def test_twelve_leads_give_their_names_to_the_columns():
    names = BeatFeatures().fit(BEATS).get_feature_names_out()
    assert {"qrs_duration", "j_V2", "st80_III", "tamp_aVL", "ramp_aVR", "tcrt"} <= set(names)
    by_lead = [name for name in names if name.split("_")[-1] in LEADS]
    assert len(set(names)) == len(names) == 63 + 26 * 12
    assert len(by_lead) == 26 * 12
    assert set(names[:63]).isdisjoint(by_lead)


def test_other_leads_are_numbered():
    names = BeatFeatures().fit(BEATS[:, :2]).get_feature_names_out()
    assert [name for name in names if name.startswith("j_")] == ["j_lead0", "j_lead1"]


def test_every_column_belongs_to_the_lead_of_its_name():
    one = np.zeros_like(BEATS)
    one[:, 4] = BEATS[:, 4]
    table = BeatFeatures().set_output(transform="pandas").fit_transform(one)
    by_lead = [name for name in table if name.split("_")[-1] in LEADS]
    assert {name for name in by_lead if table[name].fillna(0).any()} <= {
        name for name in by_lead if name.endswith("_aVL")
    }


def test_pandas_output_keeps_the_index_of_a_frame():
    frame = pd.DataFrame(BEATS[:, 0], index=[f"id{i}" for i in range(40)])
    frame.columns = frame.columns.astype(str)
    table = BeatFeatures().set_output(transform="pandas").fit_transform(frame)
    assert list(table.index) == list(frame.index)


def test_two_dimensions_mean_one_lead():
    flat, deep = BEATS[:, 0], BEATS[:, :1]
    assert_array_equal(BeatFeatures().fit_transform(flat), BeatFeatures().fit_transform(deep))


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.float64),
        np.asfortranarray,
        lambda x: x.tolist(),
        lambda x: x[:, :, ::-1].copy()[:, :, ::-1],
        lambda x: np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0),
    ],
    ids=["float64", "F-order", "list", "reversed", "transposed"],
)
def test_kind_of_array_changes_no_bit(convert):
    features = BeatFeatures().fit(BEATS)
    assert_array_equal(features.transform(convert(BEATS)), features.transform(BEATS))


def test_integers_are_taken_as_their_values():
    counts = (BEATS * 1000).astype(np.int16)
    features = BeatFeatures().fit(counts)
    assert_array_equal(features.transform(counts), features.transform(counts.astype(float)))


def test_read_only_memmap_is_read_and_left_alone(tmp_path):
    np.save(tmp_path / "beats.npy", BEATS)
    mapped = np.load(tmp_path / "beats.npy", mmap_mode="r")
    found = BeatFeatures().fit_transform(mapped)
    assert_array_equal(found, BeatFeatures().fit_transform(BEATS))


def test_input_is_not_changed():
    beats = BEATS.astype(np.float64)
    before = beats.copy()
    BeatFeatures().fit_transform(beats)
    assert_array_equal(beats, before)


@pytest.mark.parametrize("columns", [slice(None), slice(150, 550), slice(0, 100), slice(0, 2)])
@pytest.mark.parametrize("n_leads", [1, 12])
def test_features_do_not_depend_on_the_other_ecgs(columns, n_leads):
    X = BEATS[:, :n_leads, columns]
    features = BeatFeatures().fit(X)
    whole = features.transform(X)
    order = np.random.default_rng(1).permutation(len(X))
    assert_array_equal(features.transform(X[order]), whole[order])
    assert_array_equal(features.transform(X[7:20]), whole[7:20])
    single = np.concatenate([features.transform(row[None]) for row in X])
    assert_array_equal(single, whole)


@pytest.mark.parametrize("next_r", range(420, 521, 10))
def test_fast_heart_and_the_others_do_not_touch_each_other(next_r):
    knots = [next_r - 20, next_r, next_r + 20]
    fast = BEATS[:5] + np.interp(np.arange(600), knots, [0, 5, 0]).astype(np.float32)
    features = BeatFeatures().fit(BEATS)
    found = features.transform(np.concatenate([fast, BEATS]))
    assert_array_equal(found[:5], features.transform(fast))
    assert_array_equal(found[5:], features.transform(BEATS))


def test_size_of_the_chunks_changes_no_bit(monkeypatch):
    whole = BeatFeatures().fit_transform(BEATS)
    monkeypatch.setattr(feature_extraction, "_CHUNK", 7)
    assert_array_equal(BeatFeatures().fit_transform(BEATS), whole)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_or_infinity_names_the_row(value):
    bad = BEATS.copy()
    bad[3, 5, 100] = value
    features = BeatFeatures().fit(BEATS)
    for method in (features.fit, features.transform):
        with pytest.raises(ValueError, match=r"NaN or infinity in 1 of 40 rows \(3\)"):
            method(bad)


def test_wrong_number_of_leads_raises():
    with pytest.raises(ValueError, match="X has 8 leads, but BeatFeatures is expecting 12 leads"):
        BeatFeatures().fit(BEATS).transform(BEATS[:, :8])


def test_wrong_number_of_samples_raises():
    with pytest.raises(ValueError, match=r"400 samples a lead.* expecting 600"):
        BeatFeatures().fit(BEATS).transform(BEATS[..., :400])


def test_four_dimensions_raise():
    with pytest.raises(ValueError, match=r"give \(n_samples, n_leads, n_times\)"):
        BeatFeatures().fit(BEATS[None])


@pytest.mark.parametrize(
    "call", [lambda f: f.transform(BEATS), lambda f: f.get_feature_names_out()]
)
def test_unfitted_transformer_raises(call):
    with pytest.raises(NotFittedError):
        call(BeatFeatures())


def test_fit_leaves_the_parameters_alone():
    features = BeatFeatures(r_index=300)
    before = features.get_params()
    assert features.fit(BEATS) is features
    assert features.get_params() == before == {"r_index": 300, "sampling_rate": 500}


def test_clone_and_pickle_compute_the_same():
    features = BeatFeatures(r_index=290).fit(BEATS)
    expected = features.transform(BEATS)
    assert_array_equal(clone(features).fit_transform(BEATS), expected)
    assert_array_equal(pickle.loads(pickle.dumps(features)).transform(BEATS), expected)


def test_forest_on_the_statistics_of_two_columns_tells_blobs_apart():
    X, y = make_blobs(n_samples=300, random_state=0)  # as scikit-learn's check of classifiers
    X = StandardScaler().fit_transform(X)
    forest = make_pipeline(BeatFeatures(), RandomForestClassifier(20, random_state=0))
    assert forest.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.83


# --- real recordings


@pytest.fixture(scope="module")
def ludb(data_dir, wfdb):
    """Median beats of LUDB and the cardiologists' global QRS onset and offset, in ms after R.

    Global: the second earliest and the second latest of the twelve leads, each the median over
    the beats, so that one lead marked out of line does not decide.
    """

    beats, marks = [], []
    for header in sorted((data_dir / "ludb" / "data").glob("*.hea"))[:40]:
        record = str(header.with_suffix(""))
        # The headers' gains scale every lead to a range of 1 mV; one count is 1 uV, as
        # I + III = II holds exactly in counts.
        signal = wfdb.rdrecord(record, physical=False).d_signal.T / 1000
        with warnings.catch_warnings():  # wfdb 4.3 with pandas 3
            warnings.filterwarnings("ignore", "The inplace keyword", DeprecationWarning)
            qrs = {lead: _marked_qrs(wfdb.rdann(record, lead.lower())) for lead in LEADS}
        r = np.array([peak for peak in qrs["II"][:, 1] if 300 <= peak <= 5000 - 300])
        if len(r) < 3:
            continue
        beats.append(np.median([signal[:, i - 300 : i + 300] for i in r], axis=0))
        nearest = [lead[np.abs(lead[:, 1] - r[:, None]).argmin(axis=1)] for lead in qrs.values()]
        by_lead = np.sort(np.median(nearest - r[:, None], axis=1), axis=0)
        marks.append([by_lead[1, 0], by_lead[-2, 2]])
    return np.array(beats), 2 * np.array(marks)


def _marked_qrs(annotation):
    symbols, samples = np.array(annotation.symbol), annotation.sample
    peaks = np.flatnonzero(symbols[1:-1] == "N") + 1
    peaks = peaks[(symbols[peaks - 1] == "(") & (symbols[peaks + 1] == ")")]
    return np.stack([samples[peaks - 1], samples[peaks], samples[peaks + 1]], axis=1)


def test_qrs_bounds_agree_with_the_marks_of_cardiologists(ludb):
    beats, marks = ludb
    found = (np.transpose(qrs_bounds(beats)) - 300) * 2
    error = found - marks
    assert len(error) >= 35
    # In ms. The marks are wide, about 110 ms from onset to offset, where the published median of
    # normal adults is 92 (men) and 86 ms (women): a bias inwards is right.
    assert (np.abs(error.mean(axis=0)) <= 12).all(), error.mean(axis=0)
    assert (error.std(axis=0) <= 12).all(), error.std(axis=0)


def test_real_beats_have_every_feature_and_amplitudes_near_the_normal_medians(ludb):
    table = BeatFeatures().set_output(transform="pandas").fit_transform(ludb[0])
    measured = [
        name for name in table if not name.startswith(("p_", "pr_", "pamp", "parea", "vat"))
    ]
    assert table[measured].notna().mean(axis=None) > 0.99  # patients in fibrillation have no P
    # Medians of normal men and women on PTB-XL: R in V5 1.60 and 1.28 mV, S in V2 -1.44 and
    # -1.23 mV, T in V5 0.43 and 0.31 mV; part of LUDB's patients are ill.
    medians = table[["ramp_V5", "samp_V2", "tamp_V5"]].median()
    assert_allclose(medians, [1.44, -1.33, 0.37], rtol=0.35)
