"""Tests of lead names, their order, and the algebra of the limb leads."""

import numpy as np
import pytest

from skecg.leads import INDEPENDENT_LEADS, LEADS, standard_name, to_standard_order

CABRERA = ["aVL", "I", "aVR", "II", "aVF", "III", "V1", "V2", "V3", "V4", "V5", "V6"]
MIMIC = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
PTB_XL = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]


@pytest.fixture(scope="module")
def ecg():
    """Twelve leads that obey Einthoven and Goldberger, by name."""
    leads = dict(zip(INDEPENDENT_LEADS, np.random.default_rng(0).normal(size=(8, 50)), strict=True))
    leads["III"] = leads["II"] - leads["I"]
    leads["aVR"] = -(leads["I"] + leads["II"]) / 2
    leads["aVL"] = (leads["I"] - leads["III"]) / 2
    leads["aVF"] = (leads["II"] + leads["III"]) / 2
    return leads


def stacked(ecg, names):
    return np.stack([ecg[name] for name in names])


@pytest.mark.parametrize("name", ["aVR", "AVR", "avr", " aVr ", "AvR\n"])
def test_name_is_known_in_any_case_and_with_spaces(name):
    assert standard_name(name) == "aVR"


@pytest.mark.parametrize("name", ["V7", "-aVR", "", "vx", None])
def test_name_that_is_none_of_the_twelve_is_refused(name):
    with pytest.raises(ValueError, match="is not one of the twelve leads I, II, III"):
        standard_name(name)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(LEADS, id="standard"),
        pytest.param(MIMIC, id="MIMIC"),
        pytest.param(CABRERA, id="Cabrera"),
        pytest.param(LEADS[6:] + LEADS[:6], id="chest leads first"),
        pytest.param(LEADS[::-1], id="backwards"),
    ],
)
@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_leads_are_ordered_by_name_in_any_case(ecg, names, spell):
    ordered = to_standard_order(stacked(ecg, names), [spell(name) for name in names])
    np.testing.assert_array_equal(ordered, stacked(ecg, LEADS))


@pytest.mark.parametrize(
    "missing",
    [["III"], ["aVR"], ["aVL"], ["aVF"], ["aVF", "III"], ["III", "aVR", "aVL", "aVF"]],
    ids=" ".join,
)
def test_missing_limb_leads_are_derived_from_I_and_II(ecg, missing):
    names = [name for name in LEADS[::-1] if name not in missing]
    np.testing.assert_allclose(
        to_standard_order(stacked(ecg, names), names), stacked(ecg, LEADS), atol=1e-12
    )


def test_nine_stored_leads_of_staff_3_become_twelve(ecg):
    names = ["V1", "V2", "V3", "V4", "V5", "V6", "I", "II", "III"]
    np.testing.assert_allclose(
        to_standard_order(stacked(ecg, names), names), stacked(ecg, LEADS), atol=1e-12
    )


def test_a_lead_that_is_given_is_kept_as_it_was_recorded(ecg):
    recorded = ecg | {"III": ecg["III"] + 1}
    names = [name for name in LEADS if name != "aVF"]
    assert (to_standard_order(stacked(recorded, names), names)[2] == recorded["III"]).all()


def test_other_leads_are_left_out(ecg):
    names = [*LEADS, "vx", "vy", "vz", "V7"]
    signal = np.concatenate([stacked(ecg, LEADS), np.full((4, 50), 99.0)])
    np.testing.assert_array_equal(to_standard_order(signal, names), stacked(ecg, LEADS))


def test_many_ecgs_are_ordered_at_once(ecg):
    two = np.stack([stacked(ecg, MIMIC), 2 * stacked(ecg, MIMIC)])
    expected = np.stack([stacked(ecg, LEADS), 2 * stacked(ecg, LEADS)])
    np.testing.assert_array_equal(to_standard_order(two, MIMIC), expected)


@pytest.mark.parametrize("names", [PTB_XL, INDEPENDENT_LEADS], ids=["ordered", "derived"])
def test_single_precision_is_kept(names):
    signal = np.zeros((len(names), 5), dtype=np.float32)
    assert to_standard_order(signal, names).dtype == np.float32


@pytest.mark.parametrize("twin", ["V2", "v2", " V2 "])
def test_a_lead_given_twice_is_refused_by_name(twin):
    with pytest.raises(ValueError, match=r"Lead V2 occurs twice in .*Keep one of them"):
        to_standard_order(np.zeros((13, 5)), [*LEADS, twin])


@pytest.mark.parametrize("missing", [["I"], ["II"], ["V1", "V6"], list(INDEPENDENT_LEADS)])
def test_missing_leads_that_cannot_be_derived_are_named(missing):
    names = [name for name in LEADS if name not in missing]
    with pytest.raises(ValueError, match=f"Leads {', '.join(missing)} are missing"):
        to_standard_order(np.zeros((len(names), 5)), names)


@pytest.mark.parametrize("shape", [(12,), (11, 5), (5, 12), (12, 2, 5)])
def test_signal_without_a_row_for_each_name_is_refused(shape):
    with pytest.raises(ValueError, match=r"does not have one row for each of 12 names"):
        to_standard_order(np.zeros(shape), LEADS)
