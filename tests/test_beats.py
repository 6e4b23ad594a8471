"""Median beats of recordings built from a known beat, and R peaks of annotated ones."""

import numpy as np
import pytest
from simulated import GAINS, T, bump, known_beat, record, wide_beat, with_r_in_the_middle

from skecg import _beats, _filters

# wfdb 4.3 uses words of pandas that pandas 3.1 deprecates.
OLD_PANDAS = "ignore:The inplace keyword:DeprecationWarning"


def error_uv(found, beat):
    """Largest difference in any lead from -200 to +450 ms, in microvolt, wherever R is."""
    shifted = (np.roll(found, k, axis=1) for k in range(-3, 4))
    return min(1e3 * np.abs(one - beat)[:, 200:525].max() for one in shifted)


@pytest.mark.parametrize("rate", [45, 60, 75])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_median_of_equal_beats_is_the_beat(rate, sign):
    beat = sign * known_beat()
    measured = _beats.measure_beat(record(beat, rate)[0], 500)
    assert error_uv(measured.beat, beat) < 10
    assert measured.heart_rate == pytest.approx(rate, rel=0.03)
    assert measured.n_used == measured.n_clean.min() >= 5


@pytest.mark.parametrize("rate", [40, 60, 90, 120, 150])
@pytest.mark.parametrize("st", [-0.5, -0.1, 0.0, 0.1, 0.2, 0.5, 1.0])
def test_st_stays_within_20_microvolt_under_wander_mains_and_noise(st, rate):
    beat = known_beat(st, rate)
    recording, _ = record(beat, rate, wander=1.0, mains=0.05, noise=0.025, seed=rate)
    found = _beats.measure_beat(recording, 500).beat
    j60 = slice(300 + 48, 300 + 58)  # J is 45 ms after R
    error = 1e3 * (found[:, j60].mean(axis=1) - beat[:, j60].mean(axis=1))
    assert np.abs(error).max() < 20


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.4])
def test_the_median_is_the_sinus_beat_whatever_the_share_of_ventricular_ones(share):
    beat = known_beat()
    rms = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        rate = rng.uniform(55, 90)
        n_beats = round(10 * rate / 60)
        ectopic = rng.choice(np.arange(1, n_beats - 1), round(share * n_beats), replace=False)
        recording, _ = record(beat, rate, ectopic=ectopic, wander=0.3, noise=0.015, seed=seed)
        found = _beats.measure_beat(recording, 500).beat
        errors = [(np.roll(found, k, axis=1) - beat)[:, 200:500] for k in range(-3, 4)]
        rms.append(1e3 * min(np.sqrt(np.mean(error**2)) for error in errors))
    assert np.max(rms) < 15


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
    assert measured.noise_uv == pytest.approx(30, rel=0.15)


@pytest.mark.parametrize("mains", [50, 60])
def test_mains_hum_is_removed(mains):
    beat = known_beat()
    recording, _ = record(beat)
    hum = 0.1 * np.sin(2 * np.pi * mains * np.arange(recording.shape[1]) / 500)
    assert error_uv(_beats.measure_beat(recording + hum, 500).beat, beat) < 20


def test_an_artefact_in_one_beat_does_not_reach_the_median():
    beat = known_beat()
    recording, r = record(beat)
    whole = _beats.measure_beat(recording, 500)
    recording[3, r[4] + 20 : r[4] + 150] += 2.0
    measured = _beats.measure_beat(recording, 500)
    assert measured.n_clean[3] == whole.n_clean[3] - 1
    assert np.delete(measured.n_clean, 3).tolist() == np.delete(whole.n_clean, 3).tolist()
    assert error_uv(measured.beat, beat) < 15


