"""The transformers on 3-D arrays: what they compute, and the mirror of scikit-learn's checks."""

import pickle

import numpy as np
import pandas as pd
import pytest
from simulated import known_beat, record
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skecg.io._wfdb import read_wfdb
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat, r_peaks


def recordings(n=5, n_leads=3, n_times=2000, rate=500):
    """ECG-like recordings, unlike each other, with R every 0.8 s from 0.4 s on."""
    t = (np.arange(n_times) / rate) % 0.8 - 0.4
    gain = np.random.default_rng(0).uniform(0.5, 1.5, (n, n_leads, 1))
    waves = np.exp(-0.5 * (t / 0.012) ** 2) + 0.3 * gain * np.exp(-0.5 * ((t - 0.25) / 0.04) ** 2)
    return np.round(gain * waves, 3)


EVERY = [
    (MedianBeat(), recordings()),
    (MedianBeat(sampling_rate=250), recordings(rate=250, n_times=1000)),
    (BeatCropper(), recordings(n_times=600)),
    (LeadStandardScaler(), recordings(n_times=400)),
    (LeadStandardScaler(scope="ecg"), recordings(n_times=400)),
]
every = pytest.mark.parametrize(
    ("transformer", "X"), EVERY, ids=["median", "median-250", "crop", "scale", "scale-ecg"]
)


@every
def test_output_is_contiguous_float32_and_finite(transformer, X):
    out = clone(transformer).fit_transform(X)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert np.isfinite(out).all()
    assert out.shape[:2] == X.shape[:2]


@every
def test_transform_works_without_fit_and_leaves_no_state(transformer, X):
    transformer = clone(transformer)
    np.testing.assert_array_equal(transformer.transform(X), clone(transformer).fit_transform(X))
    assert vars(transformer) == transformer.get_params()


@every
def test_parameters_are_as_given_after_fit(transformer, X):
    fitted = clone(transformer).fit(X)
    assert fitted.get_params() == transformer.get_params()
    assert fitted.n_leads_ == 3


@every
def test_a_copy_from_pickle_does_the_same(transformer, X):
    fitted = clone(transformer).fit(X)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(X), fitted.transform(X))


@every
def test_rows_are_independent_of_order_and_company(transformer, X):
    whole = transformer.transform(X)
    np.testing.assert_array_equal(transformer.transform(X[::-1]), whole[::-1])
    np.testing.assert_array_equal(transformer.transform(X[2:3]), whole[2:3])


@every
def test_one_lead_in_two_dimensions_is_one_lead_in_three(transformer, X):
    three = transformer.transform(X[:, :1])
    np.testing.assert_array_equal(clone(transformer).fit_transform(X[:, 0]), three[:, 0])


@every
@pytest.mark.parametrize("kind", ["list", "float32", "fortran", "strided", "memmap"])
def test_other_containers_of_the_same_numbers_give_the_same(transformer, X, kind, tmp_path):
    X = X.astype(np.float32)
    if kind == "list":
        given = X.astype(float).tolist()
    elif kind == "float32":
        given = X.astype(float)
    elif kind == "fortran":
        given = np.asfortranarray(X)
    elif kind == "strided":
        given = np.repeat(X, 2, axis=2)[..., ::2]
    else:
        X.tofile(tmp_path / "X")
        given = np.memmap(tmp_path / "X", dtype=np.float32, mode="r", shape=X.shape)
    np.testing.assert_allclose(transformer.transform(given), transformer.transform(X), atol=2e-6)


@every
def test_whole_numbers_are_taken(transformer, X):
    whole = np.round(8 * X).astype(np.int16)
    out = transformer.transform(whole)
    np.testing.assert_allclose(out, transformer.transform(whole.astype(float)), atol=1e-6)


@every
def test_the_input_is_left_as_it_is(transformer, X):
    before = X.copy()
    out = transformer.transform(X)
    out += 1
    np.testing.assert_array_equal(X, before)


@every
def test_another_number_of_leads_is_named(transformer, X):
    fitted = clone(transformer).fit(X)
    with pytest.raises(ValueError, match=r"X has 2 leads, but \w+ is expecting 3 leads as input"):
        fitted.transform(X[:, :2])


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_errors_that_name_the_row(transformer, X, bad):
    X = X.copy()
    X[3, 1] = bad
    with pytest.raises(ValueError, match=r"(?s)NaN or infinity.*3|row 3 .*(no values|infinity)"):
        transformer.transform(X)


@pytest.mark.parametrize(("transformer", "X"), EVERY[2:], ids=["crop", "scale", "scale-ecg"])
def test_another_number_of_samples_is_named(transformer, X):
    with pytest.raises(ValueError, match=r"samples a lead \(n_times\), but .* is expecting"):
        clone(transformer).fit(X).transform(X[..., :-1])


@every
@pytest.mark.parametrize("X_bad", [np.zeros((2, 3, 4, 2000)), np.zeros((0, 3, 2000)), 3.0])
def test_arrays_of_another_shape_are_errors(transformer, X, X_bad):
    with pytest.raises(ValueError, match=r"shape|holds no|minimum|scalar"):
        transformer.transform(X_bad)


