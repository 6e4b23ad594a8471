"""From a file to an ECG: find the format, read it, bring it into standard form."""

import warnings
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from skecg._beats import UnusableECG, measure_beat
from skecg._quality import NARROW_MS, qrs_ms
from skecg.leads import LEADS, complete_leads, limb_lead_error, match_lead

from ._aecg import read_aecg
from ._array import is_npy, read_csv, read_npy
from ._dicom import is_dicom, read_dicom
from ._ecg import ECG, ECGFormatError
from ._edf import is_edf, read_edf
from ._muse import read_muse
from ._schiller import read_schiller
from ._scp import is_scp, read_scp
from ._sierra import read_sierra
from ._wfdb import read_wfdb_stored
from ._wfdb_header import header_of, is_header, names_file
from ._xml import xml_format

_XML = {"aecg": read_aecg, "muse": read_muse, "schiller": read_schiller, "sierra": read_sierra}
_HEAD = 4096  # bytes by which a format is known
_MAX_BYTES = 2**30
_MAX_LIMB_ERROR = 0.02  # mV; by rounding alone it is less than two steps of the resolution,
_COARSEST = 0.025  # mV, which is five times what IEC 60601-2-25 allows
# Hz: those of the recorders of the formats read here, and of PTB-XL, INCART and CODE.
_RATES = (100, 240, 250, 257, 400, 500, 1000, 2000)
_SLOWEST, _FASTEST = 1, 1e6  # Hz, far beyond any ECG; the rest is a fault of the file
_SECONDS = 60  # of a recording, in which its beats are looked at


def read_ecg(
    path, *, sampling_rate=None, unit=None, leads=None, keep_identifiers=False, strict=False
):
    r"""Read one ECG of any known format into standard form.

    The format is found by what the file holds, whatever its name. Units, gains, baselines
    and missing-sample codes are taken at the file's word, leads are ordered by name, limb
    leads that are missing are computed from two others. What was doubtful is told in
    `ECG.notes`; nothing is filtered or resampled.

    Parameters
    ----------
    path : path-like
        A file, or a WFDB record with or without an extension.
    sampling_rate : float, default=None
        In Hz. CSV and NPY files need it; for a file that tells its own it must be the same.
    unit : {"V", "mV", "uV", "nV"}, default=None
        Unit of an NPY file, or of a CSV file whose header does not tell it ("I (uV)"), which
        need it. Other files tell their own.
    leads : list of str, default=None
        Names of the rows or columns of an NPY file, or of a CSV file without a header, which
        need it. For a file that tells its own they must be the same.
    keep_identifiers : bool, default=False
        Whether to keep names and numbers that point to a person, in `ECG.identifiers`.
    strict : bool, default=False
        Whether to refuse a file that does not prove what it says: one without all twelve leads
        or with limb leads that contradict one another, or with a sampling rate that no recorder
        has or at which the QRS would last less than 38 ms. Of a WFDB record, first values,
        checksums and file sizes must be right, gains, baselines and ADC zeros the same for all
        leads, chest leads in order and nothing left untold. Sound files of sources that do not
        keep to this are refused, too. Little in a file contradicts a usual sampling rate below
        the true one, which giving `sampling_rate` guards against, and nothing one factor on all
        gains.

    Returns
    -------
    ECG
        The recording: 12 leads in mV, and what the file tells about it.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or it names another that is missing.
    ECGFormatError
        If the file is of no known format, is damaged, or holds none of the twelve leads; the
        message names the file and the cause.
    ImportError
        If the package that reads this format is not installed; the message names the extra.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skecg.io import read_ecg
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "ecg.csv")
    ...     _ = path.write_text("II (uV),-aVR (uV)\n200,150\n300,200\n")
    ...     ecg = read_ecg(path, sampling_rate=500)
    >>> ecg.signal[:4].round(2)  # mV
    array([[ 0.1 ,  0.1 ],
           [ 0.2 ,  0.3 ],
           [ 0.1 ,  0.2 ],
           [-0.15, -0.2 ]], dtype=float32)
    >>> ecg.notes[0], ecg.derived_leads
    ("aVR is the file's -aVR, turned over", ('I', 'III', 'aVL', 'aVF'))
    """
    path, kind = Path(path), "ECG"
    try:
        kind, reader = _find_format(path)
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            # Libraries warn of what is wrong with a file and quote it: names, too.
            warnings.simplefilter("ignore")
            if kind in ("csv", "npy"):
                stored = reader(path, sampling_rate, unit, leads)
            else:
                stored = reader(path, strict=strict) if kind == "wfdb" else reader(path)
                _compare(stored, sampling_rate, unit, leads)
            ecg = _standard_form(stored, kind, keep_identifiers)
            if strict:
                _require_sound(ecg)
            return ecg
    except (FileNotFoundError, ImportError, PermissionError):
        raise
    except Exception as error:  # parsers raise whatever they run into
        cause = str(error)
        if not isinstance(error, ECGFormatError):
            cause = f"cannot be read as {kind}: {type(error).__name__}: {error}"
        if str(path) not in cause:
            cause = f"{path} {cause}"
        raise ECGFormatError(cause) from error


