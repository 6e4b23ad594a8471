"""A document as data, and how it becomes HTML, Markdown or PDF; all text is taken as text."""

import base64
import hashlib
import html
import io
import re
import textwrap
import warnings
from typing import NamedTuple

from ._paper import pyplot

_MOST = 2000  # characters of one text
_A4 = 210 / 25.4, 297 / 25.4  # inches
_CHARACTERS, _LINES = 100, 68  # of a page of text
_CSS = """
@page { size: A4 landscape; margin: 8mm }
body { font: 15px/1.45 sans-serif; color: #111; background: #fff; max-width: 1060px;
  margin: 16px auto; padding: 0 8px; overflow-wrap: anywhere }
h1 { font-size: 24px; margin: 0 0 4px } h2 { font-size: 18px; margin: 20px 0 4px }
p { margin: 4px 0; max-width: 90ch }
table { border-collapse: collapse; margin: 6px 0 }
th, td { text-align: left; vertical-align: top; padding: 2px 10px 2px 0;
  border-bottom: 1px solid #ccc }
td { white-space: pre-line }
td:not(:last-child), th:not(:only-of-type) { overflow-wrap: normal }
.alert { font-weight: bold; border: 2px solid #111; padding: 6px 10px; margin: 6px 0 }
.headline { font-size: 22px; font-weight: bold }
figure { margin: 6px 0; overflow-x: auto; break-inside: avoid }
figcaption { max-width: 90ch }
"""


class Headline(NamedTuple):
    """What a reader has to see first."""

    text: str


class Alert(NamedTuple):
    """A warning in a frame."""

    text: str


class Table(NamedTuple):
    """Rows of text; the first cell of each is its name."""

    rows: list
    head: tuple = ()


class Picture(NamedTuple):
    """A matplotlib figure at its own size, what it shows, and how to read it."""

    figure: object
    alt: str
    caption: str = ""


class Section(NamedTuple):
    """A title and its blocks: str for a paragraph, or one of the classes above."""

    title: str
    blocks: list


def plain(text):
    """Return any value as one line of printable text, cut where it is longer than 2000 characters.

    What cannot be seen, such as control characters and marks that turn the direction of writing,
    becomes U+FFFD.
    """
    text = str(text)
    left = len(text) - _MOST
    shown = "".join(
        c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text[:_MOST]
    )
    return shown if left <= 0 else f"{shown} ... ({left} more characters)"


# -- HTML ------------------------------------------------------------------------------


def to_html(title, sections):
    """Return a page that holds all it needs and may run no script and load nothing.

    Parameters
    ----------
    title : str
    sections : list of Section

    Returns
    -------
    str
    """
    digest = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{_escape(title)}</title><style>{_CSS}</style></head><body>",
        f"<h1>{_escape(title)}</h1>",
    ]
    for section in sections:
        parts += ["<section>", f"<h2>{_escape(section.title)}</h2>"]
        parts += [_html_block(block) for block in section.blocks]
        parts.append("</section>")
    return "\n".join([*parts, "</body></html>\n"])


def _escape(text):
    return html.escape(plain(text))


def _html_block(block):
    if isinstance(block, Headline):
        return f'<p class="headline">{_escape(block.text)}</p>'
    if isinstance(block, Alert):
        return f'<p class="alert">{_escape(block.text)}</p>'
    if isinstance(block, Table):
        rows = [_html_row(block.head, "th", "th")] if block.head else []
        rows += [_html_row(row, "th", "td") for row in block.rows]
        return f"<table>{''.join(rows)}</table>"
    if isinstance(block, Picture):
        data = base64.b64encode(_svg(block.figure)).decode()
        width = 96 * block.figure.get_size_inches()[0]  # CSS has 96 pixels to the inch
        caption = f"<figcaption>{_escape(block.caption)}</figcaption>" if block.caption else ""
        return (
            f'<figure><img width="{width:.0f}" alt="{_escape(block.alt)}" '
            f'src="data:image/svg+xml;base64,{data}">{caption}</figure>'
        )
    return f"<p>{_escape(block)}</p>"


def _html_row(cells, first, others):
    tags = [first] + [others] * (len(cells) - 1)
    cells = (f"<{tag}>{_escape(c)}</{tag}>" for tag, c in zip(tags, cells, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _svg(figure):
    pyplot()
    from matplotlib import rc_context

    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "skecg", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


# -- Markdown --------------------------------------------------------------------------


def to_markdown(title, sections):
    """Return a document without pictures as Markdown; arguments as for :func:`to_html`."""
    parts = [f"# {_mark(title)}"]
    for section in sections:
        parts.append(f"## {_mark(section.title)}")
        parts += [_markdown_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _mark(text):
    """Return text that Markdown shows as it is."""
    text = re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(plain(text), quote=False))
    text = re.sub(r"^([#+=~-])", r"\\\1", text.strip())
    return re.sub(r"^(\d+)([.)]\s)", r"\1\\\2", text)


def _markdown_block(block):
    if isinstance(block, Headline | Alert):
        return f"**{_mark(block.text)}**"
    if isinstance(block, Table):
        head = block.head or [""] * len(block.rows[0])
        rows = [head, ["---"] * len(head), *block.rows]
        cells = ([c if c == "---" else _mark(c) for c in row] for row in rows)
        return "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return _mark(block)


# -- PDF -------------------------------------------------------------------------------


def to_pdf(file, title, sections):
    """Write a document as PDF: pages of text, then a page for each picture, at its own size.

    Parameters
    ----------
    file : binary file
        Open to write.
    title : str
    sections : list of Section
    """
    plt = pyplot()
    from matplotlib.backends.backend_pdf import PdfPages

    lines = [(plain(title), "bold"), ("", "normal")]
    for section in sections:
        lines += [("", "normal"), (plain(section.title), "bold")]
        lines += [line for block in section.blocks for line in _text_lines(block)]
    pictures = [b for s in sections for b in s.blocks if isinstance(b, Picture)]
    with warnings.catch_warnings(), PdfPages(file, metadata={"CreationDate": None}) as pdf:
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box
        for start in range(0, len(lines), _LINES):
            page = plt.figure(figsize=_A4)
            for i, (text, weight) in enumerate(lines[start : start + _LINES]):
                y = 1 - (15 + 4 * i) / 297  # mm
                font = {"family": "DejaVu Sans Mono", "size": 8, "weight": weight}
                page.text(0.1, y, text, va="top", parse_math=False, **font)
            pdf.savefig(page)
            plt.close(page)
        for picture in pictures:
            pdf.savefig(picture.figure)


def _text_lines(block):
    if isinstance(block, Picture):
        texts = [f"[{plain(block.alt)}: see below] {plain(block.caption)}"]
    elif isinstance(block, Table):
        rows = [
            [plain(c) for c in row] for row in ([block.head] if block.head else []) + block.rows
        ]
        widths = [min(30, max(map(len, column))) for column in zip(*rows, strict=True)]
        texts = [
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    else:
        text = block if isinstance(block, str) else block.text
        texts = [plain(text)]
    weight = "bold" if isinstance(block, Headline | Alert) else "normal"
    wrap = textwrap.TextWrapper(_CHARACTERS, subsequent_indent="    ", drop_whitespace=False)
    return [(line, weight) for text in texts for line in wrap.wrap(text)]