# ---- LeadStandardScaler


def test_scaled_leads_have_mean_zero_and_deviation_one():
    X = np.random.default_rng(0).normal(3, 2, (4, 12, 400))
    out = LeadStandardScaler().transform(X)
    np.testing.assert_allclose(out.mean(axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(out.std(axis=-1), 1, rtol=1e-6)


def test_scope_ecg_keeps_the_sizes_of_leads_relative_to_each_other():
    X = np.random.default_rng(0).normal(3, [[1], [2], [4]], (5, 3, 400))
    out = LeadStandardScaler(scope="ecg").transform(X)
    np.testing.assert_allclose(np.sqrt((out**2).mean(axis=(1, 2))), 1, rtol=1e-6)
    sizes, sizes_before = out.std(axis=-1), X.std(axis=-1)
    np.testing.assert_allclose(sizes / sizes[:, :1], sizes_before / sizes_before[:, :1], rtol=1e-5)


@pytest.mark.parametrize("scope", ["lead", "ecg"])
@pytest.mark.parametrize("level", [0.0, 0.1, -0.3, 300.0, 1e7])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_flat_lead_becomes_exactly_zero(scope, level, dtype):
    X = np.random.default_rng(0).normal(size=(2, 3, 333)).astype(dtype)
    X[:, 1] = level
    X[1, 2] = np.nextafter(dtype(level), dtype(1e9))
    X[1, 2, ::2] = level  # rounding only
    out = LeadStandardScaler(scope=scope).transform(X)
    assert not out[:, 1].any()
    assert level == 0 or not out[1, 2].any()
    assert out[0, 0].std() > 0.5


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9])
def test_a_huge_offset_does_not_blur_the_lead(offset):
    X = np.random.default_rng(0).normal(size=(2, 3, 400))
    expected = LeadStandardScaler().transform(X)
    np.testing.assert_allclose(LeadStandardScaler().transform(X + offset), expected, atol=1e-5)


def test_many_rows_are_scaled_in_parts_and_none_is_missed():
    X = np.random.default_rng(0).normal(size=(700, 4, 600)).astype(np.float32)
    out = LeadStandardScaler().transform(X)
    expected = (X - X.mean(-1, keepdims=True)) / X.std(-1, keepdims=True)
    np.testing.assert_allclose(out, expected, atol=1e-4)


def test_an_unknown_scope_is_named():
    with pytest.raises(ValueError, match="scope must be 'lead' or 'ecg', got 'all'"):
        LeadStandardScaler(scope="all").fit(np.zeros((2, 3, 4)))


# ---- BeatCropper


def test_the_default_window_puts_r_of_600_samples_at_150_of_400():
    X = np.zeros((2, 12, 600))
    X[..., 300] = 1
    out = BeatCropper().transform(X)
    assert out.shape == (2, 12, 400)
    assert (out.argmax(axis=-1) == 150).all()


@pytest.mark.parametrize("window", [(None, None), (-20, None), (5, 6), (-30, -10), (0, 99)])
def test_windows_are_slices(window):
    X = np.random.default_rng(0).normal(size=(2, 3, 40)).astype(np.float32)
    out = BeatCropper(start=window[0], stop=window[1]).transform(X)
    np.testing.assert_array_equal(out, X[..., slice(*window)])


@pytest.mark.parametrize("window", [(150, -50), (40, None), (10, 10), (-5, -10)])
def test_an_empty_window_is_an_error_that_names_it(window):
    with pytest.raises(ValueError, match=r"leaves nothing of X, which has 40 samples"):
        BeatCropper(start=window[0], stop=window[1]).fit(np.zeros((2, 3, 40)))


def test_a_window_of_no_whole_number_is_an_error():
    with pytest.raises(ValueError, match=r"start must be an integer or None, got 1\.5"):
        BeatCropper(start=1.5).fit(np.zeros((2, 3, 600)))


# ---- MedianBeat and r_peaks


def test_bad_rows_are_nan_and_change_no_other():
    X = recordings()
    clean = MedianBeat().transform(X)
    X[1] = 0
    X[3, 0, 7] = np.inf
    out = MedianBeat(on_bad="nan").transform(X)
    assert np.isnan(out[[1, 3]]).all()
    np.testing.assert_array_equal(out[[0, 2, 4]], clean[[0, 2, 4]])


def test_bad_rows_are_named_with_their_reasons():
    X = recordings()
    X[1], X[3, 0, 7] = 0, np.inf
    reasons = r"2 of 5 ECGs: row 1 \(flat in every lead\), row 3 \(infinity"
    with pytest.raises(ValueError, match=reasons):
        MedianBeat().transform(X)


def test_recordings_of_unequal_length_come_as_a_list():
    X = recordings(n_times=4000)
    out = MedianBeat().fit_transform([X[0], X[1, :, :2500], X[2]])
    assert out.shape == (3, 3, 600)
    np.testing.assert_array_equal(out[0], MedianBeat().transform(X[:1])[0])


