"""Pictures: ECGs on paper at true scale, and saliency maps on them."""

import numpy as np

from . import _paper
from ._attribution import ecgs_of_maps
from .feature_extraction import _find_r_index, delineate
from .inspection import aggregate_maps, lead_contributions, saliency_maps, window_means
from .io import ECG
from .leads import LEADS, standard_name

__all__ = ["ECGDisplay", "SaliencyDisplay"]

_ST = 80  # ms after J: where ST is marked
# Yellow, orange, red, dark red: darker at every step, so that it can be read in grey as well.
_COLOURS = [(0.0, (1, 0.9, 0)), (0.275, (1, 0.45, 0)), (0.55, (1, 0, 0)), (1.0, (0.25, 0, 0))]


class ECGDisplay:
    """Twelve leads on ECG paper, at true scale.

    Build it with `from_ecg` (a recording) or `from_beat` (a median beat with its waves
    marked). What ``display.figure_.savefig`` writes, as PNG, SVG or PDF, has 25 mm to the
    second and 10 mm to the mV when printed at 100 %.

    Parameters
    ----------
    signal : array-like of shape (12, n_times)
        In mV, leads in the order of :data:`skecg.leads.LEADS`; NaN where there is no value.
    sampling_rate : float, default=500
        Samples a second.
    marks : dict of str to float, default=None
        Moments to mark in every lead, in ms from the first sample. With marks (they may be
        empty) `signal` is one beat, and every lead is drawn from its beginning. None means
        a recording: in each column the leads go on where those of the column before end.
    caption : str, default=""
        Printed below, after the scale.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Its unit is the millimetre, with the origin in the lower left corner of the page.
    figure_ : matplotlib Figure
        As large as the page.
    lines_ : list of matplotlib Line2D
        The traces, labelled by lead.

    Examples
    --------
    >>> from skecg.datasets import make_omi
    >>> from skecg.plotting import ECGDisplay
    >>> X, y, groups = make_omi(1, prevalence=1, form="ecg", random_state=0)
    >>> display = ECGDisplay.from_ecg(X[0], title="Simulated")
    >>> len(display.lines_), display.lines_[-1].get_label()
    (13, 'II')
    >>> display.figure_.savefig("ecg.pdf")  # doctest: +SKIP
    """

    def __init__(self, signal, *, sampling_rate=500, marks=None, caption=""):
        self.signal = signal
        self.sampling_rate = sampling_rate
        self.marks = marks
        self.caption = caption

    @classmethod
    def from_ecg(cls, ecg, *, sampling_rate=500, start=0, duration=10, **kwargs):
        """Draw a recording.

        Each lead is shifted so that its median is at zero: recorders do not measure the level.

        Parameters
        ----------
        ecg : ECG or array-like of shape (12, n_times)
            A recording from :func:`skecg.io.read_ecg`, or its leads in mV in the order of
            :data:`skecg.leads.LEADS`.
        sampling_rate : float, default=500
            In Hz; an `ECG` brings its own.
        start, duration : float, default=0 and 10
            Which part of the recording, in s.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        ECGDisplay
        """
        caption = ""
        if isinstance(ecg, ECG):
            sampling_rate, caption = ecg.sampling_rate, _filters(ecg)
            ecg = ecg.signal
        signal = _check_leads(ecg, "ecg")
        seconds = signal.shape[1] / sampling_rate
        if not (duration > 0 and 0 <= start < seconds):
            raise ValueError(
                f"start={start!r} and duration={duration!r} leave nothing of a recording of "
                f"{seconds:g} s. Give a start inside it and a duration above 0."
            )
        first, stop = round(start * sampling_rate), round((start + duration) * sampling_rate)
        if start > 0 or start + duration < seconds:
            shown = f"{start:g} to {min(start + duration, seconds):g} s of {seconds:g} s"
            caption = f"{shown}   {caption}".strip()
        signal = signal[:, first:stop]
        missing = np.isnan(signal).all(axis=1, keepdims=True)
        level = np.nanmedian(np.where(missing, 0, signal), axis=1, keepdims=True)
        display = cls(signal - level, sampling_rate=sampling_rate, caption=caption)
        return display.plot(**kwargs)

    @classmethod
    def from_beat(cls, beat, *, sampling_rate=500, r_index=None, **kwargs):
        """Draw a median beat, with P (its peak), J, ST (J + 80 ms) and T (its peak) marked.

        Parameters
        ----------
        beat : array-like of shape (12, n_times)
            In mV, as of :class:`skecg.preprocessing.MedianBeat`.
        sampling_rate : float, default=500
            Samples a second.
        r_index : int, default=None
            The sample of R, as in :func:`skecg.feature_extraction.delineate`, which finds
            the waves in all leads together.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        ECGDisplay
        """
        beat = _check_leads(beat, "beat")
        waves = delineate(beat[None], sampling_rate, r_index=r_index).loc[0]
        r = 1000 * _find_r_index(r_index, beat.shape[1], sampling_rate) / sampling_rate
        marks = {
            "P": r + waves["p_peak"],
            "J": r + waves["qrs_off"],
            "ST": r + waves["qrs_off"] + _ST,
            "T": r + waves["t_peak"],
        }
        marks = {name: float(ms) for name, ms in marks.items() if not np.isnan(ms)}
        caption = f"ST: J + {_ST} ms" if "ST" in marks else ""
        display = cls(beat, sampling_rate=sampling_rate, marks=marks, caption=caption)
        return display.plot(**kwargs)

    def plot(
        self,
        ax=None,
        *,
        layout="3x4",
        rhythm="II",
        cabrera=False,
        speed=25,
        gain=10,
        paper="red",
        magnify=1,
        title="",
    ):
        """Draw the ECG.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, whose size then sets the scale. None makes a figure as large as the
            page: true scale.
        layout : {"3x4", "6x2"}, default="3x4"
            Rows and columns of leads.
        rhythm : str or None, default="II"
            The lead drawn in full length below the others, of recordings only; None for none.
        cabrera : bool, default=False
            Whether limb leads stand in Cabrera's order: aVL, I, -aVR, II, aVF, III.
        speed : float, default=25
            In mm/s.
        gain : float, default=10
            In mm/mV.
        paper : {"red", "grey"}, default="red"
            Colour of the paper. Traces are black, and marks have letters, on both.
        magnify : float, default=1
            How much larger than true scale the page is, grid and letters included.
        title : str, default=""
            Printed above.

        Returns
        -------
        self
        """
        signal = _check_leads(self.signal, "signal")
        beat = self.marks is not None
        rhythm = None if rhythm is None or beat else standard_name(rhythm)
        page = _arrange(
            signal,
            self.sampling_rate,
            layout=layout,
            paper=paper,
            cabrera=cabrera,
            rhythm=rhythm,
            consecutive=not beat,
            speed=speed,
            gain=gain,
            room=5 if self.marks else 0,
        )
        self.ax_, self.figure_ = _paper.blank(page, paper, magnify, ax)
        pen = {"magnify": magnify, "paper": paper}
        self.lines_ = _paper.draw_traces(self.ax_, page, self.sampling_rate, speed, gain, magnify)
        _paper.draw_pulses(self.ax_, page, speed, gain, magnify)
        for cell in page.cells:
            missing = "" if np.isfinite(cell.signal).any() else " (no signal)"
            _paper.write_name(self.ax_, cell, cell.name + missing, **pen)
            if beat:
                self._draw_marks(cell, speed, gain, pen)
        _paper.write_around(
            self.ax_, page, title, _scale(speed, gain, magnify, self.caption), **pen
        )
        return self

    def _draw_marks(self, cell, speed, gain, pen):
        """Mark moments of a beat in one lead: a dot on the trace, a letter below it."""
        _, y = cell.trace(self.sampling_rate, speed, gain)
        below = np.nanmin(y, initial=cell.y) - 2.5
        for name, ms in self.marks.items():
            x = cell.x + ms / 1000 * speed
            at = y[min(round(ms / 1000 * self.sampling_rate), len(y) - 1)]
            _paper.mark(self.ax_, x, at, below, name, **pen)


