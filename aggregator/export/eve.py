"""Alerts as lines of Suricata's eve.json, with what only we know in an object of our own."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from aggregator.export.entries import HAVE_PORTS, ICMPS, PROTOCOLS, SIGNATURES, Entry, reason
from aggregator.shapes import rfc3339
from aggregator.store.alerts import AlertRow, flow
from contract.attacks import ATTACKS, Severity

GENERATOR: Final = 4242  # tells our signatures from those of rules, which have 1 and 3
SEVERITIES: Final[dict[Severity, int]] = {"critical": 1, "high": 2, "medium": 3, "low": 4}

_encode = msgspec.json.Encoder().encode


def eve_line(entry: Entry) -> bytes:
    """Return what happened to an alert as one JSON object, without an end of line.

    Addresses, ports and `community_id` are those of the flow that shows the attack best, which is
    not always the attacker's own; the attacker is in `edgewarden`. What is not known is left out.
    """
    row = entry.row
    line = {
        "timestamp": _timestamp(entry.at_ns),
        "event_type": "alert",
        "host": row.device_id,
        "in_iface": row.bridge_port,
        **_ends(row),
        "community_id": row.community_id,
        "alert": _alert(row),
        "edgewarden": _own(entry),
    }
    return _encode({name: value for name, value in line.items() if value is not None})


def _timestamp(ns: int) -> str:
    seconds, rest = divmod(ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f%z")


def _ends(row: AlertRow) -> dict[str, Any]:
    named = flow(row)
    if named is None:
        return {"src_ip": row.src_ip, "dest_ip": row.dst_ip}
    ends: dict[str, Any] = {"src_ip": named.src_ip, "dest_ip": named.dst_ip}
    if named.protocol in HAVE_PORTS:
        ends |= {"src_port": named.src_port, "dest_port": named.dst_port}
    ends["proto"] = PROTOCOLS.get(named.protocol, f"{named.protocol:03d}")
    if named.protocol in ICMPS:
        ends |= {"icmp_type": named.src_port, "icmp_code": named.dst_port}
    return ends


def _alert(row: AlertRow) -> dict[str, Any]:
    signature, attack = SIGNATURES[row.attack_type], ATTACKS[row.attack_type]
    return {
        "action": "blocked" if row.mitigated else "allowed",
        "gid": GENERATOR,
        "signature_id": signature.number,
        "rev": 1,
        "signature": f"EDGEWARDEN {row.attack_type}: {attack.meaning}",
        "category": signature.category,
        "severity": SEVERITIES[row.severity],
        "metadata": {
            "mitre_technique_id": [*attack.techniques, *attack.ics_techniques],
            "signature_severity": [row.severity],
        },
    }


def _own(entry: Entry) -> dict[str, Any]:
    row = entry.row
    return {
        "organization": entry.organization,
        "event": entry.event,
        **{name: getattr(row, name) for name in _SHOWN},
        "reason": reason(row),
        "mitigation_applied": row.mitigated,
        "first_seen_at": rfc3339(row.first_seen_ns),
        "detected_at": rfc3339(row.opened_ns),
        "last_seen_at": rfc3339(row.last_seen_ns),
    }


_SHOWN: Final = (
    "alert_id",
    "device_id",
    "attack_type",
    "severity",
    "state",
    "status",
    "host",
    "src_mac",
    "src_ip",
    "dst_ip",
    "bridge_port",
    "confidence",
    "windows",
    "packets",
    "incident_id",
    "model_id",
)
