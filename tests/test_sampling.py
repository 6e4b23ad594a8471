"""Tests of balanced batches."""

import numpy as np
import pytest
import torch

from skecg.sampling import BalancedBatchSampler

# The training rows of the paper's selected model: 772 OMI among 8,691 ECGs.
N_PAPER, N_OMI = 8_691, 772


@pytest.fixture(scope="module")
def paper_labels():
    return np.random.default_rng(0).permutation(np.repeat([0, 1], [N_PAPER - N_OMI, N_OMI]))


def batches(y, **params):
    return list(BalancedBatchSampler(y, random_state=0, **params))


def raw_batches(y):
    """Return the shuffled batches of 128 from which those of the same seed are undersampled."""
    return batches(y, mode=None)


# -- the paper's rule -----------------------------------------------------------------------


@pytest.mark.parametrize("label", [0, 1])
def test_every_class_has_as_many_rows_as_the_rarest_of_its_batch(paper_labels, label):
    y = paper_labels
    kept = [np.count_nonzero(y[batch] == label) for batch in batches(y)]
    rarest = [np.bincount(y[batch], minlength=2).min() for batch in raw_batches(y)]
    assert kept == rarest


def test_every_positive_of_a_batch_is_kept(paper_labels):
    y = paper_labels
    for batch, raw in zip(batches(y), raw_batches(y), strict=True):
        np.testing.assert_array_equal(np.sort(batch[y[batch] == 1]), np.sort(raw[y[raw] == 1]))


def test_negatives_are_drawn_from_their_own_batch_without_replacement(paper_labels):
    y = paper_labels
    for batch, raw in zip(batches(y), raw_batches(y), strict=True):
        negatives = batch[y[batch] == 0]
        assert set(negatives) < set(raw[y[raw] == 0])
        assert len(set(negatives)) == len(negatives)


def test_an_epoch_of_the_paper_sees_every_positive_once_and_as_many_negatives(paper_labels):
    y = paper_labels
    rows = np.concatenate(batches(y))
    assert len(np.unique(rows)) == len(rows) == 2 * N_OMI
    np.testing.assert_array_equal(np.sort(rows[y[rows] == 1]), np.flatnonzero(y == 1))


def test_about_23_of_128_rows_reach_the_network_at_the_papers_prevalence(paper_labels):
    sizes = [len(batch) for batch in batches(paper_labels)]
    assert len(sizes) == 68  # 8,691 / 128, rounded up
    assert np.mean(sizes) == pytest.approx(2 * 128 * 0.088, abs=0.3)


def test_every_negative_has_the_same_chance_to_be_drawn():
    y = np.array([1] * 10 + [0] * 40)
    sampler = BalancedBatchSampler(y, batch_size=50, random_state=0)
    drawn = np.bincount(np.concatenate([next(iter(sampler)) for _ in range(2000)]), minlength=50)
    assert (drawn[:10] == 2000).all()
    # Binomial(2000, 1/4): mean 500, SD 19.
    assert np.abs(drawn[10:] - 500).max() < 4 * 19.4


@pytest.mark.parametrize("rare", [0, 1])
def test_whichever_class_is_rarer_is_kept_whole(rare):
    y = np.where(np.arange(60) < 9, rare, 1 - rare)
    (batch,) = batches(y)
    assert set(np.flatnonzero(y == rare)) < set(batch)
    assert len(batch) == 18


def test_a_batch_of_one_class_makes_no_step():
    y = np.array([1] + [0] * 255)
    (batch,) = batches(y)
    assert sorted(y[batch]) == [0, 1]


def test_one_class_alone_makes_no_step_at_all():
    assert batches(np.zeros(300)) == []


@pytest.mark.parametrize("seed", range(5))
def test_three_classes_have_as_many_rows_as_the_rarest_present(seed):
    y = np.random.default_rng(seed).choice(3, 640, p=[0.75, 0.2, 0.05])
    sampler = BalancedBatchSampler(y, batch_size=16, random_state=seed)
    raw = BalancedBatchSampler(y, batch_size=16, mode=None, random_state=seed)
    lacking_one = 0
    expected = []
    for batch in raw:
        counts = np.bincount(y[batch], minlength=3)
        present = counts > 0
        lacking_one += present.sum() == 2
        if present.sum() > 1:
            expected.append((present * counts[present].min()).tolist())
    assert lacking_one > 0
    assert [np.bincount(y[batch], minlength=3).tolist() for batch in sampler] == expected


# -- other modes ----------------------------------------------------------------------------


def test_half_fills_every_batch_with_64_of_each_class(paper_labels):
    y = paper_labels
    counts = [np.bincount(y[batch], minlength=2).tolist() for batch in batches(y, mode="half")]
    assert counts[:-1] == [[64, 64]] * 123  # 7,919 / 64, rounded down
    assert counts[-1] == [47, 47]


def test_half_passes_once_through_the_largest_class_and_evenly_through_the_others(paper_labels):
    y = paper_labels
    times = np.bincount(np.concatenate(batches(y, mode="half")), minlength=len(y))
    assert (times[y == 0] == 1).all()
    assert set(times[y == 1]) == {10, 11}  # 7,919 = 10 * 772 + 199


