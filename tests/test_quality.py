"""What `MedianBeat` promises of each fault that a recording can have."""

import numpy as np
import pytest
from simulated import bump, known_beat, record, wide_beat, with_r_in_the_middle

from skecg.io import ECG
from skecg.io._wfdb import read_wfdb
from skecg.preprocessing import MedianBeat, r_peaks

# I to V6 of an ordinary heart.
HEART = np.array([0.6, 0.8, 0.2, -0.7, 0.2, 0.5, -0.5, -0.3, 0.3, 0.9, 1.0, 0.8])
LIMB = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])


def twelve_leads(recording):
    """Make I to aVF of a recording follow from its I and II."""
    recording = recording.copy()
    recording[:6] = LIMB @ recording[:2]
    return recording


@pytest.fixture
def clean():
    return twelve_leads(record(known_beat(gains=HEART), 70, noise=0.01)[0])


def assert_same_beat(found, beat, within):
    """Assert that beats differ by so many mV at most, wherever R is."""
    shifted = [np.roll(found, k, axis=-1) - beat for k in range(-3, 4)]
    assert min(np.abs(one)[:, 200:525].max() for one in shifted) < within


def told(recording, **parameters):
    """The report's row of one recording, next to a good one that must stay good."""
    good = twelve_leads(record(known_beat(gains=HEART), 70, noise=0.01)[0])
    report = MedianBeat(**parameters).report([recording, good])
    if not parameters:
        assert report["quality"][1] == "good"
    return report.iloc[0]


def test_a_recording_without_fault_is_good_and_has_no_remarks(clean):
    row = told(clean)
    assert row["quality"] == "good"
    assert row["remarks"] == ""
    assert row["heart_rate"] == pytest.approx(70, abs=1)
    assert row["n_spikes"] == 0


def test_a_flat_lead_is_named_and_gives_zeros(clean):
    plain = MedianBeat().transform(clean[None])[0]
    clean[[7, 10]] = 0.3
    row = told(clean)
    assert (row["quality"], row["flat_leads"]) == ("doubtful", "V2, V5")
    beat = MedianBeat().transform(clean[None])[0]
    assert not beat[[7, 10]].any()
    assert_same_beat(beat[[0, 6, 11]], plain[[0, 6, 11]], 0.01)


def test_flat_in_every_lead_is_unusable(clean):
    row = told(np.zeros_like(clean) + 0.1)
    assert (row["quality"], row["remarks"]) == ("unusable", "flat in every lead")


def test_a_gap_is_told_and_costs_only_the_beats_that_it_touches(clean):
    plain = MedianBeat().transform(clean[None])[0]
    clean[8, 1500:1900] = np.nan
    row = told(clean)
    assert (row["quality"], row["remarks"]) == ("doubtful", "gaps in V3")
    beat = MedianBeat().transform(clean[None])[0]
    assert_same_beat(beat[8:], plain[8:], 0.02)
    np.testing.assert_array_equal(beat[:8], plain[:8])


def test_a_stretch_at_one_value_is_a_gap(clean):
    plain = MedianBeat().transform(clean[None])[0]
    clean[:, :1200] = clean[:, :1]
    row = told(clean)
    assert row["remarks"] == "gaps in I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6"
    assert_same_beat(MedianBeat().transform(clean[None])[0], plain, 0.02)


def test_a_lead_without_a_value_is_missing_and_stays_nan(clean):
    clean[6] = np.nan
    row = told(clean)
    assert (row["quality"], row["missing_leads"]) == ("doubtful", "V1")
    beat = MedianBeat(on_bad="nan").transform(clean[None])[0]
    assert np.isnan(beat[6]).all()
    assert np.isfinite(np.delete(beat, 6, axis=0)).all()
    with pytest.raises(ValueError, match=r"row 0 \(no values in V1\)"):
        MedianBeat().transform(clean[None])


def test_infinity_is_unusable(clean):
    clean[3, 77] = np.inf
    row = told(clean)
    assert (row["quality"], row["remarks"]) == ("unusable", "infinity among the values")


