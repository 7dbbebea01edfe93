"""Alerts of one host gather into an incident: by time, in stages, worked on by somebody."""

from collections.abc import Sequence

import httpx
import msgspec
import pytest

from aggregator.config import QueryConfig
from aggregator.live import LiveFeed
from aggregator.sandbox.runner import Sandbox
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.archive import Archive
from aggregator.store.database import Database, Statement
from aggregator.store.incidents import (
    IncidentFilter,
    IncidentRow,
    change_incident,
    count_incidents,
    find_incidents,
)
from aggregator.store.reported import Reported
from aggregator.store.suppressions import Match, delete_suppression
from aggregator.uncovering import Uncovering
from contract.attacks import AttackType
from contract.messages import Alert
from tests.aggregator.conftest import Centre, next_event
from tests.aggregator.messages import BOOT, MAC, SECOND_NS, alert, now_ns
from tests.aggregator.taking import save
from tests.aggregator.test_query import rows
from tests.aggregator.test_suppressions import hide

MINUTE_NS = 60 * SECOND_NS
NOW_NS = now_ns()
FIRST = 61_000


def at(minute: int, number: int, attack_type: AttackType = "Scan", host: str = MAC) -> Alert:
    opened = alert(number, attack_type=attack_type, opened_ns=NOW_NS + minute * MINUTE_NS)
    return msgspec.structs.replace(opened, host=host)


async def store(
    database: Database, *alerts: Alert, device_id: str = "pi", organization: str = "default"
) -> None:
    """Store alerts as one batch, as ingest does."""
    told = [Reported(organization, device_id, BOOT, now_ns(), each) for each in alerts]
    await save(database, told)


async def gathered(database: Database, organization: str = "default") -> list[list[int]]:
    """Return the numbers of the alerts of each incident, the earliest first."""
    found: dict[int, list[int]] = {}
    for row in await find_alerts(database, organization, AlertFilter(), limit=1000):
        assert row.incident_id is not None or row.suppressed_by is not None
        found.setdefault(row.incident_id or 0, []).append(int(row.alert_id, 16))
    return sorted(sorted(numbers) for numbers in found.values())


async def incidents(database: Database, organization: str = "default") -> Sequence[IncidentRow]:
    return await find_incidents(database, organization, IncidentFilter(), limit=100)


@pytest.mark.parametrize("how", ["one by one", "at once", "backwards", "twice"])
async def test_alerts_less_than_an_hour_apart_are_one_incident(database: Database, how: str):
    told = [at(0, 1), at(50, 2), at(100, 3), at(170, 4), at(171, 5)]
    if how == "at once":
        await store(database, *told)
    elif how == "backwards":
        for each in reversed(told):
            await store(database, each)
    else:
        for each in told * (2 if how == "twice" else 1):
            await store(database, each)
    assert await gathered(database) == [[1, 2, 3], [4, 5]]
    newest, oldest = await incidents(database)
    assert (oldest.first_ns, oldest.last_ns) == (told[0].opened_ns, told[2].last_seen_ns)
    assert (newest.alerts, oldest.alerts) == (2, 3)
    assert await count_incidents(database, "default", IncidentFilter()) == 2


async def test_a_backlog_goes_on_where_an_incident_was(database: Database):
    await store(database, at(0, 1))
    await store(database, *[at(40 * n, n + 1) for n in range(1, 6)])
    assert await gathered(database) == [[1, 2, 3, 4, 5, 6]]


async def test_an_alert_that_goes_on_keeps_its_incident_open_for_others(database: Database):
    await store(database, at(0, 1))
    long = msgspec.structs.replace(at(0, 1), last_seen_ns=NOW_NS + 100 * MINUTE_NS)
    await store(database, long)
    await store(database, at(150, 2))
    assert await gathered(database) == [[1, 2]]


async def test_hosts_devices_and_organizations_are_kept_apart(database: Database):
    await store(database, at(0, 1), at(45, 2, host="02:00:00:00:00:99"), at(90, 5))
    await store(database, at(2, 3), device_id="other")
    await store(database, at(3, 4), organization="elsewhere")
    assert await gathered(database) == [[1], [2], [3], [5]]
    assert await gathered(database, "elsewhere") == [[4]]


async def test_what_one_host_does_for_hours_joins_nothing_of_another(database: Database):
    others = [at(0, 2, host="02:00:00:00:00:99"), at(200, 3, host="02:00:00:00:00:99")]
    for_hours = at(0, 1, host="02:00:00:00:00:01")
    for_hours = msgspec.structs.replace(for_hours, last_seen_ns=NOW_NS + 500 * MINUTE_NS)
    await store(database, for_hours, *others)
    assert await gathered(database) == [[1], [2], [3]]


async def test_a_clock_at_the_end_of_time_stops_nothing(database: Database):
    latest = msgspec.structs.replace(at(0, 1), last_seen_ns=2**63 - 1)
    first = msgspec.structs.replace(at(0, 2), first_seen_ns=0, opened_ns=0, last_seen_ns=0)
    await store(database, latest, first)
    assert await gathered(database) == [[1], [2]]


async def test_what_happens_after_an_incident_was_closed_is_another(database: Database):
    await store(database, at(0, 1))
    (row,) = await incidents(database)
    await database.write(change_incident("default", row.id, "closed", None))
    await store(database, at(1, 2))
    assert await gathered(database) == [[1], [2]]


