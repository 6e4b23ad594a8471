"""What the formats written in XML have in common: safe parsing, text, numbers and units."""

import binascii
import codecs
import math
import re
from base64 import b64decode
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

from ._ecg import ECGFormatError

MAX_BYTES = 64 * 2**20  # of a file; a strip of 10 s takes about half a MiB
MAX_MARKS = 1_000_000  # tags and attributes of a file; there are up to some ten thousands
MAX_SAMPLES = 20_000_000  # of all leads together: 12 leads of 500 Hz for almost an hour

_LARGEST = 1e12  # of any number; a checksum has up to 4e9
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[^\s/>]*")
_COMPACT = re.compile(r"([0-9]{8}(?:[0-9]{2}){0,3})(?:(\.[0-9]{1,6})[0-9]*)?(?:[+-][0-9]{4})?$")
_ROOTS = {"annotatedecg": "aecg", "restingecgdata": "sierra", "restingecg": "muse"}


def xml_format(head):
    """Tell a format by the root element in the first bytes of a file.

    Parameters
    ----------
    head : bytes
        The beginning of a file, long enough to hold the root element's name.

    Returns
    -------
    {"aecg", "sierra", "muse", "schiller"} or None
        None for any other XML, and for what is no XML.
    """
    name = _root_name(_decode(head)).rpartition(":")[2].lower()
    # com.xiriuz.sema.xml.schillerEDI.SchillerEDI
    return "schiller" if name.endswith("schilleredi") else _ROOTS.get(name)


def _decode(head):
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(bom):
            return head[len(bom) :].decode(encoding, errors="replace")
    if head.startswith((b"<\0", b"\0<")):
        return head.decode("utf-16-le" if head[1] == 0 else "utf-16-be", errors="replace")
    return head.decode("latin-1")


def _root_name(text):
    """Return the name of the first element, or "" where there is none."""
    at = 0
    while True:
        at = _SPACE.match(text, at).end()
        if text.startswith("<?", at):
            end = "?>"
        elif text.startswith("<!--", at):
            end = "-->"
        elif text.startswith("<!", at):  # DOCTYPE, perhaps with declarations in brackets
            bracket, close = text.find("[", at), text.find(">", at)
            end = "]" if 0 <= bracket < close else ">"
        elif text.startswith("<", at):
            return _NAME.match(text, at + 1).group()
        elif text.startswith(">", at):  # the rest of a DOCTYPE after its bracket
            end = ">"
        else:
            return ""
        at = text.find(end, at)
        if at < 0:
            return ""
        at += len(end)


@contextmanager
def named(path):
    """Put the file's name in front of what is wrong with it."""
    try:
        yield
    except ECGFormatError as error:
        raise ECGFormatError(f"{path}: {error}") from None


