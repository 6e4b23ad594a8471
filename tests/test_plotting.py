"""Tests of ECGs on paper: where things stand, in millimetres."""

import re
import struct
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.datasets import make_omi
from skecg.inspection import lead_contributions, saliency_maps
from skecg.io import read_ecg
from skecg.leads import LEADS
from skecg.plotting import ECGDisplay, SaliencyDisplay
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III", "V1", "V2", "V3", "V4", "V5", "V6")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def recording():
    """10 s in which lead k holds one step from -k/10 to k/10 mV in the middle of each second."""
    square = np.where(np.arange(5000) % 500 < 250, -0.1, 0.1)
    return np.arange(12)[:, None] * square


@pytest.fixture(scope="module")
def beats():
    return make_omi(20, prevalence=1, severity=2, random_state=0)[0][:, :, 150:-50]


def texts(display):
    return [text.get_text() for text in display.ax_.texts]


def trace(display, lead):
    (line,) = [line for line in display.lines_[:12] if line.get_label() == lead]
    return line.get_data()


def test_page_is_as_large_as_its_millimetres(recording):
    display = ECGDisplay.from_ecg(recording)
    width, height = display.figure_.get_size_inches() * 25.4
    assert display.ax_.get_xlim() == pytest.approx((0, width))
    assert display.ax_.get_ylim() == pytest.approx((0, height))
    assert display.ax_.get_position().bounds == pytest.approx((0, 0, 1, 1))


@pytest.mark.parametrize("layout", ["3x4", "6x2"])
def test_ten_seconds_of_real_ecgs_fit_on_a4(layout, data_dir):
    for number in (1, 8, 100, 300):
        file = f"ptbxl/records500/00000/{number:05}_hr.hea"
        display = ECGDisplay.from_ecg(read_ecg(data_dir / file), layout=layout)
        width, height = display.figure_.get_size_inches() * 25.4
        assert width <= 297
        assert height <= 210


@pytest.mark.parametrize(("speed", "gain"), [(25, 10), (50, 20), (25, 5)])
def test_a_second_and_a_millivolt_have_their_length(recording, speed, gain):
    x, y = trace(ECGDisplay.from_ecg(recording, speed=speed, gain=gain), "V6")
    assert x[500] - x[0] == pytest.approx(speed)
    assert np.ptp(y) == pytest.approx(2 * 1.1 * gain)


def test_grid_has_lines_at_every_millimetre_and_every_fifth_is_thick(recording):
    ax = ECGDisplay.from_ecg(recording).ax_
    thin, thick = (
        next(c for c in ax.collections if c.get_label() == label) for label in ("1 mm", "5 mm")
    )
    for lines, step in ((thin, 1), (thick, 5)):
        starts = np.array([segment[0] for segment in lines.get_segments()])
        upright = np.unique(starts[starts[:, 1] == 0, 0])
        assert np.diff(upright) == pytest.approx(step)
    assert thick.get_linewidths()[0] > thin.get_linewidths()[0]


def test_calibration_pulse_is_one_millivolt_of_200_ms_in_every_row(recording):
    ax = ECGDisplay.from_ecg(recording).ax_
    pulses = [line.get_data() for line in ax.lines if line.get_label() == "1 mV"]
    assert len(pulses) == 4
    for x, y in pulses:
        assert np.ptp(y) == 10
        assert np.ptp(x[y == y.max()]) == 5


@pytest.mark.parametrize(("layout", "n_rows"), [("3x4", 3), ("6x2", 6)])
def test_columns_go_on_in_time_and_the_rhythm_strip_holds_all_of_it(recording, layout, n_rows):
    display = ECGDisplay.from_ecg(recording, layout=layout, rhythm="V1")
    assert [line.get_label() for line in display.lines_] == [*sorted_rows(n_rows), "V1"]
    n_columns = 12 // n_rows
    shown = 5000 // n_columns
    for column in range(n_columns):
        x, y = trace(display, LEADS[column * n_rows + 1])
        assert x[0] == pytest.approx(20 + column * 250 / n_columns)
        lead = recording[column * n_rows + 1, column * shown : (column + 1) * shown]
        assert np.ptp(y - 10 * lead) == pytest.approx(0, abs=1e-9)
    x, _ = display.lines_[-1].get_data()
    assert (x[0], x[-1]) == pytest.approx((20, 270 - 0.05))


