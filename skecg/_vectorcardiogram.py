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
NORMAL_T = np.array([0.69, 0.49, -0.53])

_V1 = 2  # of the eight leads
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


def mean_angles(qrs_area, stt_area):
    """Return the angles in degrees of the mean T vector to the mean QRS vector and to normal T.

    Parameters
    ----------
    qrs_area, stt_area : ndarray of shape (n_samples, 8)
        Areas of the QRS, and from J to the end of T.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
        `qrst_angle_kors`, `qrst_angle_dower`, `t_deviation`.
    """
    t_vector = _transformed(KORS, stt_area)
    return {
        "qrst_angle_kors": angle(_transformed(KORS, qrs_area), t_vector),
        "qrst_angle_dower": angle(
            _transformed(INVERSE_DOWER, qrs_area), _transformed(INVERSE_DOWER, stt_area)
        ),
        "t_deviation": angle(t_vector, np.broadcast_to(NORMAL_T, t_vector.shape)),
    }


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


def grams(beats, *parts):
    """Return the products of the leads with one another over parts of each beat.

    Their eigenvalues are the squares of the singular values of the part.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, 8, n_times)
        Beats in mV.
    *parts : tuple of two ndarray of int of shape (n_samples,)
        First and last sample of each part.

    Returns
    -------
    ndarray of float64 of shape (n_parts, n_samples, 8, 8)
        In mV squared.
    """
    found = np.empty((len(parts), *beats.shape[:2], beats.shape[1]))
    part = np.empty_like(beats)
    for product, (start, stop) in zip(found, parts, strict=True):
        np.multiply(beats, between(start, stop, 0, beats.shape[2] - 1), out=part)
        product[:] = part @ part.transpose(0, 2, 1)
    return found


def component_features(name, squares, rate):
    """Return PCA ratio and non-dipolar voltage of a part of the beats.

    Parameters
    ----------
    name : str
        The part's.
    squares : ndarray of shape (n_samples, 8)
        Squares of its singular values s, the largest last, as ``np.linalg.eigh`` returns them.
    rate : float
        Samples a second.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
        `pca_ratio`, s2^2 / s1^2; `ndpv`, s4^2 + ... + s8^2 in mV^2 at 500 samples a second;
        `ndpv_share`, the same over the sum of all eight.
    """
    squares = np.maximum(squares[:, ::-1], 0)
    beyond = squares[:, 3:].sum(axis=1)
    return {
        f"pca_ratio_{name}": divide(squares[:, 1], squares[:, 0]),
        f"ndpv_{name}": beyond * (_NDPV_RATE / rate),
        f"ndpv_share_{name}": divide(beyond, squares.sum(axis=1)),
    }


def wave_dispersion(squares, vectors):
    """Return the morphology dispersion of the T wave (TMD) in degrees.

    Acar et al. 1999, Med Biol Eng Comput 37:574: the mean angle between the leads, V1 left out,
    in the plane of the first two components.

    Parameters
    ----------
    squares, vectors : ndarray of shape (..., 8) and (..., 8, 8)
        What ``np.linalg.eigh`` returns of the product of a T wave or of a part of it.

    Returns
    -------
    ndarray of shape (...)
        NaN where a lead is flat.
    """
    weights = vectors[..., -2:] * np.sqrt(np.maximum(squares[..., None, -2:], 0))
    weights = np.delete(weights, _V1, axis=-2)
    # All angles at once, as those between unit vectors.
    size = np.hypot(weights[..., 0], weights[..., 1])[..., None]
    x, y = np.moveaxis(divide(weights, np.broadcast_to(size, weights.shape)), -1, 0)
    first, second = np.triu_indices(x.shape[-1], 1)
    cosine = x[..., first] * x[..., second] + y[..., first] * y[..., second]
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean(axis=-1)


def loop_features(beats, axes, first_axis, qrs, t_wave):
    """Compare the T loop with the QRS loop.

    Parameters
    ----------
    beats : ndarray of shape (n_samples, 8, n_times)
        Beats in mV.
    axes : ndarray of shape (n_samples, 8, 3)
        The largest three components of the beat.
    first_axis : ndarray of shape (n_samples, 8, 1)
        The largest component of T.
    qrs, t_wave : tuple of two ndarray of int of shape (n_samples,)
        First and last sample of QRS and T.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
        `qrst_peak_angle_kors`, between the longest vectors of both in degrees; `tcrt`, the total
        cosine R-to-T of Acar et al. 1999: the mean cosine between the longest vector in T and the
        vectors around the R peak as long as they have 70 % of that length, in the loop of the
        beat's three components; `tcrt_angle`, its arc cosine in degrees; `pca_tamp`, the
        largest first component of T in mV.
    """
    kors = np.broadcast_to(KORS.T, (len(beats), 8, 3))
    onto = np.concatenate([kors, axes, first_axis], axis=2).astype(beats.dtype)
    along = onto.transpose(0, 2, 1) @ beats
    loops = along[:, :6].reshape(len(beats), 2, 3, -1)
    squares = np.square(loops)
    length = np.sqrt(squares[:, :, 0] + squares[:, :, 1] + squares[:, :, 2])
    last = beats.shape[2] - 1
    in_qrs = np.where(between(*qrs, 0, last), length, -1)
    in_t = between(*t_wave, 0, last)
    r_peak = in_qrs.argmax(axis=2)
    t_peak = np.where(in_t, length, -1).argmax(axis=2)
    r_vector, t_vector = (
        np.take_along_axis(loops, at[:, :, None, None], axis=3)[..., 0] for at in (r_peak, t_peak)
    )
    in_qrs = in_qrs[:, 1]
    near = _around(in_qrs >= _LOOP_SHARE * in_qrs.max(axis=1, keepdims=True), r_peak[:, 1])
    cosine = _cosine(loops[:, 1].transpose(0, 2, 1), t_vector[:, None, 1])
    tcrt = np.where(near, cosine, 0).sum(axis=1) / near.sum(axis=1)
    return {
        "qrst_peak_angle_kors": angle(r_vector[:, 0], t_vector[:, 0]),
        "tcrt": tcrt,
        "tcrt_angle": np.degrees(np.arccos(tcrt)),
        "pca_tamp": (np.abs(along[:, 6]) * in_t[:, 0]).max(axis=1),
    }


def _around(mask, at):
    """Keep the run of `mask` that holds the sample `at`."""
    time, at = np.arange(mask.shape[1]), at[:, None]
    before = np.where(~mask & (time < at), time, -1).max(axis=1, keepdims=True)
    after = np.where(~mask & (time > at), time, len(time)).min(axis=1, keepdims=True)
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