def read_bytes(path):
    """Return the content of a file that is not too large to be an ECG."""
    path = Path(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ECGFormatError(f"{size} bytes are more than the {MAX_BYTES} that are read")
    return path.read_bytes()


def parse_xml(path, root_name):
    """Parse a file whose root element must be `root_name`; return it without namespaces.

    Entities are refused and nothing outside the file is fetched.
    """
    try:
        from defusedxml import DefusedXmlException, ElementTree
    except ImportError as error:
        raise ImportError(
            "Reading an ECG in XML needs the defusedxml package: pip install 'skecg[xml]'."
        ) from error
    data = read_bytes(path)
    if data.count(b"<") + data.count(b"=") > MAX_MARKS:
        raise ECGFormatError(f"there are more than {MAX_MARKS} tags and attributes")
    try:
        # MUSE files have a DOCTYPE; the DTD that it names is never opened.
        root = ElementTree.fromstring(
            data, forbid_dtd=False, forbid_entities=True, forbid_external=True
        )
    except DefusedXmlException as error:
        raise ECGFormatError(f"XML with entities is refused ({type(error).__name__})") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ECGFormatError(f"damaged XML ({str(error)[:100]})") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != root_name:
        raise ECGFormatError(f"the root element is {root.tag[:80]}, not {root_name}")
    return root


def text_of(element, path):
    """Return the text of the first element on a path, or None where there is none."""
    return (element.findtext(path) or "").strip() or None


def number(text, what):
    """Return a number; `what` names it where it is none, or one that no ECG has."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not abs(value) <= _LARGEST:
        raise ECGFormatError(f"{what} is {_shown(text)}, not a number of an ECG")
    return value


def positive(text, what):
    """Return a number above 0."""
    value = number(text, what)
    if value < 1 / _LARGEST:
        raise ECGFormatError(f"{what} is {_shown(text)}, not above 0")
    return value


def frequency(text):
    """Return a filter's corner in Hz, or None where it is off or not told."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if 0 < value < math.inf else None


def integers(text, what, separator=None):
    """Return the whole numbers of a text, separated by white space or by `separator`."""
    tokens = (text or "").strip().strip(separator).split(separator)
    if len(tokens) > MAX_SAMPLES:
        raise ECGFormatError(f"{what} has {len(tokens)} samples, more than {MAX_SAMPLES}")
    try:
        values = np.array([int(token) for token in tokens], dtype=np.int64)
    except (ValueError, OverflowError):
        raise ECGFormatError(f"the samples of {what} are not all whole numbers") from None
    if not len(values):
        raise ECGFormatError(f"{what} has no samples")
    return values


def base64_bytes(text, what):
    """Return the bytes that a text holds in Base64."""
    try:
        return b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ECGFormatError(f"{what} is no Base64 ({error})") from None


def stack(leads):
    """Return an array of leads (a dict of samples by name), which must have one length."""
    if not leads:
        raise ECGFormatError("there are no leads")
    lengths = {len(samples) for samples in leads.values()}
    if len(lengths) > 1:
        raise ECGFormatError(f"the leads have {min(lengths)} to {max(lengths)} samples")
    return np.stack(list(leads.values()))


def lead_name(text):
    """Return a lead's name as the file spells it."""
    name = (text or "").strip()
    if not 0 < len(name) <= 40:
        raise ECGFormatError(f"a lead has a name of {len(name)} characters")
    return name


def add_lead(leads, name, samples):
    """Put a lead among the others, all of which together are of limited size."""
    if name in leads:
        raise ECGFormatError(f"lead {name} occurs twice")
    if sum(map(len, leads.values())) + len(samples) > MAX_SAMPLES:
        raise ECGFormatError(f"there are more than {MAX_SAMPLES} samples")
    leads[name] = samples


def timestamp(text, form):
    """Return the time that a text tells in a form with separators, or None."""
    try:
        return datetime.strptime(text or "", form)
    except ValueError:
        return None


def compact_time(text):
    """Return the local time of 20021122, 200211220910 or 20021122091000.000+0100, or None."""
    match = _COMPACT.match(text or "")
    time = timestamp(match[1].ljust(14, "0"), "%Y%m%d%H%M%S") if match else None
    return time and time.replace(microsecond=int(1e6 * float(match[2] or 0)))


def years_between(birth, day):
    """Return the age on a day in years, or None where one of the dates is not told."""
    return None if birth is None or day is None else plausible_age((day - birth).days / 365.25)


def plausible_age(years):
    """Return an age in years, or None where it is not told or nobody's."""
    return years if years is not None and 0 <= years < 150 else None


def sex_of(text):
    """Return "M", "F" or None for a word like MALE, Female, m."""
    return {"m": "M", "male": "M", "f": "F", "female": "F"}.get((text or "").strip().lower())


def told(**identifiers):
    """Return the identifiers that are told."""
    return {name: value for name, value in identifiers.items() if value}


def _shown(text):
    """Return a text that may be missing or long, for a message."""
    return "missing" if text is None else repr(str(text)[:80])