def sorted_rows(n_rows):
    return [LEADS[row + n_rows * column] for row in range(n_rows) for column in range(12 // n_rows)]


def test_rows_lie_on_thick_lines_and_do_not_touch(recording):
    display = ECGDisplay.from_ecg(recording, rhythm=None)
    lowest = trace(display, "V5")[1].min()  # second row
    assert lowest > trace(display, "V6")[1].max()
    pulses = [line for line in display.ax_.lines if line.get_label() == "1 mV"]
    assert [pulse.get_xdata()[0] for pulse in pulses] == [10] * 3
    assert [pulse.get_ydata()[0] % 5 for pulse in pulses] == [0] * 3


def test_cabrera_order_turns_avr_upside_down(recording):
    display = ECGDisplay.from_ecg(recording, layout="6x2", rhythm=None, cabrera=True)
    names = [text for text in texts(display) if text in CABRERA]
    assert names == [name for pair in zip(CABRERA[:6], CABRERA[6:], strict=True) for name in pair]
    _, upside = trace(display, "-aVR")
    assert upside[0] > upside[499 // 2 + 1]  # the recording begins low
    _, upright = trace(ECGDisplay.from_ecg(recording), "V1")
    assert upright[0] < upright[251]


def test_recorder_s_filters_rate_and_part_are_told(recording, data_dir):
    ecg = read_ecg(data_dir / "ptbxl/records500/00000/00001_hr.hea")
    display = ECGDisplay.from_ecg(ecg, start=2, duration=4)
    assert texts(display)[-1] == "25 mm/s   10 mm/mV   2 to 6 s of 10 s"
    assert len(trace(display, "II")[0]) == 500
    display = ECGDisplay.from_ecg(recording)
    assert texts(display)[-1] == "25 mm/s   10 mm/mV"


def test_filters_of_the_file_are_printed(data_dir):
    files = sorted((data_dir / "formats").rglob("*"))
    ecgs = [read_ecg(file) for file in files if file.suffix in (".xml", ".dcm", ".scp")]
    ecg = next(ecg for ecg in ecgs if ecg.highpass is not None and ecg.lowpass is not None)
    caption = texts(ECGDisplay.from_ecg(ecg))[-1]
    assert f"high-pass {ecg.highpass:.3g} Hz, low-pass {ecg.lowpass:.3g} Hz" in caption


def test_offset_of_a_lead_does_not_move_it(recording):
    moved = recording + 5 * np.arange(12)[:, None]
    ours, theirs = ECGDisplay.from_ecg(moved), ECGDisplay.from_ecg(recording)
    assert trace(ours, "V3")[1] == pytest.approx(trace(theirs, "V3")[1])


def test_missing_lead_is_named_and_the_others_are_drawn(recording):
    gap = recording.copy()
    gap[7] = np.nan
    display = ECGDisplay.from_ecg(gap)
    assert "V2 (no signal)" in texts(display)
    assert len(display.lines_) == 13
    assert np.isfinite(trace(display, "V3")[1]).all()


def test_waves_of_a_beat_are_marked_in_every_lead(data_dir):
    ecg = read_ecg(data_dir / "ptbxl/records500/00000/00001_hr.hea")
    beat = MedianBeat().fit_transform([ecg])[0]
    display = ECGDisplay.from_beat(beat)
    assert list(display.marks) == ["P", "J", "ST", "T"]
    assert [texts(display).count(name) for name in display.marks] == [12] * 4
    moments = list(display.marks.values())
    assert moments == sorted(moments)
    assert display.marks["ST"] == display.marks["J"] + 80
    x, y = trace(display, "II")
    dots = [line.get_data() for line in display.ax_.lines if line.get_marker() == "o"]
    at = round(display.marks["J"] / 2)
    assert (x[at], y[at]) in [(dot_x[0], dot_y[0]) for dot_x, dot_y in dots]


def test_every_lead_of_a_beat_begins_with_it():
    beat = make_omi(1, random_state=0)[0][0]
    display = ECGDisplay.from_beat(beat)
    assert len(display.lines_) == 12
    assert {len(line.get_xdata()) for line in display.lines_} == {600}
    assert trace(display, "V1")[1] - 10 * beat[6] == pytest.approx(
        np.full(600, trace(display, "V1")[1][0] - 10 * beat[6, 0]), abs=1e-4
    )


def test_png_pdf_and_svg_are_at_true_scale(recording, tmp_path):
    figure = ECGDisplay.from_ecg(recording).figure_
    width, height = figure.get_size_inches()
    for suffix in ("png", "pdf", "svg"):
        figure.savefig(tmp_path / f"ecg.{suffix}", dpi=254)
    png = (tmp_path / "ecg.png").read_bytes()
    pixels = struct.unpack(">2I", png[16:24])
    at = png.index(b"pHYs") + 4
    assert struct.unpack(">2IB", png[at : at + 9]) == (10_000, 10_000, 1)  # pixels a metre
    assert pixels == (round(width * 254), round(height * 254))
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (tmp_path / "ecg.pdf").read_bytes())
    assert [float(size) / 72 for size in box.groups()] == pytest.approx([width, height])
    svg = (tmp_path / "ecg.svg").read_text()
    size = re.search(r'<svg [^>]*?height="([\d.]+)pt"[^>]*?width="([\d.]+)pt"', svg)
    if size is None:
        size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
        assert [float(pt) / 72 for pt in size.groups()] == pytest.approx([width, height])
    else:
        assert [float(pt) / 72 for pt in size.groups()] == pytest.approx([height, width])


def test_magnified_page_says_so(recording):
    once, twice = (ECGDisplay.from_ecg(recording, magnify=m) for m in (1, 2))
    assert twice.figure_.get_size_inches() == pytest.approx(2 * once.figure_.get_size_inches())
    assert texts(twice)[-1] == "25 mm/s   10 mm/mV   (magnified 2 x)"


def test_given_axes_are_drawn_on(recording):
    figure, ax = plt.subplots()
    display = ECGDisplay.from_ecg(recording, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]


def test_a_second_ecg_on_the_same_axes_takes_the_place_of_the_first(recording):
    _, ax = plt.subplots()
    display = ECGDisplay.from_ecg(recording, ax=ax)
    before = len(ax.lines), len(ax.texts), len(ax.collections)
    display.plot(ax=ax, paper="grey")
    assert (len(ax.lines), len(ax.texts), len(ax.collections)) == before


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layout": "4x3"}, "layout='4x3' is unknown: use 3x4 or 6x2"),
        ({"paper": "blue"}, "paper='blue' is unknown: use red or grey"),
        ({"rhythm": "V7"}, "'V7' is not one of the twelve leads"),
        ({"start": 11}, "leave nothing of a recording of 10 s"),
        ({"duration": 0}, "leave nothing of a recording of 10 s"),
        ({"sampling_rate": 0}, "sampling_rate must be a number above 0, got 0"),
        ({"speed": 0}, "speed must be a number above 0, got 0"),
        ({"gain": -10}, "gain must be a number above 0, got -10"),  # upside down
        ({"magnify": 0}, "magnify must be a number above 0, got 0"),
    ],
)
def test_unknown_choices_are_refused(recording, params, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ECGDisplay.from_ecg(recording, **params)


def test_missing_matplotlib_is_named_with_its_extra(recording, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[plot\]'"):
        ECGDisplay.from_ecg(recording)


def test_infinite_values_are_refused(recording):
    recording = recording.copy()
    recording[3, 100] = np.inf
    with pytest.raises(ValueError, match="ecg holds infinite values"):
        ECGDisplay.from_ecg(recording)


def test_a_spike_leaves_the_paper_and_does_not_stretch_it(recording):
    spike = recording.copy()
    spike[0, 500], spike[11, 3000] = 300, -300  # mV
    page = ECGDisplay.from_ecg(spike, rhythm="V6").figure_.get_size_inches() * 25.4
    assert page == pytest.approx((280, 75 + 75 + 3 * 25))


@pytest.mark.parametrize("layout", ["3x4", "6x2"])
def test_a_lead_s_name_is_nearer_to_its_own_line_than_to_that_above(recording, layout):
    tall = recording.copy()
    tall[:, ::625] += 3  # an R wave of 30 mm in the first sample of each column
    display = ECGDisplay.from_ecg(tall, layout=layout)
    names = [text for text in display.ax_.texts if text.get_text() in LEADS]
    rows = sorted(
        {pulse.get_ydata()[0] for pulse in display.ax_.lines if pulse.get_label() == "1 mV"}
    )
    for line, name in zip(display.lines_, names, strict=True):
        middle = np.median(line.get_ydata())
        own = min(rows, key=lambda row: abs(middle - row))
        assert own < name.get_position()[1] <= own + np.diff(rows).min() / 2


def test_other_numbers_of_leads_are_refused(recording):
    with pytest.raises(ValueError, match=r"ecg has shape \(8, 5000\)"):
        ECGDisplay.from_ecg(recording[:8])


def test_squares_carry_the_means_of_their_windows(beats):
    maps = np.abs(np.random.default_rng(0).normal(size=(1, 12, 400)))
    display = SaliencyDisplay.from_maps(beats[:1], maps)
    means = maps[0].reshape(12, 20, 20).mean(axis=-1)
    rows = [LEADS.index(line.get_label()) for line in display.lines_]
    assert np.allclose(display.squares_.get_array(), means[rows].ravel())
    for line, row in zip(display.lines_, rows, strict=True):
        assert np.allclose(line.get_array(), means[row])


def test_squares_are_those_of_the_paper_and_hold_the_trace(beats):
    display = SaliencyDisplay.from_maps(beats[:1], 1 + beats[:1] ** 2)
    corners = np.array([path.vertices[:4] for path in display.squares_.get_paths()])
    assert corners == pytest.approx(np.round(corners))
    assert np.ptp(corners[:, :, 0], axis=1) == pytest.approx(1)  # 40 ms
    points = np.array(display.lines_[0].get_segments()[7])
    assert points[:, 1].min() >= corners[7, :, 1].min()
    assert points[:, 1].max() <= corners[7, :, 1].max()


def test_names_carry_the_lead_s_share(beats):
    maps = np.ones((12, 400))
    maps[4] = 9
    display = SaliencyDisplay.from_maps(beats[0], maps)
    assert "aVL  45%" in texts(display)
    assert "V1  5%" in texts(display)


def test_aggregate_is_scaled_by_lead_and_averaged(beats):
    maps = np.abs(np.random.default_rng(0).normal(size=(len(beats), 12, 400)))
    display = SaliencyDisplay.from_maps(beats, maps * np.arange(1, 13)[:, None])
    means = maps.reshape(len(beats), 12, 20, 20).mean(axis=-1)
    means -= means.min(axis=-1, keepdims=True)
    means /= means.max(axis=-1, keepdims=True)
    assert display.saliency == pytest.approx(means.mean(axis=0))
    assert display.beat == pytest.approx(np.median(beats, axis=0))
    assert display.contributions == pytest.approx(np.arange(1, 13) / 78, abs=0.01)
    assert f"{len(beats)} ECGs, each lead scaled by itself" in texts(display)


PAPER_COLOURS = [(0.0, (1, 0.9, 0)), (0.275, (1, 0.45, 0)), (0.55, (1, 0, 0)), (1.0, (0.25, 0, 0))]


def test_colours_are_the_paper_s_from_yellow_to_dark_red(beats):
    squares = SaliencyDisplay.from_maps(beats[:1], 1 + beats[:1] ** 2).squares_
    for at, rgb in PAPER_COLOURS:
        assert squares.cmap(at)[:3] == pytest.approx(rgb, abs=0.02)


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SIGHT = {
    "grey": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_darken_steadily_for_every_eye(beats, sight):
    squares = SaliencyDisplay.from_maps(beats[:1], 1 + beats[:1] ** 2).squares_
    srgb = squares.cmap(np.linspace(0, 1, 21))[:, :3]
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(SIGHT[sight]), 0, 1)
    luminance = seen @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) < 0).all()


