"""Channels over HTTP: made by admins, shown without their secrets, tested, told, counted."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from aggregator.notify.webhook import signature
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import alert
from tests.aggregator.receivers import receiver

FIRST = 43_000
OWN = {"attack_types": ["Replay"]}  # of which other tests raise none


def made(client: httpx.Client, url: str, **more: object) -> dict[str, Any]:
    body = {"name": "on call", "kind": "webhook", "url": url} | more
    answer = client.post("/notifications", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_alert_from_a_device_reaches_a_webhook_and_its_end_as_well(centre: Centre):
    with centre.client() as client, receiver() as there:
        channel = made(client, there.url, **OWN)
        centre.told("told-pi", alert(FIRST, attack_type="Replay"))
        until(lambda: there.received)
        change = {"status": "resolved"}
        client.patch(f"/alerts/{FIRST:032x}", json=change).raise_for_status()
        until(lambda: len(there.received) == 2)
        client.delete(f"/notifications/{channel['id']}").raise_for_status()
    first = there.received[0]
    signed = signature(channel["secret"], first.headers["x-edgewarden-timestamp"], first.body)
    assert first.headers["x-edgewarden-signature"] == signed
    assert first.notice["alert"]["affected_device_id"] == "told-pi"
    assert [event for event, _ in there.events()] == ["alert", "recovered"]


def test_a_secret_is_shown_once_and_kept_sealed(centre: Centre):
    with centre.client() as client, receiver() as there:
        channel = made(client, there.url, **OWN)
        listed = client.get("/notifications").raise_for_status()
        client.post(f"/notifications/{channel['id']}/test").raise_for_status()
        client.delete(f"/notifications/{channel['id']}").raise_for_status()
        audited = client.get("/audit?action=notification").raise_for_status()
    kept = b"".join(file.read_bytes() for file in centre.data.glob("edgewarden.duckdb*"))
    for secret in (channel["secret"], "hush-hush"):
        assert secret not in listed.text + audited.text
        assert secret.encode() not in kept
        assert secret not in centre.log.read_text()
    assert channel["target"] == there.url.partition("/hook")[0]


def test_a_test_says_whether_it_was_taken(centre: Centre):
    with centre.client() as client, receiver() as there:
        channel = made(client, there.url, **OWN)
        taken = client.post(f"/notifications/{channel['id']}/test").json()
        there.status = 403
        refused = client.post(f"/notifications/{channel['id']}/test").json()
        client.delete(f"/notifications/{channel['id']}").raise_for_status()
        entries = client.get("/audit?action=notification.test").json()
    assert taken["delivered"]
    assert refused == {"delivered": False, "detail": "127.0.0.1 answered 403"}
    assert there.received[0].notice["event"] == "test"
    assert entries[0]["target"] == "on call"


def test_what_became_of_notifications_is_counted_in_metrics(centre: Centre):
    with centre.client() as client, receiver() as there:
        channel = made(client, there.url, **OWN, per_minute=1)
        alerts = [alert(FIRST + number, attack_type="Replay") for number in range(1, 4)]
        centre.told("counted-pi", *alerts)

        def outcomes() -> tuple[int, int]:
            told = client.get("/notifications").json()
            (mine,) = [each for each in told if each["id"] == channel["id"]]
            return mine["sent"], mine["withheld"]

        until(lambda: outcomes() == (1, 2))
        shown = client.get(f"{centre.url}/metrics").text
        with centre.client("stranger") as other:
            theirs = other.get(f"{centre.url}/metrics").text
        client.delete(f"/notifications/{channel['id']}").raise_for_status()
    line = f'edgewarden_notifications_total{{channel="{channel["id"]}",outcome="withheld"}} 2'
    assert line in shown
    assert f'channel="{channel["id"]}"' not in theirs


def test_a_channel_that_is_deleted_is_told_no_more(centre: Centre):
    with centre.client() as client, receiver() as gone, receiver() as there:
        channel = made(client, gone.url, **OWN)
        other = made(client, there.url, **OWN)
        client.delete(f"/notifications/{channel['id']}").raise_for_status()
        centre.told("gone-pi", alert(FIRST + 9, attack_type="Replay"))
        until(lambda: there.received)
        client.delete(f"/notifications/{other['id']}").raise_for_status()
        assert client.delete(f"/notifications/{channel['id']}").status_code == 404
    assert not gone.received


def test_an_organization_has_twenty_channels_at_most(centre: Centre):
    body = {"name": "n", "kind": "webhook", "url": "http://127.0.0.1:9/"}
    with centre.client("stranger") as client:
        statuses = [client.post("/notifications", json=body).status_code for _ in range(21)]
        listed = client.get("/notifications?limit=3")
        for channel in client.get("/notifications").json():
            client.delete(f"/notifications/{channel['id']}").raise_for_status()
    assert statuses == [201] * 20 + [409]
    assert (len(listed.json()), listed.headers["x-total-count"]) == (3, "20")


@pytest.mark.parametrize(
    "more",
    [
        {"url": "nonsense"},
        {"url": "http://no-such-host.invalid/x"},
        {"kind": "service", "url": "syslog://"},
        {"kind": "carrier-pigeon"},
        {"min_severity": "dreadful"},
        {"per_minute": 0},
        {"per_minute": 61},
        {"quiet": {"from": "22:00", "until": "25:00"}},
        {"quiet": {"from": "22:00", "until": "22:00"}},
        {"quiet": {"from": "22:00", "until": "07:00", "time_zone": "../../etc/passwd"}},
        {"secret": "mine"},
    ],
)
def test_a_channel_that_makes_no_sense_is_a_bad_request(centre: Centre, more: dict[str, Any]):
    body = {"name": "n", "kind": "webhook", "url": "http://127.0.0.1:9/"} | more
    with centre.client() as client:
        answer = client.post("/notifications", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]
