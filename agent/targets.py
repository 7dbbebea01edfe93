"""Whom each sender of a judged window turned to, where it is one peer alone: what a smaller cut needs."""

from typing import Final, Literal

import msgspec
import numpy as np

from agent.addresses import ip_text, mac_text
from agent.flows import TCP, UDP
from agent.grouping import Groups
from agent.observe import Closed
from agent.records import I64, U64, Bool
from agent.tables import hashed, is_group, is_one_of
from contract.cuts import Part

_NAMES: Final[dict[int, Literal["tcp", "udp"]]] = {TCP: "tcp", UDP: "udp"}
# Of ten packets, and of ten connection attempts, the peer must have got nine.
_NINE, _TEN = 9, 10


class Targets(msgspec.Struct, frozen=True, eq=False):
    """The one peer, and its one service, of each sender of a window; columns of shape (senders,)."""

    window: Closed
    peer: I64  # a flow to it; -1: there is none
    service: I64  # a flow to it; -1: there is none of TCP or UDP

    def part(self, row: int) -> Part | None:
        """Return the smallest part of a host that holds what it did; None: nothing less than all.

        Args:
            row: The host's in the observations of the window.
        """
        seen, flows, host = self.window.observations, self.window.flows, self.window.host[row]
        peer, service = int(self.peer[host]), int(self.service[host])
        if peer < 0:
            return None
        # Who is behind a router is told by an IP, and so is whom it talks to.
        mac = 0 if self.window.behind[peer] or seen.is_ip_host[row] else int(flows.dst_mac[peer])
        ip = None if mac else ip_text(int(flows.dst_ip_high[peer]), int(flows.dst_ip_low[peer]))
        if not mac and ip is None:
            return None
        ends = {"peer_mac": mac_text(mac)} if mac else {"peer_ip": ip}
        if service < 0:
            return Part(kind="pair", **ends)
        protocol, port = _NAMES[int(flows.protocol[service])], int(flows.dst_port[service])
        return Part(kind="flow", protocol=protocol, port=port, **ends)


def targets(window: Closed) -> Targets:
    """Find peers that got nearly all packets and nearly all connection attempts of a sender.

    Both, because a camera that streams to its recorder and guesses passwords elsewhere has one peer
    by packets and another one by attempts: then neither counts, and only the whole host can be cut.
    """
    flows = window.flows
    behind = window.behind | (flows.dst_mac == 0)
    mac = np.where(behind, np.uint64(0), flows.dst_mac)
    high = np.where(behind, flows.dst_ip_high, np.uint64(0))
    low = np.where(behind, flows.dst_ip_low, np.uint64(0))
    peer = hashed(0, window.sender.view(np.uint64), mac, high, low)
    single = (~is_group(flows.dst_mac) & ((mac | high | low) > 0)).nonzero()[0]
    kind = flows.protocol.astype(np.uint64) << np.uint64(16) | flows.dst_port
    named = single[is_one_of(flows.protocol, TCP, UDP)[single]]
    return Targets(
        window, _of_most(window, single, peer), _of_most(window, named, hashed(0, peer, kind))
    )


def _of_most(window: Closed, rows: I64, keys: U64) -> I64:
    """Return for each sender a row of the key that nearly all it sent has, -1 if there is none."""
    found = np.full(len(window.host), -1, np.int64)
    if not len(rows):
        return found
    groups = Groups.of(keys[rows])
    first = rows[groups.first]
    owner = window.sender[first]
    most: Bool = np.ones(len(first), np.bool_)
    for name in ("packets", "syn"):
        amounts = window.flows.total(name)
        total = np.bincount(window.sender, amounts, len(found))
        most &= _TEN * groups.sums(amounts[rows]) >= _NINE * total[owner]
    found[owner[most]] = first[most]
    return found
