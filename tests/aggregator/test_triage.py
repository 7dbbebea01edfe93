"""What people decide about alerts: by hand, in bulk, with a reason, and back again."""

from datetime import datetime
from typing import Any

import httpx
import pytest

from aggregator.store.alert_changes import (
    AlertChange,
    Undone,
    change_alerts,
    find_decided_again,
    take_back,
)
from aggregator.store.alerts import AlertFilter, find_alerts, save_alerts
from aggregator.store.database import Database
from aggregator.store.reported import Reported
from aggregator.store.users import SessionUser
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import BOOT, alert, now_ns

FIRST = 7000
ADA = SessionUser(
    7, "default", "ada", None, None, "analyst", is_active=True, created_ns=0, last_login_ns=None
)


def alert_id(number: int) -> str:
    return f"{FIRST + number:032x}"


@pytest.fixture(scope="module", autouse=True)
def told(centre: Centre) -> None:
    """Five alerts of one device."""
    centre.told("triage-pi", *[alert(FIRST + number) for number in range(5)])


def decide(centre: Centre, body: dict[str, Any], path: str = "bulk") -> dict[str, Any]:
    with centre.client("analyst") as client:
        answer = client.post(f"/alerts/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def statuses(centre: Centre) -> list[str]:
    with centre.client() as client:
        return [client.get(f"/alerts/{alert_id(n)}").json()["status"] for n in range(5)]


def changes(centre: Centre, number: int) -> list[dict[str, Any]]:
    with centre.client() as client:
        return list(client.get(f"/alerts/{alert_id(number)}/changes").json())


def test_many_alerts_are_decided_at_once_by_their_ids(centre: Centre):
    ids = [alert_id(0), alert_id(1), "nix"]
    done = decide(centre, {"ids": ids, "action": "acknowledge", "reason": "seen", "note": "mine"})
    assert (done["matched"], done["changed"], done["unchanged"]) == (2, 2, 0)
    assert done["unknown"] == ["nix"]
    assert statuses(centre)[:3] == ["acknowledged", "acknowledged", "active"]
    newest = changes(centre, 0)[0]
    assert newest["change_id"] == done["change_id"]
    assert (newest["username"], newest["reason"], newest["comment"]) == ("analyst", "seen", "mine")
    assert (newest["status_before"], newest["status_after"]) == ("active", "acknowledged")
    assert newest["at"].endswith("Z")
    with centre.client() as client:
        (entry,) = client.get(f"/audit?action=alert.bulk&target={done['change_id']}").json()
    assert (entry["username"], entry["after"]["reason"]) == ("analyst", "seen")
    again = decide(centre, {"ids": ids, "action": "acknowledged"})
    assert (again["changed"], again["unchanged"]) == (0, 2)


def test_many_alerts_are_decided_at_once_by_a_filter(centre: Centre):
    chosen = {"device_id": "triage-pi", "status": "active"}
    active = statuses(centre).count("active")
    done = decide(centre, {"filter": chosen, "action": "false_positive", "reason": "backup"})
    assert (done["changed"], done["remaining"]) == (active, 0)
    assert "active" not in statuses(centre)
    undone = decide(centre, {"change_id": done["change_id"]}, "undo")
    assert undone["changed"] == active
    assert statuses(centre).count("active") == active


def test_a_change_is_taken_back_except_where_somebody_decided_again(centre: Centre):
    before = statuses(centre)
    ids = [alert_id(2), alert_id(3)]
    done = decide(centre, {"ids": ids, "action": "resolve", "reason": "rebooted"})
    with centre.client("operator") as client:
        path = f"/alerts/{alert_id(3)}"
        client.patch(path, json={"status": "acknowledged", "reason": "not so fast"})
        client.post(f"/alerts/{alert_id(2)}/comments", json={"comment": "hm"}).raise_for_status()
    undone = decide(centre, {"change_id": done["change_id"], "reason": "wrong host"}, "undo")
    assert undone["changed"] == 1
    assert undone["decided_again"] == [alert_id(3)]
    assert statuses(centre)[2:4] == [before[2], "acknowledged"]
    assert changes(centre, 2)[0]["reason"] == "wrong host"
    with centre.client() as client:
        twice = client.post("/alerts/undo", json={"change_id": done["change_id"]})
        unknown = client.post("/alerts/undo", json={"change_id": "x"})
        at = client.get(f"/alerts/{alert_id(2)}/changes").json()[0]["at"]
    assert twice.status_code == 409
    assert f"analyst decided again about {alert_id(2)} at {at}" in twice.json()["detail"]
    assert unknown.status_code == 404


async def test_what_somebody_decides_while_a_change_is_taken_back_stays(database: Database):
    reported = Reported("default", "pi", BOOT, now_ns(), alert(1))
    await database.write(*save_alerts([reported]))
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=1)
    resolve, reopen = AlertChange(status="resolved"), AlertChange(status="acknowledged")
    await database.write(*change_alerts(ADA, "done", [row.id], resolve, 1))
    undo = take_back(ADA, "undone", "done", "", 3)
    await database.write(*change_alerts(ADA, "again", [row.id], reopen, 2))
    assert await database.change(Undone, *undo) == []
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=1)
    assert (row.status, row.acknowledged_ns, row.resolved_ns) == ("acknowledged", 1, None)
    (left,) = await find_decided_again(database, "default", "done", "undone")
    assert (left.username, left.at_ns) == ("ada", 2)