def test_a_saturated_rail_is_told_and_beats_that_touch_it_are_left_out(clean):
    plain = MedianBeat().transform(clean[None])[0]
    clean[9, 2000:2300] += 4.0
    clean[9] = np.minimum(clean[9], 3.5)
    row = told(clean)
    assert (row["quality"], row["saturated_leads"]) == ("doubtful", "V4")
    assert_same_beat(MedianBeat().transform(clean[None])[0], plain, 0.02)


def test_a_lead_at_the_rail_in_every_beat_has_no_clean_beat(clean):
    clean[9] = np.clip(8 * clean[9], -2, 2)
    wide = twelve_leads(record(with_r_in_the_middle(wide_beat(HEART)), 70)[0])
    wide[9] = np.clip(8 * wide[9], -2, 2)
    assert "saturated V4; no clean beat in V4" in told(wide)["remarks"]


def test_microvolt_taken_for_millivolt_is_unusable_and_asks_for_the_unit(clean):
    row = told(1000 * clean)
    assert row["quality"] == "unusable"
    assert row["remarks"].endswith("mV; are the values in uV?")


def test_volt_taken_for_millivolt_is_unusable_and_asks_for_the_unit(clean):
    row = told(clean / 1000)
    assert row["quality"] == "unusable"
    assert row["remarks"].endswith("mV at most; are the values in V?")


def test_a_rate_of_250_said_to_be_500_is_doubted(clean):
    row = told(clean[:, ::2])
    assert row["quality"] == "doubtful"
    assert "QRS of less than 38 ms: is sampling_rate right?" in row["remarks"]
    assert told(clean[:, ::2], sampling_rate=250)["remarks"] == ""


@pytest.mark.parametrize(
    ("rows", "signs", "order"),
    [
        ([4, 0, 3, 1, 5, 2], [1, 1, -1, 1, 1, 1], "Cabrera's order (aVL, I, -aVR, II, aVF, III)"),
        ([0, 1, 2, 3, 5, 4], [1, 1, 1, 1, 1, 1], "the order I, II, III, aVR, aVF, aVL"),
    ],
)
def test_limb_leads_in_another_order_are_recognised(clean, rows, signs, order):
    clean[:6] = np.array(signs)[:, None] * clean[rows]
    row = told(clean)
    assert row["quality"] == "doubtful"
    assert f"limb leads seem to come in {order}" in row["remarks"]


def test_limb_leads_that_contradict_each_other_are_told(clean):
    clean[2] *= 3
    assert "limb leads break I + III = II" in told(clean)["remarks"]


def test_two_and_a_half_seconds_give_a_beat_of_few():
    recording = twelve_leads(record(known_beat(gains=HEART), 70, seconds=2.5, noise=0.01)[0])
    row = told(recording)
    assert (row["quality"], row["remarks"]) == ("doubtful", "few beats")
    assert np.isfinite(MedianBeat().transform(recording[None])).all()


@pytest.mark.parametrize("rate", [90, 120, 150])
def test_a_fast_rate_is_no_fault(rate):
    recording = twelve_leads(record(known_beat(0.1, rate, HEART), rate, noise=0.01)[0])
    row = told(recording)
    assert row["quality"] == "good"
    assert row["heart_rate"] == pytest.approx(rate, rel=0.02)
    assert row["n_used"] >= 0.8 * row["n_beats"]


@pytest.mark.parametrize("kind", ["noise", "hum"])
def test_without_qrs_complexes_a_recording_is_unusable(kind):
    t = np.arange(5000) / 500
    noise = np.random.default_rng(1).normal(0, 0.1, (12, 5000))
    row = told(noise if kind == "noise" else np.tile(0.5 * np.sin(2 * np.pi * 50 * t), (12, 1)))
    assert row["quality"] == "unusable"
    assert row["remarks"].startswith(("no QRS complex", "no complete beat"))


def test_atrial_fibrillation_is_no_fault():
    beat = known_beat(gains=HEART) - bump(-150, 15, 0.12)
    recording = twelve_leads(record(beat, 95, jitter=0.12, noise=0.01, seed=4)[0])
    row = told(recording)
    assert row["quality"] == "good"
    assert row["heart_rate"] == pytest.approx(95, rel=0.1)