class SaliencyDisplay:
    """A saliency map on the median beat that it explains, on ECG paper.

    The trace, and the small squares of paper around it, go from bright yellow (low) to dark red
    (high); beside its name each lead has its share of the map in percent. Build it with
    `from_estimator` or, from maps at hand, `from_maps`.

    Parameters
    ----------
    beat : array-like of shape (12, n_times)
        In mV, leads in the order of :data:`skecg.leads.LEADS`.
    saliency : array-like of shape (12, n_windows)
        One value for each window of the beat.
    contributions : array-like of shape (12,)
        Share of each lead in the map, as of :func:`skecg.inspection.lead_contributions`.
    window : int, default=20
        Samples in a window.
    sampling_rate : float, default=500
        Samples a second.
    caption : str, default=""
        Printed below, after the scale.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Its unit is the millimetre, with the origin in the lower left corner of the page.
    figure_ : matplotlib Figure
        As large as the page.
    squares_ : matplotlib PolyCollection
        The coloured squares, one for each window of each lead; its array is the map.
    lines_ : list of matplotlib LineCollection
        The coloured traces, labelled by lead.

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, section II.C and Figure 7.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skecg import ALVDClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.plotting import SaliencyDisplay
    >>> from skecg.preprocessing import BeatCropper, LeadStandardScaler
    >>> X, y, groups = make_omi(60, prevalence=0.5, random_state=0)
    >>> net = ALVDClassifier(max_epochs=1, random_state=0)
    >>> model = make_pipeline(BeatCropper(), LeadStandardScaler(), net).fit(X, y)
    >>> display = SaliencyDisplay.from_estimator(model, X[y == 1])
    >>> display.saliency.shape, display.contributions.shape
    ((12, 20), (12,))
    """

    def __init__(self, beat, saliency, contributions, *, window=20, sampling_rate=500, caption=""):
        self.beat = beat
        self.saliency = saliency
        self.contributions = contributions
        self.window = window
        self.sampling_rate = sampling_rate
        self.caption = caption

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        target=None,
        method="saliency",
        signed=False,
        window=20,
        baselines=None,
        random_state=None,
        sampling_rate=500,
        **kwargs,
    ):
        """Make and draw the map of one ECG, or the aggregate map of several.

        Parameters
        ----------
        estimator : NetClassifier or Pipeline that ends in one
            Fitted. Of a pipeline the beats are drawn as they are, in mV, before scaling; a bare
            network has to be given what it takes, z-scored or not, and that is drawn.
        X : array-like of shape (n_samples, 12, n_times), or list
            ECGs as for ``estimator.predict``. For the paper's Figure 7: the positive ones.
        target, method, signed, window, baselines, random_state
            As for :func:`skecg.inspection.saliency_maps`.
        sampling_rate : float, default=500
            Of the network's input.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        SaliencyDisplay
        """
        maps = saliency_maps(
            estimator,
            X,
            target=target,
            method=method,
            signed=signed,
            window=window,
            baselines=baselines,
            random_state=random_state,
        )
        beats = ecgs_of_maps(estimator, X)
        return cls.from_maps(beats, maps, window=window, sampling_rate=sampling_rate, **kwargs)

    @classmethod
    def from_maps(cls, beats, maps, *, window=20, sampling_rate=500, **kwargs):
        """Draw the map of one ECG, or the aggregate of the maps of several.

        Of one ECG: the means in windows. Of several: the same, every lead of each ECG scaled to
        run from 0 to 1, and averaged, on the median of the beats; the leads' shares are the mean
        of those in each ECG.

        Parameters
        ----------
        beats : array-like of shape (n_samples, 12, n_times) or (12, n_times)
            In mV.
        maps : array-like of the same shape
            From :func:`skecg.inspection.saliency_maps`.
        window : int, default=20
            Samples in a window: 40 ms at 500 Hz, a small square at 25 mm/s.
        sampling_rate : float, default=500
            Samples a second.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        SaliencyDisplay
        """
        beats, maps = (
            np.asarray(a)[None] if np.ndim(a) == 2 else np.asarray(a) for a in (beats, maps)
        )
        if beats.shape != maps.shape or beats.ndim != 3:
            raise ValueError(
                f"beats has shape {beats.shape} and maps {maps.shape}; give both as (n_samples, "
                "12, n_times), the beats as they reached the network but in mV."
            )
        means, shares = window_means(maps, window=window), lead_contributions(maps).mean(axis=0)
        n = len(beats)
        display = cls(
            np.median(beats, axis=0),
            means[0] if n == 1 else aggregate_maps(means),
            shares,
            window=window,
            sampling_rate=sampling_rate,
            caption="" if n == 1 else f"{n} ECGs: median beat, mean map scaled by lead",
        )
        return display.plot(**kwargs)

    def plot(
        self,
        ax=None,
        *,
        layout="3x4",
        cabrera=False,
        speed=25,
        gain=10,
        cmap=None,
        paper="grey",
        magnify=2,
        title="",
    ):
        """Draw the map.

        Parameters
        ----------
        ax, layout, cabrera, speed, gain, title
            As for :meth:`ECGDisplay.plot`.
        cmap : str or matplotlib Colormap, default=None
            Colours from the lowest to the highest value. None takes the paper's, yellow to dark
            red, which darken steadily and can be read in grey and by colour-blind readers, or, of
            signed maps, "PuOr", violet for and orange against the target. "cividis_r" is a
            choice without red.
        paper : {"red", "grey"}, default="grey"
            Colour of the paper. Yellow shows on grey.
        magnify : float, default=2
            How much larger than true scale the page is, grid and letters included.

        Returns
        -------
        self
        """
        beat, saliency = _check_leads(self.beat, "beat"), np.asarray(self.saliency)
        n_windows = -(-beat.shape[1] // self.window)
        if saliency.shape != (12, n_windows):
            raise ValueError(
                f"saliency has shape {saliency.shape}, but a beat of {beat.shape[1]} samples has "
                f"{n_windows} windows of {self.window}: give (12, {n_windows})."
            )
        rate = self.sampling_rate
        page = _arrange(
            beat,
            rate,
            layout=layout,
            paper=paper,
            cabrera=cabrera,
            rhythm=None,
            consecutive=False,
            speed=speed,
            gain=gain,
        )
        self.ax_, self.figure_ = _paper.blank(page, paper, magnify, ax)
        colours = _paper.colours(saliency, cmap, _COLOURS)
        rows = [saliency[LEADS.index(cell.name.removeprefix("-"))] for cell in page.cells]
        traces = [cell.trace(rate, speed, gain) for cell in page.cells]
        self.squares_ = _paper.draw_squares(self.ax_, traces, rows, self.window, colours)
        self.lines_ = _paper.draw_coloured(
            self.ax_, page, traces, rows, self.window, colours, magnify
        )
        pen = {"magnify": magnify, "paper": paper}
        _paper.draw_pulses(self.ax_, page, speed, gain, magnify)
        for cell in page.cells:
            share = self.contributions[LEADS.index(cell.name.removeprefix("-"))]
            _paper.write_name(self.ax_, cell, f"{cell.name}  {100 * share:.0f} %", **pen)
        _paper.draw_key(self.ax_, page, colours, saliency.min() < 0, **pen)
        _paper.write_around(
            self.ax_, page, title, _scale(speed, gain, magnify, self.caption), **pen
        )
        return self


def _check_leads(signal, name):
    signal = np.asarray(signal)
    if signal.dtype.kind not in "fiu" or signal.ndim != 2 or len(signal) != 12:
        raise ValueError(
            f"{name} has shape {signal.shape} and type {signal.dtype}; give one ECG as numbers of "
            "shape (12, n_times), in mV. Missing leads are rows of NaN."
        )
    return signal


def _arrange(signal, rate, *, layout, paper, **kwargs):
    for name, value, known in (("layout", layout, _paper.LAYOUTS), ("paper", paper, _paper.PAPERS)):
        if value not in known:
            raise ValueError(f"{name}={value!r} is unknown: use {' or '.join(known)}.")
    return _paper.arrange(signal, rate, layout=layout, **kwargs)


def _scale(speed, gain, magnify, caption):
    enlarged = "" if magnify == 1 else f"   (magnified {magnify:g} x)"
    return f"{speed:g} mm/s   {gain:g} mm/mV{enlarged}   {caption}".strip()


def _filters(ecg):
    """Return the recorder's filters in words."""
    words = []
    if ecg.highpass is not None or ecg.lowpass is not None:
        edges = ["?" if hz is None else f"{hz:.3g}" for hz in (ecg.highpass, ecg.lowpass)]
        words.append("-".join(edges) + " Hz")
    if ecg.notch is not None:
        words.append(f"notch {ecg.notch:g} Hz")
    return ", ".join(words)
