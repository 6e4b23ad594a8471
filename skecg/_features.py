"""The features of some median beats by name, put together from waves, vectors and scores."""

import numpy as np

from skecg._delineation import wave_bounds
from skecg._scores import Waves, aldrich, selvester
from skecg._vectorcardiogram import (
    AUGMENTED,
    component_features,
    frontal_axis,
    qrst_angles,
    t_component_features,
    t_deviation,
    vector_features,
)
from skecg._waves import (
    areas,
    between,
    concavity,
    divide,
    largest,
    peak_to_peak,
    qrs_waves,
    samples,
    st_levels,
)
from skecg.leads import INDEPENDENT_LEADS, LEADS

# s before the QRS's onset: the PQ junction. Its median, so that neither the end of a late P wave
# nor an onset found a little late moves the zero level.
_PQ = (0.024, 0.008)
# s from R of the parts in which P, and in which QRS, ST and T lie: of one length in every beat,
# so that sums do not depend on the other beats.
_P_PART, _QRST_PART = np.array([-0.500, 0.0]), np.array([-0.200, 0.500])
_ST = 0.080  # s after J
_AROUND_J = 0.020  # s before and after J: the part of the beat whose components are J's
_SLOPE = 0.010  # s before and after a sample: its slope in the T wave
_INDEPENDENT = [LEADS.index(name) for name in INDEPENDENT_LEADS]
_I, _AVF = LEADS.index("I"), LEADS.index("aVF")
_REGIONS = {
    "lateral": ("I", "aVL", "V5", "V6"),
    "anterior": ("V1", "V2", "V3", "V4"),
    "inferior": ("II", "III", "aVF"),
}


def beat_features(beats, r_index, rate):
    """Compute the features of some beats.

    Parameters
    ----------
    beats : ndarray of float64 of shape (n_samples, n_leads, n_times)
        Median beats in mV; their zero level is moved in place.
    r_index : int
        The sample of R.
    rate : float
        Samples a second.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,) or (n_samples, n_leads)
        See :class:`skecg.feature_extraction.BeatFeatures`; those of all leads together come
        first. NaN where a wave that a feature is of is absent.
    """
    found = wave_bounds(beats, r_index, rate)
    seen = {wave: ~np.isnan(found[f"{wave}_on"]) for wave in ("p", "qrs", "t")}
    # Where there is no wave, any sample of the beat: what is measured there is replaced by NaN.
    j = np.where(seen["qrs"], found["qrs_off"], r_index)
    at = {name: np.where(np.isnan(i), j, i).astype(int) for name, i in found.items()}
    pq = samples(beats, at["qrs_on"], *(-round(s * rate) for s in _PQ))
    beats -= np.median(pq, axis=2, keepdims=True)
    before, before_at = _cut(beats, at, r_index + np.rint(_P_PART * rate).astype(int))
    after, after_at = _cut(beats, at, r_index + np.rint(_QRST_PART * rate).astype(int))
    shared = (after, _rms(after), areas(after, rate), after_at, rate)
    measured = {
        "p": _p_features(before, before_at, rate),
        "qrs": _qrs_features(*shared),
        "t": _t_features(*shared),
    }
    features = {}
    for wave, by_name in measured.items():
        defined = seen["qrs"] & seen[wave]
        for name, values in by_name.items():
            shown = defined if values.ndim == 1 else defined[:, np.newaxis]
            features[name] = np.where(shown, values, np.nan)
    return dict(sorted(features.items(), key=lambda item: item[1].ndim))


def _cut(beats, at, ends):
    """Return a part of the beats, and where in it the waves are."""
    first, stop = max(ends[0], 0), min(ends[1], beats.shape[2])
    moved = {name: np.clip(i, first, stop - 1) - first for name, i in at.items()}
    return beats[:, :, first:stop].copy(), moved


def _p_features(beats, at, rate):
    on, off = at["p_on"], at["p_off"]
    area = areas(beats, rate)
    features = {
        "p_duration": (off - on) * (1000 / rate),
        "pr_interval": (at["qrs_on"] - on) * (1000 / rate),
        "pamp": largest(beats, on, off)[0],
        "parea": area(on, off),
    }
    if beats.shape[1] == len(LEADS):
        features["p_axis"] = _axis(features["parea"])
    return features


