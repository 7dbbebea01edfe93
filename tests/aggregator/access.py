"""The rules of access: who may use which route. A route without a rule fails the matrix."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import httpx
import msgspec

from aggregator.store.users import Role
from tests.aggregator.conftest import PASSWORD

RANKS: tuple[Role, ...] = ("viewer", "analyst", "operator", "admin")
MARK = "matrixmark"  # is in the names of all that the matrix makes: strangers must not read it
ALERT = f"{700:032x}"
HOST_KEY: dict[str, object] = {"host_key": f"SHA256:{'A' * 43}"}
HEALTH: dict[str, object] = {"cpu_usage": 1.0, "memory_usage": 1.0, "uptime": 1}

Makes = Callable[[httpx.Client], dict[str, object]]
CHANNEL: dict[str, object] = {"name": MARK, "kind": "webhook", "url": "http://127.0.0.1:9/x"}
SUPPRESSION: dict[str, object] = {
    "match": {"host": MARK},
    "reason": MARK,
    "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
}
READINGS: dict[str, object] = {"readings": [{"sensor_type": MARK, "value": 1.0}]}

_number = iter(range(10**9))


class Rule(msgspec.Struct, frozen=True):
    """Who may use a route, and what a good request to it is.

    Attributes:
        least: The least role; or everybody, signed in or not.
        answer: What those who may are answered.
        body: What is sent, with `{name}` filled in like in the path.
        device: A device's key does as well, for that device.
        session: An API token does not do.
        audited: Whether it changes something; by default what is not GET and not for everybody.
        makes: Makes what a request uses up, and returns its names.
        fresh: Whether each request needs a sign-in of its own, since it ends it.
    """

    least: Role | Literal["everybody"] = "viewer"
    answer: int = 200
    body: dict[str, object] | None = None
    device: bool = False
    session: bool = False
    audited: bool | None = None
    makes: Makes | None = None
    fresh: bool = False


def new_name() -> str:
    return f"{MARK}-{next(_number)}"


def makes_name(_: httpx.Client) -> dict[str, object]:
    return {"name": new_name()}


def makes_device(admin: httpx.Client) -> dict[str, object]:
    name = new_name()
    admin.post("/devices", json={"device_id": name}).raise_for_status()
    return {"device_id": name}


def makes_change(admin: httpx.Client) -> dict[str, object]:
    path = f"/alerts/{ALERT}"
    admin.patch(path, json={"notes": f"{MARK} {new_name()}"}).raise_for_status()
    newest = admin.get(f"{path}/changes?limit=1").raise_for_status().json()[0]
    return {"change_id": newest["change_id"]}


def makes_user(admin: httpx.Client) -> dict[str, object]:
    body = {"username": new_name(), "password": PASSWORD}
    made = admin.post("/users", json=body).raise_for_status().json()
    signed_in = admin.post("/auth/login", json=body).raise_for_status().json()
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    token = admin.post("/auth/tokens", json={"name": "t"}, headers=headers).json()
    (session,) = admin.get(f"/users/{made['id']}/sessions").json()
    return {"user_id": made["id"], "session_id": session["session_id"], "token_id": token["id"]}


def makes_token(admin: httpx.Client) -> dict[str, object]:
    body = {"name": MARK, "role": "viewer"}
    return {"token_id": admin.post("/auth/tokens", json=body).raise_for_status().json()["id"]}


def makes_session(client: httpx.Client) -> dict[str, object]:
    """Sign the one who asks in once more."""
    body = {"username": client.get("/auth/me").json()["username"], "password": PASSWORD}
    client.post("/auth/login", json=body).raise_for_status()
    return {"session_id": client.get("/auth/sessions").json()[0]["session_id"]}


def makes_invite(admin: httpx.Client) -> dict[str, object]:
    return {"invite_id": admin.post("/invites", json={}).raise_for_status().json()["id"]}


def makes_enrolment(admin: httpx.Client) -> dict[str, object]:
    return {"enrolment_id": admin.post("/enrollments", json={}).raise_for_status().json()["id"]}


def makes_channel(admin: httpx.Client) -> dict[str, object]:
    made = admin.post("/notifications", json=CHANNEL).raise_for_status()
    return {"channel_id": made.json()["id"]}


def makes_no_channel(admin: httpx.Client) -> dict[str, object]:
    """Delete those that were made, of which there are so many at most."""
    for channel in admin.get("/notifications").raise_for_status().json():
        admin.delete(f"/notifications/{channel['id']}").raise_for_status()
    return {}


def makes_suppression(client: httpx.Client) -> dict[str, object]:
    made = client.post("/suppressions", json=SUPPRESSION).raise_for_status()
    return {"suppression_id": made.json()["id"]}


NEW_ADMIN = {"username": "{name}", "password": PASSWORD}
EVERYBODY = Rule("everybody")
RULES: dict[str, Rule] = {
    "GET /": EVERYBODY,
    "GET /health": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /metrics": Rule(),
    "GET /api/v1/gaps": Rule(),
    "GET /api/v1/rejects": Rule("operator"),
    "POST /api/v1/query": Rule("analyst", body={"sql": "SELECT 1"}, audited=False),
    "POST /api/v1/system/backup": Rule("admin", session=True),
    "POST /api/v1/system/export": Rule("admin"),
    "GET /static/{file_path}": EVERYBODY,
    "GET /api/v1/health": EVERYBODY,
    "GET /api/v1/openapi.json": EVERYBODY,
    "GET /api/v1/asyncapi.json": EVERYBODY,
    "GET /api/v1/schema": EVERYBODY,
    "GET /api/v1/schema/openapi.json": EVERYBODY,
    "GET /api/v1/schema/{path}": Rule("everybody", answer=404),
    "POST /api/v1/auth/login": Rule("everybody", body={"username": "admin", "password": PASSWORD}),
    "POST /api/v1/auth/refresh": Rule("everybody", answer=401, body={"refresh_token": "x"}),
    "POST /api/v1/auth/register": Rule(
        "everybody", answer=403, body={"username": "x", "password": PASSWORD}
    ),
    "POST /api/v1/auth/logout": Rule(session=True, fresh=True),
    "GET /api/v1/auth/me": Rule(),
    "PUT /api/v1/auth/password": Rule(
        session=True,
        fresh=True,
        body={"current_password": PASSWORD, "new_password": "another-horse-8"},
    ),
    "POST /api/v1/auth/ws-ticket": Rule(audited=False),
    "GET /api/v1/auth/sessions": Rule(),
    "DELETE /api/v1/auth/sessions/{session_id}": Rule(
        session=True, answer=204, makes=makes_session
    ),
    "GET /api/v1/auth/totp": Rule(session=True),
    "POST /api/v1/auth/totp": Rule(
        session=True, fresh=True, answer=201, body={"password": PASSWORD}
    ),
    "POST /api/v1/auth/totp/confirm": Rule(
        session=True, audited=False, fresh=True, answer=409, body={"authorization_code": "1"}
    ),
    "POST /api/v1/auth/totp/remove": Rule(
        session=True, audited=False, fresh=True, answer=401, body={"authorization_code": "1"}
    ),
    "GET /api/v1/auth/tokens": Rule(),
    "POST /api/v1/auth/tokens": Rule(session=True, answer=201, body={"name": MARK}),
    "POST /api/v1/auth/stream-tokens": Rule(session=True, answer=201, body={}),
    "DELETE /api/v1/auth/tokens/{token_id}": Rule(session=True, answer=204, makes=makes_token),
    "GET /api/v1/models": Rule(),
    "POST /api/v1/models": Rule("admin", answer=400, audited=False),
    "GET /api/v1/models/{model_id}": Rule(answer=404),
    "PATCH /api/v1/models/{model_id}": Rule(
        "admin", answer=404, audited=False, body={"retired": True}
    ),
    "DELETE /api/v1/models/{model_id}": Rule("admin", answer=404, audited=False),
    "GET /api/v1/devices/{device_id}/models/{model_id}": Rule("admin", answer=404, device=True),
    "GET /api/v1/devices/{device_id}/desired": Rule(),
    "PUT /api/v1/devices/{device_id}/desired": Rule("admin", body={}),
    "GET /api/v1/alerts": Rule(),
    "GET /api/v1/alerts/export": Rule(),
    "GET /api/v1/exports": Rule("admin"),
    "GET /api/v1/alerts/{alert_id}": Rule(),
    "PATCH /api/v1/alerts/{alert_id}": Rule("analyst", body={"notes": MARK}),
    "POST /api/v1/alerts": Rule(
        "analyst", answer=201, body={"attack_type": "Scan", "src_ip": "10.0.0.9"}
    ),
    "GET /api/v1/alerts/{alert_id}/pcap": Rule("analyst", answer=404),
    "POST /api/v1/alerts/bulk": Rule(
        "analyst", body={"action": "resolve", "ids": ["{alert_id}"]}, audited=False
    ),
    "POST /api/v1/alerts/undo": Rule(
        "analyst", body={"change_id": "{change_id}"}, makes=makes_change
    ),
    "POST /api/v1/alerts/{alert_id}/comments": Rule("analyst", answer=201, body={"comment": MARK}),
    "GET /api/v1/alerts/{alert_id}/changes": Rule(),
    "GET /api/v1/analytics/summary": Rule(),
    "GET /api/v1/analytics/trends": Rule(),
    "GET /api/v1/analytics/would-have": Rule(),
    "GET /api/v1/audit": Rule("admin"),
    "GET /api/v1/audit/verify": Rule("admin"),
    "GET /api/v1/dashboard/overview": Rule(),
    "GET /api/v1/dashboard/timeline": Rule(),
    "GET /api/v1/devices": Rule(),
    "POST /api/v1/devices": Rule(
        "admin", answer=201, body={"device_id": "{name}"}, makes=makes_name
    ),
    "GET /api/v1/devices/{device_id}": Rule(),
    "PUT /api/v1/devices/{device_id}": Rule("admin", body={"name": MARK}),
    "DELETE /api/v1/devices/{device_id}": Rule("admin", answer=204, makes=makes_device),
    "GET /api/v1/devices/{device_id}/commands": Rule(device=True),
    "POST /api/v1/devices/{device_id}/commands": Rule(
        "operator", answer=201, body={"command": "reboot"}, makes=makes_device
    ),
    "PUT /api/v1/devices/{device_id}/commands/{command_id}": Rule(
        "operator", answer=404, device=True, audited=False
    ),
    "GET /api/v1/devices/{device_id}/health": Rule(),
    "PUT /api/v1/devices/{device_id}/health": Rule("operator", device=True, body=HEALTH),
    "GET /api/v1/devices/{device_id}/status": Rule(),
    "POST /api/v1/devices/{device_id}/api-key": Rule("admin", answer=201, makes=makes_device),
    "POST /api/v1/devices/{device_id}/status": Rule(
        "operator", device=True, body={"status": "online"}
    ),
    "POST /api/v1/devices/{device_id}/heartbeat": Rule("operator", device=True),
    "POST /api/v1/devices/{device_id}/readings": Rule(
        "operator", device=True, answer=201, body=READINGS
    ),
    "GET /api/v1/devices/{device_id}/readings": Rule(),
    "GET /api/v1/devices/{device_id}/readings/latest": Rule(),
    "GET /api/v1/devices/{device_id}/readings/stats": Rule(),
    "POST /api/v1/devices/{device_id}/logs": Rule(
        "operator", device=True, answer=201, body={"logs": [{"message": MARK}]}
    ),
    "GET /api/v1/devices/{device_id}/logs": Rule(),
    "GET /api/v1/device-events": Rule(),
    "GET /api/v1/logs": Rule(),
    "GET /api/v1/packets": Rule(),
    "GET /api/v1/system/metrics": Rule(),
    "GET /api/v1/system/version": EVERYBODY,
    "GET /api/health": EVERYBODY,
    "GET /api/devices": Rule(),
    "POST /api/devices": Rule("admin", answer=201, body={"name": "{name}"}, makes=makes_name),
    "GET /api/devices/{device_id}": Rule(),
    "DELETE /api/devices/{device_id}": Rule("admin", makes=makes_device),
    "GET /api/devices/{device_id}/metrics": Rule("analyst", answer=409),
    "GET /api/devices/{device_id}/logs": Rule("analyst", answer=409),
    "PUT /api/v1/devices/{device_id}/host-key": Rule("admin", answer=204, body=HOST_KEY),
    "DELETE /api/v1/devices/{device_id}/host-key": Rule("admin", answer=204),
    "GET /api/v1/terminals": Rule("operator"),
    "GET /api/v1/terminals/{terminal_id}/recording": Rule("operator", answer=404),
    "POST /alerts": Rule("analyst", body={"message": MARK, "location": MARK}),
    "GET /alerts/history": Rule(),
    "POST /message": Rule("analyst", body={"sender": MARK, "message": MARK}),
    "GET /message": Rule(),
    "GET /docs": EVERYBODY,
    "GET /api/docs": EVERYBODY,
    "GET /redoc": EVERYBODY,
    "GET /api/redoc": EVERYBODY,
    "GET /reference/{file_path}": Rule("everybody", answer=404),
    "GET /api/v1/enrollments": Rule("operator"),
    "POST /api/v1/enrollments": Rule("operator", answer=201, body={}),
    "DELETE /api/v1/enrollments/{enrolment_id}": Rule(
        "operator", answer=204, makes=makes_enrolment
    ),
    "GET /api/v1/enrollments/broker-files": Rule("admin"),
    "POST /api/v1/enroll": Rule("everybody", answer=403, body={"code": "x"}),
    "POST /api/v1/devices/{device_id}/accept": Rule("admin", answer=404, audited=False),
    "POST /api/v1/devices/{device_id}/refuse": Rule("admin", answer=404, audited=False),
    "GET /api/v1/incidents": Rule(),
    "GET /api/v1/incidents/{incident_id}": Rule(),
    "PATCH /api/v1/incidents/{incident_id}": Rule("analyst", body={"status": "investigating"}),
    "GET /api/v1/invites": Rule("admin"),
    "POST /api/v1/invites": Rule("admin", session=True, answer=201, body={}),
    "DELETE /api/v1/invites/{invite_id}": Rule(
        "admin", session=True, answer=204, makes=makes_invite
    ),
    "GET /api/v1/notifications": Rule("admin"),
    "POST /api/v1/notifications": Rule("admin", answer=201, body=CHANNEL, makes=makes_no_channel),
    "DELETE /api/v1/notifications/{channel_id}": Rule("admin", answer=204, makes=makes_channel),
    "POST /api/v1/notifications/{channel_id}/test": Rule("admin", makes=makes_channel),
    "GET /api/v1/billing/usage": Rule("admin"),
    "PUT /api/v1/organizations/{organization}/plan": Rule("admin", body={}),
    "GET /api/v1/organizations": Rule("admin"),
    "POST /api/v1/organizations": Rule(
        "admin",
        answer=201,
        body={"organization": "{name}", "admin": NEW_ADMIN},
        makes=makes_name,
    ),
    "GET /api/v1/organizations/{organization}": Rule("admin"),
    "PATCH /api/v1/organizations/{organization}": Rule("admin", body={"name": MARK}),
    "GET /api/v1/ports/isolations": Rule(),
    "POST /api/v1/ports/isolate": Rule(
        "operator",
        answer=404,
        audited=False,
        body={"device_id": "nowhere", "mac": "02:00:00:00:00:07", "duration_s": 60},
    ),
    "POST /api/v1/ports/lift-isolation/{isolation_id}": Rule(
        "operator", answer=404, audited=False, body={"authorization_code": "1"}
    ),
    "POST /api/v1/ports/extend-isolation/{isolation_id}": Rule(
        "operator", answer=404, audited=False, body={"duration_s": 60}
    ),
    "GET /api/v1/suppressions": Rule(),
    "POST /api/v1/suppressions": Rule("analyst", answer=201, body=SUPPRESSION),
    "POST /api/v1/suppressions/preview": Rule(
        "analyst", body={"match": {"host": MARK}}, audited=False
    ),
    "DELETE /api/v1/suppressions/{suppression_id}": Rule(
        "analyst", answer=204, makes=makes_suppression
    ),
    "GET /api/v1/users": Rule("admin"),
    "POST /api/v1/users": Rule(
        "admin",
        session=True,
        answer=201,
        body={"username": "{name}", "password": PASSWORD},
        makes=makes_name,
    ),
    "GET /api/v1/users/{user_id}": Rule("admin"),
    "PATCH /api/v1/users/{user_id}": Rule("admin", session=True, body={"full_name": MARK}),
    "POST /api/v1/users/{user_id}/password": Rule(
        "admin", session=True, body={}, makes=makes_user
    ),
    "GET /api/v1/users/{user_id}/sessions": Rule("admin"),
    "DELETE /api/v1/users/{user_id}/sessions": Rule(
        "admin", session=True, answer=204, makes=makes_user
    ),
    "DELETE /api/v1/users/{user_id}/sessions/{session_id}": Rule(
        "admin", session=True, answer=204, makes=makes_user
    ),
    "GET /api/v1/verdicts": Rule(),
    "WS /api/v1/ws": Rule(),
    "WS /ws": Rule(),
    "WS /ws/device": Rule("operator", device=True),
    "WS /ws/frontend": Rule(),
    "WS /ws/live-data": Rule(),
    "WS /ws/device-status": Rule(),
    "WS /ws/alerts": Rule(),
    "WS /ws/terminal": Rule("operator"),
}
NOWHERE: dict[str, object] = {
    "alert_id": "f" * 32,
    "change_id": "nowhere",
    "channel_id": 999_999_999,
    "command_id": "f" * 32,
    "device_id": "nowhere",
    "enrolment_id": 999_999_999,
    "incident_id": 999_999_999,
    "isolation_id": "f" * 32,
    "invite_id": 999_999_999,
    "model_id": "nowhere",
    "organization": "nowhere",
    "session_id": "nowhere",
    "suppression_id": 999_999_999,
    "terminal_id": "f" * 32,
    "token_id": 999_999_999,
    "user_id": 999_999_999,
}


def filled(body: object, names: dict[str, object]) -> object:
    """Return a body with `{name}` filled in."""
    if isinstance(body, dict):
        return {key: filled(value, names) for key, value in body.items()}
    if isinstance(body, list):
        return [filled(value, names) for value in body]
    return body.format(**names) if isinstance(body, str) else body
