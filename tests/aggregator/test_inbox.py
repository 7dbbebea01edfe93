"""The order in which waiting messages are stored: a device's own, and alerts before floods of others."""

from collections import defaultdict

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.ingest.inbox import (
    MOST_BESIDE,
    MOST_BYTES,
    PLAIN_EVERY,
    Inbox,
    is_urgent,
    urgent_first,
)
from contract import topics
from contract.messages import Alert, Health, Message, Presence, VerdictBatch

KINDS: list[type[Message]] = [Alert, Health, VerdictBatch]


def message(
    device: str, kind: type[Message], number: int, payload: bytes | None = None
) -> aiomqtt.Message:
    topic = f"{topics.ROOT}/default/{device}/{topics.LEAVES[kind]}"
    told = payload or b"%d" % number
    return aiomqtt.Message(topic, told, 1, retain=False, mid=number, properties=None)


def taken(inbox: Inbox) -> list[tuple[str, int]]:
    found = []
    while not inbox.empty():
        item = inbox.get_nowait()
        found.append((item.topic.value.split("/")[3], int(item.payload)))
    return found


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(KINDS)), max_size=60))
def test_each_device_keeps_its_order_and_nothing_is_lost(told: list[tuple[str, type[Message]]]):
    inbox = Inbox()
    sent = defaultdict(list)
    for number, (device, kind) in enumerate(told):
        inbox.put_nowait(message(device, kind, number))
        sent[device].append(number)
    assert inbox.qsize() == len(told)
    found = defaultdict(list)
    for device, number in taken(inbox):
        found[device].append(number)
    assert found == sent


def test_an_alert_hardly_waits_for_the_floods_of_other_devices():
    inbox = Inbox()
    for number in range(500):
        inbox.put_nowait(message(f"flood-{number % 50}", VerdictBatch, number))
    inbox.put_nowait(message("quiet", Health, 1))
    inbox.put_nowait(message("quiet", Alert, 2))
    order = taken(inbox)
    assert order.index(("quiet", 1)) < order.index(("quiet", 2)) <= PLAIN_EVERY


def test_a_flood_of_alerts_does_not_starve_the_others():
    inbox = Inbox()
    for number in range(500):
        inbox.put_nowait(message("flood", Alert, number))
    for number in range(10):
        inbox.put_nowait(message("quiet", Health, number))
    order = taken(inbox)
    assert order.index(("quiet", 9)) < 20 * PLAIN_EVERY


def test_devices_without_anything_urgent_take_turns():
    inbox = Inbox()
    for number in range(500):
        inbox.put_nowait(message("flood", VerdictBatch, number))
    inbox.put_nowait(message("quiet", Health, 1))
    assert taken(inbox).index(("quiet", 1)) == 1


LARGE = bytes(MOST_BESIDE)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(KINDS)), max_size=60))
def test_parts_keep_each_devices_order_and_alerts_are_in_the_first(
    told: list[tuple[str, type[Message]]],
):
    batch = [message(device, kind, place, LARGE) for place, (device, kind) in enumerate(told)]
    parts = urgent_first(batch)
    stored = [item.mid for part in parts for item in part]
    assert sorted(stored) == list(range(len(batch)))
    for device in "abc":
        mine = [place for place in stored if told[place][0] == device]
        assert mine == sorted(mine)
    if len(parts) > 1:
        assert Alert not in [told[item.mid][1] for item in parts[1]]


def test_an_alert_is_stored_before_the_much_that_came_with_it_and_beside_a_little():
    alert, before = message("hit", Alert, 2), message("hit", Health, 1)
    after, other = message("hit", VerdictBatch, 3, LARGE), message("calm", Health, 1)
    assert urgent_first([other, before, alert, after]) == [[before, alert], [other, after]]
    assert urgent_first([other, before, alert]) == [[other, before, alert]]
    assert urgent_first([other, after]) == [[other, after]]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(KINDS)), max_size=60))
def test_however_much_comes_no_more_waits_than_may_and_lines_lose_their_ends(
    told: list[tuple[str, type[Message]]],
):
    inbox = Inbox(maxsize=7)
    sent = defaultdict(list)
    for number, (device, kind) in enumerate(told):
        inbox.put_nowait(message(device, kind, number))
        sent[device].append(number)
    assert inbox.qsize() == min(len(told), 7)
    assert inbox.discarded() == len(told) - inbox.qsize()
    assert inbox.discarded() == 0
    assert inbox.has_urgent == any(is_urgent(item) for item in waiting(inbox))
    found = defaultdict(list)
    for device, number in taken(inbox):
        found[device].append(number)
    assert inbox.bytes == 0
    assert not inbox.has_urgent
    for device, numbers in sent.items():
        assert found[device] == sorted(found[device])
        assert set(found[device]) <= set(numbers)
        assert len(found[device]) >= min(len(numbers), 7 // 3)  # its share is nobody's but its own


def waiting(inbox: Inbox) -> list[aiomqtt.Message]:
    return [item for line in inbox._lines.values() for item in line]


def test_who_floods_loses_the_last_of_its_own_and_nobody_else_anything():
    inbox = Inbox(maxsize=100)
    for number in range(200):
        inbox.put_nowait(message("flood", Alert, number))
        if number % 10 == 0:
            inbox.put_nowait(message(f"quiet-{number}", Health, number))
    found = taken(inbox)
    quiet = [device for device, _ in found if device != "flood"]
    assert sorted(quiet) == sorted(f"quiet-{number}" for number in range(0, 200, 10))
    flood = [number for device, number in found if device == "flood"]
    assert flood[:70] == list(range(70))
    assert inbox.discarded() == 200 - len(flood)


def test_few_large_messages_are_a_longer_line_than_many_small_ones():
    inbox = Inbox(maxsize=1000)
    for number in range(300):
        inbox.put_nowait(message("small", VerdictBatch, number))
    for _ in range(4):
        inbox.put_nowait(message("large", VerdictBatch, 0, bytes(MOST_BYTES // 3)))
    assert inbox.bytes <= MOST_BYTES
    assert inbox.discarded() == 2
    assert sum(len(item.payload) < 10 for item in waiting(inbox)) == 300


def test_whether_a_device_is_there_is_discarded_last_and_of_that_its_newest_word():
    inbox = Inbox(maxsize=20)
    for number in range(40):
        inbox.put_nowait(message("flood", Presence, number))
        inbox.put_nowait(message("flood", VerdictBatch, number))
    for number in range(19):
        inbox.put_nowait(message(f"pi-{number}", Presence, number))
        inbox.put_nowait(message(f"pi-{number}", Health, number))
    assert sorted(taken(inbox)) == sorted(
        [("flood", 39), *((f"pi-{number}", number) for number in range(19))]
    )


def test_a_flood_is_said_once_and_later_only_now_and_then(caplog: pytest.LogCaptureFixture):
    inbox = Inbox(maxsize=2)
    for number in range(500):
        inbox.put_nowait(message("flood", Alert, number))
    assert caplog.messages == ["messages_discarded"]
    assert caplog.records[0].__dict__["longest"].endswith("/default/flood")
