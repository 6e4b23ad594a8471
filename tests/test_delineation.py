import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import resample_poly

from skecg._delineation import WAVES, wave_bounds
from skecg.feature_extraction import delineate
from skecg.preprocessing import MedianBeat

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "bench_delineation.py"

T = np.arange(-300, 300) * 2.0  # ms from R
GAINS = np.cos(1.3 * np.arange(12))  # how much of each wave a lead sees


def trapezium(on, off, height):
    return np.interp(
        T, [on, on + 0.3 * (off - on), off - 0.3 * (off - on), off], [0, *[height] * 2, 0]
    )


def triangle(width, height=1.0):
    return np.interp(T, [-width / 2, 0, width / 2], [0, height, 0])


def half_sine(on, off, height):
    return height * np.sin(np.pi * np.clip((T - on) / (off - on), 0, 1))


P, QRS, T_WAVE = trapezium(-210, -110, 0.15), triangle(100), half_sine(170, 350, 0.3)


def known_beat(width):
    """Return P, QRS, a flat ST and T, and their boundaries in ms from R."""
    end = width / 2
    wave = trapezium(-end - 160, -end - 60, 0.15) + triangle(width)
    wave += half_sine(end + 120, end + 300, 0.3)
    ends = {"p_on": -end - 160, "p_off": -end - 60, "qrs_on": -end, "qrs_off": end}
    return wave, ends | {"t_on": end + 120, "t_peak": end + 210, "t_off": end + 300}


def leads(*waves):
    """Return one ECG of twelve leads that see the sum of waves each in its own share."""
    return (GAINS[:, np.newaxis] * np.sum(waves, axis=0))[np.newaxis]


def bounds(beats):
    """Return the boundaries of one ECG in ms from R."""
    return delineate(beats).iloc[0].to_dict()


# --- beats known to the sample


@pytest.mark.parametrize("width", range(20, 141, 20))
def test_boundaries_of_an_exact_beat_are_found_within_one_sample(width):
    wave, ends = known_beat(width)
    found = bounds(leads(wave))
    assert {name: abs(found[name] - at) <= 2 for name, at in ends.items()} == dict.fromkeys(
        ends, True
    )


SECONDS = np.arange(5500) / 500
NOISES = {  # in mV, as IEC 60601-2-51 tests electrocardiographs with
    "none": lambda rng: np.zeros((12, 5500)),
    "white": lambda rng: rng.normal(0, 0.025, (12, 5500)),
    "mains": lambda rng: 0.025 * np.sin(2 * np.pi * (50 * SECONDS + rng.random((12, 1)))),
    "wander": lambda rng: 0.25 * np.sin(2 * np.pi * (0.3 * SECONDS + rng.random((12, 1)))),
}


@pytest.fixture(scope="module", params=NOISES)
def measured(request):
    """Median beats of recordings of known beats, and the boundaries."""
    rng = np.random.default_rng(0)
    beats, known = [], []
    for width in np.repeat(range(20, 141, 20), 3):
        wave, ends = known_beat(width)
        beat = leads(wave)[0, :, 50:550]
        beats.append(np.tile(beat, 11) + NOISES[request.param](rng))
        known.append(ends)
    return MedianBeat().fit_transform(np.array(beats)), pd.DataFrame(known)


def test_qrs_and_qt_of_known_beats_are_right_whatever_the_noise(measured):
    beats, known = measured
    found = delineate(beats)
    for on, off in (("qrs_on", "qrs_off"), ("qrs_on", "t_off")):
        error = (found[off] - found[on]) - (known[off] - known[on])
        assert abs(error.mean()) <= 6
        assert error.std() <= 8


def test_amplitudes_of_known_beats_are_right_whatever_the_noise(measured):
    beats, known = measured
    wide = known["qrs_off"] >= 30  # a low-pass filter takes height off narrower triangles
    beats = beats[wide]
    at = delineate(beats).add(600).div(2).astype(int)
    for beat, row in zip(beats, at.itertuples(), strict=True):
        beat = beat - beat[:, row.qrs_on - 8 : row.qrs_on].mean(axis=1, keepdims=True)
        qrs = beat[:, row.qrs_on : row.qrs_off]
        r = qrs[np.arange(12), np.abs(qrs).argmax(axis=1)]
        heights = {1.0: r, 0.15: beat[:, row.p_peak], 0.3: beat[:, row.t_peak]}
        for height, found in heights.items():
            assert_allclose(found, height * GAINS, rtol=0.05, atol=0.025)


