"""How much a host sends and receives."""

from agent.features.view import IS_ICMP, UDP, View
from agent.records import F64


def count(view: View) -> dict[str, F64]:
    """Count packets and bytes of a window, by the names of the feature schema."""
    flows = view.flows
    packets, wire_bytes = flows.total("packets"), flows.total("wire_bytes")
    return {
        "sent_packets": view.sent(packets),
        "sent_bytes": view.sent(wire_bytes),
        "received_packets": view.received(packets),
        "received_bytes": view.received(wire_bytes),
        "sent_udp": view.sent(packets, view.is_ip & (flows.protocol == UDP)),
        "sent_icmp": view.sent(packets, view.is_ip & IS_ICMP[flows.protocol]),
        "sent_group": view.sent(packets, view.to_group),
        "sent_empty": view.sent(flows.total("empty")),
        "sent_fragments": view.sent(flows.total("fragments")),
    }
