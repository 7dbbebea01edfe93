"""The live feed: everybody gets their own organization's events, nobody holds up the others."""

import asyncio
import json
import time

from aggregator.live import GATHER_S, KEPT_EVENTS, MAX_WAITING, LiveFeed, Watcher


async def taken(watcher: Watcher) -> list[dict[str, object]]:
    return [json.loads(data) for data in await watcher.take(limit=10 * MAX_WAITING)]


async def test_a_watcher_sees_only_what_happens_in_its_organization():
    live = LiveFeed()
    with live.watch("ours") as watcher:
        live.publish("theirs", "new_alert", 1)
        live.publish("ours", "new_alert", 2, device_id="edge-1")
        (event,) = await taken(watcher)
    assert event == {
        "type": "new_alert",
        "cursor": event["cursor"],
        "device_id": "edge-1",
        "data": 2,
    }


async def test_a_watcher_chooses_types():
    live = LiveFeed()
    with live.watch("ours", frozenset({"presence"})) as watcher:
        live.publish("ours", "new_alert", 1)
        live.publish("ours", "presence", 2)
        assert [event["data"] for event in await taken(watcher)] == [2]


async def test_a_slow_watcher_loses_the_oldest_and_is_told_how_many():
    live = LiveFeed()
    with live.watch("ours") as slow, live.watch("ours") as quick:
        for begin in range(0, MAX_WAITING + 5, 201):
            for number in range(begin, begin + 201):
                live.publish("ours", "detection", number)
            assert [event["data"] for event in await taken(quick)] == [*range(begin, begin + 201)]
        notice, *events = await taken(slow)
    assert notice == {"type": "dropped", "count": 5}
    assert [event["data"] for event in events] == list(range(5, MAX_WAITING + 5))


async def test_who_comes_back_is_given_what_it_missed():
    live = LiveFeed()
    with live.watch("ours") as watcher:
        live.publish("ours", "new_alert", 1)
        (event,) = await taken(watcher)
    live.publish("ours", "new_alert", 2)
    live.publish("theirs", "new_alert", 3)
    with live.watch("ours", since=int(str(event["cursor"]))) as watcher:
        assert [event["data"] for event in await taken(watcher)] == [2]


async def test_who_was_away_for_too_long_is_told_to_load_everything_again():
    live = LiveFeed()
    live.publish("ours", "new_alert", 1)
    first = live._kept[0].cursor
    for number in range(KEPT_EVENTS + 1):
        live.publish("ours", "new_alert", number)
    for since in (first, 0, 2**53):
        with live.watch("ours", since=since) as watcher:
            assert (await taken(watcher))[0]["type"] == "resync"


def test_cursors_stay_whole_numbers_in_javascript():
    live = LiveFeed()
    live.publish("ours", "new_alert", 1)
    assert live._kept[0].cursor < 2**53


def test_who_left_is_forgotten():
    live = LiveFeed()
    with live.watch("ours"):
        assert live.watchers == 1
    assert live.watchers == 0


async def test_who_keeps_pace_is_given_the_very_same_array():
    live = LiveFeed()
    with live.watch("ours") as one, live.watch("ours") as other, live.watch("theirs") as stranger:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(one.take_array())
            await asyncio.sleep(0)
            for number in range(3):
                live.publish("ours", "new_alert", number)
            live.publish("theirs", "new_alert", 3)
        array = waiting.result()
        assert array is await other.take_array()
        assert [event["data"] for event in json.loads(array)] == [0, 1, 2]
        assert [event["data"] for event in json.loads(await stranger.take_array())] == [3]


async def test_an_array_begins_with_what_was_dropped():
    live = LiveFeed()
    with live.watch("ours") as slow:
        for number in range(MAX_WAITING + 2):
            live.publish("ours", "detection", number)
        notice, *events = json.loads(await slow.take_array(limit=3))
    assert notice == {"type": "dropped", "count": 2}
    assert [event["data"] for event in events] == [2, 3, 4]