@pytest.mark.parametrize("rate", [250, 400, 1000])
def test_boundaries_do_not_depend_on_the_sampling_rate(rate):
    at_500 = leads(P, QRS, T_WAVE)
    beats = resample_poly(at_500, rate, 500, axis=2)
    found = delineate(beats, rate, r_index=3 * rate // 5)
    assert_allclose(found, delineate(at_500), atol=8)


# --- waves of other kinds


@pytest.mark.parametrize(
    ("waves", "expected"),
    {
        "no P": ((QRS, T_WAVE), {"p_on": np.nan, "p_peak": np.nan, "p_off": np.nan, "t_off": 350}),
        "no T": ((P, QRS), {"p_on": -210, "t_on": np.nan, "t_peak": np.nan, "t_off": np.nan}),
        "T turned": ((P, QRS, -T_WAVE), {"t_on": 170, "t_peak": 260, "t_off": 350}),
        "T first up, then down": (
            (P, QRS, half_sine(150, 270, 0.3), half_sine(270, 360, -0.15)),
            {"p_on": -210, "t_on": 150, "t_off": 360},
        ),
        "T first down, then up": (
            (P, QRS, half_sine(150, 240, -0.12), half_sine(240, 370, 0.3)),
            {"t_on": 150, "t_peak": 305, "t_off": 370},
        ),
        "P of two humps": (
            (half_sine(-220, -150, 0.1), half_sine(-165, -90, 0.1), QRS, T_WAVE),
            {"p_on": -220, "p_off": -90},
        ),
        "T and U": ((P, QRS, T_WAVE, half_sine(390, 510, 0.05)), {"t_on": 170, "t_off": 350}),
        "T and the next P": (
            (P, QRS, half_sine(120, 290, 0.3), half_sine(330, 430, 0.2)),
            {"t_on": 120, "t_peak": 205, "t_off": 290},
        ),
        "T late": ((P, QRS, half_sine(300, 520, 0.3)), {"t_on": 300, "t_peak": 410, "t_off": 520}),
        "ST elevated": (
            (P, QRS, np.interp(T, [40, 50, 250, 350], [0, 0.3, 0.3, 0]), T_WAVE),
            {"qrs_on": -50, "t_off": 350},
        ),
        # Slopes of T are as steep as those of the QRS, which therefore cannot be known by them.
        "T taller than R": (
            (P, 0.6 * QRS, np.clip(half_sine(90, 390, 1), 0, None) ** 2),
            {"p_on": -210, "qrs_on": -50, "qrs_off": 50, "t_peak": 240},
        ),
        # ST and T are one, of which the highest sample looked at is the first.
        "tombstone": (
            (P, QRS, np.where(T >= 50, 0.5 * np.cos(np.pi * np.clip((T - 50) / 560, 0, 0.5)), 0)),
            {"qrs_on": -50, "qrs_off": 50, "t_off": 330},
        ),
    }.values(),
)
def test_waves_of_other_kinds_are_found(waves, expected):
    found = bounds(leads(*waves))
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=6, nan_ok=True)


def at_rate(rate):
    """Return a beat with its neighbours in view and its boundaries; QT follows Bazett."""
    rr, qt = 60000 / rate, 390 * np.sqrt(60 / rate)
    wave = np.zeros(600)
    for k in range(-2, 3):
        t = T - k * rr
        wave += np.interp(t, [-45, 0, 45], [0, 1, 0])
        wave += np.interp(t, [-195, -165, -125, -95], [0, 0.15, 0.15, 0])
        wave += 0.3 * np.sin(np.pi * np.clip((t + 45 - 0.55 * qt) / (0.45 * qt), 0, 1))
    return wave, {"p_on": -195, "p_off": -95, "qrs_on": -45, "qrs_off": 45, "t_off": qt - 45}


@pytest.mark.parametrize("rate", range(40, 131, 10))
def test_waves_of_neighbouring_beats_are_not_taken_for_its_own(rate):
    wave, expected = at_rate(rate)
    found = bounds(leads(wave))
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=10)


# --- which leads, which beats


@pytest.fixture(scope="module")
def noisy():
    """Eighty beats that differ, with noise of 10 uV."""
    rng = np.random.default_rng(0)
    size = rng.uniform(0.6, 1.4, (80, 3, 12, 1))
    waves = np.stack([P, QRS, T_WAVE])[:, np.newaxis]
    return (size * waves).sum(axis=1) * GAINS[:, np.newaxis] + rng.normal(0, 0.01, (80, 12, 600))


