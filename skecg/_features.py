"""The features of some median beats by name, put together from waves, vectors and scores."""

import numpy as np

from skecg._delineation import wave_bounds
from skecg._scores import Waves, aldrich, selvester
from skecg._vectorcardiogram import (
    AUGMENTED,
    component_features,
    frontal_axis,
    grams,
    loop_features,
    mean_angles,
    vector_features,
    wave_dispersion,
)
from skecg._waves import (
    between,
    concavity,
    divide,
    largest,
    median,
    notch,
    qrs_waves,
    reduce,
    samples,
    st_levels,
)
from skecg.leads import INDEPENDENT_LEADS, LEADS

# s before the QRS's onset: the PQ junction. Its median, so that neither the end of a late P wave
# nor an onset found a little late moves the zero level.
_PQ = (0.024, 0.008)
_BEFORE = 0.160  # s before R: no QRS begins earlier
_ST = 0.080  # s after J
_AROUND_J = 0.020  # s before and after J: the part of the beat whose components are J's
_SLOPE = 0.010  # s before and after a sample: its slope in the T wave
_NOTCH = 0.040  # s from the QRS's onset in which Selvester's score looks for a notch
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
    beats : ndarray of float32 of shape (n_samples, n_leads, n_times)
        Median beats in mV, contiguous; their zero level is moved in place.
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
    known = {name: ~np.isnan(at) for name, at in found.items()}
    # Of a wave that is cut off by an end of the beat, what is in view; of one that is absent, any
    # samples, as what is measured there is replaced by NaN.
    last = beats.shape[2] - 2
    elsewhere = {"p_on": 0, "p_peak": 1, "p_off": 2, "qrs_on": r_index - 1, "qrs_off": r_index + 1}
    elsewhere |= {"t_on": last - 2, "t_peak": last - 1, "t_off": last}
    at = {name: np.where(known[name], i, elsewhere[name]).astype(int) for name, i in found.items()}
    pq = samples(beats, at["qrs_on"], *(-round(s * rate) for s in _PQ))
    beats -= median(pq)[:, :, np.newaxis]
    p, t = known["p_off"], known["t_on"]
    rms = _rms(beats)
    tamp, peak = largest(beats, at["t_on"], at["t_off"])
    measured = [
        (p, {"pamp": largest(beats, at["p_on"], at["p_off"])[0]}),
        (p & known["p_on"], _p_features(beats, at, rate)),
        (known["qrs_on"], _qrs_features(beats, rms, at, rate)),
        (t, _t_peak_features(beats, rms, tamp, peak, at, rate)),
        (t & known["t_off"], _t_features(beats, rms, peak, at, rate)),
    ]
    if beats.shape[1] == len(LEADS):
        of_qrs, of_t = _component_features(beats, at, r_index, rate)
        measured += [(known["qrs_on"], of_qrs), (t & known["t_off"], of_t)]
    features = {}
    for defined, by_name in measured:
        for name, values in by_name.items():
            shown = defined if values.ndim == 1 else defined[:, np.newaxis]
            features[name] = np.where(shown, values, np.nan)
    return dict(sorted(features.items(), key=lambda item: item[1].ndim))


def _p_features(beats, at, rate):
    on, off = at["p_on"], at["p_off"]
    area = _area(beats, on, off, rate)
    features = {
        "p_duration": _ms(on, off, rate),
        "pr_interval": _ms(on, at["qrs_on"], rate),
        "parea": area,
    }
    return features | _axis("p", area)


def _qrs_features(beats, rms, at, rate):
    onset, j = at["qrs_on"], at["qrs_off"]
    after = j + round(_ST * rate)
    waves = qrs_waves(beats, onset, j, rate)
    area = _area(beats, onset, j, rate)
    features = {
        "qrs_duration": _ms(onset, j, rate),
        "rms_qrs": _over(np.maximum, rms, onset, j + 1),
        "rms_st": _over(np.add, rms, j, after) / (after - j),
        **waves,
        "qrsptp": _peak_to_peak(beats, onset, j),
        "qrsarea": area,
        **st_levels(beats, j, rate),
        "starea": _area(beats, j, after, rate),
    }
    if beats.shape[1] != len(LEADS):
        return features
    top = onset[:, None] + waves["vat"] * rate / 1000
    fall = notch(beats, onset, top, round(_NOTCH * rate))
    sizes = [np.abs(waves[name]) for name in ("qamp", "ramp", "samp", "qdur", "rdur")]
    by_lead = zip(LEADS, np.stack([*sizes, fall]).transpose(2, 0, 1), strict=True)
    anterior, inferior = aldrich(dict(zip(LEADS, features["j"].T, strict=True)))
    return (
        features
        | _axis("qrs", area)
        | {
            "selvester": selvester({lead: Waves(*values) for lead, values in by_lead}),
            "aldrich_anterior": anterior,
            "aldrich_inferior": inferior,
        }
    )


def _t_peak_features(beats, rms, amplitude, peak, at, rate):
    j, on, top, off = (at[name] for name in ("qrs_off", "t_on", "t_peak", "t_off"))
    rms_t = _over(np.maximum, rms, on, off + 1)
    features = {
        "rms_t": rms_t,
        "rms_t_qrs": divide(rms_t, _over(np.maximum, rms, at["qrs_on"], j + 1)),
        "tamp": amplitude,
        "tqrs": divide(amplitude, _peak_to_peak(beats, at["qrs_on"], j)),
    }
    if beats.shape[1] != len(LEADS):
        return features
    sag = concavity(beats, j, peak)
    for region, leads in _REGIONS.items():
        inside = [sag[:, LEADS.index(lead)] for lead in leads]
        features[f"concavity_{region}"] = sum(inside) / len(inside)
    return features | _inflection(beats, rms, on, top, rate)


