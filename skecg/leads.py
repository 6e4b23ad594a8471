"""Lead names, their standard order, and the algebra of the limb leads."""

import re
from typing import NamedTuple

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The standard order, in which every array of skecg keeps its leads."""

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The eight leads that are measured; the other four limb leads follow from I and II."""

_STANDARD_NAME = {name.upper(): name for name in LEADS}

# What files put around a lead's name: "ECG II", "Lead I (Einthoven)", "MDC_ECG_LEAD_V1".
_AROUND = re.compile(r"^(MDC_ECG_LEAD_|(ECG|EKG)[ _-]+|LEAD[ _-]+)+", re.IGNORECASE)
_MINUS = "-\N{MINUS SIGN}\N{EN DASH}"

# Einthoven (III = II - I) and Goldberger (aVR, aVL, aVF) in terms of I and II.
_LIMB_ALGEBRA = {
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}


def standard_name(name):
    """Return the standard spelling of a lead's name: ``"AVR"`` gives ``"aVR"``.

    Parameters
    ----------
    name : str
        A lead's name in any case, with or without spaces around it.

    Returns
    -------
    str
        The spelling in :data:`LEADS`.

    Raises
    ------
    ValueError
        If the name is not one of the twelve leads.

    Examples
    --------
    >>> standard_name("avr ")
    'aVR'
    """
    try:
        return _STANDARD_NAME[str(name).strip().upper()]
    except KeyError:
        raise ValueError(
            f"{name!r} is not one of the twelve leads {', '.join(LEADS)}. "
            "Rename it or leave it out."
        ) from None


def to_standard_order(signal, names):
    """Put leads in the standard order by name and derive missing limb leads.

    Parameters
    ----------
    signal : array-like of shape (..., n_leads, n_times)
        Leads in the order of `names`, in any unit.
    names : sequence of str of length n_leads
        The leads' names, in any case and order. Leads that are not among the
        twelve (Frank's vx, vy, vz, say) are left out.

    Returns
    -------
    ndarray of shape (..., 12, n_times)
        The leads in the order of :data:`LEADS`. III, aVR, aVL and aVF are computed
        from I and II where they are missing.

    Raises
    ------
    ValueError
        If a lead occurs twice, or one of I, II, V1..V6 is missing.

    Examples
    --------
    >>> import numpy as np
    >>> eight = np.arange(8.0)[:, None] * np.ones(3)
    >>> to_standard_order(eight, INDEPENDENT_LEADS)[:6, 0]
    array([ 0. ,  1. ,  1. , -0.5, -0.5,  1. ])
    """
    signal = np.asarray(signal)
    if signal.ndim < 2 or signal.shape[-2] != len(names):
        raise ValueError(
            f"signal of shape {signal.shape} does not have one row for each of {len(names)} names."
        )
    row = {}
    for i, name in enumerate(names):
        known = _STANDARD_NAME.get(str(name).strip().upper())
        if known is None:
            continue
        if known in row:
            raise ValueError(f"Lead {known} occurs twice in {list(names)}. Keep one of them.")
        row[known] = i
    missing = [name for name in INDEPENDENT_LEADS if name not in row]
    if missing:
        raise ValueError(
            f"Leads {', '.join(missing)} are missing from {list(names)} and cannot be derived."
        )
    if len(row) == len(LEADS):
        return signal[..., [row[name] for name in LEADS], :]
    lead_i, lead_ii = signal[..., row["I"], :], signal[..., row["II"], :]
    columns = [
        signal[..., row[name], :]
        if name in row
        else _LIMB_ALGEBRA[name][0] * lead_i + _LIMB_ALGEBRA[name][1] * lead_ii
        for name in LEADS
    ]
    return np.stack(columns, axis=-2)


def match_lead(name):
    """Return the standard name and the sign of a lead, however a file spells it.

    Parameters
    ----------
    name : str
        A lead's name in any case, alone or as in ``"Lead I (Einthoven)"``, ``"ECG II"``,
        ``"MDC_ECG_LEAD_AVR"`` or ``"V 1"``; ``"-aVR"`` and ``"aVRneg"`` are aVR upside down.

    Returns
    -------
    tuple of (str, int) or None
        The spelling in :data:`LEADS` and 1 or -1; None for any other lead.

    Examples
    --------
    >>> match_lead("ecg v 1"), match_lead("-AVR"), match_lead("vx")
    (('V1', 1), ('aVR', -1), None)
    """
    bare = re.split(r"[,(\[]", str(name), maxsplit=1)[0].strip()
    bare = _AROUND.sub("", bare)
    bare, sign = (bare[1:], -1) if bare[:1] in tuple(_MINUS) else (bare, 1)
    bare = re.sub(r"[ _]", "", bare).upper()
    if bare.endswith("NEG") and sign == 1:
        bare, sign = bare.removesuffix("NEG"), -1
    standard = _STANDARD_NAME.get(bare)
    return None if standard is None else (standard, sign)