def test_signed_maps_are_coloured_about_zero(beats):
    maps = np.random.default_rng(0).normal(size=(1, 12, 400))
    display = SaliencyDisplay.from_maps(beats[:1], maps)
    assert display.squares_.norm.vmin == -display.squares_.norm.vmax
    assert {"against", "for"} <= set(texts(display))
    assert display.squares_.cmap.name == "PuOr"
    display = SaliencyDisplay.from_maps(beats[:1], np.abs(maps), cmap="cividis_r")
    assert {"low", "high"} <= set(texts(display))
    assert display.squares_.cmap.name == "cividis_r"


@pytest.mark.parametrize("name", ["beat", "saliency"])
def test_maps_with_missing_values_are_refused(beats, name):
    given = {"beat": beats[:1].copy(), "saliency": np.abs(beats[:1])}
    given[name][0, 3] = np.nan
    with pytest.raises(ValueError, match=f"{name} holds missing values"):
        SaliencyDisplay.from_maps(given["beat"], given["saliency"])


def test_maps_and_beats_of_unequal_shape_are_refused(beats):
    with pytest.raises(
        ValueError, match=r"beats has shape \(\d+, 12, 400\) and maps \(1, 12, 400\)"
    ):
        SaliencyDisplay.from_maps(beats, np.ones((1, 12, 400)))
    with pytest.raises(ValueError, match="20 windows of 20"):
        SaliencyDisplay(beats[0], np.ones((12, 40)), np.ones(12) / 12).plot()


