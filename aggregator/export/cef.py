"""Alerts in ArcSight's Common Event Format, version 0."""

import ipaddress
from importlib import metadata
from typing import Final

from aggregator.export.entries import HAVE_PORTS, PROTOCOLS, SIGNATURES, Entry, reason
from aggregator.store.alerts import AlertRow, flow
from contract.attacks import ATTACKS, Severity

SEVERITIES: Final[dict[Severity, int]] = {"critical": 10, "high": 8, "medium": 5, "low": 3}
VERSION: Final = metadata.version("edgewarden")
NS_PER_MS: Final = 1_000_000
MAX_MESSAGE: Final = 1023  # characters that the dictionary allows for `msg`
# Addresses have a field of their own for each IP version.
_IPV6: Final = {
    "src": ("c6a2", "Source IPv6 Address"),
    "dst": ("c6a3", "Destination IPv6 Address"),
}

Fields = dict[str, object]


def cef_line(entry: Entry) -> bytes:
    """Return what happened to an alert as one line, without its end."""
    row = entry.row
    attack, signature = ATTACKS[row.attack_type], SIGNATURES[row.attack_type]
    head = (
        "CEF:0",
        "Edgewarden",
        "Edgewarden",
        VERSION,
        signature.number,
        f"{row.attack_type}: {attack.meaning}",
        SEVERITIES[row.severity],
    )
    fields = {
        "rt": entry.at_ns // NS_PER_MS,
        "start": row.first_seen_ns // NS_PER_MS,
        "end": row.last_seen_ns // NS_PER_MS,
        "externalId": row.alert_id,
        "cat": row.attack_type,
        "act": "blocked" if row.mitigated else "allowed",
        "outcome": entry.event,
        "dvchost": row.device_id,
        "deviceInboundInterface": row.bridge_port,
        **_ends(row),
        "smac": row.src_mac,
        "cnt": row.packets,
        "msg": reason(row)[:MAX_MESSAGE],
        **_labelled("cs1", "Community ID", row.community_id),
        **_labelled("cs2", "Techniques", ", ".join((*attack.techniques, *attack.ics_techniques))),
        **_labelled("cs3", "Status", row.status),
        **_labelled("cs4", "State", row.state),
        **_labelled("cs5", "Organization", entry.organization),
        **_labelled("cs6", "Attacker", row.host),
        **_labelled("cfp1", "Confidence", row.confidence),
        **_labelled("cn1", "Incident", row.incident_id),
    }
    told = " ".join(
        f"{name}={_value(value)}" for name, value in fields.items() if value not in {None, ""}
    )
    return "|".join([*map(_header, head), told]).encode()


def _ends(row: AlertRow) -> Fields:
    named = flow(row)
    if named is None:
        return _address("src", row.src_ip) | _address("dst", row.dst_ip)
    ends = _address("src", named.src_ip) | _address("dst", named.dst_ip)
    if named.protocol in HAVE_PORTS:
        ends |= {"spt": named.src_port, "dpt": named.dst_port}
    return ends | {"proto": PROTOCOLS.get(named.protocol, named.protocol)}


def _address(name: str, text: str | None) -> Fields:
    try:
        is_v6 = text is not None and ipaddress.ip_address(text).version != 4  # noqa: PLR2004
    except ValueError:  # a device may tell nonsense; the fields are for addresses
        return {}
    return _labelled(*_IPV6[name], text) if is_v6 else {name: text}


def _labelled(name: str, label: str, value: object) -> Fields:
    return {} if value in {None, ""} else {name: value, f"{name}Label": label}


def _header(value: object) -> str:
    text = " ".join(str(value).splitlines())
    return text.replace("\\", "\\\\").replace("|", "\\|")


def _value(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\r", "\\r").replace("\n", "\\n")
