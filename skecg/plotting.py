"""Pictures: ECGs on paper at true scale, saliency maps on them, and results of models."""

import numpy as np

from . import _paper
from ._fold_displays import ComparisonDisplay, TrainingCurveDisplay
from ._saliency_display import SaliencyDisplay
from ._score_displays import DecisionCurveDisplay, OperatingPointDisplay
from .feature_extraction import _find_r_index, delineate
from .io import ECG
from .leads import standard_name

__all__ = [
    "ComparisonDisplay",
    "DecisionCurveDisplay",
    "ECGDisplay",
    "OperatingPointDisplay",
    "SaliencyDisplay",
    "TrainingCurveDisplay",
]

_ST = 80  # ms after J: where ST is marked
_NAME = 12  # mm that the name of a lead takes


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
        signal = _paper.check_leads(ecg, "ecg")
        _paper.check_positive(sampling_rate=sampling_rate)
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
        beat = _paper.check_leads(beat, "beat")
        _paper.check_positive(sampling_rate=sampling_rate)
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
            Axes to draw on, whose size then sets the scale; what they hold is cleared. None makes a
            figure as large as the page: true scale.
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
        signal = _paper.check_leads(self.signal, "signal")
        beat = self.marks is not None
        rhythm = None if rhythm is None or beat else standard_name(rhythm)
        page = _paper.arrange(
            signal,
            self.sampling_rate,
            layout=layout,
            cabrera=cabrera,
            rhythm=rhythm,
            consecutive=not beat,
            speed=speed,
            gain=gain,
            room=10 if beat else 0,  # for names and marks
        )
        self.ax_, self.figure_ = _paper.blank(page, paper, magnify, ax)
        pen = {"magnify": magnify, "paper": paper}
        self.lines_ = _paper.draw_traces(self.ax_, page, self.sampling_rate, speed, gain, magnify)
        _paper.draw_pulses(self.ax_, page, speed, gain, magnify)
        for cell in page.cells:
            _, y = cell.trace(self.sampling_rate, speed, gain)
            seen = np.isfinite(y).any()
            name = cell.name if seen else f"{cell.name} (no signal)"
            below = y[: round(_NAME / speed * self.sampling_rate)]
            # A name above a tall R wave would stand at the lead of the row above.
            highest = np.inf if beat else cell.y + page.distance / 2
            _paper.write_name(self.ax_, cell, below, name, highest=highest, **pen)
            if beat and seen:
                self._draw_marks(cell, y, speed, pen)
        lines = [_paper.scale_text(speed, gain, magnify), self.caption]
        if not beat:  # the page is wide enough
            lines = ["   ".join(lines).strip()]
        _paper.write_around(self.ax_, page, title, lines, **pen)
        return self

    def _draw_marks(self, cell, y, speed, pen):
        """Mark moments of a beat in one lead: a dot on the trace, a letter below it."""
        for i, (name, ms) in enumerate(self.marks.items()):
            below = np.nanmin(y) - 2.5 - 2 * (i % 2)  # neighbours may stand close
            at = min(round(ms / 1000 * self.sampling_rate), len(y) - 1)
            _paper.mark(self.ax_, cell.x + ms / 1000 * speed, y[at], below, name, **pen)


def _filters(ecg):
    """Return the recorder's filters in words."""
    edges = {"high-pass": ecg.highpass, "low-pass": ecg.lowpass, "notch": ecg.notch}
    return ", ".join(f"{name} {hz:.3g} Hz" for name, hz in edges.items() if hz is not None)
