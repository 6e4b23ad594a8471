"""Published rules for an occlusion, each a function of the table of BeatFeatures."""

from itertools import pairwise

import numpy as np
import pandas as pd

from skecg.leads import LEADS

_CHEST = LEADS[6:]
_V1_TO_V4 = _CHEST[:4]
_CHEST_PAIRS = tuple(pairwise(_CHEST))
_PAIRS = (("I", "aVL"), ("II", "III"), ("II", "aVF"), ("III", "aVF"), *_CHEST_PAIRS)

_MM = 0.1  # mV: a millimetre on paper
_ANY = 0.05  # mV: half a millimetre, the least that is read as any deviation
_TALL_T = 0.5  # mV
# ms, of the T wave's area over the height of the QRS: about the 99th percentile, in the leads of
# each part, of the 290 ECGs among ids 1-500 of PTB-XL that are labelled NORM alone.
_T_AREA = dict.fromkeys(LEADS[:6], 75) | dict.fromkeys(_V1_TO_V4, 95) | {"V5": 55, "V6": 55}

_SYMMETRIC = 0.9  # duration of the fall of T over that of its rise

_BY_LEAD = (
    *("j", "st60", "qamp", "ramp", "samp", "r2amp", "s2amp", "qrsptp"),
    *("tamp", "tarea", "tsymmetry"),
)
COLUMNS = ["qrs_duration", *(f"{name}_{lead}" for name in _BY_LEAD for lead in LEADS)]


# -- the STEMI criteria ----------------------------------------------------------------------


def st_elevation(table):
    """Apply the STEMI criteria of the Fourth Universal Definition.

    ST elevation at J of 0.1 mV in two contiguous leads; in V2 and V3 of 0.2 mV, in men under 40
    years 0.25 mV, in women 0.15 mV. Contiguous are I and aVL, any two of II, III and aVF, and
    neighbours among V1 to V6. Where sex is unknown, or the age of a man, 0.2 mV is taken.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures; columns `age` and `sex`, as add_patient makes them, if known.

    Returns
    -------
    DataFrame of n_samples rows
        Margins in mV, a column a pair of leads.

    References
    ----------
    Thygesen K, Alpert JS, Jaffe AS, et al. Fourth Universal Definition of Myocardial Infarction
    (2018). Journal of the American College of Cardiology 2018;72:2231-2264.
    """
    return _pairs(table, _elevation(table))


def _elevation(table):
    """Return by lead the ST elevation at J over its limit."""
    age, female, _ = patients(table)
    in_v2_v3 = np.where(female == 1, 0.15, np.where((female == 0) & (age < 40), 0.25, 0.2))
    j = _measured(table, "j")
    return {lead: j[lead] - (in_v2_v3 if lead in ("V2", "V3") else 0.1) for lead in LEADS}


# -- signs beyond the criteria -----------------------------------------------------------------


def posterior(table):
    """Look for ST depression that is deepest in V1 to V4: posterior occlusion.

    ST depression of at least 0.05 mV that lasts from J to J + 60 ms, in one of V1 to V4, and
    deeper there than in V5 and V6. Published as "of any amplitude"; of a depression at J alone,
    from which ST rises, that does not hold: one of 0.05 mV is normal.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures.

    Returns
    -------
    DataFrame of n_samples rows
        Margins in mV, a column a lead.

    References
    ----------
    Meyers HP, Bracey A, Lee D, et al. Ischemic ST-segment depression maximal in V1-V4 (versus
    V5-V6) of any amplitude is specific for occlusion myocardial infarction. Journal of the
    American Heart Association 2021;10:e022866.
    """
    j, later = _measured(table, "j"), _measured(table, "st60")
    depth = {lead: -np.maximum(j[lead], later[lead]) for lead in _CHEST}
    beyond = _any(depth["V5"], depth["V6"])
    return _frame(
        table, {lead: _all(depth[lead] - _ANY, depth[lead] - beyond) for lead in _V1_TO_V4}
    )


def inferior_with_avl(table):
    """Look for any inferior ST elevation with any ST depression in aVL.

    Any is 0.05 mV at J, in one of II, III and aVF.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures.

    Returns
    -------
    DataFrame of n_samples rows
        Margins in mV, a column a lead.

    References
    ----------
    Bischof JE, Worrall C, Thompson P, Marti D, Smith SW. ST depression in lead aVL differentiates
    inferior ST-elevation myocardial infarction from pericarditis. American Journal of Emergency
    Medicine 2016;34:149-154.
    """
    j = _measured(table, "j")
    leads = ("II", "III", "aVF")
    return _frame(table, {lead: _all(j[lead] - _ANY, -j["aVL"] - _ANY) for lead in leads})


