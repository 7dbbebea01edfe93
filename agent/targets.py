"""Whom a host of a judged window turned to, where it is one peer alone: what a cut smaller than the host needs."""

from typing import Final, Literal

import numpy as np

from agent.addresses import ip_text, mac_text
from agent.flows import TCP, UDP, Flows
from agent.grouping import Groups
from agent.observe import Closed
from agent.records import I64, U64
from agent.tables import hashed, is_one_of
from contract.cuts import Part

_NAMES: Final[dict[int, Literal["tcp", "udp"]]] = {TCP: "tcp", UDP: "udp"}
# Of ten packets, and of ten connection attempts, the peer must have got nine.
_NINE, _TEN = 9, 10


def aimed_at(window: Closed, row: int) -> Part | None:
    """Return the smallest part of a host that holds what it did; None: nothing less than all.

    A peer must have got nearly all packets and nearly all connection attempts. Both, because a camera
    that streams to its recorder and guesses passwords elsewhere has one peer by packets and another
    one by attempts: then neither counts, and only the whole host can be cut.

    Args:
        window: The one that was judged.
        row: The host's row in its observations.
    """
    sent = np.flatnonzero(window.sender == window.host[row])
    flows = window.flows.take(sent)
    behind = window.behind[sent] | (flows.dst_mac == 0)
    mac = np.where(behind, np.uint64(0), flows.dst_mac)
    high = np.where(behind, flows.dst_ip_high, np.uint64(0))
    low = np.where(behind, flows.dst_ip_low, np.uint64(0))
    peer = hashed(0, mac, high, low)
    to_group = flows.dst_mac >> np.uint64(40) & np.uint64(1) > 0
    single = np.flatnonzero(~to_group & ((mac | high | low) > 0))
    found = _of_most(single, peer, flows)
    if found is None:
        return None
    # Who is behind a router is told by an IP, and so is whom it talks to.
    by_ip = bool(window.observations.is_ip_host[row]) or not mac[found]
    peer_ip = ip_text(int(flows.dst_ip_high[found]), int(flows.dst_ip_low[found]))
    if by_ip and peer_ip is None:
        return None
    ends = {"peer_ip": peer_ip} if by_ip else {"peer_mac": mac_text(int(mac[found]))}
    kind = flows.protocol.astype(np.uint64) << np.uint64(16) | flows.dst_port
    named = single[is_one_of(flows.protocol, TCP, UDP)[single]]
    service = _of_most(named, hashed(0, peer, kind), flows)
    if service is None:
        return Part(kind="pair", **ends)
    protocol, port = _NAMES[int(flows.protocol[service])], int(flows.dst_port[service])
    return Part(kind="flow", protocol=protocol, port=port, **ends)


def _of_most(rows: I64, keys: U64, flows: Flows) -> int | None:
    """Return a row of the key that nearly all that was sent has, if there is one."""
    if not len(rows):
        return None
    groups = Groups.of(keys[rows])
    most = np.ones(len(groups), np.bool_)
    for name in ("packets", "syn"):
        amounts = flows.total(name)
        most &= _TEN * groups.sums(amounts[rows]) >= _NINE * amounts.sum()
    return int(rows[groups.first[most.argmax()]]) if most.any() else None
