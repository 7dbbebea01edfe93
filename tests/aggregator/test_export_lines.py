"""Alerts as other systems read them: EVE by Suricata's names, CEF by ArcSight's rules, syslog by RFC 5424."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.export.cef import SEVERITIES as CEF_SEVERITIES
from aggregator.export.cef import cef_line
from aggregator.export.entries import SIGNATURES, Entry, Told
from aggregator.export.eve import eve_line
from aggregator.export.syslog import syslog_message
from aggregator.store.alerts import AlertRow
from contract.attacks import ATTACKS
from contract.messages import Flow, TopFeature
from tests.aggregator.messages import FLOW

NS = 1_790_000_000_123_456_789
# Of etc/schema.json and the manual of Suricata: the names that a reader of eve.json knows.
EVE_TYPES: dict[str, type] = {
    "timestamp": str,
    "event_type": str,
    "host": str,
    "in_iface": str,
    "src_ip": str,
    "src_port": int,
    "dest_ip": str,
    "dest_port": int,
    "proto": str,
    "icmp_type": int,
    "icmp_code": int,
    "community_id": str,
    "alert": dict,
}
ALERT_TYPES: dict[str, type] = {
    "action": str,
    "gid": int,
    "signature_id": int,
    "rev": int,
    "signature": str,
    "category": str,
    "severity": int,
    "metadata": dict,
}
EVE_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d+[+\-]\d+")
HEADER = re.compile(r"CEF:0((?:\|(?:[^|\\]|\\[|\\])*){6})\|(.*)", re.DOTALL)
FIELD = re.compile(r"(\w+)=((?:[^=\\\n\r]|\\[\\=nr])*?)(?= \w+=|$)")
RFC5424 = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) edgewarden (\d+) alert - (.+)",
    re.DOTALL,
)


def row(**changes: Any) -> AlertRow:
    words = changes.pop("words", "tried 240 ports on one host")
    flow = changes.pop("flow", FLOW)
    feature = TopFeature(feature="f", value=1.0, unit="u", contribution=1.0, words=words)
    kept = AlertRow(
        id=1,
        device_id="pi-1",
        alert_id="0" * 32,
        state="open",
        attack_type="Scan",
        severity="medium",
        status="active",
        host="02:00:00:00:00:07",
        src_mac="02:00:00:00:00:07",
        src_ip="192.168.1.7",
        dst_ip="192.168.1.1",
        bridge_port="lan1",
        first_seen_ns=NS - 2,
        opened_ns=NS,
        last_seen_ns=NS + 2,
        confidence=0.97,
        windows=2,
        packets=420,
        top_features=msgspec.json.encode([feature]).decode(),
        counterfactual="[]",
        flow=flow and msgspec.json.encode(flow).decode(),
        community_id="1:mvqHfhSipAGit6HNW97eDo7UdVM=",
        model_id="m",
        evidence_sha256=None,
        received_ns=NS,
        clock_offset_ns=0,
        acknowledged_ns=None,
        acknowledged_by=None,
        resolved_ns=None,
        notes=None,
        suppressed_by=None,
        incident_id=7,
        assignee=None,
        expires_ns=None,
        mitigated=False,
    )
    return msgspec.structs.replace(kept, **changes)


def eve(**changes: Any) -> dict[str, Any]:
    line = eve_line(Entry("default", "opened", NS, row(**changes)))
    assert b"\n" not in line
    return dict(json.loads(line))


def cef(**changes: Any) -> tuple[list[str], dict[str, str]]:
    """Return header fields and extension, read as the format's rules say."""
    line = cef_line(Entry("default", "opened", NS, row(**changes))).decode()
    found = HEADER.fullmatch(line)
    assert found is not None, line
    head = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\)\|", found[1])[1:]]
    fields = {name: unescaped(value) for name, value in FIELD.findall(found[2])}
    assert " ".join(f"{name}={value}" for name, value in FIELD.findall(found[2])) == found[2]
    return head, fields


def unescaped(text: str) -> str:
    meant = {"n": "\n", "r": "\r"}
    return re.sub(r"\\(.)", lambda one: meant.get(one[1], one[1]), text)


def test_a_line_of_eve_has_the_published_names_and_types():
    line = eve()
    own = line.pop("edgewarden")
    assert {name: type(value) for name, value in line.items()} == {
        name: kind for name, kind in EVE_TYPES.items() if not name.startswith("icmp")
    }
    assert {name: type(value) for name, value in line["alert"].items()} == ALERT_TYPES
    assert line["event_type"] == "alert"
    assert EVE_TIMESTAMP.fullmatch(line["timestamp"])
    assert line["timestamp"] == "2026-09-21T14:13:20.123456+0000"
    assert (line["proto"], line["src_port"], line["dest_port"]) == ("TCP", 40_000, 80)
    assert (own["event"], own["alert_id"], own["reason"]) == (
        "opened",
        "0" * 32,
        "tried 240 ports on one host",
    )


