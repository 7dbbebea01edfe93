"""The live feed: everybody gets their own organization's events, nobody holds up the others."""

import json

from aggregator.live import KEPT_EVENTS, MAX_WAITING, LiveFeed, Watcher


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
        for number in range(MAX_WAITING + 5):
            live.publish("ours", "detection", number)
            await quick.take()
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