def test_half_shares_a_batch_among_three_classes():
    y = np.repeat([0, 1, 2], [40, 10, 4])
    counts = [np.bincount(y[batch]).tolist() for batch in batches(y, mode="half", batch_size=30)]
    assert counts == [[10, 10, 10]] * 4


@pytest.mark.parametrize("n", [1, 100, 128, 200, 300])
def test_no_mode_passes_every_row_once_in_random_order(n):
    rows = np.concatenate(batches(np.arange(n) % 2, mode=None))
    np.testing.assert_array_equal(np.sort(rows), np.arange(n))
    assert n == 1 or (rows != np.arange(n)).any()


@pytest.mark.parametrize(
    ("mode", "y", "sizes"),
    [
        (None, np.arange(129) % 2, [129]),
        (None, np.arange(257) % 2, [128, 129]),
        (None, np.arange(258) % 2, [128, 128, 2]),
        ("half", np.repeat([0, 1, 2], 43), [129]),
        ("half", np.repeat([0, 1, 2], 86), [128, 128, 2]),
    ],
)
def test_a_single_row_left_over_joins_the_batch_before(mode, y, sizes):
    assert [len(batch) for batch in batches(y, mode=mode)] == sizes


@pytest.mark.parametrize("n", [127, 128, 129, 256, 257, 300])
@pytest.mark.parametrize("mode", [None, "half"])
def test_length_is_the_number_of_batches(mode, n):
    sampler = BalancedBatchSampler(np.arange(n) % 3, mode=mode, random_state=0)
    assert len(sampler) == len(list(sampler))


def test_length_of_undersampled_batches_is_the_most_there_can_be():
    sampler = BalancedBatchSampler([1] + [0] * 255, random_state=0)
    assert (len(sampler), len(list(sampler))) == (2, 1)


# -- labels, seeds, errors ------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["undersample", "half"])
@pytest.mark.parametrize(
    "labels", [np.array(["OMI", "no OMI"]), np.array([True, False]), np.array([7, 3])]
)
def test_labels_of_any_type_are_balanced(labels, mode):
    y = labels[(np.arange(200) % 5 > 0).astype(int)]
    batch = batches(y, mode=mode)[0]
    assert np.count_nonzero(y[batch] == labels[0]) == np.count_nonzero(y[batch] == labels[1]) > 0


@pytest.mark.parametrize("mode", ["undersample", "half", None])
def test_each_epoch_is_drawn_afresh(mode):
    sampler = BalancedBatchSampler(np.arange(100) % 4 == 0, mode=mode, random_state=0)
    first, second = np.concatenate(list(sampler)), np.concatenate(list(sampler))
    assert first.tolist() != second.tolist()


def test_other_negatives_are_drawn_in_the_next_epoch(paper_labels):
    sampler = BalancedBatchSampler(paper_labels, random_state=0)
    drawn = [set(np.concatenate(list(sampler))) for _ in range(2)]
    both = drawn[0] & drawn[1]
    # The 772 positives, and 772 * 772 / 7,919 = 75 negatives by chance.
    assert len(both) == pytest.approx(772 + 75, abs=40)


@pytest.mark.parametrize("mode", ["undersample", "half", None])
def test_same_seed_gives_the_same_epochs(mode):
    y = np.arange(500) % 7 == 0
    one, other = (
        [np.concatenate(list(sampler)).tolist() for _ in range(3)]
        for sampler in (BalancedBatchSampler(y, mode=mode, random_state=4) for _ in range(2))
    )
    assert one == other


@pytest.mark.parametrize("random_state", [None, 1, np.random.RandomState(0)])
def test_seeds_differ(random_state):
    y = np.arange(500) % 7 == 0
    other = BalancedBatchSampler(y, random_state=random_state)
    assert np.concatenate(list(other)).tolist() != np.concatenate(batches(y)).tolist()


@pytest.mark.parametrize("mode", ["undersample", "half", None])
@pytest.mark.parametrize("random_state", [None, 0])
def test_global_generators_are_left_as_found(mode, random_state):
    before = np.random.get_state()[1:3], torch.get_rng_state()
    list(BalancedBatchSampler(np.arange(300) % 2, mode=mode, random_state=random_state))
    after = np.random.get_state()[1:3], torch.get_rng_state()
    assert np.array_equal(before[0][0], after[0][0])
    assert before[0][1] == after[0][1]
    assert torch.equal(before[1], after[1])


@pytest.mark.parametrize("mode", ["oversample", "None", 1])
def test_unknown_mode_is_refused(mode):
    with pytest.raises(ValueError, match=f"mode must be .* got {mode!r}"):
        BalancedBatchSampler([0, 1], mode=mode)


@pytest.mark.parametrize("batch_size", [1, 0, -5])
def test_batches_of_fewer_than_two_rows_are_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be an integer from 2, got {batch_size}"):
        BalancedBatchSampler([0, 1], batch_size=batch_size)
