"""What the description of the API shows of requests: a body for each that has one."""

from typing import Final

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
    "POST /api/v1/query": {
        "sql": "SELECT attack_type, count(*) AS alerts FROM alerts GROUP BY ALL",
        "format": "json",
        "limit": 1000,
    },
    "POST /api/v1/enrollments": {"device_id": "edge-2", "name": "Cellar", "expires_in": 3600},
    "POST /api/v1/invites": {"role": "analyst", "email": "bo@example.net", "expires_in": 86400},
    "POST /api/v1/auth/tokens": {"name": "report", "role": "viewer", "expires_in": 7_776_000},
    "POST /api/v1/auth/stream-tokens": {"name": "wall display", "expires_in": 86400},
    "POST /alerts": {"message": "Unauthorized door access", "location": "South Gate"},
    "POST /message": {"sender": "Jose", "message": "Please check the back door"},
}

# Bodies that need what only one has (a code, a command, a name that is free) or would change who may sign in.
SPECIAL: Final[dict[str, dict[str, object]]] = {
    "POST /api/v1/auth/login": {"username": "ann", "password": "correct horse battery"},
    "POST /api/v1/auth/refresh": {"refresh_token": "3q2-7w…"},
    "POST /api/v1/auth/register": {
        "username": "bo",
        "password": "correct horse battery",
        "email": "bo@example.net",
        "invite": "kX9f…",
    },
    "PUT /api/v1/auth/password": {
        "current_password": "correct horse battery",
        "new_password": "staple that battery, horse",
    },
    "POST /api/v1/auth/totp": {"password": "correct horse battery"},
    "POST /api/v1/system/backup": {"authorization_code": "123456"},
    "POST /api/v1/auth/totp/confirm": {"authorization_code": "123456"},
    "POST /api/v1/auth/totp/remove": {"authorization_code": "123456"},
    "POST /api/v1/devices/{device_id}/commands": {
        "command": "set_mode",
        "parameters": {"mode": "suggest"},
    },
    "PUT /api/v1/devices/{device_id}/commands/{command_id}": {
        "status": "executed",
        "detail": "restarted",
    },
    "POST /api/v1/alerts/undo": {
        "change_id": "0123456789abcdef0123456789abcdef",
        "reason": "the wrong host",
    },
    "POST /api/v1/suppressions": {
        "match": {"attack_type": "Scan", "src_ip": "192.168.1.7"},
        "reason": "our own scanner",
        "expires_at": "2027-01-31T00:00:00Z",
    },
    "PATCH /api/v1/models/{model_id}": {"retired": True},
    "POST /api/v1/enroll": {"code": "7F3K-…", "device_id": "edge-2", "type": "edge_ml"},
    "POST /api/v1/ports/isolate": {
        "device_id": "edge-1",
        "mac": "02:00:00:00:00:07",
        "duration_s": 600,
        "reason": "scans the house",
    },
    "POST /api/v1/ports/extend-isolation/{isolation_id}": {
        "duration_s": 3600,
        "reason": "still looking",
    },
    "POST /api/v1/ports/lift-isolation/{isolation_id}": {
        "authorization_code": "123456",
        "reason": "it was the backup",
    },
    "POST /api/v1/organizations": {
        "organization": "annex",
        "name": "Annex",
        "admin": {"username": "annex-admin", "password": "correct horse battery"},
    },
    "PATCH /api/v1/organizations/{organization}": {"name": "Annex"},
    "POST /api/v1/users": {
        "username": "ann",
        "password": "correct horse battery",
        "role": "analyst",
        "email": "ann@example.net",
        "full_name": "Ann",
    },
    "PATCH /api/v1/users/{user_id}": {"role": "operator", "is_active": True},
    "POST /api/v1/users/{user_id}/password": {"password": "correct horse battery"},
}
