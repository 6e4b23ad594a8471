"""Tests of the published scores of infarct size."""

import numpy as np
import pytest

from skecg._scores import Waves, aldrich, selvester
from skecg.leads import LEADS

# Waves in mV and ms that meet no criterion: (q, r, s, q_ms, r_ms, notch).
NORMAL = dict.fromkeys(LEADS, (0, 1.0, 0.2, 0, 40, 0))
NORMAL["V1"] = (0, 0.2, 1.0, 0, 20, 0)
NORMAL["V2"] = (0, 0.5, 1.2, 0, 30, 0)
NORMAL["V3"] = (0, 0.8, 0.8, 0, 40, 0)
FIELDS = Waves._fields


def points(**changes):
    """Return the points of a normal QRS with some waves of some leads changed."""
    leads = {}
    for lead, values in NORMAL.items():
        changed = dict(zip(FIELDS, values, strict=True)) | changes.get(lead, {})
        leads[lead] = Waves(**{name: np.array([value]) for name, value in changed.items()})
    return int(selvester(leads)[0])


def test_a_normal_qrs_has_no_points():
    assert points() == 0


@pytest.mark.parametrize(
    ("lead", "waves", "expected"),
    [
        ("I", {"q": 0.1, "q_ms": 30}, 1),
        ("I", {"q": 0.1, "q_ms": 28}, 0),
        ("I", {"q": 1.0, "q_ms": 20}, 1),  # R/Q = 1
        ("I", {"r": 0.2}, 1),
        ("II", {"q": 0.1, "q_ms": 30}, 1),
        ("II", {"q": 0.1, "q_ms": 40}, 2),
        ("aVL", {"q": 0.1, "q_ms": 30}, 1),
        ("aVL", {"q": 1.1, "q_ms": 20}, 1),
        ("aVF", {"q": 0.1, "q_ms": 30}, 1),
        ("aVF", {"q": 0.1, "q_ms": 40}, 2),
        ("aVF", {"q": 0.1, "q_ms": 50}, 3),
        ("aVF", {"q": 0.5, "q_ms": 20}, 1),  # R/Q = 2
        ("aVF", {"q": 1.0, "q_ms": 50}, 5),
        ("V1", {"q": 0.4, "s": 0.4, "r": 0.0, "r_ms": 0, "q_ms": 60}, 1),
        ("V1", {"s": 1.8}, 1),
        ("V1", {"r": 0.5, "s": 0.5, "r_ms": 30}, 1 + 1),  # R/S in V1, and R in V2 not above it
        ("V1", {"r_ms": 40}, 1),
        ("V1", {"r_ms": 50}, 2),
        ("V1", {"s": 0.3}, 1),
        ("V2", {"q": 0.1, "q_ms": 10}, 1),
        ("V2", {"r_ms": 10}, 1),
        ("V2", {"r": 0.1}, 1),
        ("V2", {"s": 0.5, "r": 0.75}, 1),  # R/S = 1.5
        ("V2", {"r_ms": 50}, 1),
        ("V2", {"r_ms": 60}, 2),
        ("V2", {"s": 0.4}, 1),
        ("V3", {"q": 0.1, "q_ms": 10}, 1),
        ("V3", {"r_ms": 20}, 1),
        ("V3", {"r": 0.2}, 1),
        ("V4", {"q": 0.1, "q_ms": 20}, 1),
        ("V4", {"s": 2.0}, 2),  # R/S = 0.5
        ("V4", {"s": 1.0}, 1),
        ("V4", {"r": 0.7}, 1),
        ("V4", {"notch": 0.05}, 1),
        ("V5", {"q": 0.1, "q_ms": 30}, 1),
        ("V5", {"s": 1.0}, 2),
        ("V5", {"s": 0.5}, 1),
        ("V6", {"q": 0.1, "q_ms": 30}, 1),
        ("V6", {"s": 1.0}, 2),
        ("V6", {"s": 1 / 3}, 1),
        ("V6", {"r": 0.6}, 1),
        ("V6", {"r": 0.7}, 0),
    ],
)
def test_each_criterion_of_selvester_has_its_points(lead, waves, expected):
    assert points(**{lead: waves}) == expected


def test_of_a_group_of_criteria_the_best_counts_alone():
    assert points(V4={"s": 2.0, "r": 0.7, "notch": 0.1}) == 2


def test_points_of_all_leads_add_up():
    deep = {"q": 2.0, "q_ms": 60, "r": 0.1, "s": 2.0, "r_ms": 10}
    # I, II and aVL 2 each, aVF 5, V1 2, V2 and V3 1 each, V4, V5 and V6 3 each.
    assert points(**dict.fromkeys(LEADS, deep)) == 24


@pytest.mark.parametrize(
    ("j", "anterior", "inferior"),
    [
        ({}, 0, 0),
        ({"V2": 0.3, "V3": 0.2, "V4": 0.1}, 3 * (1.5 * 3 - 0.4), 0),
        # 0.1 + 0.2 + 0.3 mV are 6 mm: a version in mV would give 7.08.
        ({"II": 0.1, "III": 0.3, "aVF": 0.2}, 3 * (1.5 * 3 - 0.4), 3 * (0.6 * 6 + 2)),
        ({"III": 0.3, "aVF": 0.09}, 3 * (1.5 - 0.4), 3 * (0.6 * 3 + 2)),
        ({"V2": -0.3, "III": 0.099}, 0, 0),
    ],
)
def test_aldrich_scores_follow_their_formulae(j, anterior, inferior):
    levels = {lead: np.array([j.get(lead, 0.0)]) for lead in LEADS}
    assert np.ravel(aldrich(levels)) == pytest.approx([anterior, inferior])