class CompletedLeads(NamedTuple):
    """Twelve leads in standard order, and how each that was not given came about."""

    signal: np.ndarray
    derived: tuple
    missing: tuple
    others: tuple


def complete_leads(signal, names):
    """Put the leads of one recording in the standard order and add what algebra can give.

    Other than `to_standard_order` it takes names as files spell them, needs no particular
    lead, and tells what it did.

    Parameters
    ----------
    signal : array-like of shape (n_leads, n_times)
        Leads in the order of `names`, in any unit. A lead that is NaN throughout counts as
        not given.
    names : sequence of str of length n_leads
        The leads' names in any spelling that `match_lead` knows. Other leads are left out.

    Returns
    -------
    CompletedLeads
        ``signal`` : ndarray of shape (12, n_times), the leads in the order of
        :data:`LEADS`; those given are kept as they are, but for the sign of -aVR;
        ``derived`` : names of the limb leads computed from the first two given;
        ``missing`` : names of the leads that cannot be had, which are NaN;
        ``others`` : the names, as given, of leads left out.

    Raises
    ------
    ValueError
        If a lead occurs twice, or none of the twelve occurs.

    Examples
    --------
    >>> complete_leads([[0.5], [0.25]], ["-aVR", "I"]).signal[:6, 0]
    array([ 0.25 ,  0.75 ,  0.5  , -0.5  , -0.125,  0.625])
    """
    signal = np.asarray(signal)
    signal = signal.astype(np.result_type(signal, np.float32), copy=False)
    if signal.ndim != 2 or len(signal) != len(names):
        raise ValueError(
            f"signal of shape {signal.shape} does not have one row for each of {len(names)} names."
        )
    given, others = {}, []
    for row, name in zip(signal, names, strict=True):
        known = match_lead(name)
        if known is None:
            others.append(str(name))
        elif known[0] in given:
            raise ValueError(f"Lead {known[0]} occurs twice in {list(names)}. Keep one of them.")
        else:
            given[known[0]] = row if known[1] == 1 else -row
    if not given:
        raise ValueError(f"None of the twelve leads is among {list(names)}.")
    given = {name: row for name, row in given.items() if not np.isnan(row).all()}
    derived = _derive_limb_leads(given)
    absent = np.full_like(signal[0], np.nan)
    return CompletedLeads(
        np.stack([given.get(name, derived.get(name, absent)) for name in LEADS]),
        tuple(derived),
        tuple(name for name in LEADS if name not in given and name not in derived),
        tuple(others),
    )


def _derive_limb_leads(given):
    limb = LEADS[:6]
    pair = [name for name in limb if name in given][:2]
    if len(pair) < 2:
        return {}
    algebra = {"I": (1.0, 0.0), "II": (0.0, 1.0), **_LIMB_ALGEBRA}
    # No two limb leads have one direction, so that any two give I and II, and these the rest.
    to_pair = np.array([algebra[name] for name in limb]) @ np.linalg.inv(
        np.array([algebra[name] for name in pair])
    )
    dtype = given[pair[0]].dtype
    return {
        name: (weights[0] * given[pair[0]] + weights[1] * given[pair[1]]).astype(dtype)
        for name, weights in zip(limb, to_pair, strict=True)
        if name not in given
    }


def limb_lead_error(signal):
    """Return by how much limb leads contradict one another.

    Parameters
    ----------
    signal : array-like of shape (12, n_times)
        Leads in the order of :data:`LEADS`.

    Returns
    -------
    float
        Of the largest deviation from Einthoven's and Goldberger's equations at each moment,
        the 99th percentile over time, in the unit of `signal`: a QRS complex counts even if
        the rest is flat. NaN if at every moment one of the six leads is missing.

    Examples
    --------
    >>> import numpy as np
    >>> limb_lead_error(to_standard_order(np.ones((8, 5)), INDEPENDENT_LEADS))
    0.0
    """
    signal = np.asarray(signal)[:6]
    signal = signal[:, ~np.isnan(signal).any(axis=0)]
    if not signal.size:
        return np.nan
    i, ii, iii, avr, avl, avf = signal
    equations = [i + iii - ii, avr + (i + ii) / 2, avl - (i - iii) / 2, avf - (ii + iii) / 2]
    return float(np.quantile(np.abs(equations).max(axis=0), 0.99))
