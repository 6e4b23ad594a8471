"""The heart's vector and the principal components of median beats in twelve leads.

Vectors are (X, Y, Z): X to the left, Y to the feet, Z to the back. Beats are those of the eight
independent leads I, II, V1 ... V6, with the PQ level at zero.
"""

import numpy as np

from skecg._waves import between, divide

# Dower, Machado and Osborne 1980, Clin Cardiol 3:87: each lead in terms of X, Y, Z.
DOWER = np.array(
    [(0.632, -0.235, 0.059), (0.235, 1.066, -0.132), (-0.515, 0.157, -0.917),
     (0.044, 0.164, -1.387), (0.882, 0.098, -1.277), (1.213, 0.127, -0.601),
     (1.125, 0.127, -0.086), (0.831, 0.076, 0.230)]
)  # fmt: skip
# The pseudo-inverse is the table of Edenbrandt and Pahlm 1988 (J Electrocardiol 21:361).
INVERSE_DOWER = np.linalg.pinv(DOWER)
# Kors et al. 1990, Eur Heart J 11:1083, regression on Frank's leads.
KORS = np.array(
    [(0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54),
     (-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13),
     (0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31)]
)  # fmt: skip

# aVF is an augmented lead: this puts it on the scale of lead I.
AUGMENTED = 2 / np.sqrt(3)
# Mean direction of T (J to its end, by KORS) over the ECGs 1-500 of PTB-XL labelled NORM alone.
NORMAL_T = np.array([0.7, 0.5, -0.5])

_V1 = 2  # of the eight leads
_AROUND_J, _ST = 0.020, 0.080  # s: what counts as J and as ST
_NDPV_RATE = 500  # Hz: an energy is a sum over samples
_LOOP_SHARE = 0.7  # Acar et al. 1999: the part of the QRS loop that TCRT looks at


def vector_features(name, areas):
    """Return the direction and magnitude of a wave's mean vector, by the matrix of Kors.

    Parameters
    ----------
    name : str
        What the features' names begin with.
    areas : ndarray of shape (n_samples, 8)
        Areas of the wave in mV ms.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
        Azimuth, degrees in the transverse plane: 0 to the left, 90 to the back, -90 to the
        front; elevation, degrees from that plane: 90 to the feet; magnitude in mV ms. The angles
        are NaN where the magnitude is zero.
    """
    x, y, z = _transformed(KORS, areas).T
    level = np.sqrt(x * x + z * z)
    magnitude = np.sqrt(x * x + y * y + z * z)
    return {
        f"{name}_azimuth": np.where(magnitude > 0, np.degrees(np.arctan2(z, x)), np.nan),
        f"{name}_elevation": np.where(magnitude > 0, np.degrees(np.arctan2(y, level)), np.nan),
        f"{name}_magnitude": magnitude,
    }


def qrst_angles(qrs_area, stt_area, beats, at):
    """Return the spatial angles between QRS and T by both matrices.

    Parameters
    ----------
    qrs_area, stt_area : ndarray of shape (n_samples, 8)
        Areas of the QRS and from J to the end of T in mV ms.
    beats : ndarray of shape (n_samples, 8, n_times)
        Beats in mV.
    at : dict of str to ndarray of int of shape (n_samples,)
        Samples of `qrs_on`, `qrs_off`, `t_on` and `t_off`.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
        In degrees: the mean angle, between the areas, and the peak angle, between the longest
        vectors.
    """
    last = beats.shape[2] - 1
    qrs = between(at["qrs_on"], at["qrs_off"], 0, last)
    t_wave = between(at["t_on"], at["t_off"], 0, last)
    found = {}
    for name, matrix in (("kors", KORS), ("dower", INVERSE_DOWER)):
        loop = matrix @ beats
        found[f"qrst_angle_{name}"] = angle(
            _transformed(matrix, qrs_area), _transformed(matrix, stt_area)
        )
        found[f"qrst_peak_angle_{name}"] = angle(longest(loop, qrs), longest(loop, t_wave))
    return found