def hyperacute_t(table):
    """Look for T waves that are large for their QRS, and symmetric.

    In two contiguous leads (see :func:`st_elevation`), the area of an upright T wave over the
    height of the QRS, peak to peak, is at least 75 ms in limb leads, 95 ms in V1 to V4 and 55 ms
    in V5 and V6, and the T wave takes at least 0.9 times as long to fall as to rise. These are the
    quantities of [1]_, whose weights are not published; the limits are this package's, about the
    99th percentile of normal ECGs for area and the 90th for symmetry. The height of T tells
    nothing by itself.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures.

    Returns
    -------
    DataFrame of n_samples rows
        Margins in mV (T area over its limit less the height of the QRS), a column a pair of leads.

    References
    ----------
    .. [1] Hyperacute T waves are specific for occlusion myocardial infarction, even without
       diagnostic ST-segment elevation. JACC: Advances, October 2025.
    """
    area, height = _measured(table, "tarea"), _measured(table, "qrsptp")
    symmetry = _measured(table, "tsymmetry")
    large = {
        lead: _all(area[lead] / _T_AREA[lead] - height[lead], _holds(symmetry[lead], _SYMMETRIC))
        for lead in LEADS
    }
    return _pairs(table, large)


def de_winter(table):
    """Look for ST depression that rises into a tall T wave, in two neighbouring chest leads.

    ST depression at J of at least 0.1 mV, less of it 60 ms later, and a T wave of at least 0.5 mV.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures.

    Returns
    -------
    DataFrame of n_samples rows
        Margins in mV, a column a pair of leads.

    References
    ----------
    de Winter RJ, Verouden NJW, Wellens HJJ, Wilde AAM. A new ECG sign of proximal LAD occlusion.
    New England Journal of Medicine 2008;359:2071-2073.
    """
    j, later, t = (_measured(table, name) for name in ("j", "st60", "tamp"))
    signs = {
        lead: _all(-j[lead] - _MM, later[lead] - j[lead], t[lead] - _TALL_T) for lead in _CHEST
    }
    return _pairs(table, signs, _CHEST_PAIRS)


def south_african_flag(table):
    """Look for ST elevation in V2 and aVL, which are not contiguous, with depression in III.

    At J: the limit of :func:`st_elevation` in V2, and 0.05 mV in aVL and in III. Occlusion of the
    first diagonal branch.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures, with `age` and `sex` as for :func:`st_elevation`.

    Returns
    -------
    DataFrame of n_samples rows
        Margins in mV, in one column.

    References
    ----------
    Durant E, Singh A. Acute first diagonal artery occlusion: a characteristic pattern of ST
    elevation in noncontiguous leads. American Journal of Emergency Medicine 2015;33:1326.e3-5.
    """
    j = _measured(table, "j")
    margin = _all(_elevation(table)["V2"], j["aVL"] - _ANY, -j["III"] - _ANY)
    return _frame(table, {"V2 and aVL": margin})


def aslanger(table):
    """Look for ST elevation in III alone of the inferior leads, with depression to the left.

    At J: 0.05 mV of elevation in III, less in II; 0.05 mV of depression in I or aVL and in V5 or
    V6; ST in V1 above V2. Inferior occlusion with narrow arteries elsewhere.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures.

    Returns
    -------
    DataFrame of n_samples rows
        Margins in mV, in one column.

    References
    ----------
    Aslanger E, Yildirimturk O, Simsek B, et al. A new electrocardiographic pattern indicating
    inferior myocardial infarction. Journal of Electrocardiology 2020;61:41-46.
    """
    j = _measured(table, "j")
    margin = _all(
        j["III"] - _ANY,
        _ANY - j["II"],
        _any(-j["I"], -j["aVL"]) - _ANY,
        _any(-j["V5"], -j["V6"]) - _ANY,
        j["V1"] - j["V2"],
    )
    return _frame(table, {"III": margin})


# -- elevation that has another cause ---------------------------------------------------------


def modified_sgarbossa(table):
    """Apply the modified Sgarbossa criteria, for left bundle branch block and paced ventricles.

    Of one lead: ST elevation at J of 0.1 mV where R is the larger wave of the QRS; depression of
    0.1 mV in V1 to V3 where S is the larger; or elevation of 0.1 mV, and of a quarter of S, where
    S is the larger. S is the deepest wave of the QRS.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures.

    Returns
    -------
    DataFrame of n_samples rows
        Margins in mV, a column a criterion and lead.

    References
    ----------
    Smith SW, Dodd KW, Henry TD, Dvorak DM, Pearce LA. Diagnosis of ST-elevation myocardial
    infarction in the presence of left bundle branch block with the ST-elevation to S-wave ratio in
    a modified Sgarbossa rule. Annals of Emergency Medicine 2012;60:766-776.
    """
    j = _measured(table, "j")
    r, s = _r_and_s(table)
    with_r = {f"{x} (concordant)": _all(j[x] - _MM, r[x] - s[x]) for x in LEADS}
    down = {f"{x} (depression)": _all(-j[x] - _MM, s[x] - r[x]) for x in ("V1", "V2", "V3")}
    against_s = {f"{x} (discordant)": _all(j[x] - _MM, j[x] - s[x] / 4, s[x] - r[x]) for x in LEADS}
    return _frame(table, with_r | down | against_s)


