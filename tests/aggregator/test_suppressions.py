"""Alerts that are not to be shown for a while: kept, counted, found again, and back when asked for."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from aggregator import uncovering as uncovering_module
from aggregator.live import LiveFeed
from aggregator.notify import notifier
from aggregator.store.alert_changes import AlertChange, change_alerts
from aggregator.store.alerts import AlertFilter, count_alerts, find_alerts
from aggregator.store.counts import count_since
from aggregator.store.database import Database
from aggregator.store.devices import Added
from aggregator.store.notifications import newest_news, untold_alerts
from aggregator.store.reported import Reported
from aggregator.store.suppressions import (
    Match,
    add_suppression,
    as_filter,
    delete_suppression,
)
from aggregator.uncovering import Uncovering
from contract.messages import Alert
from tests.aggregator.conftest import Centre, next_event
from tests.aggregator.messages import BOOT, MAC, SECOND_NS, alert, now_ns
from tests.aggregator.people import ADA
from tests.aggregator.receivers import receiver
from tests.aggregator.taking import save
from tests.aggregator.test_notifier import Told

FIRST = 52_000


def in_(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def suppressed(client: httpx.Client, number: int) -> int:
    body = {"alert_id": f"{number:032x}", "reason": "our own scanner", "expires_at": in_(30)}
    answer = client.post("/suppressions", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["is_active"]
    return int(answer.json()["id"])


def listed(client: httpx.Client, device_id: str, more: str = "") -> list[int]:
    answer = client.get(f"/alerts?device_id={device_id}{more}").raise_for_status()
    assert answer.headers["x-total-count"] == str(len(answer.json()))
    return [int(shown["alert_id"], 16) - FIRST for shown in answer.json()]


async def test_an_alert_like_one_that_was_hidden_is_kept_and_counted_but_not_shown(
    centre: Centre,
):
    with centre.client("analyst") as client:
        async with centre.device("hidden-pi") as device:
            await device.tell(alert(FIRST))
            suppression_id = suppressed(client, FIRST)
            before = client.get("/dashboard/overview").json()["stats"]["total_alerts"]
            await device.tell(alert(FIRST + 1))
            await device.tell(alert(FIRST + 2, attack_type="DOS"))
            assert listed(client, "hidden-pi") == [2, 0]
            assert listed(client, "hidden-pi", "&suppressed=true") == [1]
            detail = client.get(f"/alerts/{FIRST + 1:032x}").json()
            assert detail["suppressed_by"] == suppression_id
            (shown,) = [
                one for one in client.get("/suppressions").json() if one["id"] == suppression_id
            ]
            after = client.get("/dashboard/overview").json()["stats"]["total_alerts"]
            summary = client.get("/analytics/summary").json()["alerts"]
    assert shown["hidden"] == 1
    assert shown["match"] == {
        "device_id": "hidden-pi",
        "attack_type": "Scan",
        "host": MAC,
        "src_ip": None,
        "dst_ip": None,
    }
    assert after == before + 1
    assert summary["suppressed"] >= 1
    assert sum(summary["by_severity"].values()) == summary["total"]


async def test_a_hidden_alert_is_announced_to_nobody(centre: Centre):
    with centre.client("analyst") as client:
        async with centre.device("silent-pi") as device:
            async with centre.watch("?types=new_alert") as socket:
                await device.tell(alert(FIRST + 10))
                # Whoever watches from now on does not see it.
                await next_event(socket, "new_alert")
            suppressed(client, FIRST + 10)
            async with centre.watch("?types=new_alert,alert_updated") as socket:
                await device.tell(alert(FIRST + 11))
                await device.tell(alert(FIRST + 11, windows=9))
                hidden = {"ids": [f"{FIRST + 11:032x}"], "action": "resolve"}
                assert client.post("/alerts/bulk", json=hidden).json()["changed"] == 1
                await device.tell(alert(FIRST + 12, attack_type="DOS"))
                await device.tell(alert(FIRST + 11, attack_type="MITM"))
                first = json.loads(await socket.recv())
                second = await next_event(socket, "new_alert")
    assert first["data"]["alert_id"] == f"{FIRST + 12:032x}"
    assert second["data"]["attack_type"] == "MITM"  # it turned out to be something else


async def test_deleting_a_suppression_shows_again_what_it_has_hidden(centre: Centre):
    with centre.client("analyst") as client:
        async with centre.device("back-pi") as device:
            await device.tell(alert(FIRST + 20))
            suppression_id = suppressed(client, FIRST + 20)
            await device.tell(alert(FIRST + 21))
            await device.tell(alert(FIRST + 22, state="closed"))
            assert listed(client, "back-pi") == [20]
            path = f"/suppressions/{suppression_id}"
            with centre.client("stranger") as other:
                assert other.delete(path).status_code == 404
            async with centre.watch("?types=new_alert") as socket:
                assert client.delete(path).status_code == 204
                told = json.loads(await socket.recv())["data"]
            assert client.delete(path).status_code == 404
            assert listed(client, "back-pi") == [22, 21, 20]
            assert listed(client, "back-pi", "&suppressed=true") == []
            await device.tell(alert(FIRST + 23))
            assert listed(client, "back-pi") == [23, 22, 21, 20]
    assert told["alert_id"] == f"{FIRST + 21:032x}"  # the one that goes on
    assert told["incident_id"] is not None
    with centre.client() as client:
        (made, deleted) = client.get("/audit?action=suppression&username=analyst&limit=2").json()
    assert {made["action"], deleted["action"]} == {"suppression.create", "suppression.delete"}
    assert made["before"]["hidden"] == 2


async def test_what_goes_on_when_its_suppression_is_over_comes_to_light(centre: Centre):
    with centre.client("analyst") as client:
        async with centre.device("outlived-pi") as device:
            match = {"device_id": "outlived-pi", "host": MAC}
            body = {"match": match, "reason": "an hour's work", "expires_at": in_(2 / 24 / 3600)}
            async with centre.watch("?types=new_alert") as socket:
                assert client.post("/suppressions", json=body).status_code == 201
                await device.tell(alert(FIRST + 50))
                assert listed(client, "outlived-pi") == []
                shown = await next_event(socket, "new_alert")
            assert shown["data"]["alert_id"] == f"{FIRST + 50:032x}"
            assert listed(client, "outlived-pi") == [50]


def test_a_preview_says_what_would_have_been_hidden_and_changes_nothing(centre: Centre):
    told = [alert(FIRST + number) for number in range(30, 42)]
    critical = alert(FIRST + 42, attack_type="MITM")
    with centre.client("analyst") as client:
        centre.told("preview-pi", *told, critical)
        like = client.post("/suppressions/preview", json={"alert_id": told[0].alert_id}).json()
        match = {"device_id": "preview-pi", "host": MAC}
        body = {"match": match, "days": 1}
        whole = client.post("/suppressions/preview", json=body).json()
        assert len(listed(client, "preview-pi")) == 13
        with centre.client("stranger") as other:
            theirs = other.post("/suppressions/preview", json=body).json()
            answer = other.post("/suppressions/preview", json={"alert_id": told[0].alert_id})
    assert (like["hidden"], like["critical"], len(like["newest"])) == (12, 0, 10)
    assert (whole["hidden"], whole["critical"], whole["match"]["host"]) == (13, 1, MAC)
    assert whole["of"] >= 13
    assert theirs["hidden"] == 0
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "r", "expires_at": in_(1)},
        {"reason": "r", "expires_at": in_(1), "alert_id": "a", "match": {"host": "h"}},
        {"reason": "r", "expires_at": in_(1), "match": {}},
        {"reason": "r", "expires_at": in_(1), "match": {"device_id": "pi"}},
        {"reason": "r", "expires_at": in_(1), "match": {"port": 1}},
        {"reason": "r", "expires_at": in_(-1), "match": {"host": "h"}},
        {"reason": "r", "expires_at": in_(91), "match": {"host": "h"}},
        {"reason": "r", "match": {"host": "h"}},
        {"reason": "", "expires_at": in_(1), "match": {"host": "h"}},
        {"expires_at": in_(1), "match": {"host": "h"}},
    ],
)
def test_a_suppression_that_makes_no_sense_or_never_ends_is_a_bad_request(
    centre: Centre, body: dict[str, Any]
):
    with centre.client() as client:
        answer = client.post("/suppressions", json=body)
    assert answer.status_code == 400, answer.text


async def hide(database: Database, match: Match, seconds: float = 60) -> int:
    statement = add_suppression(
        "default",
        match,
        reason="r",
        username="ada",
        now_ns=now_ns(),
        expires_ns=now_ns() + int(seconds * SECOND_NS),
    )
    return (await database.change(Added, statement))[0].id


async def store(
    database: Database, *alerts: Alert, organization: str = "default", later_s: int = 0
) -> None:
    received_ns = now_ns() + later_s * SECOND_NS
    told = [Reported(organization, "pi", BOOT, received_ns, each) for each in alerts]
    await save(database, told)


async def decide(database: Database, number: int, status: str) -> None:
    wanted = AlertFilter(alert_ids=[alert(number).alert_id])
    (row,) = await find_alerts(database, "default", wanted, limit=1)
    change = AlertChange(status=status)
    await database.write(*change_alerts(ADA, f"c{number}", [row.id], change, now_ns()))


async def shown(database: Database, organization: str = "default") -> list[int]:
    wanted = AlertFilter(suppressed=False)
    rows = await find_alerts(database, organization, wanted, limit=100)
    return sorted(int(row.alert_id, 16) for row in rows)


async def test_a_suppression_is_over_at_its_time_and_what_goes_on_comes_to_light(
    database: Database,
):
    await hide(database, Match(host=MAC), seconds=60)
    await store(database, *map(alert, range(1, 6)), later_s=50)
    await decide(database, 3, "resolved")
    await decide(database, 4, "acknowledged")
    await store(database, alert(2, state="closed"), alert(5, state="closed", windows=65))
    live = LiveFeed()
    uncovering = Uncovering(database, live)
    with live.watch("default") as watcher:
        await uncovering.look(now_ns() + 59 * SECOND_NS)
        assert await shown(database) == []
        await store(database, alert(6), later_s=70)
        for _ in range(2):
            await uncovering.look(now_ns() + 61 * SECOND_NS)
        events: list[dict[str, Any]] = []
        while len(events) < 4:
            events += [msgspec.json.decode(each) for each in await watcher.take()]
    # Over before its end: the second by its device, the third by a person; the fifth was seen after it.
    assert await shown(database) == [1, 4, 5, 6]
    told = [(each["type"], each["data"].get("alert_id")) for each in events]
    assert told == [("new_alert", f"{number:032x}") for number in (1, 4, 5)] + [("incident", None)]
    assert events[-1]["data"]["alerts"] == 4
    counts = (await count_since(database, "default", 0)).alerts
    counted = {
        hidden: sum(each.count for each in counts if each.suppressed == hidden)
        for hidden in (True, False)
    }
    assert counted == {True: 2, False: 4}


async def test_what_another_suppression_hides_as_well_stays_hidden_until_that_is_over(
    database: Database,
):
    await hide(database, Match(host=MAC), seconds=60)
    await store(database, alert(1))
    longer = await hide(database, Match(attack_type="Scan"), seconds=120)
    uncovering = Uncovering(database, LiveFeed())
    await uncovering.look(now_ns() + 61 * SECOND_NS)
    assert await shown(database) == []
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert row.suppressed_by == longer
    await uncovering.look(now_ns() + 121 * SECOND_NS)
    assert await shown(database) == [1]


async def test_only_so_many_come_to_light_at_once_the_rest_afterwards(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(uncovering_module, "MOST_ALERTS", 2)
    suppression_id = await hide(database, Match(host=MAC))
    await store(database, *map(alert, range(1, 4)))
    await store(database, alert(9), organization="elsewhere")
    await database.write(*delete_suppression("default", suppression_id))
    uncovering = Uncovering(database, LiveFeed())
    await uncovering.look(now_ns())
    assert await shown(database) == [1, 2]
    await uncovering.look(now_ns())
    assert await shown(database) == [1, 2, 3]


async def test_an_alert_that_people_have_seen_does_not_vanish(database: Database):
    await hide(database, Match(attack_type="Scan"))
    await store(database, alert(1, attack_type="DOS"))
    await store(database, alert(1, attack_type="Scan"))
    assert await shown(database) == [1]


@pytest.mark.parametrize(
    ("match", "hidden"),
    [
        (Match(attack_type="Scan"), {1, 2}),
        (Match(attack_type="Scan", dst_ip="10.0.0.1"), {2}),
        (Match(src_ip="192.168.1.7"), {1, 3}),
        (Match(host="02:00:00:00:00:99"), set()),
        (Match(device_id="other", host=MAC), set()),
        (Match(device_id="pi", host=MAC), {1, 2, 3}),
    ],
)
async def test_what_is_hidden_is_what_a_preview_finds(
    database: Database, match: Match, hidden: set[int]
):
    told = [
        alert(1),
        msgspec.structs.replace(alert(2), src_ip="10.0.0.9", dst_ip="10.0.0.1"),
        alert(3, attack_type="DOS"),
    ]
    await store(database, *told)
    assert await count_alerts(database, "default", as_filter(match, 0)) == len(hidden)
    await hide(database, match)
    again = [
        msgspec.structs.replace(each, alert_id=f"{int(each.alert_id, 16) + 10:032x}")
        for each in told
    ]
    await store(database, *again)
    await store(database, *again, organization="elsewhere")
    assert await shown(database) == [1, 2, 3, *sorted({11, 12, 13} - {n + 10 for n in hidden})]
    assert await shown(database, "elsewhere") == [11, 12, 13]


async def test_a_hidden_alert_is_notified_only_when_it_turns_out_to_be_something_else(
    database: Database, tmp_path: Path
):
    told = Told(database, tmp_path)
    channel_id = await told.channel("http://127.0.0.1:9/")
    await hide(database, Match(attack_type="Scan"))

    async def untold() -> list[str | None]:
        upto = await newest_news(database)
        rows = await untold_alerts(database, upto, notifier.MOST_AT_ONCE)
        return [row.attack_type for row in rows if row.channel_id == channel_id]

    await store(database, alert(1))
    assert await untold() == []
    await store(database, alert(1, attack_type="DOS"))
    assert await untold() == ["DOS"]


async def test_what_comes_to_light_is_notified_and_so_is_its_end(
    database: Database, tmp_path: Path
):
    told = Told(database, tmp_path)
    with receiver() as there:
        await told.channel(there.url)
        await hide(database, Match(attack_type="Scan"))
        await store(database, alert(1), alert(2))
        await told.look()
        await store(database, alert(2, state="closed"))
        await Uncovering(database, LiveFeed()).look(now_ns() + 61 * SECOND_NS)
        for _ in range(2):
            await told.look(3)
        await store(database, alert(1, state="closed"))
        for _ in range(2):
            await told.look(3)
    assert [event for event, _ in there.events()] == ["alert", "recovered"]
