"""Tests of vectors and components on twelve-lead beats drawn from known dipoles."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skecg._vectorcardiogram import DOWER, INVERSE_DOWER, KORS, angle, frontal_axis, wave_dispersion
from skecg.feature_extraction import BeatFeatures
from skecg.leads import INDEPENDENT_LEADS, to_standard_order

MS = (np.arange(600) - 300) * 2.0
QRS = np.interp(MS, [-40, 0, 40], [0, 1, 0])
T = np.where((MS >= 160) & (MS <= 360), np.sin(np.pi * (MS - 160) / 200), 0)
T2 = np.where((MS >= 160) & (MS <= 360), np.sin(2 * np.pi * (MS - 160) / 200), 0)
QRS_AREA, T_AREA = 40.0, 200 * 2 / np.pi  # mV ms of a height of 1 mV

LEFT, DOWN, BACK = np.eye(3)
DIRECTIONS = [LEFT, DOWN, -BACK, np.array([0.6, 0.64, -0.48]), np.array([-0.6, 0.0, 0.8])]


def from_leads(*parts):
    """Return the features of a beat that is the sum of (eight leads, course) parts."""
    eight = sum(np.outer(leads, course) for leads, course in parts)
    beat = to_standard_order(eight, INDEPENDENT_LEADS)[None].astype(np.float32)
    return BeatFeatures().set_output(transform="pandas").fit_transform(beat).iloc[0]


def from_dipoles(qrs, t_wave):
    """Return the features of a beat whose QRS and T have one direction each, by Dower's matrix."""
    return from_leads((DOWER @ qrs, QRS), (0.3 * DOWER @ t_wave, T))


# --- the matrices


def test_inverse_dower_is_the_published_table():
    published = [
        [0.156, -0.010, -0.172, -0.074, 0.122, 0.231, 0.239, 0.194],
        [-0.227, 0.887, 0.057, -0.019, -0.106, -0.022, 0.041, 0.048],
        [0.022, 0.102, -0.229, -0.310, -0.246, -0.063, 0.055, 0.108],
    ]  # Edenbrandt and Pahlm 1988, columns I II V1 ... V6
    order = INVERSE_DOWER
    assert_allclose(order, published, atol=1e-3)


def test_kors_sees_the_axes_of_dower():
    assert_allclose(np.diag(KORS @ DOWER), [0.97, 1.00, 0.89], atol=0.01)


# --- directions


@pytest.mark.parametrize("degrees", range(-150, 180, 30))
def test_frontal_axis_is_the_angle_of_a_vector_in_the_frontal_plane(degrees):
    radians = np.radians(degrees)
    lead_i, lead_ii = np.cos(radians), np.cos(radians - np.pi / 3)  # Einthoven's triangle
    assert frontal_axis(lead_i, lead_ii - lead_i / 2) == pytest.approx(degrees)


@pytest.mark.parametrize("degrees", [-30, 0, 45, 90])
@pytest.mark.parametrize("wave", ["p", "qrs", "t"])
def test_axes_of_the_waves_are_those_of_their_limb_leads(wave, degrees):
    radians = np.radians(degrees)
    along = np.array([np.cos(radians), np.cos(radians - np.pi / 3), *[0.5] * 6])
    other = np.array([1, 0.5, *[0.5] * 6])  # along lead I: 0 degrees
    p_wave = np.interp(MS, [-200, -170, -130, -100], [0, 1, 1, 0])
    courses = {"p": 0.15 * p_wave, "qrs": QRS, "t": 0.3 * T}
    found = from_leads(*((along if w == wave else other, c) for w, c in courses.items()))
    expected = dict.fromkeys(["p_axis", "qrs_axis", "t_axis"], 0) | {f"{wave}_axis": degrees}
    assert_allclose(found[list(expected)].astype(float), list(expected.values()), atol=0.1)


@pytest.mark.parametrize("qrs", DIRECTIONS, ids=str)
@pytest.mark.parametrize("t_wave", DIRECTIONS, ids=str)
def test_qrst_angle_by_inverse_dower_is_the_angle_between_the_dipoles(qrs, t_wave):
    expected = np.degrees(np.arccos(np.clip(qrs @ t_wave, -1, 1)))
    assert from_dipoles(qrs, t_wave)["qrst_angle_dower"] == pytest.approx(expected, abs=0.5)


