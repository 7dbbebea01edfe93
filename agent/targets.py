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


def targets(window: Closed, hosts: I64) -> Targets:
    """Find peers that got nearly all packets and nearly all connection attempts of some senders.

    Both, because a camera that streams to its recorder and guesses passwords elsewhere has one peer
    by packets and another one by attempts: then neither counts, and only the whole host can be cut.

    Args:
        window: A judged one.
        hosts: Numbers of the senders that are asked about; of others no peer is told.
    """
    flows = window.flows
    asked = np.zeros(len(window.host), np.bool_)
    asked[hosts] = True
    rows = asked[window.sender].nonzero()[0]
    target, protocol = flows.dst_mac.take(rows), flows.protocol.take(rows)
    behind = window.behind.take(rows) | (target == 0)
    mac = np.where(behind, np.uint64(0), target)
    high = np.where(behind, flows.dst_ip_high.take(rows), np.uint64(0))
    low = np.where(behind, flows.dst_ip_low.take(rows), np.uint64(0))
    peer = hashed(0, window.sender.take(rows).view(np.uint64), mac, high, low)
    kind = protocol.astype(np.uint64) << np.uint64(16) | flows.dst_port.take(rows)
    single = ~is_group(target) & ((mac | high | low) > 0)
    named = single & is_one_of(protocol, TCP, UDP)
    sent = _Sent(window, rows)
    return Targets(window, sent.mostly(single, peer), sent.mostly(named, hashed(0, peer, kind)))


class _Sent:
    """The flows that some senders of a window sent."""

    def __init__(self, window: Closed, rows: I64) -> None:
        self._rows = rows
        self._sender = window.sender.take(rows)
        self._size = len(window.host)
        self._amounts = [window.flows.total(name).take(rows) for name in ("packets", "syn")]

    def mostly(self, chosen: Bool, keys: U64) -> I64:
        """Return for each sender a row of the key that nearly all it sent has, -1 if there is none."""
        found = np.full(self._size, -1, np.int64)
        some = chosen.nonzero()[0]
        groups = Groups.of(keys.take(some))
        first = some.take(groups.first)
        owner = self._sender.take(first)
        most: Bool = np.ones(len(first), np.bool_)
        for amounts in self._amounts:
            total = np.bincount(self._sender, amounts, self._size)
            most &= _TEN * groups.sums(amounts.take(some)) >= _NINE * total[owner]
        found[owner[most]] = self._rows.take(first[most])
        return found