@pytest.mark.parametrize("leads", [[1], [0, 4, 9], range(12)], ids=len)
def test_an_ecg_alone_gives_the_same_bits_as_in_company(leads):
    X = []
    for i in range(20):  # more than are looked at together
        disturbed = {"mains": 0.1 * (i % 2), "noise": 0.01 * (i % 3), "ectopic": [2, 4][: i % 4]}
        recording, _ = record(known_beat(), 50 + 4 * i, seconds=5 + (i > 14), seed=i, **disturbed)
        X.append(recording[list(leads)].astype(np.float32))
    X[3][:] = 0
    X[5][0, 200:300] = np.nan
    beats, peaks = MedianBeat(on_bad="nan").transform(X), r_peaks(X)
    assert np.isnan(beats).any(axis=(1, 2)).sum() == 1
    for i, ecg in enumerate(X):
        np.testing.assert_array_equal(MedianBeat(on_bad="nan").transform([ecg])[0], beats[i])
        np.testing.assert_array_equal(r_peaks([ecg])[0], peaks[i])
    alone = pd.concat([MedianBeat().report([ecg]) for ecg in X], ignore_index=True)
    pd.testing.assert_frame_equal(alone, MedianBeat().report(X), check_exact=True)


def test_a_short_recording_in_a_list_is_a_bad_row():
    X = recordings()
    out = MedianBeat(on_bad="nan").transform([X[0], X[1, :, :1000]])
    assert np.isnan(out[1]).all()
    assert np.isfinite(out[0]).all()


def test_median_beats_are_not_taken_for_recordings():
    with pytest.raises(ValueError, match=r"1\.2 s at sampling_rate=500; at least 2\.5 s"):
        MedianBeat(on_bad="nan").fit(np.zeros((2, 12, 600)))


def test_report_has_a_row_for_every_ecg():
    X = recordings()
    X[1] = 0
    X[2, 2] = 0.5
    report = MedianBeat().report(X)
    assert isinstance(report, pd.DataFrame)
    assert report["quality"].tolist() == ["good", "unusable", "doubtful", "good", "good"]
    assert report["remarks"].tolist() == ["", "flat in every lead", "flat 2", "", ""]
    assert report["flat_leads"].tolist() == ["", "", "2", "", ""]
    np.testing.assert_allclose(report["heart_rate"], [75, np.nan, 75, 75, 75])
    assert report["n_beats"].tolist() == [5, 0, 5, 5, 5]
    assert list(report) == [
        "heart_rate",
        "n_beats",
        "n_used",
        "n_spikes",
        "noise_uv",
        "flat_leads",
        "saturated_leads",
        "missing_leads",
        "swapped",
        "quality",
        "remarks",
    ]


@pytest.mark.parametrize("rate", [250, 500, 1000])
def test_r_peaks_are_samples_of_the_recording(rate):
    found = r_peaks(recordings(rate=rate, n_times=4 * rate), sampling_rate=rate)
    expected = rate * np.array([0.4, 1.2, 2.0, 2.8, 3.6])
    for peaks in found:
        assert peaks.dtype.kind == "i"
        # 43 % of the way through a QRS of one wave lies 4 ms before its top.
        np.testing.assert_allclose(peaks, expected - 0.004 * rate, atol=rate / 250)


def test_r_peaks_of_a_bad_recording_are_none():
    X = recordings()
    X[1], X[3, 0, 7] = 0, np.inf
    assert [len(peaks) for peaks in r_peaks(X)] == [5, 0, 5, 0, 5]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sampling_rate": 40}, "sampling_rate must be a number from 80 Hz, got 40"),
        ({"sampling_rate": "500"}, "sampling_rate must be a number"),
        ({"on_bad": "drop"}, "on_bad must be 'raise' or 'nan', got 'drop'"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        MedianBeat(**parameters).fit(recordings())


@pytest.mark.parametrize("X", [[recordings()[0], recordings()[0, :2]], [["a", "b"]], []])
def test_what_is_no_list_of_recordings_is_an_error(X):
    with pytest.raises(ValueError, match=r"give every ECG|give real numbers|no recordings"):
        MedianBeat().fit(X)


def test_the_three_in_a_pipeline_take_real_recordings_to_scaled_beats(data_dir):
    folder = data_dir / "ptbxl" / "records500" / "00000"
    X = np.stack([read_wfdb(folder / f"{i:05d}_hr")[0] for i in range(1, 21)])
    steps = make_pipeline(MedianBeat(), BeatCropper(), LeadStandardScaler())
    out = steps.fit_transform(X)
    assert out.shape == (20, 12, 400)
    np.testing.assert_allclose(out.std(axis=-1), 1, rtol=1e-5)
    beats = steps[0].transform(X)
    rms = np.linalg.norm(beats, axis=1)
    assert (np.abs(rms[:, 270:330].argmax(axis=1) - 30) <= 10).all()
