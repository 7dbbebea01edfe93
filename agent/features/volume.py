"""How much a host sends and receives."""

from typing import Final

import numpy as np

from agent.features.view import ICMPV6, UDP, View
from agent.records import F64, Bool
from agent.tables import is_one_of, members

UNREACHABLE: Final = 3
UNREACHABLE6: Final = 1
# Ports that are asked to find out who is there: NetBIOS, SSDP, WS-Discovery, mDNS, LLMNR.
_DISCOVERY: Final = (137, 1900, 3702, 5353, 5355)
_RARELY: Final = 50  # packets for one that comes back; of a bulk transfer more are acknowledged
# What comes because of a packet: replies, errors, advertisements to who solicited.
_ANSWERS: Final = members(0, 3, 4, 11, 12, 14, 16, 18)
_ANSWERS6: Final = members(1, 2, 3, 4, 129, 136)


def count(view: View) -> dict[str, F64]:
    """Count packets and bytes of a window, by the names of the feature schema."""
    flows = view.flows
    icmp = view.icmp
    kind, is_new = flows.dst_port.take(icmp), flows.protocol.take(icmp) == ICMPV6
    unreachable = icmp[kind == np.where(is_new, UNREACHABLE6, UNREACHABLE)]
    asking = icmp[view.is_ip.take(icmp) & ~np.where(is_new, _ANSWERS6[kind], _ANSWERS[kind])]
    unreturned = _unreturned(view)
    refused = np.zeros(len(view.is_ip), np.bool_)
    refused[unreachable] = True
    udp = view.is_ip & (flows.protocol == UDP)
    discovering = udp & is_one_of(flows.dst_port, *_DISCOVERY)
    return {
        "sent_packets": view.sent("packets"),
        "sent_bytes": view.sent("wire_bytes"),
        "received_packets": view.received("packets"),
        "received_bytes": view.received("wire_bytes"),
        "sent_udp": view.sent("packets", udp),
        "sent_icmp": view.sent("packets", asking),
        "sent_group": view.sent("packets", view.to_group),
        "sent_empty": view.sent("empty"),
        "sent_unreachable": view.sent("packets", unreachable),
        "received_unreachable": view.received("packets", refused),
        "sent_discovery": view.sent("packets", discovering),
        "sent_fragments": view.sent("fragments"),
        "sent_unreturned": view.sent("packets", unreturned),
        "unreturned_bytes": view.sent("wire_bytes", unreturned),
    }


def _unreturned(view: View) -> Bool:
    """Return which rows speak to one host and are hardly answered in their flow.

    ICMP is not counted, whose answers are another flow, nor what was folded, of which nobody knows.
    """
    flows, groups = view.flows, view.by_flow
    packets = flows.total("packets")
    both = groups.spread(groups.sums(packets))
    one = groups.spread(groups.sums(packets * view.turned))
    forth = np.where(view.turned, one, both - one)
    silent = (both - forth) * _RARELY < forth
    unreturned: Bool = silent & view.of_two_ways & (flows.folded == 0)
    return unreturned
