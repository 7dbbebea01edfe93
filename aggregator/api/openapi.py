"""The description of the API: who may, examples, and the one shape of every error."""

from typing import Any, Final

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

PROBLEM: Final = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong, as RFC 9457 wants it.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
    "examples": [
        {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such alert"}
    ],
}
BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "The access_token of POST /api/v1/auth/login, or a device's API key.",
}
CREDENTIALS: Final = {
    "type": "object",
    "title": "Credentials",
    "description": "The OAuth2 password form is taken as well.",
    "properties": {
        "username": {"type": "string"},
        "email": {"type": "string"},
        "password": {"type": "string"},
    },
    "required": ["password"],
}

# Bodies that work as they stand; where a path names something, the test puts it there.
EXAMPLES: Final[dict[str, dict[str, object]]] = {
    "POST /api/v1/auth/login": {"username": "admin", "password": "correct-horse-7"},
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
    "POST /api/v1/devices": {
        "device_id": "esp-hall",
        "name": "Hall",
        "type": "esp32",
        "location": "by the door",
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


def describe_api(app: Litestar) -> dict[str, Any]:
    """Return the OpenAPI document of an application."""
    document = app.openapi_schema.to_schema()
    components = document["components"]
    components["schemas"] |= {"Problem": PROBLEM, "Credentials": CREDENTIALS}
    components["securitySchemes"] = {"bearer": BEARER}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    operation = document["paths"].get(route.path_format, {}).get(method.lower())
                    if operation is not None:
                        _complete(operation, handler, f"{method} {route.path_format}")
    return document


def _complete(operation: dict[str, Any], handler: HTTPRouteHandler, name: str) -> None:
    summary, _, more = (handler.fn.__doc__ or "").partition("\n")
    operation["summary"] = summary.rstrip(".")
    operation["description"] = " ".join([who_may(handler.opt), *more.split()])
    operation["security"] = [] if handler.opt.get("public") else [{"bearer": []}]
    answers = {
        status: answer for status, answer in operation["responses"].items() if status < "400"
    }
    # Any error looks like this, whatever its status.
    answers["default"] = _content("An error.", "application/problem+json", "Problem")
    operation["responses"] = answers
    if name == "POST /api/v1/auth/login":
        body = _content("", "application/json", "Credentials")
        operation["requestBody"] = {"content": body["content"], "required": True}
    if name in EXAMPLES:
        for content in operation["requestBody"]["content"].values():
            content["example"] = EXAMPLES[name]


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


def _content(description: str, media_type: str, schema: str) -> dict[str, Any]:
    shape = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"description": description, "content": {media_type: shape}}
