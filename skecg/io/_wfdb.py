"""WFDB records: a text header (.hea) beside one or more signal files."""

import warnings
from pathlib import Path

import numpy as np

_MV = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}  # both signs for micro


def read_wfdb(path):
    """Read a WFDB record.

    Parameters
    ----------
    path : path-like
        The record, with or without the extension .hea, .dat or .mat.

    Returns
    -------
    signal : ndarray of shape (n_leads, n_times), float32
        In mV, converted from the unit that the header gives for each lead. Samples marked
        as missing are NaN.
    sampling_rate : float
        In Hz.
    leads : list of str
        Lead names as the header spells them.

    Raises
    ------
    FileNotFoundError
        If the header or a signal file is missing; the message names it.
    ValueError
        If a lead's unit is not mV, uV or nV, in any case.
    """
    try:
        with warnings.catch_warnings():
            # wfdb 4.3 is imported with words of pandas that pandas 3.1 deprecates.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            import wfdb
    except ImportError as error:
        raise ImportError(
            "Reading WFDB records needs the wfdb package: pip install 'skecg[wfdb]'"
        ) from error
    path = Path(path)
    record = path.with_suffix("") if path.suffix in (".hea", ".dat", ".mat") else path
    header = Path(f"{record}.hea")
    if not header.is_file():
        raise FileNotFoundError(f"There is no WFDB header {header}.")
    try:
        data = wfdb.rdrecord(str(record))
    except FileNotFoundError as error:
        missing = error.filename or error
        raise FileNotFoundError(f"{header} names a file that is missing: {missing}.") from error
    unknown = sorted({str(unit) for unit in data.units if str(unit).lower() not in _MV})
    if unknown:
        raise ValueError(f"{header} gives the unit {', '.join(unknown)}; mV, uV or nV are known.")
    scale = np.array([_MV[unit.lower()] for unit in data.units])
    signal = np.ascontiguousarray((data.p_signal * scale).T, dtype=np.float32)
    return signal, float(data.fs), list(data.sig_name)
