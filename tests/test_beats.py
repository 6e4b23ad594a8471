"""Median beats of recordings built from a known beat, and R peaks of annotated ones."""

import numpy as np
import pytest

from skecg import _beats

T = np.arange(-300, 300) * 2.0  # ms from R
GAINS = np.cos(1.3 * np.arange(12))  # how much of each wave a lead sees

# wfdb 4.3 uses words of pandas that pandas 3.1 deprecates.
OLD_PANDAS = "ignore:The inplace keyword:DeprecationWarning"


def bump(centre, width, height):
    return height * np.exp(-0.5 * ((T - centre) / width) ** 2)


def known_beat(st=0.0):
    """Twelve leads in mV: PQ at zero from -90 to -45 ms, ST from 45 to 220 ms, R at 0."""
    step = 1 / (1 + np.exp(-(T - 45) / 3)) / (1 + np.exp((T - 270) / 25))
    beat = [
        bump(-160, 18, 0.12)
        + bump(-22, 6, -0.15 * gain)
        + bump(0, 9, 1.2 * gain + 0.3)
        + bump(25, 6, -0.3)
        + bump(300, 30, 0.3 * gain)
        + st * gain * step
        for gain in GAINS
    ]
    beat = np.array(beat)
    shift = np.linalg.norm(beat, axis=0).argmax() - 300
    return np.roll(beat, -shift, axis=1)


def wide_beat():
    """A ventricular beat: QRS of some 140 ms that turns the other way in other leads."""
    return np.array(
        [
            bump(-15, 16, 1.5 * gain) + bump(35, 18, -gain) + bump(250, 50, -0.5 * gain)
            for gain in GAINS[::-1]
        ]
    )


def record(beat, rate=60, seconds=10, ectopic=(), wander=0.0, noise=0.0, seed=0):
    """Place a beat at a heart rate with jitter; return the recording and where its R are."""
    rng = np.random.default_rng(seed)
    n_times = int(seconds * 500)
    r = np.cumsum(rng.normal(60 / rate, 0.01, 1000)) - rng.uniform(0.2, 0.8) * 60 / rate
    r = np.round(500 * r[r < seconds + 0.6]).astype(int)
    recording = np.zeros((12, n_times + 1200))
    for k, at in enumerate(r):
        recording[:, at + 300 : at + 900] += wide_beat() if k in ectopic else beat
    recording = recording[:, 600:-600]
    phase = 2 * np.pi * (0.3 * np.arange(n_times) / 500 + rng.uniform())
    recording += wander / 2 * np.sin(phase) * rng.uniform(0.5, 1, (12, 1))
    recording += rng.normal(0, noise, recording.shape)
    return recording, r[(r >= 25) & (r < n_times - 25)]


def error_uv(found, beat):
    """Largest difference in any lead from -200 to +450 ms, in microvolt."""
    return 1e3 * np.abs(found - beat)[:, 200:525].max()


@pytest.mark.parametrize("rate", [45, 60, 75])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_median_of_equal_beats_is_the_beat(rate, sign):
    beat = sign * known_beat()
    measured = _beats.measure_beat(record(beat, rate)[0], 500)
    assert error_uv(measured.beat, beat) < 10
    assert measured.heart_rate == pytest.approx(rate, rel=0.03)
    assert measured.quality == "good"


@pytest.mark.parametrize("rate", [50, 65, 80, 95])
@pytest.mark.parametrize("st", [-0.3, 0.0, 0.2, 0.5])
def test_st_level_survives_wander_of_one_millivolt(st, rate):
    beat = known_beat(st)
    recording, _ = record(beat, rate, wander=1.0, seed=rate)
    found = _beats.measure_beat(recording, 500).beat
    j60 = slice(300 + 52, 300 + 55)
    assert 1e3 * np.abs(found[:, j60].mean(axis=1) - beat[:, j60].mean(axis=1)).max() < 20


def test_wander_at_a_slow_rate_costs_st_less_than_30_microvolt():
    errors = []
    for seed in range(8):
        found = _beats.measure_beat(record(known_beat(0.3), 40, wander=1.0, seed=seed)[0], 500).beat
        errors.append(1e3 * np.abs(found - known_beat(0.3))[:, 350:360].max())
    assert max(errors) < 30


def test_one_beat_in_five_being_ventricular_leaves_the_median_as_it_is():
    beat = known_beat()
    recording, r = record(beat, 75, seconds=16, ectopic=range(2, 20, 5))
    measured = _beats.measure_beat(recording, 500)
    assert measured.n_beats == len(r)
    assert measured.n_used <= 0.85 * len(r)
    assert error_uv(measured.beat, beat) < 20


def test_r_peaks_are_found_where_beats_were_placed_ectopic_ones_too():
    recording, r = record(known_beat(), 75, ectopic=[3, 8], noise=0.02)
    located = _beats.locate_beats(recording, 500)
    assert len(located.peaks) == len(r)
    assert np.abs(located.peaks - r)[located.alike].max() <= 2
    assert (~located.alike).sum() == 2


def test_noise_is_averaged_and_reported():
    beat = known_beat()
    measured = _beats.measure_beat(record(beat, 75, noise=0.03)[0], 500)
    assert error_uv(measured.beat, beat) < 60
    assert measured.noise_uv == pytest.approx(30 * np.sqrt(150 / 250), rel=0.15)


@pytest.mark.parametrize("mains", [50, 60])
def test_mains_hum_is_removed(mains):
    beat = known_beat()
    recording, _ = record(beat)
    hum = 0.1 * np.sin(2 * np.pi * mains * np.arange(recording.shape[1]) / 500)
    assert error_uv(_beats.measure_beat(recording + hum, 500).beat, beat) < 20