def test_notes_come_back_too_also_where_there_were_none(centre: Centre):
    path = f"/alerts/{alert_id(4)}"
    with centre.client("analyst") as client:
        assert client.patch(path, json={"notes": "one"}).json()["notes"] == "one"
        decide(centre, {"change_id": changes(centre, 4)[0]["change_id"]}, "undo")
        assert client.get(path).json()["notes"] is None
        client.patch(path, json={"notes": "two"})
        client.patch(path, json={"notes": "three"})
        decide(centre, {"change_id": changes(centre, 4)[0]["change_id"]}, "undo")
        assert client.get(path).json()["notes"] == "two"
        assert client.patch(path, json={"notes": ""}).json()["notes"] is None


def assignee_and_status(centre: Centre, number: int) -> tuple[str | None, str]:
    with centre.client() as client:
        found = client.get(f"/alerts/{alert_id(number)}").json()
    return found["assignee"], found["status"]


def test_who_works_on_it_comes_back_with_the_status(centre: Centre):
    centre.told("worked-on-pi", alert(FIRST + 10))
    path = f"/alerts/{alert_id(10)}"
    with centre.client("analyst") as client:
        client.patch(path, json={"assignee": "operator"}).raise_for_status()
        client.patch(path, json={"assignee": "analyst", "status": "resolved"}).raise_for_status()
    newest = changes(centre, 10)[0]
    assert (newest["assignee_before"], newest["assignee_after"]) == ("operator", "analyst")
    assert decide(centre, {"change_id": newest["change_id"]}, "undo")["changed"] == 1
    assert assignee_and_status(centre, 10) == ("operator", "active")
    undone, _, first = changes(centre, 10)
    assert (undone["assignee_before"], undone["assignee_after"]) == ("analyst", "operator")
    assert (first["assignee_before"], first["assignee_after"]) == (None, "operator")


def test_an_assignment_alone_is_taken_back_unless_somebody_was_assigned_since(centre: Centre):
    centre.told("assigned-pi", alert(FIRST + 11))
    path = f"/alerts/{alert_id(11)}"
    with centre.client("analyst") as client:
        client.patch(path, json={"assignee": "analyst"}).raise_for_status()
        first = changes(centre, 11)[0]["change_id"]
        client.patch(path, json={"assignee": "operator"}).raise_for_status()
        refused = client.post("/alerts/undo", json={"change_id": first})
        assert refused.status_code == 409
        assert f"analyst decided again about {alert_id(11)}" in refused.json()["detail"]
        assert assignee_and_status(centre, 11) == ("operator", "active")
        second = changes(centre, 11)[0]["change_id"]
        assert decide(centre, {"change_id": second}, "undo")["changed"] == 1
    assert assignee_and_status(centre, 11) == ("analyst", "active")


def test_what_decided_nothing_cannot_be_taken_back(centre: Centre):
    path = f"/alerts/{alert_id(1)}"
    with centre.client("analyst") as client:
        remark = client.post(f"{path}/comments", json={"comment": "odd"}).json()
        answer = client.post("/alerts/undo", json={"change_id": remark["change_id"]})
    assert answer.status_code == 409
    assert "decided nothing" in answer.json()["detail"]
    assert changes(centre, 1)[0]["id"] == remark["id"]


def test_a_remark_changes_nothing_else(centre: Centre):
    before = statuses(centre)
    with centre.client("analyst") as client:
        answer = client.post(f"/alerts/{alert_id(1)}/comments", json={"comment": "odd"})
        assert answer.status_code == 201
        assert answer.json()["comment"] == "odd"
        paged = client.get(f"/alerts/{alert_id(1)}/changes?limit=1")
    assert statuses(centre) == before
    assert paged.json() == [answer.json()]
    assert int(paged.headers["x-total-count"]) >= 1


