"""Electrodes that are not where they should be."""

import numpy as np

# Share of ECGs. Limb swaps: 0.4 % in a clinic, 4 % in intensive care; arms most.
# V1 and V2 lie more than 1.6 cm too high in over half of routine ECGs, V4-V6 too low in a
# third to a half (Wenger and Kligfield 1996): that is in the scatter of the fields of real
# people; here are those beyond 4 cm. Swaps of chest electrodes: chosen.
_SHARES = {
    "in place": 0.92,
    "LA/RA": 0.010,
    "LA/LL": 0.005,
    "V1/V2": 0.004,
    "V2/V3": 0.004,
    "V4/V5": 0.002,
    "V1-V2 high": 0.035,
    "V4-V6 low": 0.020,
}
_I, _II, _V1 = 0, 1, 2  # rows of a field


def draw_placement(n, rng):
    """Draw where the electrodes of n ECGs are, by name."""
    share = np.array(list(_SHARES.values()))
    return rng.choice(np.array(list(_SHARES), dtype=object), n, p=share / share.sum())


def place(fields, placement, rng):
    """Return the fields (n, 8, 12) of ECGs whose electrodes are placed so.

    Parameters
    ----------
    fields : ndarray of shape (n, 8, 12)
        Rows I, II, V1 ... V6.
    placement : ndarray of shape (n,)
    rng : numpy.random.Generator
    """
    fields = fields.copy()
    # From one ECG of a patient to the next an electrode moves by a centimetre or so: by a
    # tenth of the way to the next one, which is some 5 cm off.
    step = 0.10 * rng.standard_normal((len(fields), 6, 1))
    chest = fields[:, _V1:]
    gradient = np.empty_like(chest)
    gradient[:, 1:-1] = (chest[:, 2:] - chest[:, :-2]) / 2
    gradient[:, 0], gradient[:, -1] = chest[:, 1] - chest[:, 0], chest[:, -1] - chest[:, -2]
    chest += step * gradient
    arms = placement == "LA/RA"  # I is turned round, II and III change places
    fields[arms, _II] -= fields[arms, _I]
    fields[arms, _I] *= -1
    legs = placement == "LA/LL"
    fields[legs, :2] = fields[legs, 1::-1]
    for name in ("V1/V2", "V2/V3", "V4/V5"):
        rows = np.flatnonzero(placement == name)
        first = _V1 + int(name[1]) - 1
        fields[rows, first : first + 2] = fields[rows, first : first + 2][:, ::-1]
    # Two intercostal spaces up, V1 and V2 look at the heart from above, and less of it.
    high = np.flatnonzero(placement == "V1-V2 high")
    fields[high, _V1 : _V1 + 2] *= 0.8
    fields[high, _V1 : _V1 + 2, 1] -= rng.uniform(0.2, 0.6, (len(high), 1))
    low = np.flatnonzero(placement == "V4-V6 low")
    fields[low, _V1 + 3 :] *= 0.85
    fields[low, _V1 + 3 :, 1] += rng.uniform(0.1, 0.35, (len(low), 1))
    return fields
