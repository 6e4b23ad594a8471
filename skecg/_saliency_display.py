"""A saliency map drawn on the beat that it explains."""

import math

import numpy as np

from . import _paper
from ._attribution import ecgs_of_maps, network, target_code
from .inspection import aggregate_maps, lead_contributions, saliency_maps, window_means
from .leads import LEADS

_METHODS = {
    "saliency": "gradient",
    "integrated_gradients": "integrated gradients",
    "gradient_shap": "gradient SHAP",
    "occlusion": "occlusion",
}
# Yellow, orange, red, dark red: darker at every step, so that it can be read in grey as well.
_COLOURS = [(0.0, (1, 0.9, 0)), (0.275, (1, 0.45, 0)), (0.55, (1, 0, 0)), (1.0, (0.25, 0, 0))]


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
        net = network(estimator)
        return cls.from_maps(
            ecgs_of_maps(estimator, X),
            maps,
            window=window,
            sampling_rate=sampling_rate,
            caption=f"{_METHODS[method]}, class {net.classes_[target_code(net, target)]}",
            **kwargs,
        )

    @classmethod
    def from_maps(cls, beats, maps, *, window=20, sampling_rate=500, caption="", **kwargs):
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
        caption : str, default=""
            What maps these are, say the method and the class; `from_estimator` tells these.
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
        several = "" if n == 1 else f"{n} ECGs, each lead scaled by itself"
        display = cls(
            np.median(beats, axis=0),
            means[0] if n == 1 else aggregate_maps(means),
            shares,
            window=window,
            sampling_rate=sampling_rate,
            caption="; ".join(filter(None, (several, caption))),
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
        beat, saliency = _paper.check_leads(self.beat, "beat"), np.asarray(self.saliency)
        n_windows = -(-beat.shape[1] // self.window)
        if saliency.shape != (12, n_windows):
            raise ValueError(
                f"saliency has shape {saliency.shape}, but a beat of {beat.shape[1]} samples has "
                f"{n_windows} windows of {self.window}: give (12, {n_windows})."
            )
        for name, values in (("beat", beat), ("saliency", saliency)):
            if not np.isfinite(values).all():
                raise ValueError(f"{name} holds missing values; maps are of complete beats.")
        rate = self.sampling_rate
        page = _paper.arrange(
            beat,
            rate,
            layout=layout,
            cabrera=cabrera,
            rhythm=None,
            consecutive=False,
            speed=speed,
            gain=gain,
            room=10,  # for names and the key
        )
        self.ax_, self.figure_ = _paper.blank(page, paper, magnify, ax)
        colours = _colours(saliency, cmap)
        rows = [saliency[LEADS.index(cell.name.removeprefix("-"))] for cell in page.cells]
        traces = [cell.trace(rate, speed, gain) for cell in page.cells]
        self.squares_ = _draw_squares(self.ax_, traces, rows, self.window, colours)
        self.lines_ = _draw_coloured(self.ax_, page, traces, rows, self.window, colours, magnify)
        pen = {"magnify": magnify, "paper": paper}
        _paper.draw_pulses(self.ax_, page, speed, gain, magnify)
        for cell, (_, y) in zip(page.cells, traces, strict=True):
            share = self.contributions[LEADS.index(cell.name.removeprefix("-"))]
            _paper.write_name(self.ax_, cell, y, f"{cell.name}  {share:.0%}", **pen)
        lines = [_paper.scale_text(speed, gain, magnify), self.caption]
        _paper.write_around(self.ax_, page, title, lines, **pen)
        _draw_key(self.ax_, 14 if self.caption else 9, colours, **pen)
        return self


def _colours(values, cmap):
    """Return a colour map and a norm over `values`, symmetrical where some are negative."""
    _paper.pyplot()
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    low, high = values.min(), values.max()
    if cmap is None:
        cmap = "PuOr" if low < 0 else LinearSegmentedColormap.from_list("saliency", _COLOURS)
    if low < 0:
        high = np.abs(values).max()
        low = -high
    return colormaps[cmap] if isinstance(cmap, str) else cmap, Normalize(low, high)


def _draw_squares(ax, traces, rows, window, colours):
    """Colour the small squares that the traces pass, a column for each window."""
    from matplotlib.collections import PolyCollection

    corners = []
    for x, y in traces:
        step = x[1] - x[0]
        for start in range(0, len(x), window):
            piece = y[start : start + window + 1]
            low, high = math.floor(piece.min()), math.ceil(piece.max())
            left, right = x[start], x[start] + step * min(window, len(x) - start)
            corners.append([(left, low), (right, low), (right, high), (left, high)])
    cmap, norm = colours
    squares = PolyCollection(
        corners, array=np.concatenate(rows), cmap=cmap, norm=norm, alpha=0.45, zorder=1
    )
    return ax.add_collection(squares, autolim=False)


def _draw_coloured(ax, page, traces, rows, window, colours, magnify):
    """Draw every trace in the colours of its windows, with a dark rim; return the lines."""
    from matplotlib.collections import LineCollection

    cmap, norm = colours
    lines = []
    for cell, (x, y), row in zip(page.cells, traces, rows, strict=True):
        width = _paper.TRACE * magnify
        ax.plot(x, y, color="0.25", linewidth=3.2 * width, solid_capstyle="round", zorder=3)
        points = np.stack([x, y], axis=-1)
        pieces = [points[i : i + window + 1] for i in range(0, len(x), window)]
        line = LineCollection(
            pieces,
            array=row,
            cmap=cmap,
            norm=norm,
            linewidths=2.2 * width,
            capstyle="round",
            label=cell.name,
            zorder=4,
        )
        lines.append(ax.add_collection(line, autolim=False))
    return lines


def _draw_key(ax, y, colours, *, magnify, paper):
    """Draw the colours from low to high."""
    from matplotlib.collections import PolyCollection

    cmap, norm = colours
    low, high = ("against", "for") if norm.vmin < 0 else ("low", "high")
    x = _paper.MARGIN + 14 + np.arange(20)
    squares = [[(at, y), (at + 1, y), (at + 1, y + 3), (at, y + 3)] for at in x]
    values = np.linspace(norm.vmin, norm.vmax, len(x))
    ax.add_collection(PolyCollection(squares, array=values, cmap=cmap, norm=norm, zorder=2))
    pen = {"size": 3, "magnify": magnify, "paper": paper, "va": "bottom"}
    _paper.write(ax, x[0] - 1, y, low, ha="right", **pen)
    _paper.write(ax, x[-1] + 2, y, high, ha="left", **pen)
