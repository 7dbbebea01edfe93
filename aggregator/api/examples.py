"""What the description of the API says of requests: what for, who may, and examples that work."""

from typing import Any, Final

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Operation, RequestBody
from litestar.routes import HTTPRoute

# Bodies that work as they stand; where a path names something, the test puts it there.
EXAMPLES: Final[dict[str, dict[str, object]]] = {
    "POST /api/v1/alerts": {
        "attack_type": "Scan",
        "src_ip": "192.168.1.7",
        "dst_ip": "192.168.1.1",
        "notes": "seen in the switch's log",
    },
    "PATCH /api/v1/alerts/{alert_id}": {
        "status": "acknowledged",
        "reason": "looking into it",
    },
    "POST /api/v1/alerts/bulk": {
        "filter": {"attack_type": "Scan", "src_ip": "192.168.1.7", "status": "active"},
        "action": "false_positive",
        "reason": "our own scanner",
    },
    "POST /api/v1/alerts/{alert_id}/comments": {"comment": "the printer again"},
    "POST /api/v1/notifications": {
        "name": "On call",
        "kind": "service",
        "url": "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "min_severity": "high",
        "quiet": {"from": "22:00", "until": "07:00", "time_zone": "Europe/Berlin"},
    },
    "PATCH /api/v1/incidents/{incident_id}": {
        "status": "investigating",
        "reason": "looking into it",
    },
    "POST /api/v1/suppressions/preview": {
        "match": {"attack_type": "Scan", "src_ip": "192.168.1.7"},
        "days": 30,
    },
    "POST /api/v1/devices": {
        "device_id": "esp-hall",
        "name": "Hall",
        "type": "esp32",
        "location": "by the door",
    },
    "PUT /api/v1/devices/{device_id}/desired": {"mode": "suggest"},
    "PUT /api/v1/organizations/{organization}/plan": {
        "devices": 50,
        "messages": 1_000_000,
        "api_calls": 500_000,
        "keep_days": 30,
    },
    "PUT /api/v1/devices/{device_id}/host-key": {
        "host_key": "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
    },
    "PUT /api/v1/devices/{device_id}": {"name": "Hall", "location": "upstairs"},
    "PUT /api/v1/devices/{device_id}/health": {
        "cpu_usage": 12.5,
        "memory_usage": 40.0,
        "temperature": 51.0,
        "uptime": 3600,
    },
    "POST /api/v1/devices/{device_id}/readings": {
        "readings": [
            {
                "sensor_type": "temperature",
                "value": 23.5,
                "unit": "°C",
                "timestamp": "2026-01-01T12:00:00Z",
            }
        ]
    },
    "POST /api/v1/devices/{device_id}/status": {"status": "online"},
    "POST /api/v1/devices/{device_id}/logs": {
        "logs": [{"level": "warning", "component": "wifi", "message": "signal is weak"}]
    },
    "POST /api/devices": {
        "name": "Edge box",
        "host": "192.168.1.20",
        "port": 22,
        "username": "pi",
        "description": "in the hall",
    },
    "POST /alerts": {"message": "Unauthorized door access", "location": "South Gate"},
    "POST /message": {"sender": "Jose", "message": "Please check the back door"},
}


def describe_requests(app: Litestar) -> None:
    """Write into an application's description what each route is for, who may, and examples."""
    for route in app.routes:
        item = (app.openapi_schema.paths or {}).get(route.path_format)
        if not isinstance(route, HTTPRoute) or item is None:
            continue
        for handler in route.route_handlers:
            for method in handler.http_methods:
                operation = getattr(item, method.lower(), None)
                if operation is not None:
                    _describe(operation, handler, EXAMPLES.get(f"{method} {route.path_format}"))


def _describe(
    operation: Operation, handler: HTTPRouteHandler, example: dict[str, object] | None
) -> None:
    summary, _, more = (handler.fn.__doc__ or "").partition("\n")
    operation.summary = summary.rstrip(".")
    operation.description = " ".join([who_may(handler.opt), *more.split()])
    if example is not None and isinstance(operation.request_body, RequestBody):
        for content in operation.request_body.content.values():
            content.example = example


def who_may(opt: dict[str, Any]) -> str:
    """Return in words who may use a route."""
    if opt.get("public"):
        return "Needs no token."
    role = opt.get("role", "viewer")
    people = "For everybody who signed in." if role == "viewer" else f"For {role}s and above."
    if role == "admin":
        people = "For admins."
    device = " The device itself may, with its key." if opt.get("own_device") else ""
    place = opt.get("place")
    guests = f" For guests as well, if the setting [{place}] open says so." if place else ""
    return people + device + guests
