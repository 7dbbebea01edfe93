"""Hashing of columns, and the table that an attacker cannot fill."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tables import KeyTable, digest_blocks, hashed, members, mixed, paired

SECOND = 1_000_000_000


def keys(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint64)


def random_keys(count: int, seed: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(1, 2**64 - 1, count, dtype=np.uint64)
    return np.unique(drawn)


# --- hashing


def test_hashes_are_the_same_on_every_machine() -> None:
    assert hashed(7, keys(1, 2), keys(3, 4)).tolist() == hashed(7, keys(1, 2), keys(3, 4)).tolist()
    assert mixed(keys(1)).tolist() == [0xB456BCFC34C2CB2C]  # MurmurHash3's own test of fmix64


def test_a_hash_depends_on_seed_and_on_the_order_of_columns() -> None:
    one, two = keys(1), keys(2)
    found = {
        int(hashed(s, *c)[0]) for s in (0, 1, 2**63) for c in ((one, two), (two, one), (one,))
    }
    assert len(found) == 9


def test_a_hash_leaves_its_columns_as_they_were() -> None:
    column = keys(5, 6)
    hashed(0, column, column)
    assert column.tolist() == [5, 6]


def test_hashes_of_neighbouring_values_do_not_collide() -> None:
    many = np.arange(200_000, dtype=np.uint64)
    assert len(np.unique(hashed(0, many, many >> np.uint64(3)))) == len(many)


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
def test_no_two_columns_cancel_each_other_whatever_the_seed(seed: int) -> None:
    bits = [1 << bit for bit in range(64)]
    pairs = bits + [high | 1 << bit for high in bits[60:] for bit in range(60)]
    one, other = np.meshgrid(keys(0, *bits[40:]), keys(0, *pairs))
    high, low = one.ravel() ^ np.uint64(0x20010DB8 << 32), other.ravel() ^ np.uint64(1)
    assert len(np.unique(hashed(seed, high, low))) == len(
        np.unique(np.stack([high, low]), axis=1).T
    )


def test_a_hash_is_never_the_empty_key() -> None:
    assert (hashed(0, random_keys(10_000)) > 0).all()


def test_a_digest_tells_order_content_and_length_apart() -> None:
    block = np.arange(64, dtype=np.uint8)
    swapped = np.concatenate([block[8:16], block[:8], block[16:]])
    changed = block.copy()
    changed[63] ^= 1
    blocks = np.stack([block, swapped, changed, block])
    assert len(set(digest_blocks(blocks, np.array([64, 64, 64, 65])).tolist())) == 4


def test_a_digest_of_similar_payloads_does_not_collide() -> None:
    numbers = np.arange(200_000, dtype=np.uint64)
    blocks = np.zeros((len(numbers), 64), np.uint8)
    blocks[:, 3:11] = numbers.view(np.uint8).reshape(-1, 8)
    assert len(np.unique(digest_blocks(blocks, np.full(len(numbers), 64)))) == len(numbers)


def test_pairs_have_keys_of_their_own_and_their_order_counts() -> None:
    number, key = np.meshgrid(np.arange(500, dtype=np.uint64), random_keys(200))
    pairs = paired(number.ravel(), key.ravel())
    assert len(np.unique(pairs)) == number.size
    assert (pairs > 0).all()
    hashes = random_keys(1000)
    turned = paired(hashes, hashes[::-1]) != paired(hashes[::-1], hashes)
    assert turned.sum() >= len(hashes) - 1


def test_members_of_a_set_are_looked_up() -> None:
    table = members(0, 80, 65_535)
    assert np.flatnonzero(table).tolist() == [0, 80, 65_535]


# --- the table


def test_a_key_keeps_its_slot() -> None:
    table = KeyTable(64, 10 * SECOND)
    first, fresh = table.claim(keys(7, 8), 0)
    again, stale = table.claim(keys(8, 7), 5 * SECOND)
    assert fresh.all()
    assert not stale.any()
    assert again.tolist() == first[::-1].tolist()
    assert table.find(keys(7, 9), 5 * SECOND).tolist() == [first[0], -1]


def test_a_key_is_forgotten_when_it_was_not_used_for_long() -> None:
    table = KeyTable(64, 10 * SECOND)
    table.claim(keys(7), 0)
    assert table.find(keys(7), 10 * SECOND)[0] >= 0
    assert table.find(keys(7), 10 * SECOND + 1)[0] == -1
    _, fresh = table.claim(keys(7), 11 * SECOND)
    assert fresh[0]
    assert table.evicted == 0


def test_different_keys_never_share_a_slot() -> None:
    table = KeyTable(4096, 10 * SECOND)
    slots, _ = table.claim(random_keys(4000), 0)
    given_out = slots[slots >= 0]
    assert len(np.unique(given_out)) == len(given_out)
    assert given_out.max() < table.capacity


def test_keys_of_one_moment_are_refused_rather_than_pushed_out_by_each_other() -> None:
    table = KeyTable(64, 10 * SECOND)
    many = random_keys(10_000)
    slots, fresh = table.claim(many, 0)
    assert fresh.all()
    assert (slots >= 0).sum() == table.capacity
    assert table.refused == len(many) - table.capacity
    assert table.evicted == 0
    assert np.array_equal(table.find(many, 0), slots)


def test_the_longest_unused_key_of_a_set_gives_way_and_is_counted() -> None:
    table = KeyTable(8, 100 * SECOND)  # one set of eight
    for at in range(8):
        table.claim(keys(100 + at), at * SECOND)
    table.claim(keys(100), 8 * SECOND)
    slots, _ = table.claim(keys(999), 9 * SECOND)
    assert slots[0] >= 0
    assert table.find(keys(100, 101, 102), 9 * SECOND).tolist()[1] == -1
    assert (table.find(keys(100, 102), 9 * SECOND) >= 0).all()
    assert table.evicted == 1


def test_a_known_key_is_never_pushed_out_by_the_newcomers_beside_it() -> None:
    table = KeyTable(8, 100 * SECOND)
    old, _ = table.claim(keys(5), 0)
    slots, fresh = table.claim(np.concatenate([keys(5), random_keys(50)]), SECOND)
    assert slots[0] == old[0]
    assert not fresh[0]


def test_keys_in_use_outlast_a_flood_of_keys_that_are_used_once() -> None:
    table = KeyTable(4096, 600 * SECOND)
    settled = random_keys(300, 99)
    for at in (0, 1):
        table.claim(settled, at * SECOND)
    for at in range(2, 30):
        table.claim(random_keys(20_000, at), at * SECOND)
    assert (table.find(settled, 30 * SECOND) >= 0).mean() > 0.99


def test_a_flood_may_have_the_place_of_keys_that_were_not_used_for_a_minute() -> None:
    table = KeyTable(64, 600 * SECOND)
    settled = random_keys(60, 99)
    for at in (0, 1):
        table.claim(settled, at * SECOND)
    table.claim(random_keys(5_000, 7), 120 * SECOND)
    assert (table.find(settled, 120 * SECOND) < 0).all()


def test_a_table_never_grows() -> None:
    table = KeyTable(1024, 10 * SECOND)
    for at in range(20):
        table.claim(random_keys(5_000, at), at * SECOND)
    assert table.capacity == 1024
    assert table.refused + table.evicted > 0


def test_no_keys_take_no_slots() -> None:
    table = KeyTable(64, SECOND)
    slots, fresh = table.claim(keys(), 0)
    assert len(slots) == len(fresh) == len(table.find(keys(), 0)) == 0


@pytest.mark.parametrize("capacity", [1, 8, 9, 1000, 65_536])
def test_the_capacity_is_a_power_of_two_and_at_least_what_was_asked(capacity: int) -> None:
    found = KeyTable(capacity, SECOND).capacity
    assert found >= capacity
    assert found & (found - 1) == 0
    assert found < 2 * max(capacity, KeyTable.WAYS)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sets(st.integers(1, 40), max_size=20)), max_size=12)
)
def test_a_table_agrees_with_a_dictionary_as_long_as_it_is_not_full(
    steps: list[tuple[int, set[int]]],
) -> None:
    table, used = KeyTable(1024, 10 * SECOND), dict[int, int]()
    for at, numbers in sorted(steps, key=lambda step: step[0]):
        _, fresh = table.claim(np.array(sorted(numbers), np.uint64), at * SECOND)
        expected = [used.get(n, -99) < at - 10 for n in sorted(numbers)]
        assert fresh.tolist() == expected
        used |= dict.fromkeys(numbers, at)