@pytest.mark.parametrize(
    "body",
    [
        {"action": "resolve"},
        {"action": "resolve", "ids": []},
        {"action": "resolve", "ids": ["x"] * 1001},
        {"action": "resolve", "filter": {}},
        {"action": "resolve", "filter": {"q": ""}},
        {"action": "resolve", "filter": {"host": "x"}},
        {"action": "resolve", "ids": ["x"], "filter": {"q": "x"}},
        {"action": "explode", "ids": ["x"]},
        {"ids": ["x"]},
    ],
)
def test_a_decision_that_makes_no_sense_is_a_bad_request(centre: Centre, body: dict[str, Any]):
    with centre.client() as client:
        answer = client.post("/alerts/bulk", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_deciding_needs_an_analyst_and_ones_own_organization(centre: Centre):
    posts = (
        ("/alerts/bulk", {"action": "resolve", "ids": [alert_id(0)]}),
        ("/alerts/undo", {"change_id": "x"}),
        (f"/alerts/{alert_id(0)}/comments", {"comment": "x"}),
        ("/alerts", {"attack_type": "Scan", "src_ip": "10.0.0.9"}),
    )
    before = statuses(centre)
    for path, body in posts:
        assert httpx.post(f"{centre.url}/api/v1{path}", json=body).status_code == 401
        with centre.client("viewer") as client:
            assert client.post(path, json=body).status_code == 403
    mine = changes(centre, 0)[0]["change_id"]
    with centre.client("stranger") as client:
        taken = client.post("/alerts/bulk", json={"action": "resolve", "ids": [alert_id(0)]})
        assert (taken.json()["matched"], taken.json()["unknown"]) == (0, [alert_id(0)])
        assert client.post("/alerts/undo", json={"change_id": mine}).status_code == 404
        assert client.get(f"/alerts/{alert_id(0)}/changes").status_code == 404
        assert client.get(f"/alerts/{alert_id(0)}/pcap").status_code == 404
    assert statuses(centre) == before


async def test_an_alert_is_added_by_hand_and_told(centre: Centre):
    given = {"attack_type": "MITM", "src_ip": "10.0.0.9", "notes": "seen on the switch"}
    async with centre.watch("?types=new_alert") as socket:
        with centre.client("analyst") as client:
            posted = client.post("/alerts", json=given)
        event = await socket.recv()
    assert posted.status_code == 201
    added = posted.json()
    assert (added["severity"], added["status"], added["src_ip"]) == (
        "critical",
        "active",
        "10.0.0.9",
    )
    assert (added["notes"], added["device_id"]) == ("seen on the switch", "manual")
    assert added["alert_id"] in str(event)
    with centre.client("viewer") as client:
        detail = client.get(f"/alerts/{added['alert_id']}").json()
    assert detail["techniques"] == ["T1557.002"]


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:00Z", "2026-11-01T07:30:00.25Z"])
def test_an_alert_by_hand_is_of_the_moment_that_is_given(centre: Centre, moment: str):
    given = {"attack_type": "Scan", "src_ip": "10.0.0.9", "detected_at": moment}
    with centre.client("analyst") as client:
        detected_at = client.post("/alerts", json=given).json()["detected_at"]
    assert datetime.fromisoformat(detected_at) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("by_number", [True, False])
def test_an_alert_by_hand_names_its_device(centre: Centre, *, by_number: bool):
    with centre.client() as client:
        device = client.get("/devices/triage-pi").json()
        name = device["id"] if by_number else "triage-pi"
        given = {"attack_type": "Scan", "src_mac": "02:00:00:00:00:09", "affected_device_id": name}
        assert client.post("/alerts", json=given).json()["device_id"] == "triage-pi"


@pytest.mark.parametrize(
    "given",
    [
        {"attack_type": "Scan"},
        {"attack_type": "Nix", "src_ip": "10.0.0.9"},
        {"attack_type": "Scan", "src_ip": "somewhere"},
        {"attack_type": "Scan", "src_ip": "10.0.0.9", "affected_device_id": "nobody"},
        {"attack_type": "Scan", "src_ip": "10.0.0.9", "confidence": 2},
    ],
)
def test_an_alert_by_hand_that_makes_no_sense_is_refused(centre: Centre, given: dict[str, Any]):
    with centre.client() as client:
        assert client.post("/alerts", json=given).status_code == 400
