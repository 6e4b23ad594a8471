"""Lead names, their standard order, and the algebra of the limb leads."""

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The standard order, in which every array of skecg keeps its leads."""

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The eight leads that are measured; the other four limb leads follow from I and II."""

_STANDARD_NAME = {name.upper(): name for name in LEADS}

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