def _t_features(beats, rms, peak, at, rate):
    j, on, top, off = (at[name] for name in ("qrs_off", "t_on", "t_peak", "t_off"))
    length = off + 1 - j
    mean = _over(np.add, rms, j, off + 1) / length
    square = _over(np.add, rms * rms, j, off + 1) / length
    area = _area(beats, on, off, rate)
    features = {
        "qt_interval": _ms(at["qrs_on"], off, rate),
        "jt_interval": _ms(j, off, rate),
        "tpte": _ms(top, off, rate),
        "t_symmetry": _symmetry(on, top, off),
        "rms_mean": mean,
        "rms_min": _over(np.minimum, rms, j, off + 1),
        "rms_var": np.maximum(square - mean * mean, 0),
        "tarea": area,
        "tsymmetry": _symmetry(on[:, None], peak, off[:, None]),
    }
    return features | _axis("t", area)


def _component_features(beats, at, r_index, rate):
    """Return what the eight independent leads tell together: of the QRS, and of T."""
    # From 160 ms before R, where the search for the QRS begins.
    first = max(r_index - round(_BEFORE * rate), 0)
    eight = np.take(beats[:, :, first:], _INDEPENDENT, axis=1)
    onset, j, on, top, off = (
        at[name] - first for name in ("qrs_on", "qrs_off", "t_on", "t_peak", "t_off")
    )
    near, after = round(_AROUND_J * rate), round(_ST * rate)
    ends = {
        "qrs": (onset, j),
        "j": (j - near, j + near),
        "st": (j, j + after),
        "stt": (j + 1, off),
        "rising": (on, top - 1),
        "falling": (top, off),
    }
    products = dict(zip(ends, grams(eight, *ends.values()), strict=True))
    rising, falling = products.pop("rising"), products.pop("falling")
    late = [rising + falling, rising, falling, products["qrs"] + products["stt"]]
    squares, vectors = np.linalg.eigh(np.stack(late))
    components = dict(
        zip(products, np.linalg.eigvalsh(np.stack([*products.values()])), strict=True)
    )
    stt = components.pop("stt")
    qrs_area, stt_area = _area(eight, onset, j, rate), _area(eight, j, off, rate)

    qrs_features = vector_features("qrs", qrs_area)
    for name, of_part in components.items():
        qrs_features |= component_features(name, of_part, rate)
    voltages = np.sqrt(np.maximum(stt[:, :4:-1], 0) / (off - j)[:, None])
    tmd = wave_dispersion(squares[:3], vectors[:3])
    t_features = {
        **vector_features("t", stt_area),
        **vector_features("svg", qrs_area + stt_area),
        **mean_angles(qrs_area, stt_area),
        **loop_features(eight, vectors[3, :, :, -3:], vectors[0, :, :, -1:], (onset, j), (on, off)),
        **component_features("stt", stt, rate),
        **component_features("t", squares[0], rate),
        **{f"pca{i + 1}": voltages[:, i] for i in range(3)},
        **dict(zip(("tmd", "tmd_pre", "tmd_post"), tmd, strict=True)),
    }
    return qrs_features, t_features


def _ms(start, stop, rate):
    return (stop - start) * (1000 / rate)


def _area(beats, start, stop, rate):
    """Return the signed area of each lead from `start` up to, without, `stop` in mV ms."""
    return reduce(np.add, beats, start, stop) * (1000 / rate)


def _peak_to_peak(beats, start, stop):
    high = reduce(np.maximum, beats, start, stop + 1)
    return high - reduce(np.minimum, beats, start, stop + 1)


def _rms(beats):
    """Return the RMS over the leads, over the eight independent ones of twelve."""
    leads = _INDEPENDENT if beats.shape[1] == len(LEADS) else range(beats.shape[1])
    # Added lead by lead: the order of summation must not depend on the array's layout.
    return np.sqrt(sum(beats[:, lead] ** 2 for lead in leads) / len(leads))


def _over(ufunc, rms, start, stop):
    return reduce(ufunc, rms[:, np.newaxis], start, stop)[:, 0]


def _axis(wave, area):
    """Return the frontal axis of a wave in twelve leads, of fewer leads nothing."""
    if area.shape[1] != len(LEADS):
        return {}
    return {f"{wave}_axis": frontal_axis(area[:, _I], area[:, _AVF])}


def _symmetry(on, peak, off):
    """Return the fall's duration over the rise's; NaN where the peak is at one of the ends."""
    return np.where(peak < off, divide((off - peak).astype(float), peak - on), np.nan)


def _inflection(beats, rms, on, top, rate):
    """Describe the T wave where its RMS rises most steeply."""
    step = round(_SLOPE * rate)
    slope = np.zeros_like(rms)
    slope[:, step:-step] = rms[:, 2 * step :] - rms[:, : -2 * step]
    rising = between(on, top, 0, rms.shape[1] - 1)[:, 0]
    steepest = np.where(rising, slope, -np.inf).argmax(axis=1)
    there = samples(beats, steepest, 0, 1)[:, :, 0]
    return {
        "t_inflection_amp": np.take_along_axis(rms, steepest[:, None], axis=1)[:, 0],
        "t_inflection_axis": frontal_axis(there[:, _I], there[:, _AVF]),
        "t_inflection_magnitude": np.hypot(there[:, _I], AUGMENTED * there[:, _AVF]),
    }