def test_every_class_has_a_signature_of_its_own():
    assert SIGNATURES.keys() == ATTACKS.keys()
    assert len({signature.number for signature in SIGNATURES.values()}) == len(ATTACKS)
    assert eve(attack_type="DOS")["alert"]["signature_id"] == 1
    assert eve(severity="critical")["alert"]["severity"] == 1
    assert eve(severity="low")["alert"]["severity"] == 4


def test_who_was_isolated_was_blocked():
    assert eve()["alert"]["action"] == "allowed"
    assert eve(mitigated=True)["alert"]["action"] == "blocked"
    assert cef(mitigated=True)[1]["act"] == "blocked"


def test_what_is_not_known_is_left_out_of_eve():
    line = eve(flow=None, community_id=None, bridge_port=None, dst_ip=None)
    assert line["src_ip"] == "192.168.1.7"
    unknown = {"dest_ip", "src_port", "dest_port", "proto", "community_id", "in_iface"}
    assert not unknown & line.keys()


def test_of_icmp_eve_has_type_and_code():
    ping = Flow(
        src_ip="10.0.0.1", dst_ip="10.0.0.2", protocol=1, src_port=8, dst_port=0, packets=1
    )
    line = eve(flow=ping)
    assert (line["proto"], line["icmp_type"], line["icmp_code"]) == ("ICMP", 8, 0)
    assert "src_port" not in line
    assert eve(flow=msgspec.structs.replace(ping, protocol=47))["proto"] == "047"


def test_a_line_of_cef_has_seven_fields_and_an_extension():
    head, fields = cef()
    assert head[:2] == ["Edgewarden", "Edgewarden"]
    assert head[3:] == ["5", f"Scan: {ATTACKS['Scan'].meaning}", "5"]
    assert fields["rt"] == str(NS // 1_000_000)
    assert (fields["src"], fields["spt"], fields["dst"], fields["dpt"], fields["proto"]) == (
        "192.168.1.7",
        "40000",
        "192.168.1.1",
        "80",
        "TCP",
    )
    assert (fields["cs1Label"], fields["cs1"]) == (
        "Community ID",
        "1:mvqHfhSipAGit6HNW97eDo7UdVM=",
    )
    assert fields["msg"] == "tried 240 ports on one host"
    assert fields["cn1"] == "7"
    assert sorted(CEF_SEVERITIES.values()) == [3, 5, 8, 10]


def test_cef_has_other_fields_for_addresses_of_ipv6():
    _, fields = cef(flow=None, src_ip="2001:db8::1", dst_ip="2001:db8::2")
    assert (fields["c6a2"], fields["c6a3"]) == ("2001:db8::1", "2001:db8::2")
    assert fields["c6a2Label"] == "Source IPv6 Address"
    assert not {"src", "dst"} & fields.keys()
    assert "src" not in cef(flow=None, src_ip=":::")[1]


@given(st.text(max_size=200))
def test_no_text_breaks_out_of_its_field_of_cef(words: str):
    _, fields = cef(words=words)
    assert fields.get("msg", "") == words
    assert fields["externalId"] == "0" * 32


@pytest.mark.parametrize("words", ["a|b=c\\d\ne\rf", "msg=x act=blocked|CEF:0|"])
def test_bars_equal_signs_backslashes_and_line_ends_are_escaped(words: str):
    line = cef_line(Entry("default", "opened", NS, row(words=words))).decode()
    assert "\n" not in line
    assert cef(words=words)[1]["msg"] == words


def test_a_header_of_cef_escapes_bars_and_has_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("aggregator.export.cef.VERSION", "1|2\\3\n4")
    head, _ = cef()
    assert head[2] == "1|2\\3 4"


def test_a_syslog_message_has_the_parts_of_rfc_5424():
    message = syslog_message(Entry("default", "opened", NS, row()), b"text", 16)
    found = RFC5424.fullmatch(message)
    assert found is not None
    assert int(found[1]) == 16 * 8 + 4
    assert found[2] == b"2026-09-21T14:13:20.123456Z"
    assert found[5] == b"text"
    over = syslog_message(Entry("default", "closed", NS, row(severity="critical")), b"text", 1)
    assert over.startswith(b"<14>1 ")


def test_what_happened_is_told_by_what_was_told_last():
    told = Told()

    def events(*, new: bool = False, **changes: Any) -> list[str]:
        return [e.event for e in told.entries("default", row(**changes), NS + 9, new=new)]

    assert events(new=True) == ["opened"]
    assert events() == ["updated"]
    assert events(status="acknowledged") == ["decided"]
    assert events(state="closed", status="acknowledged") == ["closed"]
    assert events(state="closed", status="resolved") == ["decided"]
    assert events(state="closed", status="active") == ["decided"]
    assert events(new=True, id=2, state="closed") == ["opened", "closed"]
