"""Tests of operating points and of net benefit."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from skecg.metrics import f1_threshold, net_benefit, rule_in_threshold, rule_out_threshold

CHOICES = [f1_threshold, rule_out_threshold, rule_in_threshold]


def draw(seed):
    """Draw labels and tied scores."""
    rng = np.random.default_rng(seed)
    y = (np.arange(300) < 60).astype(int)
    return y, (rng.normal(size=300) + 1.5 * y).round(1)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_better_f1(seed):
    y, score = draw(seed)
    best = max(f1_score(y, score >= cut) for cut in np.unique(score))
    assert f1_score(y, score >= f1_threshold(y, score)) == best


def test_of_equal_f1_the_lowest_threshold_is_taken():
    # From 0.3 on 2 of 2 positives and 2 false alarms, from 0.5 on 1 of 2 and none: F1 2/3 both.
    assert f1_threshold([0, 1, 0, 0, 1], [0.1, 0.3, 0.3, 0.3, 0.5]) == 0.3


@pytest.mark.parametrize("target", [0.5, 0.9, 0.95, 0.99, 1.0])
def test_rule_out_is_the_highest_cut_that_is_sensitive_enough(target):
    y, score = draw(0)
    cut = rule_out_threshold(y, score, sensitivity=target)
    assert recall_score(y, score >= cut) >= target
    assert recall_score(y, score > cut) < target


@pytest.mark.parametrize("target", [0.3, 0.5, 0.8])
def test_rule_in_is_the_lowest_cut_that_is_right_often_enough(target):
    y, score = draw(0)
    cut = rule_in_threshold(y, score, ppv=target)
    assert precision_score(y, score >= cut) >= target
    assert all(precision_score(y, score >= c) < target for c in np.unique(score) if c < cut)


def test_a_ppv_out_of_reach_is_refused_with_the_best_one():
    with pytest.raises(ValueError, match=r"PPV of 0.9; the best is 0.500 at 0.1"):
        rule_in_threshold([1, 0, 0, 1], [0.1, 0.2, 0.3, 0.3], ppv=0.9)


@pytest.mark.parametrize("choose", CHOICES)
def test_positive_may_sort_first(choose):
    y, score = draw(1)
    named = np.where(y == 1, "OMI", "no OMI")
    assert choose(named, score, pos_label="OMI") == choose(y, score)


@pytest.mark.parametrize("choose", CHOICES)
def test_data_without_a_positive_are_refused(choose):
    with pytest.raises(ValueError, match="holds no positive"):
        choose([0, 0], [0.1, 0.2], pos_label=1)


@pytest.mark.parametrize("target", [0, -1, 1.1, 95])
def test_targets_that_are_no_shares_are_refused(target):
    with pytest.raises(ValueError, match="over 0 and at most 1"):
        rule_out_threshold([0, 1], [0.1, 0.2], sensitivity=target)
    with pytest.raises(ValueError, match="over 0 and at most 1"):
        rule_in_threshold([0, 1], [0.1, 0.2], ppv=target)


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5])
def test_net_benefit_is_counted_from_the_confusion_matrix(p):
    y, score = draw(2)
    prob = 1 / (1 + np.exp(1.5 - score))
    _, fp, _, tp = confusion_matrix(y, prob >= p).ravel()
    row = net_benefit(y, prob, thresholds=[p]).iloc[0]
    assert row["model"] == pytest.approx(tp / 300 - fp / 300 * p / (1 - p))
    assert row["treat_all"] == pytest.approx(0.2 - 0.8 * p / (1 - p))
    assert row["treat_none"] == 0


def test_treating_all_is_worth_nothing_at_the_prevalence():
    y, _ = draw(0)
    table = net_benefit(y, np.full(300, 0.2), thresholds=[0.2])
    assert table["treat_all"].item() == pytest.approx(0)
    assert table["model"].item() == pytest.approx(0)


def test_scores_that_are_no_probabilities_have_no_net_benefit():
    with pytest.raises(ValueError, match="between -1 and 2; a decision curve needs probabilities"):
        net_benefit([0, 1], [-1, 2])


@pytest.mark.parametrize("thresholds", [[0, 0.5], [0.5, 1], [np.nan], [], [[0.1, 0.2]]])
def test_a_decision_curve_needs_a_row_of_probabilities_to_treat_from(thresholds):
    with pytest.raises(ValueError, match="one row of numbers over 0 and under 1"):
        net_benefit([0, 1], [0.1, 0.2], thresholds=thresholds)


def test_one_threshold_is_a_row_of_a_decision_curve():
    assert len(net_benefit([0, 1], [0.1, 0.2], thresholds=0.15)) == 1