def _find_format(path):
    header = _wfdb_header(path)
    if header:
        return "wfdb", read_wfdb_stored
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}, nor a WFDB record of this name.")
    if path.is_dir():
        raise ECGFormatError("is a folder. Give the files in it, one at a time.")
    if not path.is_file():
        raise ECGFormatError("is not a regular file.")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    size = path.stat().st_size
    if size == 0:
        raise ECGFormatError("is empty.")
    if size > _MAX_BYTES:
        raise ECGFormatError(f"has {size} bytes; more than {_MAX_BYTES} are not read.")
    if is_dicom(head):
        return "dicom", read_dicom
    if is_edf(head):
        return "edf", read_edf
    if is_npy(head):
        return "npy", read_npy
    if is_scp(head):
        return "scp", read_scp
    if xml_format(head):
        return xml_format(head), _XML[xml_format(head)]
    if _is_text(head) and not head.lstrip().startswith(b"<"):
        return "csv", read_csv
    raise ECGFormatError(
        "is of no known format: WFDB (a signal file needs its .hea beside it), DICOM, SCP-ECG, "
        "XML (HL7 aECG, Philips SierraECG, GE MUSE, Schiller), EDF, BDF, NPY or CSV."
    )


def _wfdb_header(path):
    try:
        header = header_of(path)
    except FileNotFoundError:
        return None
    # A file that only happens to have a header's name, or to lie beside one, is no WFDB record.
    if header == path:
        return header if is_header(header) else None
    return header if not path.is_file() or names_file(header, path) else None


def _is_text(head):
    return b"\0" not in head and not any(c < 9 or 13 < c < 32 for c in head)


def _compare(stored, sampling_rate, unit, leads):
    if sampling_rate is not None and sampling_rate != stored.sampling_rate:
        raise ECGFormatError(
            f"has {stored.sampling_rate:g} Hz by its own word; sampling_rate={sampling_rate} "
            "contradicts it. Leave it out."
        )
    if unit is not None:
        raise ECGFormatError(f"tells its own unit. Leave unit={unit!r} out.")
    if leads is not None:
        own = [match_lead(name) or name for name in stored.leads]
        if own != [match_lead(name) or name for name in leads]:
            raise ECGFormatError(
                f"holds the leads {', '.join(stored.leads)} by its own word; leads={list(leads)} "
                "contradicts them. Leave it out."
            )


