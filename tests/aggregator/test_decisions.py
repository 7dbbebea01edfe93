"""Decisions that hold until a moment, and alerts that turn out to be something else once they are closed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from aggregator import decisions
from aggregator.decisions import Decisions
from aggregator.live import LiveFeed
from aggregator.store.alert_changes import (
    AlertChange,
    ChangeRow,
    Undone,
    change_alerts,
    find_changes,
    take_back,
)
from aggregator.store.alerts import AlertFilter, AlertRow, find_alerts
from aggregator.store.counts import count_since
from aggregator.store.database import Database
from aggregator.store.reported import Reported
from contract.messages import Alert
from tests.aggregator.conftest import Centre, next_event
from tests.aggregator.messages import BOOT, SECOND_NS, alert, now_ns
from tests.aggregator.people import ADA
from tests.aggregator.taking import save

FIRST = 7600


def in_(days: float = 0, seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(days=days, seconds=seconds)).isoformat()


async def tell(database: Database, *alerts: Alert) -> list[AlertRow]:
    told = [Reported("default", "pi", BOOT, now_ns(), each) for each in alerts]
    await save(database, told)
    return await rows(database)


async def rows(database: Database) -> list[AlertRow]:
    found = await find_alerts(database, "default", AlertFilter(), limit=1000)
    return sorted(found, key=lambda row: row.id)


async def decide(
    database: Database, name: str, *numbers: int, status: str | None, expires_ns: int | None = None
) -> None:
    change = AlertChange(status=status, expires_ns=expires_ns)
    await database.write(*change_alerts(ADA, name, numbers, change, now_ns()))


async def history(database: Database, number: int) -> list[ChangeRow]:
    return await find_changes(database, "default", number, limit=100, skip=0)


async def counted(database: Database) -> dict[str, int]:
    counts = (await count_since(database, "default", 0)).alerts
    found = {each.status: 0 for each in counts}
    for each in counts:
        found[each.status] += each.count
    return {status: count for status, count in found.items() if count}


async def test_an_alert_is_active_again_when_what_was_decided_has_expired(database: Database):
    now = now_ns()
    (row,) = await tell(database, alert(1))
    await decide(database, "done", row.id, status="resolved", expires_ns=now + 5 * SECOND_NS)
    live = LiveFeed()
    keeper = Decisions(database, live)
    with live.watch("default") as watcher:
        await keeper.expire(now + 4 * SECOND_NS)
        assert (await rows(database))[0].status == "resolved"
        await keeper.expire(now + 6 * SECOND_NS)
        (event,) = [msgspec.json.decode(each) for each in await watcher.take()]
    (row,) = await rows(database)
    assert (row.status, row.resolved_ns, row.acknowledged_by, row.expires_ns) == (
        *("active", None, None, None),
    )
    assert (event["type"], event["data"]["status"]) == ("alert_updated", "active")
    expired, decided = await history(database, row.id)
    assert (expired.user_id, expired.username, expired.reason) == (None, None, "expired")
    assert (expired.status_before, expired.status_after) == ("resolved", "active")
    assert (expired.expires_before_ns, expired.expires_after_ns) == (now + 5 * SECOND_NS, None)
    assert decided.expires_after_ns == now + 5 * SECOND_NS
    assert await counted(database) == {"active": 1}
    await keeper.expire(now + 7 * SECOND_NS)
    assert len(await history(database, row.id)) == 2


@pytest.mark.parametrize("how", ["another decision", "for good", "taken back", "a remark"])
async def test_another_decision_ends_the_time_of_one_and_a_remark_does_not(
    database: Database, how: str
):
    now = now_ns()
    (row,) = await tell(database, alert(1))
    await decide(database, "done", row.id, status="resolved", expires_ns=now + SECOND_NS)
    if how == "taken back":
        assert await database.change(Undone, *take_back(ADA, "undone", "done", "r", now))
    elif how == "a remark":
        await decide(database, "word", row.id, status=None)
    else:
        status = "resolved" if how == "for good" else "acknowledged"
        await decide(database, "again", row.id, status=status)
    before = (await rows(database))[0].status
    await Decisions(database, LiveFeed()).expire(now + 9 * SECOND_NS)
    (row,) = await rows(database)
    assert row.status == ("active" if how == "a remark" else before)
    assert ((await history(database, row.id))[0].username is None) == (how == "a remark")


async def test_what_a_decision_replaced_comes_back_with_its_time(database: Database):
    now = now_ns()
    (row,) = await tell(database, alert(1))
    await decide(database, "brief", row.id, status="acknowledged", expires_ns=now + SECOND_NS)
    await decide(database, "good", row.id, status="resolved")
    assert await database.change(Undone, *take_back(ADA, "undone", "good", "r", now))
    (row,) = await rows(database)
    assert (row.status, row.expires_ns) == ("acknowledged", now + SECOND_NS)
    keeper = Decisions(database, LiveFeed())
    await keeper.expire(now + 2 * SECOND_NS)
    expiry = (await history(database, row.id))[0].change_id
    # Who takes an expiry back means it for good, or it would expire again at once.
    assert await database.change(Undone, *take_back(ADA, "kept", expiry, "r", now + 3 * SECOND_NS))
    await keeper.expire(now + 4 * SECOND_NS)
    (row,) = await rows(database)
    assert (row.status, row.expires_ns) == ("acknowledged", None)


async def test_only_so_many_expire_in_one_turn_the_rest_in_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(decisions, "MOST_ALERTS", 2)
    now = now_ns()
    told = await tell(database, *[alert(number) for number in range(3)])
    for row in told:
        until_ns = now + (10 - row.id) * SECOND_NS
        await decide(database, f"c{row.id}", row.id, status="resolved", expires_ns=until_ns)
    keeper = Decisions(database, LiveFeed())
    await keeper.expire(now + 99 * SECOND_NS)
    statuses = [row.status for row in await rows(database)]
    assert statuses == ["resolved", "active", "active"]  # those that have waited longest
    await keeper.expire(now + 99 * SECOND_NS)
    assert await counted(database) == {"active": 3}


@pytest.mark.parametrize("status", ["acknowledged", "resolved", "false_positive"])
async def test_a_closed_alert_that_turns_out_to_be_something_else_is_active_again(
    database: Database, status: str
):
    first = alert(1)
    (row,) = await tell(database, first)
    until_ns = now_ns() + 99 * SECOND_NS
    await decide(database, "done", row.id, status=status, expires_ns=until_ns)
    again = msgspec.structs.replace(first, attack_type="MITM", severity="critical")
    (row,) = await tell(database, again)
    assert (row.status, row.resolved_ns, row.acknowledged_ns, row.expires_ns) == (
        *("active", None, None, None),
    )
    newest = (await history(database, row.id))[0]
    assert (newest.username, newest.status_before, newest.status_after) == (None, status, "active")
    assert newest.reason == "turned out to be MITM, critical; was Scan, medium"
    assert await counted(database) == {"active": 1}
    await decide(database, "seen", row.id, status="resolved")
    (row,) = await tell(database, msgspec.structs.replace(again, windows=9))
    assert (row.status, row.windows) == ("resolved", 9)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"severity": "high"}, "active"),
        ({"severity": "low"}, "resolved"),
        ({"attack_type": "DOS", "severity": "low"}, "active"),
        ({"state": "closed", "confidence": 1.0}, "resolved"),
    ],
)
async def test_a_closed_alert_comes_back_when_it_is_graver_or_another_class_and_only_then(
    database: Database, changes: dict[str, Any], status: str
):
    first = alert(1)
    (row,) = await tell(database, first)
    await decide(database, "done", row.id, status="resolved")
    (row,) = await tell(database, msgspec.structs.replace(first, **changes))
    assert row.status == status
    assert len(await history(database, row.id)) == (2 if status == "active" else 1)


async def test_a_person_decides_until_a_moment_and_the_service_ends_it(centre: Centre):
    async with centre.device("expiring-pi") as device:
        await device.tell(alert(FIRST))
        await device.tell(alert(FIRST + 1))
    ids = [f"{FIRST + number:032x}" for number in range(2)]
    path = f"/alerts/{ids[0]}"
    with centre.client("analyst") as client:
        async with centre.watch("?types=alert_updated") as socket:
            until = in_(seconds=1)
            body = {"status": "acknowledged", "reason": "a test", "expires_at": until}
            decided = client.patch(path, json=body).json()
            assert datetime.fromisoformat(decided["expires_at"]) == datetime.fromisoformat(until)
            bulk = {"ids": ids, "action": "resolve", "expires_at": in_(days=300)}
            assert client.post("/alerts/bulk", json=bulk).json()["changed"] == 2
            assert client.post("/alerts/bulk", json=bulk).json()["changed"] == 0
            client.patch(path, json=body | {"expires_at": in_(seconds=1)}).raise_for_status()
            async with asyncio.timeout(20):
                while (await next_event(socket, "alert_updated"))["data"]["status"] != "active":
                    pass
        newest = client.get(f"{path}/changes").json()[0]
        assert (newest["username"], newest["reason"]) == (None, "expired")
        assert newest["expires_before"] is not None
        assert client.get(path).json()["expires_at"] is None
        entry = client.get(f"/alerts/{ids[1]}").json()
        assert entry["status"] == "resolved"
        undo = {"change_id": client.get(f"{path}/changes").json()[1]["change_id"]}
        refused = client.post("/alerts/undo", json=undo)
    assert refused.status_code == 409
    assert "time or its device reopened" in refused.json()["detail"]
    with centre.client() as client:
        audited = client.get(f"/audit?action=alert.change&target={ids[0]}").json()[-1]
    said = datetime.fromisoformat(audited["after"]["expires_at"])
    assert said == datetime.fromisoformat(until)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "resolved", "expires_at": in_(days=-1)},
        {"status": "resolved", "expires_at": in_(days=366)},
        {"status": "active", "expires_at": in_(days=1)},
        {"notes": "n", "expires_at": in_(days=1)},
        {"status": "resolved", "expires_at": "tomorrow"},
    ],
)
def test_a_time_that_makes_no_sense_is_a_bad_request(centre: Centre, body: dict[str, Any]):
    centre.told("senseless-pi", alert(FIRST + 9))
    with centre.client() as client:
        answer = client.patch(f"/alerts/{FIRST + 9:032x}", json=body)
    assert answer.status_code == 400, answer.text
