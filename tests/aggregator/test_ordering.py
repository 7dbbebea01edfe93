"""The order of messages: each once, none out of turn, every loss counted."""

from hypothesis import given
from hypothesis import strategies as st

from aggregator.ingest.ordering import Place, order, place
from aggregator.ingest.reading import Arrival, Numbered
from aggregator.store.watermarks import Boot, Mark
from tests.aggregator.messages import health

ONE = Boot("default", "edge-1", "00000000000000b1")


def numbered(seq: int, floor: int = 1, boot: Boot = ONE) -> Numbered:
    return Numbered(boot, seq, floor, Arrival("t", b"", retained=False, received_ns=0), health())


def test_the_next_number_is_taken_and_a_stored_one_is_a_duplicate():
    mark = Mark(last_seq=4, lost=0)
    assert place(mark, 5, 1) is Place.NEXT
    assert place(mark, 4, 1) is Place.DUPLICATE
    assert place(mark, 1, 1) is Place.DUPLICATE


def test_a_number_behind_a_hole_waits_until_the_hole_is_filled():
    assert place(Mark(4, 0), 6, 1) is Place.EARLY
    ordered = order([numbered(6), numbered(5), numbered(6)], {ONE: Mark(4, 0)})
    assert [item.seq for item in ordered.taken] == [5, 6]
    assert ordered.early == 1


def test_a_hole_that_the_device_gave_up_is_counted_as_lost():
    ordered = order([numbered(10, floor=10)], {ONE: Mark(4, 2)})
    assert ordered.moved == {ONE: Mark(10, 7)}


def test_behind_the_floor_numbers_still_come_in_turn():
    assert place(Mark(4, 0), 11, 10) is Place.EARLY
    assert place(Mark(10, 0), 11, 10) is Place.NEXT


def test_boots_do_not_disturb_each_other():
    other = Boot("default", "edge-1", "00000000000000b2")
    ordered = order([numbered(1), numbered(1, boot=other), numbered(2)], {})
    assert ordered.marks == {ONE: Mark(2, 0), other: Mark(1, 0)}


def test_a_boot_of_which_nothing_is_next_is_still_receipted():
    ordered = order([numbered(3)], {ONE: Mark(3, 0)})
    assert ordered.marks == {ONE: Mark(3, 0)}
    assert not ordered.moved


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=60))
def test_whatever_arrives_numbers_only_rise_and_each_is_stored_or_lost_once(
    arrivals: list[tuple[int, int]],
):
    offered = [numbered(max(pair), min(pair)) for pair in arrivals]
    ordered = order(offered, {})
    taken = [item.seq for item in ordered.taken]
    assert taken == sorted(set(taken))
    mark = ordered.marks.get(ONE, Mark(0, 0))
    assert len(taken) + mark.lost == mark.last_seq
    assert len(taken) + ordered.duplicates + ordered.early == len(offered)