async def test_a_hidden_alert_belongs_to_no_incident_until_it_is_shown(database: Database):
    suppression_id = await hide(database, Match(attack_type="Scan"))
    await store(database, at(0, 1), at(1, 2))
    assert not await incidents(database)
    await store(database, at(1, 2, "DOS"))
    (row,) = await incidents(database)
    assert row.attack_types == ["DOS"]
    await database.write(*delete_suppression("default", suppression_id))
    await Uncovering(database, LiveFeed()).look(now_ns())
    assert await gathered(database) == [[1, 2]]


async def test_an_incident_goes_with_its_last_alert(database: Database):
    await store(database, at(0, 1), at(600, 2))
    await database.write(Statement("forget_incidents", {}))
    assert len(await incidents(database)) == 2
    before_ns = NOW_NS + 300 * MINUTE_NS
    await database.write(
        Statement("forget_alerts", {"before_ns": before_ns, "organization": None}),
        Statement("forget_incidents", {}),
    )
    assert [row.first_ns for row in await incidents(database)] == [at(600, 2).opened_ns]


async def test_analysts_see_which_alerts_belong_together(database: Database):
    await store(database, at(0, 1), at(1, 2, "DOS"))
    await store(database, at(2, 3), organization="elsewhere")
    archive = Archive(database)
    await archive.open()
    sandbox = Sandbox(database, archive, QueryConfig())
    query = """
      SELECT i.host, i.status, count(*)
      FROM incidents AS i JOIN alerts AS a ON a.incident_id = i.id
      GROUP BY ALL
    """
    assert await rows(sandbox, query) == [[MAC, "open", 2]]


def found(client: httpx.Client, query: str) -> list[int]:
    answer = client.get(f"/incidents?{query}").raise_for_status()
    return [int(one["id"]) for one in answer.json()]


async def test_an_attacker_is_followed_from_stage_to_stage(centre: Centre):
    kinds: tuple[AttackType, ...] = ("DOS", "Scan", "BruteForce", "Scan")
    async with (
        centre.device("stages-pi") as device,
        centre.watch("?types=incident,new_alert") as socket,
    ):
        for number, attack_type in enumerate(kinds):
            await device.tell(at(number, FIRST + number, attack_type))
            event = await next_event(socket, "incident")
    shown = event["data"]
    assert shown["stages"] == ["Scan", "BruteForce", "DOS"]
    assert (shown["stage"], shown["severity"], shown["alerts"]) == ("DOS", "medium", 4)
    with centre.client("viewer") as client:
        detail = client.get(f"/incidents/{shown['id']}").json()
        alerts = client.get(f"/alerts?incident_id={shown['id']}&limit=2")
        one = client.get(f"/alerts/{FIRST:032x}").json()
    assert detail["incident"] == shown
    assert [int(each["alert_id"], 16) - FIRST for each in detail["alerts"]] == [3, 2, 1, 0]
    assert (len(alerts.json()), alerts.headers["x-total-count"]) == (2, "4")
    assert one["incident_id"] == shown["id"]


async def test_an_incident_and_an_alert_are_worked_on_by_somebody(centre: Centre):
    centre_told = at(0, FIRST + 20)
    async with centre.device("work-pi") as device, centre.watch("?types=incident") as socket:
        await device.tell(centre_told)
        await next_event(socket, "incident")  # whoever watches from now on sees what changes
    with centre.client("analyst") as client:
        (number,) = found(client, "device_id=work-pi")
        body = {"status": "investigating", "assignee": "operator", "reason": "looks real"}
        async with centre.watch("?types=incident,alert_updated") as socket:
            changed = client.patch(f"/incidents/{number}", json=body).json()
            client.patch(f"/alerts/{FIRST + 20:032x}", json={"assignee": "analyst"})
            told = await next_event(socket, "incident")
            updated = await next_event(socket, "alert_updated")
        assert (changed["status"], changed["assignee"]) == ("investigating", "operator")
        assert told["data"] == changed
        assert updated["data"]["assignee"] == "analyst"
        assert number in found(client, "assignee=operator")
        assert found(client, "device_id=work-pi&status=open") == []
        mine = client.get("/alerts?assignee=analyst&device_id=work-pi").json()
        assert [one["id"] for one in mine] == [updated["data"]["id"]]
        changes = client.get(f"/alerts/{FIRST + 20:032x}/changes").json()
        assert changes[0]["comment"] == "assigned to analyst"
        nobody = client.patch(f"/incidents/{number}", json={"assignee": ""}).json()
        assert (nobody["assignee"], nobody["status"]) == (None, "investigating")
    with centre.client() as client:
        newest, first = client.get(f"/audit?action=incident.change&target={number}").json()
    assert newest["before"] == {"status": "investigating", "assignee": "operator"}
    assert first["after"]["reason"] == "looks real"


@pytest.mark.parametrize("who", ["nobody-here", "stranger", "viewer"])
async def test_work_is_given_only_to_who_can_do_it(centre: Centre, who: str):
    with centre.client("analyst") as client:
        posted = client.post("/alerts", json={"attack_type": "Scan", "src_ip": "10.0.0.9"}).json()
        assert posted["incident_id"] is not None
        for path in (f"/incidents/{posted['incident_id']}", f"/alerts/{posted['alert_id']}"):
            answer = client.patch(path, json={"assignee": who})
            assert answer.status_code == 400
            assert "assignee" in answer.json()["detail"]
        assert client.patch(path, json={"reason": "none"}).status_code == 400
