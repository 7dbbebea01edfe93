"""Alerts over HTTP: found, explained, decided."""

import time
from datetime import UTC, datetime

import msgspec
import pytest

from contract.attacks import AttackType
from contract.messages import AnyMessage, Loss
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import FLOW, SECOND_NS, alert, isolation

FIRST = 500
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS

LOSS = Loss(
    peer_mac="02:00:00:00:00:32", peer_ip="192.168.1.50", protocol="tcp", port=502, serves=False
)


def alert_id(number: int) -> str:
    return f"{FIRST + number:032x}"


@pytest.fixture(scope="module")
def told_ns(centre: Centre) -> int:
    """Three alerts of one device, an hour apart, from a week ago on; returns when."""
    base_ns = time.time_ns() - 7 * DAY_NS
    kinds: tuple[AttackType, ...] = ("Scan", "DOS", "MITM")
    messages: list[AnyMessage] = [
        msgspec.structs.replace(
            alert(FIRST + n, attack_type=kind, opened_ns=base_ns + n * HOUR_NS),
            src_ip=f"10.9.8.{n}",
        )
        for n, kind in enumerate(kinds)
    ]
    centre.told(
        "alerts-pi",
        *messages,
        msgspec.structs.replace(
            isolation(FIRST, alert_id=alert_id(2)),
            detail="it takes away what is critical: tcp/502",
            losses=[LOSS],
            further_losses=4,
            host_group="cameras",
        ),
    )
    return base_ns


def found(centre: Centre, query: str) -> list[str]:
    with centre.client() as client:
        answer = client.get(f"/alerts?device_id=alerts-pi{query}")
        assert answer.status_code == 200, answer.text
        return [shown["attack_type"] for shown in answer.json()]