def _standard_form(stored, kind, keep_identifiers):
    if not _SLOWEST <= stored.sampling_rate <= _FASTEST:
        raise ECGFormatError(f"gives a sampling rate of {stored.sampling_rate} Hz.")
    signal, found = _twelve_leads(stored.signal, stored.leads)
    notes = [*stored.notes, *_describe(signal, found, stored.leads)]
    median = None
    if stored.median is not None:
        median, beat = _twelve_leads(stored.median, stored.median_leads)
        more = _describe(median, beat, stored.median_leads)
        notes += [f"median beat: {note}" for note in more if note not in notes]
    ecg = ECG(
        signal=signal,
        sampling_rate=float(stored.sampling_rate),
        format=kind,
        derived_leads=found.derived,
        missing_leads=found.missing,
        median=median,
        median_sampling_rate=stored.median_sampling_rate,
        median_r_index=stored.median_r_index,
        highpass=stored.highpass,
        lowpass=stored.lowpass,
        notch=stored.notch,
        age=None if stored.age is None else float(stored.age),
        sex=stored.sex,
        acquired=stored.acquired and datetime.combine(stored.acquired, stored.acquired.time()),
        identifiers=dict(stored.identifiers) if keep_identifiers else None,
        notes=tuple(notes),
    )
    if ecg.st_reliable is False:
        doubt = (
            f"ST unreliable: high-pass of {ecg.highpass:g} Hz, above 0.05 Hz; whether it was "
            "zero-phase is not told"
        )
        ecg = replace(ecg, notes=(doubt, *ecg.notes))
    return ecg


def _require_sound(ecg):
    doubt = None
    if ecg.missing_leads:
        doubt = f"holds no lead {', '.join(ecg.missing_leads)}"
    elif ecg.sampling_rate not in _RATES:
        doubt = (
            f"has a sampling rate of {ecg.sampling_rate:g} Hz, not {', '.join(map(str, _RATES))}"
        )
    elif not limb_lead_error(ecg.signal) <= _most_limb_error(ecg.signal):
        doubt = "has limb leads that contradict one another"
    elif _qrs_is_too_narrow(ecg):
        doubt = (
            f"has a QRS of less than {NARROW_MS} ms at {ecg.sampling_rate:g} Hz, which is too "
            "narrow: the sampling rate seems wrong"
        )
    if doubt:
        raise ECGFormatError(f"{doubt}, and is refused because strict=True.")


def _qrs_is_too_narrow(ecg):
    # As it is at twice the true sampling rate.
    signal = ecg.signal[:, : int(_SECONDS * ecg.sampling_rate)]
    try:
        measured = measure_beat(signal, ecg.sampling_rate)
    except UnusableECG:
        return False
    return qrs_ms(measured.beat[~measured.missing]) < NARROW_MS


def _twelve_leads(signal, leads):
    try:
        found = complete_leads(signal, leads)
    except ValueError as error:
        raise ECGFormatError(f"cannot be put in order: {error}") from error
    signal = np.ascontiguousarray(found.signal, dtype=np.float32)
    if np.isinf(signal).any():
        raise ECGFormatError("holds infinite voltages.")
    return signal, found


def _describe(signal, found, names):
    """Say in words what was done to the leads, and what is doubtful in them."""
    notes = []
    if ("aVR", -1) in map(match_lead, names):
        notes.append("aVR is the file's -aVR, turned over")
    if found.derived:
        notes.append(f"{', '.join(found.derived)} computed from two other limb leads")
    if found.missing:
        notes.append(f"{', '.join(found.missing)} missing")
    if found.others:
        notes.append(f"leads left out: {', '.join(found.others)}")
    gaps = np.isnan(signal).any(axis=1) & ~np.isin(LEADS, found.missing)
    if gaps.any():
        notes.append(f"samples missing in {', '.join(np.array(LEADS)[gaps])}")
    error = limb_lead_error(signal)
    if error > _most_limb_error(signal):
        notes.append(
            f"limb leads contradict one another by over {1000 * error:.0f} uV for 1 % of the "
            "time; they are left as stored"
        )
    return notes


def _most_limb_error(signal):
    """Return the limit of `limb_lead_error` in mV, by the leads' coarsest resolution."""
    step = np.abs(np.diff(signal[:6], axis=1))
    smallest = np.where(step > 1e-5, step, np.inf).min(axis=1, initial=np.inf)
    resolution = min(smallest[np.isfinite(smallest)].max(initial=0), _COARSEST)
    return max(_MAX_LIMB_ERROR, 2 * resolution)
