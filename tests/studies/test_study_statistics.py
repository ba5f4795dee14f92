"""Protects the statistics of studies: against scipy, by simulation, and the rule from an interval to a verdict."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_rel

from zoo.studies.statistics import Verdict, distance, holm, judge, mean_of, of_claim, p_value, paired, verdict_of

VALUES = [98.1, 98.4, 98.3, 98.9, 98.2]


def test_the_interval_is_scipys():
    low, high = ttest_1samp(VALUES, 0).confidence_interval(0.95)
    found = mean_of(VALUES)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.value == pytest.approx(np.mean(VALUES))


def test_paired_differences_are_those_of_the_seeds_that_both_have():
    first, second = {0: 3.0, 1: 5.0, 2: 9.0, 4: 1.0}, {2: 4.0, 1: 3.0, 0: 2.5, 3: 7.0}
    differences = paired(first, second)
    assert differences == [0.5, 2.0, 5.0]
    test = ttest_rel([3, 5, 9], [2.5, 3, 4])
    assert p_value(differences, mean_of(differences).value) == pytest.approx(test.pvalue)


def test_p_is_below_five_per_cent_where_the_interval_does_not_reach_the_border():
    for border in np.linspace(97.5, 99.5, 81):
        found = mean_of(VALUES)
        outside = not found.low <= border <= found.high
        assert (p_value(VALUES, distance("more", border, found.value)) < 0.05) == outside


def test_equal_values_leave_no_doubt_and_one_value_all_of_it():
    assert p_value([0.1 + 0.2] * 5, 1e-9) == 0
    assert p_value([3.0] * 5, 0) == 1
    assert p_value([3.0], 3) == 1
    assert judge(3, p_value([3.0], 3)) == "not distinguishable"


def test_holm_is_the_step_down_procedure():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    chance = np.random.default_rng(1)
    for _ in range(200):
        ps = chance.uniform(0, 0.1, chance.integers(1, 8))
        order = np.argsort(ps)
        rejected = set()
        for rank, i in enumerate(order):  # from the smallest on, until one is not below its own level
            if ps[i] > 0.05 / (len(ps) - rank):
                break
            rejected.add(int(i))
        assert {i for i, p in enumerate(holm(list(ps))) if p <= 0.05} == rejected


def test_intervals_cover_and_families_err_as_often_as_they_say():
    """1,000 studies of four differences that are none, five seeds each: 5 % of intervals miss, 5 % of studies err."""
    chance = np.random.default_rng(0)
    missed = wrong = 0
    studies = 1000
    for _ in range(studies):
        arms = chance.normal(0, 1, (4, 5))
        means = [mean_of(list(arm)) for arm in arms]
        missed += sum(not mean.low <= 0 <= mean.high for mean in means)
        wrong += min(holm([p_value(list(a), m.value) for a, m in zip(arms, means, strict=True)])) < 0.05
    assert 0.035 < missed / (4 * studies) < 0.065
    assert wrong / studies < 0.065


@pytest.mark.parametrize(
    ("kind", "border", "shift", "word"),
    [
        ("more", 0.2, 1.0, "supported"),
        ("more", 0.2, -1.0, "refuted"),
        ("more", 0.2, 0.2, "not distinguishable"),
        ("more", -0.2, 0.3, "supported"),  # not behind
        ("less", 0.2, -1.0, "supported"),
        ("less", 0.2, 1.0, "refuted"),
        ("same", 0.5, 0.0, "supported"),
        ("same", 0.5, 2.0, "refuted"),
        ("same", 0.5, -2.0, "refuted"),
        ("same", 0.5, 0.45, "not distinguishable"),
    ],
)
def test_the_word_for_a_difference(kind, border, shift, word):
    differences = [shift + noise for noise in (-0.1, -0.05, 0.0, 0.05, 0.1)]
    far = distance(kind, border, mean_of(differences).value)
    assert judge(far, p_value(differences, far)) == word


def test_the_word_for_a_claim_of_several_parts():
    """One part that is refuted does not refute the others."""
    yes: Verdict = "supported"
    no: Verdict = "refuted"
    open_: Verdict = "not distinguishable"
    assert of_claim([yes, yes]) == yes
    assert of_claim([yes, no]) == of_claim([no, open_, yes]) == of_claim([yes, open_]) == "partly"
    assert of_claim([no, open_]) == of_claim([no]) == no
    assert of_claim([open_, open_]) == open_
    assert of_claim([yes, "not measured"]) == of_claim([]) == "not measured"


def test_the_word_for_several():
    yes: Verdict = "supported"
    no: Verdict = "refuted"
    open_: Verdict = "not distinguishable"
    assert verdict_of([yes, yes]) == yes
    assert verdict_of([yes, open_]) == open_
    assert verdict_of([yes, open_, no]) == no
    assert verdict_of([yes, open_, no], somewhere=True) == yes
    assert verdict_of([no, open_], somewhere=True) == open_
    assert verdict_of([no, no], somewhere=True) == no
    assert verdict_of([yes, "not measured"]) == "not measured"
    assert verdict_of([]) == "not measured"
