"""Alerts that are not to be shown for a while: kept, counted, found again, and back when asked for."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from aggregator.notify import notifier
from aggregator.store.alerts import AlertFilter, count_alerts, find_alerts
from aggregator.store.database import Database
from aggregator.store.devices import Added
from aggregator.store.notifications import newest_news, untold_alerts
from aggregator.store.reported import Reported
from aggregator.store.suppressions import Match, add_suppression, as_filter
from contract.messages import Alert
from tests.aggregator.conftest import Centre, next_event
from tests.aggregator.messages import BOOT, MAC, SECOND_NS, alert, now_ns
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
            assert listed(client, "back-pi") == [20]
            path = f"/suppressions/{suppression_id}"
            with centre.client("stranger") as other:
                assert other.delete(path).status_code == 404
            assert client.delete(path).status_code == 204
            assert client.delete(path).status_code == 404
            assert listed(client, "back-pi") == [21, 20]
            assert listed(client, "back-pi", "&suppressed=true") == []
            await device.tell(alert(FIRST + 22))
            assert listed(client, "back-pi") == [22, 21, 20]
    with centre.client() as client:
        (made, deleted) = client.get("/audit?action=suppression&username=analyst&limit=2").json()
    assert {made["action"], deleted["action"]} == {"suppression.create", "suppression.delete"}
    assert made["before"]["hidden"] == 1


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


async def shown(database: Database, organization: str = "default") -> list[int]:
    wanted = AlertFilter(suppressed=False)
    rows = await find_alerts(database, organization, wanted, limit=100)
    return sorted(int(row.alert_id, 16) for row in rows)


async def test_a_suppression_is_over_at_its_time_and_what_it_hid_stays_hidden(database: Database):
    await hide(database, Match(host=MAC), seconds=60)
    await store(database, alert(1), later_s=50)
    await store(database, alert(1, windows=9), alert(2), later_s=70)
    assert await shown(database) == [2]


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