def test_qrst_angles_by_kors_are_those_of_the_vectors_that_its_matrix_makes():
    qrs, t_wave = DIRECTIONS[3:]
    found = from_dipoles(qrs, t_wave)
    expected = angle(KORS @ DOWER @ qrs, KORS @ DOWER @ t_wave)
    assert found["qrst_angle_kors"] == pytest.approx(expected, abs=0.5)
    assert found["qrst_peak_angle_kors"] == pytest.approx(expected, abs=0.5)


def test_mean_and_peak_angle_differ_where_the_qrs_turns():
    # A long low part to the left, a short high one downwards, T to the left.
    low = np.interp(MS, [-50, -40, 0, 10], [0, 0.4, 0.4, 0])
    high = np.interp(MS, [10, 25, 40], [0, 1, 0])
    found = from_leads((DOWER @ LEFT, low), (DOWER @ DOWN, high), (0.3 * DOWER @ LEFT, T))
    kors_angle = angle(KORS @ DOWER @ DOWN, KORS @ DOWER @ LEFT)
    assert found["qrst_peak_angle_kors"] == pytest.approx(kors_angle, abs=2)
    # Areas: 0.4 x 50 to the left, 15 downwards.
    assert found["qrst_angle_dower"] == pytest.approx(np.degrees(np.arctan2(15, 20)), abs=3)


@pytest.mark.parametrize(
    ("direction", "azimuth", "elevation"), [(LEFT, 0, 0), (-LEFT, 180, 0), (-BACK, -90, 0)]
)
def test_azimuth_and_elevation_by_kors_point_where_the_dipole_does(direction, azimuth, elevation):
    found = from_dipoles(direction, direction)
    for wave in ("qrs", "t", "svg"):
        turned = (found[f"{wave}_azimuth"] - azimuth + 180) % 360 - 180
        assert abs(turned) < 15
        assert found[f"{wave}_elevation"] == pytest.approx(elevation, abs=15)


def test_elevation_is_positive_towards_the_feet():
    assert from_dipoles(DOWN, DOWN)["qrs_elevation"] > 60


def test_magnitudes_are_the_areas_and_the_gradient_is_their_sum():
    found = from_dipoles(LEFT, LEFT)
    length = np.linalg.norm(KORS @ DOWER @ LEFT)
    assert found["qrs_magnitude"] == pytest.approx(length * QRS_AREA, rel=0.01)
    assert found["t_magnitude"] == pytest.approx(length * 0.3 * T_AREA, rel=0.01)
    expected = length * (QRS_AREA + 0.3 * T_AREA)
    assert found["svg_magnitude"] == pytest.approx(expected, rel=0.01)


def test_opposite_areas_cancel_in_the_gradient():
    found = from_dipoles(LEFT, -LEFT * QRS_AREA / (0.3 * T_AREA))
    assert found["svg_magnitude"] < 0.01 * found["qrs_magnitude"]


def test_t_deviation_is_zero_along_the_normal_t():
    t_wave = np.linalg.solve(KORS @ DOWER, [0.69, 0.49, -0.53])
    assert from_dipoles(LEFT, t_wave)["t_deviation"] == pytest.approx(0, abs=0.5)


# --- components

# Orthogonal lead vectors: a basis of the eight leads.
BASIS = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0].T