def t_deviation(stt_area):
    """Return the angle in degrees between the mean T vector and that of normal adults.

    Parameters
    ----------
    stt_area : ndarray of shape (n_samples, 8)
        Areas from J to the end of T.

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    vector = _transformed(KORS, stt_area)
    return angle(vector, np.broadcast_to(NORMAL_T, vector.shape))


def component_features(beats, parts, rate):
    """Return PCA ratio and non-dipolar voltage of parts of the beats.

    The components are those of the singular value decomposition, nothing centred; s are the
    singular values.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, 8, n_times)
        Beats in mV.
    parts : dict of str to (ndarray, ndarray) of int of shape (n_samples,)
        First and last sample of each part.
    rate : float
        Samples a second.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
        For each part, `pca_ratio`, s2^2 / s1^2; `ndpv`, s4^2 + ... + s8^2 in mV^2 at 500 samples
        a second; `ndpv_share`, the same over the sum of all eight.
    """
    last = beats.shape[2] - 1
    products = {name: gram(beats, between(*ends, 0, last)) for name, ends in parts.items()}
    return _component_features(products, rate)


def t_component_features(beats, at, rate):
    """Return what the principal components tell of the T wave.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, 8, n_times)
        Beats in mV.
    at : dict of str to ndarray of int of shape (n_samples,)
        Samples of `qrs_on`, `qrs_off`, `t_on`, `t_peak` and `t_off`.
    rate : float
        Samples a second.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
        See :class:`skecg.feature_extraction.BeatFeatures`.
    """
    onset, j, on, top, off = (at[x] for x in ("qrs_on", "qrs_off", "t_on", "t_peak", "t_off"))
    last = beats.shape[2] - 1
    qrs, qrst = between(onset, j, 0, last), between(onset, off, 0, last)
    stt, t_wave = between(j, off, 0, last), between(on, off, 0, last)
    products = {"stt": gram(beats, stt), "t": gram(beats, t_wave)}
    found = _component_features(products, rate)
    sizes = np.sqrt(_energies(products["stt"])[:, :3] / stt.sum(axis=2))
    found |= {f"pca{i + 1}": sizes[:, i] for i in range(3)}
    _, vectors = np.linalg.eigh(products["t"])
    first = (vectors[:, :, -1:].transpose(0, 2, 1) @ beats)[:, 0]
    found["pca_tamp"] = (np.abs(first) * t_wave[:, 0]).max(axis=1)
    found["tmd"] = wave_dispersion(products["t"])
    found["tmd_pre"] = wave_dispersion(gram(beats, between(on, top, 0, last)))
    found["tmd_post"] = wave_dispersion(gram(beats, between(top, off, 0, last)))
    found["tcrt"] = total_cosine(beats, qrs, qrst, t_wave)
    found["tcrt_angle"] = np.degrees(np.arccos(found["tcrt"]))
    return found


def frontal_axis(lead_i, lead_avf):
    """Return the axis in the frontal plane in degrees, 0 to the left and 90 to the feet.

    Parameters
    ----------
    lead_i, lead_avf : ndarray
        Amplitudes or areas.

    Returns
    -------
    ndarray
        From -180 to 180; NaN where both leads are zero.
    """
    axis = np.degrees(np.arctan2(AUGMENTED * lead_avf, lead_i))
    return np.where((lead_i == 0) & (lead_avf == 0), np.nan, axis)


def angle(a, b):
    """Return the angle between vectors in degrees.

    Parameters
    ----------
    a, b : ndarray of shape (..., n)
        Vectors.

    Returns
    -------
    ndarray of shape (...)
        From 0 to 180; NaN where one of the two is zero.
    """
    return np.degrees(np.arccos(_cosine(a, b)))


def longest(loop, inside):
    """Return the longest vector of a part of each beat.

    Parameters
    ----------
    loop : ndarray of shape (n_samples, 3, n_times)
        Vectors over time.
    inside : ndarray of bool of shape (n_samples, 1, n_times)
        The part.

    Returns
    -------
    ndarray of shape (n_samples, 3)
    """
    peak = _length(loop, inside).argmax(axis=1)
    return np.take_along_axis(loop, peak[:, None, None], axis=2)[:, :, 0]


def gram(beats, inside):
    """Return the products of the leads with one another over a part of each beat.

    Its eigenvalues are the squares of the singular values of that part.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, 8, n_times)
        Beats in mV.
    inside : ndarray of bool of shape (n_samples, 1, n_times)
        The part.

    Returns
    -------
    ndarray of shape (n_samples, 8, 8)
        In mV squared.
    """
    part = beats * inside
    return part @ part.transpose(0, 2, 1)


def wave_dispersion(products):
    """Return the morphology dispersion of the T wave (TMD) in degrees.

    Acar et al. 1999, Med Biol Eng Comput 37:574: the mean angle between the leads, V1 left out,
    in the plane of the first two components.

    Parameters
    ----------
    products : ndarray of shape (n_samples, 8, 8)
        What :func:`gram` returns of a T wave or of a part of it.

    Returns
    -------
    ndarray of shape (n_samples,)
        NaN where a lead is flat.
    """
    values, vectors = np.linalg.eigh(products)
    weights = vectors[:, :, -2:] * np.sqrt(np.maximum(values[:, None, -2:], 0))
    weights = np.delete(weights, _V1, axis=1)
    first, second = np.triu_indices(weights.shape[1], 1)
    return angle(weights[:, first], weights[:, second]).mean(axis=1)


def total_cosine(beats, qrs, qrst, t_wave):
    """Return the total cosine R-to-T (TCRT).

    Acar et al. 1999: the beat's first three components make a loop; the mean cosine between its
    peak vector in T and its vectors around the R peak as long as they have 70 % of that length.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, 8, n_times)
        Beats in mV.
    qrs, qrst, t_wave : ndarray of bool of shape (n_samples, 1, n_times)
        The QRS, the whole from the QRS onset to the end of T, and T.

    Returns
    -------
    ndarray of shape (n_samples,)
        From -1 to 1; NaN where QRS or T is flat.
    """
    _, vectors = np.linalg.eigh(gram(beats, qrst))
    loop = vectors[:, :, :-4:-1].transpose(0, 2, 1) @ beats
    t_vector = longest(loop, t_wave)[:, None]
    in_qrs = _length(loop, qrs)
    long = _around_peak(in_qrs >= _LOOP_SHARE * in_qrs.max(axis=1, keepdims=True), in_qrs)
    cosine = _cosine(loop.transpose(0, 2, 1), t_vector)
    return np.where(long, cosine, 0).sum(axis=1) / long.sum(axis=1)


def _length(loop, inside):
    """Return the length of each vector of a loop (n_samples, 3, n_times), -1 outside a part."""
    length = np.sqrt(loop[:, 0] ** 2 + loop[:, 1] ** 2 + loop[:, 2] ** 2)
    return np.where(inside[:, 0], length, -1.0)


def _around_peak(mask, values):
    """Keep the run of `mask` that holds the peak of `values`."""
    time = np.arange(mask.shape[1])
    peak = values.argmax(axis=1)[:, None]
    before = np.where(~mask & (time < peak), time, -1).max(axis=1, keepdims=True)
    after = np.where(~mask & (time > peak), time, len(time)).min(axis=1, keepdims=True)
    return (time > before) & (time < after)


def _cosine(a, b):
    # Written out: the order of summation must not depend on the array's layout.
    dot = sum(a[..., i] * b[..., i] for i in range(a.shape[-1]))
    size = sum(a[..., i] ** 2 for i in range(a.shape[-1]))
    size = size * sum(b[..., i] ** 2 for i in range(b.shape[-1]))
    return np.clip(divide(dot, np.sqrt(size)), -1, 1)


def _transformed(matrix, areas):
    # Lead by lead: the order of summation must not depend on how many beats there are.
    return sum(matrix[:, lead] * areas[:, lead, None] for lead in range(matrix.shape[1]))


def _energies(products):
    """Return the squares of the singular values, the largest first."""
    return np.maximum(np.linalg.eigvalsh(products)[:, ::-1], 0)


def _component_features(products, rate):
    found = {}
    for name, product in products.items():
        energies = _energies(product)
        beyond = energies[:, 3:].sum(axis=1)
        found[f"pca_ratio_{name}"] = divide(energies[:, 1], energies[:, 0])
        found[f"ndpv_{name}"] = beyond * (_NDPV_RATE / rate)
        found[f"ndpv_share_{name}"] = divide(beyond, energies.sum(axis=1))
    return found
