"""Rows of equal keys are brought together, whatever the keys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.grouping import Groups, distinct, oldest_first, sorted_rows

# Small numbers, numbers that differ only where row numbers ride, and any others.
NUMBERS = st.one_of(
    st.integers(0, 5),
    st.integers(2**64 - 5, 2**64 - 1),
    st.integers(2**40, 2**40 + 5),
    st.integers(0, 2**64 - 1),
)


@given(st.lists(NUMBERS, max_size=40))
def test_rows_are_sorted_by_key_and_stay_in_order_where_keys_are_equal(numbers: list[int]) -> None:
    keys = np.array(numbers, np.uint64)
    assert sorted_rows(keys).tolist() == sorted(range(len(numbers)), key=numbers.__getitem__)


def test_many_keys_that_differ_only_in_their_last_bits_are_sorted_too() -> None:
    drawn = np.random.default_rng(3).integers(0, 64, 20_000).astype(np.uint64)
    keys = drawn | np.uint64(1 << 63)
    assert np.array_equal(sorted_rows(keys), np.argsort(keys, kind="stable"))


@given(st.lists(NUMBERS, max_size=40))
def test_grouping_keeps_the_order_inside_a_group(numbers: list[int]) -> None:
    groups = Groups.of(np.array(numbers, np.uint64))
    found = np.split(groups.order, groups.starts[1:]) if numbers else []
    assert [numbers[group[0]] for group in found] == sorted(set(numbers))
    for group in found:
        assert group.tolist() == [i for i, n in enumerate(numbers) if n == numbers[group[0]]]


@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_groups_know_their_ends_and_their_rows(numbers: list[int]) -> None:
    groups = Groups.of(np.array(numbers, np.uint64))
    names = sorted(set(numbers))
    assert len(groups) == len(names)
    assert groups.first.tolist() == [numbers.index(name) for name in names]
    assert groups.last.tolist() == [len(numbers) - 1 - numbers[::-1].index(name) for name in names]
    assert [names[group] for group in groups.of_rows()] == numbers


def test_amounts_are_summed_per_group() -> None:
    groups = Groups.of(np.array([9, 7, 9], np.uint64))
    assert groups.sums(np.array([1, 10, 100])).tolist() == [10, 101]


@pytest.mark.parametrize("names", [3, 5_000])
def test_sums_of_few_and_of_many_groups_are_exact(names: int) -> None:
    drawn = np.random.default_rng(names)
    keys = drawn.integers(0, names, 10_000)
    amounts = drawn.integers(-(2**62), 2**62, 10_000)
    expected = np.zeros(names, np.int64)
    np.add.at(expected, keys, amounts)
    groups = Groups.of(keys.astype(np.uint64))
    assert np.array_equal(groups.sums(amounts), expected[np.unique(keys)])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_of_each_group_the_first_of_the_least_rank_is_found(rows: list[tuple[int, int]]) -> None:
    keys, ranks = np.array(rows, np.uint64).T
    groups = Groups.of(keys)
    names = sorted({key for key, _ in rows})
    least = [rows.index(min(row for row in rows if row[0] == name)) for name in names]
    assert groups.least(ranks).tolist() == least
    assert groups.spread(ranks[least]).tolist() == [
        rows[least[names.index(k)]][1] for k, _ in rows
    ]


def test_of_nothing_there_are_no_groups() -> None:
    groups = Groups.of(np.array([], np.uint64))
    assert len(groups) == len(groups.of_rows()) == len(groups.sums(np.array([], np.int64))) == 0


@pytest.mark.parametrize("chosen", [[], [1], [0, 2]])
def test_some_groups_can_be_taken_by_themselves(chosen: list[int]) -> None:
    numbers = [5, 3, 5, 8, 3, 5]
    groups = Groups.of(np.array(numbers, np.uint64)).only(np.array(chosen, np.int64))
    wanted = [[3, 5, 8][index] for index in chosen]
    assert len(groups) == len(wanted)
    assert [numbers[row] for row in groups.order] == [n for n in sorted(numbers) if n in wanted]
    assert [numbers[row] for row in groups.first] == wanted


def test_each_key_is_named_once() -> None:
    assert distinct(np.array([4, 2, 4], np.uint64)).tolist() == [2, 4]


@given(st.lists(st.integers(-5, 5) | st.integers(0, 2**62), max_size=40))
def test_the_oldest_rows_come_first_and_rows_of_one_moment_stay_in_order(times: list[int]) -> None:
    found = oldest_first(np.array(times, np.int64)).tolist()
    assert found == sorted(range(len(times)), key=times.__getitem__)