def lvh_st_ratio(table):
    """Apply the STEMI criteria to V1 to V4 in hypertrophy: only ST of a quarter of R and S counts.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures, with `age` and `sex` as for :func:`st_elevation`.

    Returns
    -------
    DataFrame of n_samples rows
        Margins in mV, a column a pair of leads.

    References
    ----------
    Armstrong EJ, Kulkarni AR, Bhave PD, et al. Electrocardiographic criteria for ST-elevation
    myocardial infarction in patients with left ventricular hypertrophy. American Journal of
    Cardiology 2012;110:977-983.
    """
    j, above = _measured(table, "j"), _elevation(table)
    r, s = _r_and_s(table)
    counts = {lead: _all(above[lead], j[lead] - (r[lead] + s[lead]) / 4) for lead in _V1_TO_V4}
    return _pairs(table, counts, _CHEST_PAIRS[:3])


def lv_aneurysm(table):
    """Tell in which ECGs an old anterior infarct explains ST elevation in V1 to V4.

    A QS in V2 or V3, and a T wave below 0.36 of the height of the QRS, peak to peak, in all of V1
    to V4. False where a lead is missing.

    Parameters
    ----------
    table : DataFrame of n_samples rows
        Of BeatFeatures.

    Returns
    -------
    ndarray of bool of shape (n_samples,)

    References
    ----------
    Klein LR, Shroff GR, Beeman W, Smith SW. Electrocardiographic criteria to differentiate acute
    anterior ST-elevation myocardial infarction from left ventricular aneurysm. American Journal of
    Emergency Medicine 2015;33:786-790.
    """
    r, s = _r_and_s(table)
    qs = [(r[lead] == 0) & (s[lead] > 0) for lead in ("V2", "V3")]
    t, height = _measured(table, "tamp"), _measured(table, "qrsptp")
    return np.any(qs, axis=0) & np.all(
        [t[lead] < 0.36 * height[lead] for lead in _V1_TO_V4], axis=0
    )


def cornell(table):
    """Return the Cornell voltage, R in aVL and S in V3, in mV, of shape (n_samples,)."""
    r, s = _r_and_s(table)
    return r["aVL"] + s["V3"]


# -- what the rules are made of ---------------------------------------------------------------


def patients(table):
    """Return age in years, sex, 1 for women, and paced, 1 if so; NaN where unknown."""
    return (
        _known(table, "age", "years"),
        _known(table, "sex", "0 for men and 1 for women", (0, 1)),
        _known(table, "paced", "1 where the ventricles are paced and 0 elsewhere", (0, 1)),
    )


def _known(table, name, meaning, values=None):
    if name not in table:
        return np.full(len(table), np.nan)
    found = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
    right = found >= 0 if values is None else np.isin(found, values)
    wrong = ~right & table[name].notna().to_numpy()
    if wrong.any():
        given = table[name][wrong].tolist()
        raise ValueError(
            f"{name} is {given[0]!r} in {len(given)} of {len(table)} rows. Give {meaning}, NaN "
            "where it is unknown; add_patient makes age and sex so."
        )
    return found


def missing_leads(table):
    """Say of each ECG which leads are missing, or that it has no QRS."""
    height = table[[f"qrsptp_{lead}" for lead in LEADS]].to_numpy(dtype=float)
    words = []
    for seen in height > 0:
        absent = [lead for lead, there in zip(LEADS, seen, strict=True) if not there]
        words.append(f"{', '.join(absent)} missing" if seen.any() else "no QRS was found")
    return words


def _measured(table, name):
    """Return a measurement by lead; NaN where a lead is missing or flat."""
    values = table[[f"{name}_{lead}" for lead in LEADS]].to_numpy(dtype=float)
    if name in ("tamp", "tarea", "tsymmetry"):
        values = np.nan_to_num(values)  # no T wave was found: it has no height
    height = table[[f"qrsptp_{lead}" for lead in LEADS]].to_numpy(dtype=float)
    return dict(zip(LEADS, np.where(height > 0, values, np.nan).T, strict=True))


def _r_and_s(table):
    """Return by lead the height of the highest and the depth of the deepest wave of the QRS."""
    up = [_measured(table, name) for name in ("ramp", "r2amp")]
    down = [_measured(table, name) for name in ("qamp", "samp", "s2amp")]
    r = {lead: np.max([wave[lead] for wave in up], axis=0) for lead in LEADS}
    s = {lead: -np.min([wave[lead] for wave in down], axis=0) for lead in LEADS}
    return r, s


def _all(*margins):
    """Return the margin by which all conditions hold: NaN where one is missing and none fails."""
    least = np.fmin.reduce(margins)
    return np.where(np.isnan(margins).any(axis=0) & ~(least < 0), np.nan, least)


def _any(*values):
    """Return the largest value; NaN where one is missing."""
    return np.max(values, axis=0)


def _holds(value, least):
    """Return the margin of a condition without a unit."""
    return np.where(np.isnan(value), np.nan, np.where(value >= least, np.inf, -np.inf))


def _pairs(table, margins, pairs=_PAIRS):
    return _frame(table, {f"{a}-{b}": _all(margins[a], margins[b]) for a, b in pairs})


def _frame(table, margins):
    # To 0.1 uV, below what any recorder resolves: 0.3 - 0.2 mV is 0.1 mV.
    return pd.DataFrame(margins, index=table.index).round(4)