def text(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_alerts_come_newest_first_and_are_filtered(centre: Centre, told_ns: int):
    assert found(centre, "") == ["MITM", "DOS", "Scan"]
    assert found(centre, "&attack_type=dos") == ["DOS"]
    assert found(centre, "&severity=critical") == ["MITM"]
    assert found(centre, "&status=active&limit=2") == ["MITM", "DOS"]
    assert found(centre, "&skip=2") == ["Scan"]
    assert found(centre, "&src_ip=10.9.8.1") == ["DOS"]
    assert found(centre, "&q=10.9.8") == ["MITM", "DOS", "Scan"]
    assert found(centre, "&q=%25") == []
    assert found(centre, f"&since={text(told_ns + HOUR_NS // 2)}") == ["MITM", "DOS"]
    assert found(centre, f"&until={text(told_ns + HOUR_NS // 2)}") == ["Scan"]


@pytest.mark.usefixtures("told_ns")
def test_the_total_is_told_beside_the_page(centre: Centre):
    with centre.client() as client:
        answer = client.get("/alerts?device_id=alerts-pi&limit=1")
    assert answer.headers["x-total-count"] == "3"
    assert len(answer.json()) == 1


@pytest.mark.parametrize("query", ["status=nope", "severity=x", "since=yesterday", "limit=0"])
def test_a_filter_that_makes_no_sense_is_a_bad_request(centre: Centre, query: str):
    with centre.client() as client:
        assert client.get(f"/alerts?{query}").status_code == 400


@pytest.mark.usefixtures("told_ns")
def test_an_alert_is_shown_with_its_reasons(centre: Centre):
    with centre.client() as client:
        shown = client.get(f"/alerts/{alert_id(2)}").json()
    assert shown["shap_values"] == {"ports_of_one_host_1s": 2.5, "sent_rst_1s": -0.25}
    assert shown["top_features"][0] == {
        "feature": "ports_of_one_host_1s",
        "value": 240.0,
        "unit": "ports",
        "contribution": 2.5,
        "usual": 1.0,
        "words": "tried 240 ports on one host; usually 1",
    }
    assert shown["counterfactual"] == ["tried at most 12 ports of one host in 1 s"]
    assert shown["techniques"] == ["T1557.002"]
    assert shown["ics_techniques"] == ["T0830"]
    assert shown["mitigation_applied"]
    (mitigation,) = shown["mitigation_details"]
    assert mitigation["state"] == "verified"
    assert mitigation["notes"] == "it takes away what is critical: tcp/502"
    assert mitigation["losses"] == [msgspec.to_builtins(LOSS)]
    assert mitigation["further_losses"] == 4
    assert shown["affected_device_id"] == "alerts-pi"
    assert shown["detected_at"].endswith("Z")


@pytest.mark.usefixtures("told_ns")
def test_an_alert_names_its_flow_as_other_tools_do(centre: Centre):
    with centre.client() as client:
        shown = client.get(f"/alerts/{alert_id(2)}").json()
    assert shown["flow"] == msgspec.to_builtins(FLOW)
    assert shown["community_id"] == "1:mvqHfhSipAGit6HNW97eDo7UdVM="


def test_an_alert_without_a_flow_of_its_own_has_no_community_id(centre: Centre):
    told = msgspec.structs.replace(alert(FIRST + 9), flow=None)
    centre.told("flowless-pi", told)
    with centre.client() as client:
        shown = client.get(f"/alerts/{told.alert_id}").json()
    assert (shown["flow"], shown["community_id"]) == (None, None)


@pytest.mark.usefixtures("told_ns")
def test_a_decision_is_kept_with_its_time_and_can_be_taken_back(centre: Centre):
    path = f"/alerts/{alert_id(0)}"
    with centre.client("analyst") as client:
        change = {"status": "acknowledged", "notes": "mine"}
        taken = client.patch(path, json=change).json()
        assert (taken["status"], taken["notes"], taken["resolved_at"]) == (
            "acknowledged",
            "mine",
            None,
        )
        resolved = client.patch(path, json={"status": "resolved"}).json()
        assert resolved["acknowledged_at"] == taken["acknowledged_at"] is not None
        assert resolved["resolved_at"] is not None
        assert resolved["notes"] == "mine"
        again = client.patch(path, json={"status": "active"}).json()
        assert again["acknowledged_at"] is again["resolved_at"] is None


@pytest.mark.usefixtures("told_ns")
@pytest.mark.parametrize("change", [{}, {"status": "gone"}, {"severity": "low"}, [], "x"])
def test_a_change_that_makes_no_sense_is_a_bad_request(centre: Centre, change: object):
    with centre.client() as client:
        assert client.patch(f"/alerts/{alert_id(0)}", json=change).status_code == 400


def test_an_unknown_alert_is_not_found(centre: Centre):
    with centre.client() as client:
        assert client.get("/alerts/nope").status_code == 404
        assert client.patch("/alerts/nope", json={"notes": "x"}).status_code == 404


@pytest.mark.usefixtures("told_ns")
def test_json_that_is_nested_too_deeply_is_a_bad_request(centre: Centre):
    deep = b"[" * 100_000 + b"]" * 100_000
    headers = {"Content-Type": "application/json"}
    with centre.client() as client:
        answer = client.patch(f"/alerts/{alert_id(0)}", content=deep, headers=headers)
    assert answer.status_code == 400


@pytest.mark.usefixtures("told_ns")
def test_a_body_over_the_limit_is_refused(centre: Centre):
    with centre.client() as client:
        answer = client.patch(f"/alerts/{alert_id(0)}", json={"notes": "x" * 2_000_000})
    assert answer.status_code == 413


@pytest.mark.usefixtures("told_ns")
def test_the_overview_counts_what_reached_us_in_a_day(centre: Centre):
    with centre.client() as client:
        overview = client.get("/dashboard/overview").json()
    stats = overview["stats"]
    assert stats["total_alerts"] >= 3
    assert stats["critical_alerts"] >= 1
    assert stats["total_alerts"] == sum(row["count"] for row in overview["attack_distribution"])
    assert len(overview["recent_alerts"]) <= 10


def test_the_timeline_has_a_bar_for_every_step(centre: Centre, told_ns: int):
    with centre.client() as client:
        day = client.get("/dashboard/timeline").json()["timeline"]
        week = client.get("/dashboard/timeline?hours=200").json()["timeline"]
        arrived = client.get("/dashboard/timeline?hours=1&step_s=60&by=arrival").json()["timeline"]
        assert client.get("/dashboard/timeline?hours=2000&step_s=10").status_code == 400
    assert len(day) == 25
    hours = {bar["timestamp"]: bar["count"] for bar in week}
    for number in range(3):
        moment = text((told_ns + number * HOUR_NS) // HOUR_NS * HOUR_NS)
        assert hours[moment.replace("Z", ".000000Z")] == 1
    assert len(arrived) == 61
    assert sum(bar["count"] for bar in arrived) >= 3


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_moments_that_nothing_is_kept_from_find_all_or_nothing(
    centre: Centre, told_ns: int, moment: str
):
    assert told_ns
    with centre.client() as client:
        found = client.get(f"/alerts?since={moment}&limit=1").raise_for_status().json()
        lost = client.get(f"/alerts?until={moment}&limit=1").raise_for_status().json()
    assert (bool(found), bool(lost)) == (moment < "1970", moment > "2262")