@pytest.fixture(scope="module")
def network():
    X, y, _ = make_omi(40, prevalence=0.5, random_state=0)
    Z = make_pipeline(BeatCropper(), LeadStandardScaler()).fit_transform(X)
    return ALVDClassifier(max_epochs=1, random_state=0).fit(Z, y)


def test_beats_of_a_pipeline_are_drawn_in_millivolt_as_they_were_before_scaling(network):
    X = make_omi(3, random_state=0)[0]
    model = make_pipeline(BeatCropper(), "passthrough", LeadStandardScaler(), network)
    display = SaliencyDisplay.from_estimator(model, X[:1])
    assert np.array_equal(display.beat, X[0, :, 150:-50])
    maps = saliency_maps(model, X[:1])
    assert display.contributions == pytest.approx(lead_contributions(maps)[0])
    cropped = make_pipeline(LeadStandardScaler(), network)
    display = SaliencyDisplay.from_estimator(cropped, X[:1, :, 150:-50])
    assert np.array_equal(display.beat, X[0, :, 150:-50])


def test_beats_of_a_bare_network_are_drawn_as_it_takes_them(network):
    Z = LeadStandardScaler().fit_transform(make_omi(3, random_state=0)[0][:1, :, 150:-50])
    for estimator in (network, make_pipeline(network)):
        assert np.array_equal(SaliencyDisplay.from_estimator(estimator, Z).beat, Z[0])


def test_a_map_tells_its_method_and_class(network):
    Z = LeadStandardScaler().fit_transform(make_omi(3, random_state=0)[0][:, :, 150:-50])
    options = {"method": "integrated_gradients", "signed": True, "target": 0}
    display = SaliencyDisplay.from_estimator(network, Z[:1], **options)
    assert "integrated gradients, class 0" in texts(display)
    assert f"{len(Z)} ECGs, each lead scaled by itself; gradient, class 1" in texts(
        SaliencyDisplay.from_estimator(network, Z)
    )


def test_recordings_of_files_are_drawn_as_median_beats(network, data_dir):
    ecg = read_ecg(data_dir / "ptbxl/records500/00000/00414_hr.hea")
    model = make_pipeline(MedianBeat(), BeatCropper(), LeadStandardScaler(), network)
    display = SaliencyDisplay.from_estimator(model, [ecg])
    assert np.array_equal(display.beat, MedianBeat().fit_transform([ecg])[0, :, 150:-50])
