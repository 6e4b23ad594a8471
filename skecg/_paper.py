"""ECG paper in millimetres: where leads stand on the page, and what is drawn there."""

import math
from numbers import Real
from typing import NamedTuple

import numpy as np

from .leads import LEADS

LAYOUTS = {"3x4": (3, 4), "6x2": (6, 2)}  # rows, columns
# The limb leads by their angle in the frontal plane, aVR upside down.
CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III", *LEADS[6:])

# Ground, lines of 1 mm, lines of 5 mm.
PAPERS = {"red": ("white", "#f4c7c1", "#e28f86"), "grey": ("0.92", "0.80", "0.60")}

MARGIN = 10  # mm
_PULSE = 0.2  # s, of 1 mV
# mm between rows: at least so much; more where traces would touch, as far as a recording then
# still fits on A4, or up to the second figure for a beat.
_DISTANCE = (25, 60)
_A4 = 210  # mm, the short side
_OUTER = 75  # mm at most above the first row and below the last; what goes further leaves the paper
_POINT = 25.4 / 72  # mm in a point
TRACE, _THIN, _THICK = 0.3 / _POINT, 0.08 / _POINT, 0.2 / _POINT  # widths of lines, in points


def pyplot():
    """Return matplotlib's pyplot, or say what to install."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(
            "Drawing needs the matplotlib package: pip install 'skecg[plot]'"
        ) from error
    return matplotlib.pyplot


def check_leads(signal, name):
    """Return one ECG of twelve leads as an array."""
    signal = np.asarray(signal)
    if signal.dtype.kind not in "fiu" or signal.ndim != 2 or len(signal) != 12:
        raise ValueError(
            f"{name} has shape {signal.shape} and type {signal.dtype}; give one ECG as numbers of "
            "shape (12, n_times), in mV. Missing leads are rows of NaN."
        )
    if np.isinf(signal).any():
        raise ValueError(f"{name} holds infinite values; put NaN where there is no value.")
    return signal


def check_positive(**values):
    """Raise ValueError for a scale of paper or time that is not a number above 0."""
    for name, value in values.items():
        if not (isinstance(value, Real) and 0 < value < math.inf):
            raise ValueError(f"{name} must be a number above 0, got {value!r}.")


class Cell(NamedTuple):
    """A piece of one lead on the page."""

    name: str  # as printed: "-aVR" is aVR upside down
    x: float  # mm from the left edge, of its first sample
    y: float  # mm from the lower edge, of 0 mV
    signal: np.ndarray  # (n_times,) in mV
    first: int  # the number of its first sample

    def trace(self, rate, speed, gain):
        """Return the positions of its samples in mm."""
        x = self.x + np.arange(len(self.signal)) * (speed / rate)
        return x, self.y + gain * self.signal


class Page(NamedTuple):
    """A page of cells; sizes in mm."""

    cells: list
    width: float
    height: float
    distance: float  # of rows


def arrange(signal, rate, *, layout, cabrera, rhythm, consecutive, speed, gain, room=0):
    """Lay twelve leads out on a page.

    Parameters
    ----------
    signal : ndarray of shape (12, n_times)
        In mV, leads in the order of `skecg.leads.LEADS`.
    rate : float
        Samples a second.
    layout : str
        One of `LAYOUTS`.
    cabrera : bool
        Whether limb leads stand in Cabrera's order.
    rhythm : str or None
        The lead that is drawn in full length below the others.
    consecutive : bool
        Whether each column goes on in time where the one before it ends.
    speed, gain : float
        mm/s and mm/mV.
    room : float, default=0
        mm to leave free between traces, and above and below them.

    Returns
    -------
    Page
    """
    _check_choice("layout", layout, LAYOUTS)
    check_positive(sampling_rate=rate, speed=speed, gain=gain)
    n_rows, n_columns = LAYOUTS[layout]
    n_times = signal.shape[1]
    n_shown = n_times // n_columns if consecutive else n_times
    width, gap = n_shown * speed / rate, 0
    if not consecutive:
        width, gap = _whole(width), 5
    left = MARGIN + _PULSE * speed + 5
    rows = [[] for _ in range(n_rows)]
    for i, name in enumerate(CABRERA if cabrera else LEADS):
        column, row = divmod(i, n_rows)
        first = column * n_shown if consecutive else 0
        rows[row].append((name, left + column * (width + gap), first, first + n_shown))
    if rhythm is not None and consecutive:
        rows.append([(rhythm, left, 0, n_columns * n_shown)])
    pieces = [
        [(name, x, _lead(signal, name)[first:stop], first) for name, x, first, stop in row]
        for row in rows
    ]
    up, down = (
        [[gain * _reach(sign * piece[2]) for piece in row] for row in pieces] for sign in (1, -1)
    )
    between = max(_together(low, high) for low, high in zip(down[:-1], up[1:], strict=True))
    above = min(max(25, _whole(max(up[0]) + room + MARGIN)), _OUTER)
    below = min(max(20, _whole(max(down[-1]) + room + MARGIN)), _OUTER)
    least, most = _DISTANCE
    if consecutive:
        most = max(least, (_A4 - above - below) // (len(rows) - 1) // 5 * 5)
    distance = min(max(least, _whole(between + room)), most)
    height = above + distance * (len(rows) - 1) + below
    cells = [
        Cell(name, x, height - above - distance * i, piece, first)
        for i, row in enumerate(pieces)
        for name, x, piece, first in row
    ]
    full = left + n_columns * width + (n_columns - 1) * gap + MARGIN
    return Page(cells, full, height, distance)


def _check_choice(name, value, known):
    if value not in known:
        raise ValueError(f"{name}={value!r} is unknown: use {' or '.join(known)}.")


def _lead(signal, name):
    lead = signal[LEADS.index(name.removeprefix("-"))]
    return -lead if name.startswith("-") else lead


def _reach(values):
    return max(np.nanmax(values, initial=0.0), 0.0)


def _together(low, high):
    """Return how much two rows need between them, column by column or below a whole row."""
    if len(high) < len(low):
        return max(low) + max(high)
    return max(a + b for a, b in zip(low, high, strict=True))


def _whole(mm):
    # Up to whole squares of 5 mm, so that zero lines lie on thick lines.
    return 5 * math.ceil(mm / 5)


def blank(page, paper, magnify, ax):
    """Return axes in millimetres that are filled with paper, and their figure."""
    _check_choice("paper", paper, PAPERS)
    check_positive(magnify=magnify)
    plt = pyplot()
    from matplotlib.collections import LineCollection

    if ax is None:
        size = magnify * page.width / 25.4, magnify * page.height / 25.4
        figure = plt.figure(figsize=size)
        ax = figure.add_axes((0, 0, 1, 1))
    ax.clear()  # paper covers what is there
    ground, thin, thick = PAPERS[paper]
    ax.set(xlim=(0, page.width), ylim=(0, page.height), aspect="equal", facecolor=ground)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    for step, color, width in ((1, thin, _THIN), (5, thick, _THICK)):
        x, y = np.arange(0, page.width + 0.5, step), np.arange(0, page.height + 0.5, step)
        lines = [((at, 0), (at, page.height)) for at in x]
        lines += [((0, at), (page.width, at)) for at in y]
        ax.add_collection(
            LineCollection(
                lines, colors=color, linewidths=width * magnify, zorder=0.5, label=f"{step} mm"
            ),
            autolim=False,
        )
    return ax, ax.figure


def draw_traces(ax, page, rate, speed, gain, magnify):
    """Draw every cell as a line; return the lines."""
    style = {"color": "black", "linewidth": TRACE * magnify, "solid_joinstyle": "round"}
    lines = []
    for cell in page.cells:
        x, y = cell.trace(rate, speed, gain)
        lines += ax.plot(x, y, label=cell.name, scalex=False, scaley=False, zorder=3, **style)
        if cell.first:  # the lead before it ends here
            ends = [cell.y - 3, cell.y + 3]
            ax.plot([cell.x] * 2, ends, color="black", linewidth=_THICK * magnify, zorder=3)
    return lines


def draw_pulses(ax, page, speed, gain, magnify):
    """Draw 1 mV of 200 ms at the left of each row; return the lines."""
    width = _PULSE * speed
    x = MARGIN + np.array([0, 1, 1, 1 + width, 1 + width, 2 + width])
    y = gain * np.array([0, 0, 1, 1, 0, 0])
    style = {"color": "black", "linewidth": TRACE * magnify, "zorder": 3, "label": "1 mV"}
    rows = sorted({cell.y for cell in page.cells}, reverse=True)
    return [ax.plot(x, at + y, scalex=False, scaley=False, **style)[0] for at in rows]


def write(ax, x, y, text, *, size, magnify, paper, **kwargs):
    """Write text of `size` mm, with a rim of paper around the letters."""
    from matplotlib.patheffects import withStroke

    rim = [withStroke(linewidth=1.5 * magnify, foreground=PAPERS[paper][0])]
    fontsize = size / _POINT * magnify
    return ax.text(x, y, text, fontsize=fontsize, path_effects=rim, zorder=5, **kwargs)


def scale_text(speed, gain, magnify):
    """Return the scale in words."""
    enlarged = "" if magnify == 1 else f"   (magnified {magnify:g} x)"
    return f"{speed:g} mm/s   {gain:g} mm/mV{enlarged}"


def write_name(ax, cell, trace, text, *, magnify, paper, highest=math.inf):
    """Write a lead's name above the beginning of its cell and the `trace` there, in mm."""
    y = min(np.nanmax(trace + 1, initial=cell.y + 7), highest)
    pen = {"size": 3, "magnify": magnify, "paper": paper, "weight": "bold"}
    write(ax, cell.x + 1, y, text, va="bottom", **pen)


def write_around(ax, page, title, lines, *, magnify, paper):
    """Write what stands above the leads, and lines below them, the first at the bottom."""
    pen = {"magnify": magnify, "paper": paper}
    if title:
        write(ax, MARGIN, page.height - 4, title, size=4, va="top", **pen)
    for i, line in enumerate(lines):
        write(ax, MARGIN, 4 + 5 * i, line, size=3, va="bottom", **pen)


def mark(ax, x, y, below, name, *, magnify, paper):
    """Mark a moment: a dot on the trace, a thin line down from it, a name below."""
    ax.plot([x, x], [below, y], color="black", linewidth=_THIN * magnify, zorder=2)
    ax.plot(x, y, "o", color="black", markersize=1 / _POINT * magnify, zorder=4)
    write(ax, x, below, name, size=2, magnify=magnify, paper=paper, ha="center", va="top")