def test_pacing_spikes_of_changing_size_are_not_taken_for_r():
    recording, r = record(known_beat(), 70)
    for k, at in enumerate(r):
        recording[:, at - 30 : at - 28] += (8.0 if k % 2 else 2.0) * GAINS[:, None]
    located = _beats.locate_beats(recording, 500)
    assert located.alike.all()
    assert located.n_spikes >= len(r)
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
    assert error_uv(found, beat) < (120 if rate == 100 else 20)


@pytest.mark.parametrize("n_times", [9, 40])
@pytest.mark.parametrize("centre", [0, 3, 8, 20, 38, 39])
def test_a_window_beyond_the_ends_holds_the_first_and_last_value(n_times, centre):
    signal = np.arange(2 * n_times, dtype=np.float32).reshape(2, n_times)
    (found,) = _filters.windows(signal, np.array([centre]), 5, 7)
    at = np.clip(np.arange(centre - 5, centre + 7), 0, n_times - 1)
    np.testing.assert_array_equal(found, signal[:, at])


def test_pq_window_lies_between_p_and_qrs():
    pq = _beats.pq_window(known_beat(), 300)
    assert -95 <= T[pq.start] < T[pq.stop] <= -30


def test_beats_shifted_on_purpose_are_moved_back():
    recording, r = record(known_beat(), 70)
    band, _ = _filters.qrs_band(recording.astype(np.float32))
    off = np.resize([0, 2, -3, 5, 0], len(r))
    moved, similarity = _beats.align(band, r // 4 + off)
    assert np.ptp(4 * moved - r) <= 2
    assert similarity.min() > 0.9  # some lie half way between two samples of the band


def test_a_slow_recording_of_two_and_a_half_seconds_gives_a_beat():
    beat = known_beat()
    recording, r = record(beat, 50, seconds=2.5, seed=3)
    measured = _beats.measure_beat(recording, 500)
    assert measured.n_used <= len(r) <= 2
    assert 1e3 * np.abs(measured.beat - beat)[:, 200:450].max() < 15


@pytest.mark.parametrize("rate", [90, 120, 150])
def test_waves_of_the_next_beat_do_not_disturb_this_one(rate):
    beat = known_beat(0.2, rate)
    measured = _beats.measure_beat(record(beat, rate, jitter=0.02)[0], 500)
    own = slice(250, 300 + int(500 * 0.5 * 60 / rate))
    assert 1e3 * np.abs(measured.beat - beat)[:, own].max() < 15


def test_r_is_the_same_whichever_way_the_leads_point():
    beat = known_beat()[:, 240:380]
    signs = np.resize([1, -1, -1], 12)[:, None]
    assert _beats.r_offset(beat) == _beats.r_offset(signs * beat)


def test_r_moves_little_where_r_and_s_change_their_order_in_size():
    # An apex 6 ms wide at 0, another at 40 ms: their middle and the tallest change with sizes.
    found = []
    for second in (0.7, 0.9, 1.1, 1.3):
        beat = np.array([bump(0, 9, 1) - bump(40, 9, second)] * 12)
        found.append(_beats.r_offset(beat[:, 240:380]))
    assert np.ptp(found) <= 8


def test_a_constant_offset_changes_nothing():
    recording, _ = record(known_beat(), noise=0.01)
    plain = _beats.measure_beat(recording, 500).beat
    offset = _beats.measure_beat(recording + 300.0, 500).beat
    np.testing.assert_allclose(offset, plain, atol=1e-5)


def test_whole_numbers_give_the_beat_of_the_same_floats():
    recording = np.round(100 * record(known_beat(), noise=0.01)[0])
    counts = _beats.measure_beat(recording.astype(np.int16) // 10, 500).beat
    floats = _beats.measure_beat(recording // 10, 500).beat
    np.testing.assert_allclose(counts, floats, atol=1e-4)


def test_a_beat_that_repeats_is_kept_in_atrial_fibrillation():
    rng = np.random.default_rng(0)
    beat = known_beat() - bump(-150, 15, 0.12)
    recording, r = record(beat, 95, jitter=0.12, seed=4)
    t = np.arange(recording.shape[1]) / 500
    recording += 0.05 * np.sin(2 * np.pi * (6.3 * t + 0.3 * np.sin(2 * np.pi * 0.4 * t)))
    recording += rng.normal(0, 0.01, recording.shape)
    measured = _beats.measure_beat(recording, 500)
    assert measured.n_beats == len(r)
    assert 1e3 * np.abs(measured.beat - with_r_in_the_middle(beat))[:, 280:380].max() < 60


def test_a_wide_beat_is_found_once():
    beat = with_r_in_the_middle(wide_beat())
    recording, r = record(beat, 70)
    peaks = _beats.locate_beats(recording, 500).peaks
    assert len(peaks) == len(r)
    assert np.abs(peaks - r).max() <= 2


@pytest.mark.filterwarnings(OLD_PANDAS)
def test_median_beats_of_real_ecgs_have_r_in_the_middle_and_pq_at_zero(data_dir, wfdb):
    for ecg_id in range(1, 401, 20):
        path = data_dir / "ptbxl" / "records500" / "00000" / f"{ecg_id:05d}_hr"
        measured = _beats.measure_beat(wfdb.rdrecord(str(path)).p_signal.T, 500)
        assert np.isfinite(measured.beat).all()
        rms = np.linalg.norm(measured.beat, axis=0)
        assert abs(rms[270:330].argmax() - 30) <= 10
        assert abs(measured.beat[:, _beats.pq_window(measured.beat, 300)].mean()) < 1e-4
        assert measured.n_used >= 4


@pytest.fixture(scope="module")
def annotated(data_dir, wfdb):
    """Records 1 to 100 of LUDB in mV, their QRS marks lead by lead, first and last mark of II."""
    records = []
    for number in range(1, 101):
        path = str(data_dir / "ludb" / "data" / str(number))
        record = wfdb.rdrecord(path, physical=False)
        marks = {lead: wfdb.rdann(path, lead) for lead in record.sig_name}
        qrs = {lead: m.sample[np.array(m.symbol) == "N"] for lead, m in marks.items()}
        # The stored values are uV, in spite of the header (see load_ludb).
        records.append((record.d_signal.T / 1e3, qrs, marks["ii"].sample[[0, -1]]))
    return records


def half_inverted(signal, rng):
    return signal * np.where(rng.permutation(12) < 6, 1, -1)[:, None]


def noisy(signal, rng):
    return signal + rng.normal(0, 0.025, signal.shape)


@pytest.mark.filterwarnings(OLD_PANDAS)
@pytest.mark.parametrize("change", [lambda signal, rng: signal, half_inverted, noisy])
def test_r_peaks_of_ludb_are_found_where_cardiologists_put_them(annotated, change):
    rng = np.random.default_rng(0)
    missed = invented = 0
    errors, spreads = [], []
    for signal, qrs, (first, last) in annotated:
        peaks = _beats.locate_beats(change(signal, rng), 500).peaks
        leads = [marks for marks in qrs.values() if len(marks)]
        # Of each beat in lead II, the median over leads of the marks within 120 ms.
        nearest = np.array([[m[np.abs(m - at).argmin()] for m in leads] for at in qrs["ii"]])
        far = np.abs(nearest - qrs["ii"][:, None]) > 60
        known = np.ma.median(np.ma.array(nearest, mask=far), axis=1)
        off = 2.0 * (peaks[:, None] - known.data)  # ms
        near = np.abs(off) <= 75
        missed += (~near.any(axis=0)).sum()
        between = (peaks >= first) & (peaks <= last)
        invented += (~near[between].any(axis=1)).sum()
        errors.append(off[near])
        spreads.append(off[near].std())
    errors = np.concatenate(errors)
    assert missed <= 1
    assert invented <= 1
    assert abs(errors.mean()) <= 5
    assert errors.std() <= 10
    assert np.median(spreads) <= 2
