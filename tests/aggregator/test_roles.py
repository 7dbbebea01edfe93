"""Who may do what: every route for every role, for devices, strangers and nobody."""

import httpx
import pytest

from tests.aggregator.conftest import Centre
from tests.aggregator.messages import alert

NUMBER = 700
ALERT = f"/alerts/{NUMBER:032x}"
DEVICE = "/devices/roles-pi"
HEALTH = {"cpu_usage": 1.0, "memory_usage": 1.0, "uptime": 1}
READS = (
    "/auth/me",
    "/alerts",
    ALERT,
    "/devices",
    DEVICE,
    f"{DEVICE}/health",
    f"{DEVICE}/status",
    "/dashboard/overview",
    "/dashboard/timeline",
    "/verdicts",
    "/ports/isolations",
    "/gaps",
)
Write = tuple[str, str, object, str]  # method, path, body, the least role
WRITES: tuple[Write, ...] = (
    ("PATCH", ALERT, {"notes": "seen"}, "analyst"),
    ("POST", "/query", {"sql": "SELECT 1"}, "analyst"),
    ("PUT", f"{DEVICE}/health", HEALTH, "operator"),
    ("POST", "/devices", {"device_id": "roles-pi"}, "admin"),
    ("PUT", DEVICE, {"name": "x"}, "admin"),
    ("DELETE", "/devices/roles-pi-2", None, "admin"),
)
RANKS = ("viewer", "analyst", "operator", "admin")


@pytest.fixture(scope="module")
def key(centre: Centre) -> str:
    """Our alert and our devices; returns the key of one of these."""
    centre.told("roles-other", alert(NUMBER))
    with centre.client() as client:
        answer = client.post("/devices", json={"device_id": "roles-pi"})
        client.post("/devices", json={"device_id": "roles-pi-2"})
    return str(answer.json()["api_key"])


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("role", RANKS)
@pytest.mark.parametrize("path", READS)
def test_everybody_who_is_signed_in_reads(centre: Centre, path: str, role: str):
    with centre.client(role) as client:
        assert client.get(path).status_code == 200


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("role", RANKS)
@pytest.mark.parametrize("write", WRITES, ids=lambda write: f"{write[0]} {write[1]}")
def test_changes_need_their_role(centre: Centre, write: Write, role: str):
    method, path, body, least = write
    may = RANKS.index(role) >= RANKS.index(least)
    with centre.client(role) as client:
        answer = client.request(method, path, json=body)
    assert (answer.status_code != 403) == may, answer.text
    assert answer.status_code < 500


@pytest.mark.parametrize("path", READS)
def test_nobody_reads_without_signing_in(centre: Centre, path: str):
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        answer = httpx.get(f"{centre.url}/api/v1{path}", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["status"] == 401
        assert answer.json()["detail"]


@pytest.mark.parametrize("write", WRITES, ids=lambda write: f"{write[0]} {write[1]}")
def test_nobody_changes_anything_without_signing_in(centre: Centre, write: Write):
    method, path, body, _ = write
    answer = httpx.request(method, f"{centre.url}/api/v1{path}", json=body)
    assert answer.status_code == 401


def test_a_device_key_opens_only_its_own_health(centre: Centre, key: str):
    headers = {"Authorization": f"Bearer {key}"}
    base = f"{centre.url}/api/v1"
    mine = httpx.put(f"{base}{DEVICE}/health", json=HEALTH, headers=headers)
    assert mine.status_code == 200
    others = httpx.put(f"{base}/devices/roles-other/health", json=HEALTH, headers=headers)
    assert others.status_code == 403
    for path in READS:
        assert httpx.get(f"{base}{path}", headers=headers).status_code == 403
    assert httpx.post(f"{base}/auth/ws-ticket", headers=headers).status_code == 403


@pytest.mark.usefixtures("key")
def test_another_organization_sees_and_changes_nothing_of_ours(centre: Centre):
    with centre.client("stranger") as client:
        assert client.get("/alerts").json() == []
        assert client.get("/devices").json() == []
        assert client.get("/verdicts").json() == []
        assert client.get("/ports/isolations?active_only=false").json() == []
        assert client.get("/dashboard/overview").json()["stats"]["total_alerts"] == 0
        for method, path, body, _ in WRITES:
            if path not in {"/devices", "/query"}:
                assert client.request(method, path, json=body).status_code == 404
        assert client.get(ALERT).status_code == 404
