"""The order in which waiting messages are stored: a device's own, and alerts before floods of others."""

import asyncio
from collections import defaultdict

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.ingest.inbox import MOST_BESIDE, MOST_BYTES, PLAIN_EVERY, Inbox, urgent_first
from contract import topics
from contract.messages import Alert, Health, Message, VerdictBatch

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


def test_it_is_as_full_as_it_was_made():
    inbox = Inbox(maxsize=2)
    for device in ("a", "b"):
        inbox.put_nowait(message(device, Alert, 1))
    with pytest.raises(asyncio.QueueFull):
        inbox.put_nowait(message("a", Alert, 2))


def test_it_is_full_of_few_large_messages_too_and_has_room_again_once_they_are_taken():
    inbox = Inbox(maxsize=1000)
    half = bytes(MOST_BYTES // 2)
    for number in range(2):
        inbox.put_nowait(message("a", VerdictBatch, number, half))
    with pytest.raises(asyncio.QueueFull):
        inbox.put_nowait(message("b", Alert, 2))
    inbox.get_nowait()
    inbox.put_nowait(message("b", Alert, 2))