def test_each_beat_is_delineated_by_itself(noisy):
    alone = [delineate(beat[np.newaxis]) for beat in noisy]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), delineate(noisy))


def test_order_polarity_and_amplification_of_leads_make_no_difference(noisy):
    found = delineate(noisy)
    turned = noisy[:, ::-1] * (-1.0) ** np.arange(12)[:, np.newaxis]
    assert_allclose(delineate(turned), found, atol=2)  # another order of summation
    assert_allclose(delineate(2 * noisy)[["qrs_on", "qrs_off"]], found[["qrs_on", "qrs_off"]])


@pytest.mark.parametrize("value", [np.nan, 0.0, 0.3])
def test_flat_and_missing_leads_are_left_out(noisy, value):
    beats = noisy.copy()
    beats[:, [0, 7]] = value
    rest = np.delete(noisy, [0, 7], axis=1)
    assert_allclose(delineate(beats), delineate(rest), atol=2)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_rows_without_a_beat_are_nan_and_leave_others_alone(noisy, value):
    beats = noisy.copy()
    beats[3] = value
    found = delineate(beats)
    assert found.loc[3].isna().all()
    pd.testing.assert_frame_equal(found.drop(index=3), delineate(noisy).drop(index=3))


def test_an_end_beyond_the_end_of_the_beat_is_nan():
    found = bounds(leads(P, QRS, half_sine(220, 620, 0.3)))
    assert found["t_peak"] == pytest.approx(420, abs=6)
    assert np.isnan(found["t_off"])


def test_wave_bounds_are_the_samples_of_delineate(noisy):
    found = wave_bounds(noisy, 300, 500)
    assert tuple(found) == WAVES
    assert_array_equal(delineate(noisy), (np.transpose(list(found.values())) - 300) * 2)


# --- delineate


def test_beats_of_400_samples_have_r_at_150(noisy):
    found = delineate(noisy[:, :, 150:550])
    assert found.columns.to_list() == list(WAVES)
    assert_allclose(found, delineate(noisy), atol=6)


def test_two_dimensions_mean_one_lead(noisy):
    pd.testing.assert_frame_equal(delineate(noisy[:, 0]), delineate(noisy[:, :1]))


@pytest.mark.parametrize(
    ("shape", "params", "message"),
    [
        ((2, 12, 5000), {}, "not known where R is in beats of 5000 samples at 500 Hz"),
        ((2, 12, 600), {"sampling_rate": 1000}, "Give r_index"),
        ((2, 12, 600), {"r_index": 50}, "leaves 100 ms before R"),
        ((2, 12, 600), {"r_index": 300.0}, "is not the number of a sample"),
        ((2, 12, 600), {"sampling_rate": 0}, "is not a number of samples a second"),
        ((600,), {}, r"beats has shape \(600,\)"),
        ((0, 12, 600), {}, "beats has shape"),
    ],
)
def test_what_cannot_be_delineated_is_said(shape, params, message):
    with pytest.raises(ValueError, match=message):
        delineate(np.zeros(shape), **params)


# --- cardiologists' marks


@pytest.fixture(scope="module")
def ludb(data_dir, wfdb):
    """What is found in 100 records of LUDB and what cardiologists marked, in ms from R."""
    beats, _, reference = runpy.run_path(str(BENCHMARK))["ludb_beats"](data_dir / "ludb")
    return delineate(beats), reference


@pytest.mark.parametrize(
    ("name", "mean", "sd"),
    [("qrs_on", 6, 10), ("qrs_off", 8, 14), ("t_off", 12, 28), ("p_on", 10, 18)],
)
def test_boundaries_agree_with_cardiologists(ludb, name, mean, sd):
    found, reference = ludb
    error = found[name] - reference[name]
    assert abs(error.mean()) <= mean
    assert error.std() <= sd


def test_waves_are_found_where_cardiologists_marked_them(ludb):
    found, reference = ludb
    p, t = (found[name].notna() for name in ("p_on", "t_off"))
    marked = reference["p_on"].notna()
    assert t[reference["t_off"].notna()].mean() >= 0.98
    assert p[marked].mean() >= 0.95
    assert p[~marked].mean() <= 0.10