def missing_one() -> tuple[LiveFeed, int]:
    """Return a feed, and the cursor of who has seen all of it but the last event."""
    live = LiveFeed()
    live.publish("ours", "new_alert", 0)
    since = live._kept[0].cursor
    live.publish("ours", "new_alert", 1)
    return live, since


async def test_what_was_missed_comes_before_what_is_new():
    live, since = missing_one()
    with live.watch("ours", since=since) as watcher:
        live.publish("ours", "new_alert", 2)
        assert [event["data"] for event in await taken(watcher)] == [1]
        assert [event["data"] for event in await taken(watcher)] == [2]


async def test_all_that_was_missed_and_is_kept_is_given_without_a_gap():
    live, since = missing_one()
    missed = [*range(1, KEPT_EVENTS)]
    for number in missed[1:]:
        live.publish("ours", "new_alert", number)
    with live.watch("ours", since=since) as watcher:
        for number in range(MAX_WAITING):  # as much as may wait comes meanwhile
            live.publish("ours", "new_alert", KEPT_EVENTS + number)
        assert [event["data"] for event in await taken(watcher)] == missed
        new = [*range(KEPT_EVENTS, KEPT_EVENTS + MAX_WAITING)]
        assert [event["data"] for event in await taken(watcher)] == new


async def test_what_is_new_while_what_was_missed_is_given_is_dropped_beyond_what_may_wait():
    live, since = missing_one()
    with live.watch("ours", since=since) as watcher:
        for number in range(MAX_WAITING + 1):
            live.publish("ours", "new_alert", 2 + number)
        assert [event["data"] for event in await taken(watcher)] == [1]
        notice, *events = await taken(watcher)
        events += await taken(watcher)
    assert notice == {"type": "dropped", "count": 1}
    assert [event["data"] for event in events] == [*range(3, MAX_WAITING + 3)]


async def test_what_comes_soon_after_is_given_together_a_little_later():
    live = LiveFeed()
    with live.watch("ours") as watcher:
        live.publish("ours", "new_alert", 0)
        begin_s = time.monotonic()
        assert [event["data"] for event in await taken(watcher)] == [0]
        assert time.monotonic() - begin_s < GATHER_S / 2  # in a quiet hour nothing waits
        live.publish("ours", "new_alert", 1)
        await asyncio.sleep(GATHER_S / 4)
        live.publish("ours", "new_alert", 2)
        assert [event["data"] for event in await taken(watcher)] == [1, 2]
        assert time.monotonic() - begin_s >= GATHER_S * 0.9


async def test_who_comes_is_not_given_what_happened_just_before():
    live = LiveFeed()
    with live.watch("ours") as first:
        live.publish("ours", "new_alert", 1)
        with live.watch("ours") as second:
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(taken(second))
                await asyncio.sleep(0)
                await first.take()  # now it is given, while the second waits for the next
                await asyncio.sleep(GATHER_S * 1.5)
                live.publish("ours", "new_alert", 2)
            assert [event["data"] for event in waiting.result()] == [2]


async def test_how_a_device_is_does_not_push_out_what_is_kept_for_who_comes_back():
    live, since = missing_one()
    with live.watch("ours") as watcher:
        for number in range(KEPT_EVENTS):
            live.publish("ours", "device_health", number)
        assert (await taken(watcher))[-1]["data"] == KEPT_EVENTS - 1  # who watches is given it
    with live.watch("ours", since=since) as watcher:
        assert [event["data"] for event in await taken(watcher)] == [1]


def test_it_knows_what_is_watched():
    live = LiveFeed()
    with live.watch("ours", frozenset({"new_alert"})):
        assert live.is_watched("ours", "new_alert")
        assert not live.is_watched("ours", "device_health")
        assert not live.is_watched("theirs", "new_alert")
        with live.watch("ours"):
            assert live.is_watched("ours", "device_health")
