"""Whom each sender of a window turned to, where it is one peer alone: what a cut smaller than the host needs."""

from typing import Final

import msgspec
import numpy as np

from agent.bindings import Holders
from agent.flows import TCP, UDP, Flows
from agent.grouping import Groups
from agent.hosts import Hosts
from agent.records import I64, U64, Bool
from agent.tables import hashed, is_one_of

_SALT: Final = 16
_NINE, _TEN = (
    9,
    10,
)  # of ten packets, and of ten connection attempts, the peer must have got so many


class Targets(msgspec.Struct, frozen=True, eq=False):
    """The one peer, and its one service, of each sender; every column of shape (senders,)."""

    peer_mac: U64  # 0: there is no such peer, or it is behind a router
    peer_ip_high: U64  # 0 with peer_ip_low: likewise none, or one without an address
    peer_ip_low: U64
    service: I64  # protocol << 16 | dst_port; 0: there is no one service of TCP or UDP


def targets(flows: Flows, hosts: Hosts, holders: Holders, seed: int) -> Targets:
    """Find peers that got nearly all that a sender sent: of packets and of connection attempts.

    Both, because a camera that streams to its recorder and guesses passwords elsewhere has one peer
    by packets and another one by attempts: then neither counts, and only the whole host can be cut.
    """
    to_group = flows.dst_mac >> np.uint64(40) & np.uint64(1) > 0
    behind = holders.dst_behind | (flows.dst_mac == 0)
    mac = np.where(behind, np.uint64(0), flows.dst_mac)
    high = np.where(behind, flows.dst_ip_high, np.uint64(0))
    low = np.where(behind, flows.dst_ip_low, np.uint64(0))
    peer = hashed(seed + _SALT, hosts.sender.view(np.uint64), mac, high, low)
    single = np.flatnonzero(~to_group & ((mac | high | low) > 0))
    row = _of_most(single, peer, flows, hosts)
    kind = flows.protocol.astype(np.int64) << 16 | flows.dst_port
    named = single[is_one_of(flows.protocol, TCP, UDP)[single]]
    service_row = _of_most(named, hashed(seed + _SALT, peer, kind.view(np.uint64)), flows, hosts)
    found = row >= 0
    return Targets(
        peer_mac=np.where(found, mac[row], np.uint64(0)),
        peer_ip_high=np.where(found, flows.dst_ip_high[row], np.uint64(0)),
        peer_ip_low=np.where(found, flows.dst_ip_low[row], np.uint64(0)),
        service=np.where(service_row >= 0, kind[service_row], 0),
    )


def _of_most(rows: I64, keys: U64, flows: Flows, hosts: Hosts) -> I64:
    """Return for each sender a row of the key that nearly all it sent has, -1 if there is none."""
    found = np.full(hosts.senders, -1, np.int64)
    if not len(rows):
        return found
    groups = Groups.of(keys[rows])
    first = rows[groups.first]
    owner = hosts.sender[first]
    most: Bool = np.ones(len(first), np.bool_)
    for name in ("packets", "syn"):
        amounts = flows.total(name)
        total = np.bincount(hosts.sender, amounts, hosts.senders)
        most &= _TEN * groups.sums(amounts[rows]) >= _NINE * total[owner]
    found[owner[most]] = first[most]
    return found