def test_pacing_spikes_are_counted_cut_out_and_no_beats():
    beat = with_r_in_the_middle(wide_beat(HEART))
    recording, r = record(beat, 70, noise=0.005)
    plain = MedianBeat().transform(recording[None])[0]
    for at in r:
        recording[:, at - 45 : at - 43] += 3.0
    recording, plain = twelve_leads(recording), twelve_leads(plain)
    row = told(recording)
    assert row["quality"] == "good"
    assert row["n_beats"] == len(r)
    assert abs(row["n_spikes"] - len(r)) <= 1
    assert_same_beat(MedianBeat().transform(recording[None])[0], plain, 0.05)


def test_whole_numbers_are_taken_as_they_are(clean):
    counts = np.round(1000 * clean).astype(np.int16)
    row = told(counts)
    assert row["remarks"].endswith("mV; are the values in uV?")


def test_an_offset_of_300_millivolt_is_no_fault(clean):
    assert told(clean + 300)["quality"] == "good"


def test_noise_over_40_microvolt_is_told(clean):
    noise = np.random.default_rng(0).normal(0, 0.06, (2, 5000))
    recording = clean + twelve_leads(np.resize(noise, (12, 5000)))
    row = told(recording)
    assert row["remarks"] == "noisy"
    assert row["noise_uv"] == pytest.approx(60, rel=0.2)


def test_a_recorder_s_high_pass_that_bends_st_is_told(clean):
    ecgs = [
        ECG(clean.astype(np.float32), 500, "made", highpass=highpass)
        for highpass in (0.5, 0.05, None)
    ]
    report = MedianBeat().report(ecgs)
    assert report["quality"].tolist() == ["doubtful", "good", "good"]
    assert report["remarks"][0] == "recorded with a high-pass of 0.5 Hz: ST may be bent"


def test_ecgs_bring_their_own_sampling_rate(clean):
    ecgs = [ECG(clean, 500, "made"), ECG(clean[:, ::2], 250, "made")]
    first, second = MedianBeat(sampling_rate=1000).fit_transform(ecgs)
    assert_same_beat(first, second, 0.15)
    peaks = r_peaks(ecgs)
    np.testing.assert_allclose(peaks[0] / 2, peaks[1], atol=1)


@pytest.mark.parametrize("n_leads", [1, 3])
def test_leads_of_other_numbers_are_called_by_number(clean, n_leads):
    recording = clean[6 : 6 + n_leads].copy()
    recording[-1, 1500:1900] = np.nan
    report = MedianBeat().report([recording])
    assert report["remarks"][0] == f"gaps in {n_leads - 1}"


def swapped(X, electrodes):
    """The limb leads of recordings when two limb electrodes are swapped."""
    one, two, three, right, left, foot = np.moveaxis(X[:, :6], 1, 0)
    limb = {
        "LA/RA": [-one, three, two, left, right, foot],
        "RA/LL": [-three, -two, -one, foot, left, right],
        "LA/LL": [two, one, -three, right, foot, left],
        "": [one, two, three, right, left, foot],
    }[electrodes]
    return np.concatenate([np.stack(limb, axis=1), X[:, 6:]], axis=1)


@pytest.fixture(scope="module")
def ptbxl(data_dir):
    """Records 251 to 500 of PTB-XL, which the estimate of I and II has not seen."""
    folder = data_dir / "ptbxl" / "records500" / "00000"
    return np.stack([read_wfdb(folder / f"{i:05d}_hr")[0] for i in range(251, 501)])


def test_swapped_limb_electrodes_are_suspected_on_real_ecgs_and_others_left_alone(ptbxl):
    named = {
        electrodes: MedianBeat().report(swapped(ptbxl, electrodes))["swapped"]
        for electrodes in ("", "LA/RA", "RA/LL", "LA/LL")
    }
    assert (named[""] == "").mean() >= 0.99
    assert (named["LA/RA"] == "LA/RA").mean() >= 0.97
    assert (named["RA/LL"] == "RA/LL").mean() >= 0.97
    assert (named["LA/LL"] == "").mean() >= 0.97  # cannot be told from an axis