def test_an_artefact_in_one_beat_does_not_reach_the_median():
    beat = known_beat()
    recording, r = record(beat)
    whole = _beats.measure_beat(recording, 500).n_used
    recording[3, r[4] + 20 : r[4] + 150] += 2.0
    measured = _beats.measure_beat(recording, 500)
    assert measured.n_used == whole - 1
    assert error_uv(measured.beat, beat) < 15


def test_pacing_spikes_of_changing_size_are_not_taken_for_r():
    recording, r = record(known_beat(), 70)
    for k, at in enumerate(r):
        recording[:, at - 30 : at - 28] += (8.0 if k % 2 else 2.0) * GAINS[:, None]
    located = _beats.locate_beats(recording, 500)
    assert located.alike.all()
    assert np.abs(located.peaks - r).max() <= 2


@pytest.mark.parametrize("rate", [100, 250, 257, 360, 1000])
def test_other_sampling_rates_give_the_same_beat(rate):
    beat = known_beat()
    recording, _ = record(beat)
    n_times = int(10 * rate)
    sampled = np.array(
        [np.interp(np.arange(n_times) / rate, np.arange(5000) / 500, lead) for lead in recording]
    )
    found = _beats.measure_beat(sampled, rate).beat
    errors = [error_uv(np.roll(found, k, axis=1), beat) for k in (-1, 0, 1)]
    assert min(errors) < (120 if rate == 100 else 20)


def test_pq_window_lies_between_p_and_qrs():
    pq = _beats.pq_window(known_beat(), 300)
    assert -95 <= T[pq.start] < T[pq.stop] <= -38


def test_beats_shifted_on_purpose_are_moved_back():
    recording, r = record(known_beat(), 70)
    _, qrs_band = _beats.filter_bands(recording.astype(np.float32))
    off = np.resize([0, 3, -6, 11, 0], len(r))
    moved, similarity = _beats.align(qrs_band, r + off)
    assert np.ptp(moved - r) <= 1
    assert similarity.min() > 0.99


def test_a_slow_recording_of_two_and_a_half_seconds_gives_a_beat():
    beat = known_beat()
    recording, _ = record(beat, 50, seconds=2.5, seed=3)
    measured = _beats.measure_beat(recording, 500)
    assert measured.quality == "few beats"
    assert 1e3 * np.abs(measured.beat - beat)[:, 200:450].max() < 15


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda x: x[:, :1000], "2 s is shorter than 2.5 s"),
        (
            lambda x: np.where(np.arange(12)[:, None] == 3, np.nan, x),
            r"NaN or infinity in leads \[3\]",
        ),
        (lambda x: np.where(x > 1.0, np.inf, x), "NaN or infinity"),
        (lambda x: np.zeros_like(x) + 0.1, "flat in every lead"),
        (lambda x: 0.001 * x, "no QRS complex found"),
        (lambda x: 1e9 * x, "cannot be mV"),
        (lambda x: np.random.default_rng(1).normal(0, 0.1, x.shape), "repeats itself"),
    ],
)
def test_an_unusable_recording_says_why(spoil, reason):
    with pytest.raises(_beats.UnusableECG, match=reason):
        _beats.measure_beat(spoil(record(known_beat())[0]), 500)


def test_flat_leads_are_remarked():
    recording, _ = record(known_beat())
    recording[[2, 5]] = 0.3
    measured = _beats.measure_beat(recording, 500)
    assert measured.quality == "flat leads [2, 5]"
    assert not measured.beat[[2, 5]].any()


def test_a_constant_offset_changes_nothing():
    recording, _ = record(known_beat(), noise=0.01)
    plain = _beats.measure_beat(recording, 500).beat
    offset = _beats.measure_beat(recording + 50.0, 500).beat
    np.testing.assert_allclose(offset, plain, atol=1e-5)


@pytest.mark.filterwarnings(OLD_PANDAS)
def test_median_beats_of_real_ecgs_have_r_in_the_middle_and_pq_at_zero(data_dir, wfdb):

    for ecg_id in range(1, 401, 20):
        path = data_dir / "ptbxl" / "records500" / "00000" / f"{ecg_id:05d}_hr"
        measured = _beats.measure_beat(wfdb.rdrecord(str(path)).p_signal.T, 500)
        assert np.isfinite(measured.beat).all()
        rms = np.linalg.norm(measured.beat, axis=0)
        assert abs(rms[270:330].argmax() - 30) <= 5
        assert abs(measured.beat[:, _beats.pq_window(measured.beat, 300)].mean()) < 1e-4
        assert measured.n_used >= 4


@pytest.mark.filterwarnings(OLD_PANDAS)
def test_r_peaks_of_annotated_recordings_are_found(data_dir, wfdb):

    hit = missed = extra = 0
    for number in range(1, 101):
        path = str(data_dir / "ludb" / "data" / str(number))
        marks = wfdb.rdann(path, "ii")
        peaks = _beats.locate_beats(wfdb.rdrecord(path).p_signal.T, 500).peaks
        known = marks.sample[np.array(marks.symbol) == "N"]
        near = np.abs(peaks[:, None] - known) <= 75  # 150 ms: paced QRS complexes are wide
        between = (peaks >= marks.sample[0]) & (peaks <= marks.sample[-1])
        hit += near.any(axis=0).sum()
        missed += (~near.any(axis=0)).sum()
        extra += (~near[between].any(axis=1)).sum()
    assert hit / (hit + missed) > 0.995
    assert hit / (hit + extra) > 0.985