def test_one_course_in_all_leads_has_one_component():
    found = from_leads((3 * BASIS[0], QRS), (BASIS[0], T))
    names = ["pca_ratio_qrs", "pca_ratio_t", "pca_ratio_stt", "ndpv_share_t", "ndpv_share_qrs"]
    assert_allclose(found[names].astype(float), 0, atol=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_pca_ratio_is_the_ratio_of_the_squares(share):
    found = from_leads((3 * BASIS[0], QRS), (BASIS[0], T), (share * BASIS[1], T2))
    assert found["pca_ratio_t"] == pytest.approx(share**2, rel=0.02)
    assert found["pca_ratio_stt"] == pytest.approx(share**2, rel=0.02)


def test_pca_ratio_of_the_qrs_is_that_of_its_samples():
    wave = np.where(np.abs(MS) <= 40, np.sin(np.pi * MS / 40), 0)
    found = from_leads((BASIS[0], QRS), (0.5 * BASIS[1], wave), (BASIS[0], 0.3 * T))
    expected = 0.25 * (wave**2).sum() / (QRS**2).sum()
    assert found["pca_ratio_qrs"] == pytest.approx(expected, rel=0.03)


def test_non_dipolar_voltage_is_what_the_components_from_the_fourth_on_hold():
    # Four courses that are orthogonal over T, in four orthogonal directions.
    waves = [np.where(T != 0, np.sin(k * np.pi * (MS - 160) / 200), 0) for k in (1, 2, 3, 4)]
    sizes = [1.0, 0.5, 0.4, 0.2]
    parts = [
        (size * BASIS[k], wave) for k, (size, wave) in enumerate(zip(sizes, waves, strict=True))
    ]
    found = from_leads((3 * BASIS[0], QRS), *parts)
    assert found["ndpv_t"] == pytest.approx(0.04 * 50, rel=0.03)  # sin^2 over 100 samples: 50
    assert found["ndpv_share_t"] == pytest.approx(0.04 / (1 + 0.25 + 0.16 + 0.04), rel=0.03)


def test_pca_voltages_are_root_mean_squares_from_j_to_the_end_of_t():
    found = from_leads((3 * BASIS[0], QRS), (BASIS[0], T), (0.5 * BASIS[1], T2))
    n = found["jt_interval"] / 2
    expected = [np.sqrt(50 / n), np.sqrt(0.25 * 50 / n), 0]
    assert_allclose(found[["pca1", "pca2", "pca3"]].astype(float), expected, rtol=0.03, atol=1e-3)


@pytest.mark.parametrize("height", [0.2, 0.8])
def test_pca_t_amplitude_is_the_height_along_the_first_component(height):
    found = from_leads((3 * BASIS[0], QRS), (height * BASIS[2], T))
    assert found["pca_tamp"] == pytest.approx(height, rel=1e-3)


# --- T-wave morphology


@pytest.mark.parametrize("degrees", [0, 30, 60, 90, 120, 180])
def test_tcrt_is_the_cosine_between_the_directions_of_qrs_and_t(degrees):
    radians = np.radians(degrees)
    t_wave = np.cos(radians) * BASIS[0] + np.sin(radians) * BASIS[1]
    found = from_leads((BASIS[0], QRS), (0.4 * t_wave, T))
    assert found["tcrt"] == pytest.approx(np.cos(radians), abs=0.01)
    assert found["tcrt_angle"] == pytest.approx(degrees, abs=6)


def test_tcrt_averages_over_the_part_of_the_loop_within_70_percent_of_its_peak():
    # Long enough to count for 40 ms along T and 20 ms against it, as steps.
    course = np.where((MS >= -30) & (MS < 10), 1.0, 0) - np.where((MS >= 10) & (MS < 30), 1.0, 0)
    found = from_leads((BASIS[0], course), (0.3 * BASIS[0], T))
    assert found["tcrt"] == pytest.approx((20 - 10) / 30, abs=0.05)


def test_dispersion_of_parallel_leads_is_zero():
    leads = np.array([1, 0.5, 0.3, 2, 1.5, 1, 0.8, 0.6])
    found = from_leads((leads, QRS), (0.3 * leads, T))
    assert_allclose(found[["tmd", "tmd_pre", "tmd_post"]].astype(float), 0, atol=0.5)


def test_dispersion_is_the_mean_angle_between_the_leads_without_v1():
    # Leads as vectors in a plane, of components that are orthogonal and of equal strength.
    degrees = np.array([0, 10, 170, 20, 30, 40, 50, 60.0])  # the third, V1, is far from all
    leads = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)
    product = leads @ leads.T
    squares, vectors = np.linalg.eigh(product)
    pairs = [abs(a - b) for i, a in enumerate(np.delete(degrees, 2))
             for b in np.delete(degrees, 2)[i + 1 :]]  # fmt: skip
    assert wave_dispersion(squares, vectors) == pytest.approx(np.mean(pairs))


def test_dispersion_of_a_flat_lead_is_nan():
    leads = np.array([1, 0.5, 0.3, 2, 0, 1, 0.8, 0.6])
    assert np.isnan(from_leads((leads, QRS), (0.3 * leads, T))["tmd"])
