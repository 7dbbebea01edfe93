"""What Home Assistant is told of a device: once what there is, then how it stands."""

from typing import Any, Final

import msgspec

from aggregator.config import HomeAssistantConfig
from aggregator.shapes import rfc3339
from aggregator.store.home_assistant import ShownDevice

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

# Per entity: its component, and what its description has beside what all have.
ENTITIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "under_attack": (
        "binary_sensor",
        {
            "name": "Under attack",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.under_attack else 'OFF' }}",
        },
    ),
    "alerts_open": (
        "sensor",
        {
            "name": "Open alerts",
            "icon": "mdi:shield-alert",
            "state_class": "measurement",
            "value_template": "{{ value_json.alerts_open }}",
        },
    ),
    "isolations_active": (
        "sensor",
        {
            "name": "Active isolations",
            "icon": "mdi:lan-disconnect",
            "state_class": "measurement",
            "value_template": "{{ value_json.isolations_active }}",
        },
    ),
    "packets_per_s": (
        "sensor",
        {
            "name": "Packets",
            "icon": "mdi:swap-horizontal",
            "unit_of_measurement": "packets/s",
            "state_class": "measurement",
            "suggested_display_precision": 0,
            "value_template": "{{ value_json.packets_per_s }}",
        },
    ),
    "last_attack": (
        "sensor",
        {
            "name": "Last attack",
            "icon": "mdi:history",
            "value_template": "{{ value_json.last_attack.type }}",
            "json_attributes_template": "{{ value_json.last_attack | tojson }}",
        },
    ),
}

_encode = msgspec.json.Encoder().encode


def status_topic(config: HomeAssistantConfig) -> str:
    """Return where it is said whether the centre is there."""
    return f"{config.state_prefix}/status"


def retained(config: HomeAssistantConfig, device: ShownDevice, version: str) -> dict[str, bytes]:
    """Return everything that is retained about a device, by topic: descriptions first."""
    base = f"{config.state_prefix}/{config.organization}/{device.device_id}"
    node = f"edgewarden_{config.organization}_{device.device_id}"
    common = {
        "state_topic": f"{base}/state",
        "availability": [{"topic": status_topic(config)}, {"topic": f"{base}/availability"}],
        "availability_mode": "all",
        "device": _device(config, device, node),
        "origin": {"name": "Edgewarden", "sw_version": version},
    }
    told = {}
    for name, (component, own) in ENTITIES.items():
        described = {"unique_id": f"{node}_{name}", "object_id": f"{node}_{name}"} | own | common
        if "json_attributes_template" in own:
            described["json_attributes_topic"] = f"{base}/state"
        told[f"{config.discovery_prefix}/{component}/{node}/{name}/config"] = _encode(described)
    told[f"{base}/availability"] = ONLINE if device.online else OFFLINE
    told[f"{base}/state"] = _encode(_state(device))
    return told


def _device(config: HomeAssistantConfig, device: ShownDevice, node: str) -> dict[str, Any]:
    found = {
        "identifiers": [node],
        "name": device.name,
        "manufacturer": "Edgewarden",
        "model": device.type,
    }
    if device.version:
        found["sw_version"] = device.version
    if config.url:
        found["configuration_url"] = config.url
    return found


def _state(device: ShownDevice) -> dict[str, Any]:
    rate = device.packets_per_s
    return {
        "under_attack": device.alerts_open > 0,
        "alerts_open": device.alerts_open,
        "isolations_active": device.isolations_active,
        "packets_per_s": None if rate is None else round(rate, 1),
        "last_attack": {
            "type": device.attack_type or "none",
            "severity": device.severity,
            "host": device.host,
            "at": None if device.opened_ns is None else rfc3339(device.opened_ns),
        },
    }