def _qrs_features(beats, rms, area, at, rate):
    onset, j = at["qrs_on"], at["qrs_off"]
    near, st = round(_AROUND_J * rate), round(_ST * rate)
    waves = qrs_waves(beats, onset, j, rate)
    notch = waves.pop("notch")
    features = {
        "qrs_duration": (j - onset) * (1000 / rate),
        "rms_qrs": _during(rms, onset, j, -np.inf).max(axis=1),
        "rms_st": _mean(rms, j, j + st),
        **waves,
        "qrsptp": peak_to_peak(beats, onset, j),
        "qrsarea": area(onset, j),
        **st_levels(beats, j, rate),
        "starea": area(j, j + st),
    }
    if beats.shape[1] != len(LEADS):
        return features
    sizes = [np.abs(waves[name]) for name in ("qamp", "ramp", "samp", "qdur", "rdur")]
    by_lead = {name: Waves(*(size[:, i] for size in (*sizes, notch)))
               for i, name in enumerate(LEADS)}  # fmt: skip
    anterior, inferior = aldrich(dict(zip(LEADS, features["j"].T, strict=True)))
    parts = {"qrs": (onset, j), "j": (j - near, j + near), "st": (j, j + st)}
    return features | {
        "qrs_axis": _axis(features["qrsarea"]),
        **vector_features("qrs", features["qrsarea"][:, _INDEPENDENT]),
        **component_features(beats[:, _INDEPENDENT], parts, rate),
        "selvester": selvester(by_lead),
        "aldrich_anterior": anterior,
        "aldrich_inferior": inferior,
    }


def _t_features(beats, rms, area, at, rate):
    onset, j, on, top, off = (at[x] for x in ("qrs_on", "qrs_off", "t_on", "t_peak", "t_off"))
    ms = 1000 / rate
    amplitude, peak = largest(beats, on, off)
    mean = _mean(rms, j, off)
    rms_t = _during(rms, on, off, -np.inf).max(axis=1)
    rms_qrs = _during(rms, onset, j, -np.inf).max(axis=1)
    height = peak_to_peak(beats, onset, j)
    features = {
        "qt_interval": (off - onset) * ms,
        "jt_interval": (off - j) * ms,
        "tpte": (off - top) * ms,
        "t_symmetry": _symmetry(on, top, off),
        "rms_t": rms_t,
        "rms_t_qrs": divide(rms_t, rms_qrs),
        "rms_mean": mean,
        "rms_min": _during(rms, j, off, np.inf).min(axis=1),
        "rms_var": _mean((rms - mean[:, None]) ** 2, j, off),
        "tamp": amplitude,
        "tarea": area(on, off),
        "tsymmetry": _symmetry(on[:, None], peak, off[:, None]),
        "tqrs": divide(amplitude, height),
    }
    if beats.shape[1] != len(LEADS):
        return features
    eight = beats[:, _INDEPENDENT]
    qrs_area, stt_area = area(onset, j)[:, _INDEPENDENT], area(j, off)[:, _INDEPENDENT]
    sag = concavity(beats, j, peak)
    return features | {
        "t_axis": _axis(features["tarea"]),
        **vector_features("t", stt_area),
        **vector_features("svg", qrs_area + stt_area),
        **qrst_angles(qrs_area, stt_area, eight, at),
        "t_deviation": t_deviation(stt_area),
        **t_component_features(eight, at, rate),
        **_inflection(beats, rms, on, top, rate),
        **{f"concavity_{region}": sum(sag[:, LEADS.index(lead)] for lead in leads) / len(leads)
           for region, leads in _REGIONS.items()},
    }  # fmt: skip


def _rms(beats):
    """Return the RMS over the leads, over the eight independent ones of twelve."""
    leads = _INDEPENDENT if beats.shape[1] == len(LEADS) else range(beats.shape[1])
    # Added lead by lead: the order of summation must not depend on the array's layout.
    return np.sqrt(sum(beats[:, lead] ** 2 for lead in leads) / len(leads))


def _during(rms, start, stop, otherwise):
    """Return `rms` from `start` to `stop` and another value elsewhere."""
    return np.where(between(start, stop, 0, rms.shape[1] - 1)[:, 0], rms, otherwise)


def _mean(rms, start, stop):
    return _during(rms, start, stop, 0.0).sum(axis=1) / (stop - start + 1)


def _axis(by_lead):
    return frontal_axis(by_lead[:, _I], by_lead[:, _AVF])


def _symmetry(on, peak, off):
    """Return the fall's duration over the rise's; NaN where the peak is at one of the ends."""
    return np.where(peak < off, divide((off - peak).astype(float), peak - on), np.nan)


def _inflection(beats, rms, on, top, rate):
    """Describe the T wave where its RMS rises most steeply."""
    step = round(_SLOPE * rate)
    slope = np.zeros_like(rms)
    slope[:, step:-step] = rms[:, 2 * step :] - rms[:, : -2 * step]
    steepest = _during(slope, on, top, -np.inf).argmax(axis=1)
    there = samples(beats, steepest, 0, 1)[:, :, 0]
    return {
        "t_inflection_amp": np.take_along_axis(rms, steepest[:, None], axis=1)[:, 0],
        "t_inflection_axis": _axis(there),
        "t_inflection_magnitude": np.hypot(there[:, _I], AUGMENTED * there[:, _AVF]),
    }
