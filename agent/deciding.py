"""Which flow of a window shows an attack best, so that other tools can be asked about it."""

from collections.abc import Callable
from typing import Final

import numpy as np

from agent.addresses import ip_text
from agent.features.view import ICMP, ICMPV6, TCP, UDP
from agent.flows import Flows
from agent.grouping import Groups
from agent.observe import Closed
from agent.records import I64, U64, Bool
from agent.tables import hashed, is_one_of
from contract.attacks import AttackType
from contract.community_id import is_two_way
from contract.messages import Flow

_IP: Final = (0x0800, 0x86DD)
_DHCP_SERVER: Final = 2
_SCTP: Final = 132
_REDIRECTS: Final = {ICMP: 5, ICMPV6: 134}  # ICMP redirects and router advertisements
_REPEATS: Final = ("replayed_frames", "odd_repeats", "borrowed_payloads", "own_repeats")


def deciding_flow(window: Closed, row: int, attack: AttackType) -> Flow | None:
    """Return the flow of a host that shows best what it is accused of.

    Of what its class is told by, most goes to one service (of a scan: by one protocol); there, the
    flow with most of it, of equal ones that with most packets, then the first.

    Args:
        window: The one that was judged.
        row: The host's row in its observations.
        attack: The class of the alert.

    Returns:
        None where no single flow shows it: of the packets that do, most come from addresses that are
        invented, carry no IP (ARP), or were folded.
    """
    sent = np.flatnonzero(window.sender == window.host[row])
    flows = window.flows.take(sent)
    weight = _WEIGHTS[attack](flows, window.foreign[sent])
    weight = np.where(is_one_of(flows.ethertype, *_IP), weight, 0)
    if not weight.any():
        return None
    groups = Groups.of(_protocol(flows) if attack == "Scan" else _service(flows))
    best = int(groups.sums(weight).argmax())
    chosen = groups.only(np.array([best])).order
    if attack != "MITM" and not _has_one_source(flows, weight, chosen):
        return None
    told = chosen[_is_whole(flows, window.flows)[chosen] & (weight[chosen] > 0)]
    if not len(told):
        return None
    packets = flows.total("packets")
    order = np.lexsort((flows.first_ns[told], -packets[told], -weight[told]))
    return _flow(flows, int(told[order[0]]), int(packets[told[order[0]]]))


def _packets(flows: Flows, _foreign: Bool) -> I64:
    return flows.total("packets")


def _probes(flows: Flows, _foreign: Bool) -> I64:
    """Count flows that may be a question whether somebody is there."""
    asks = (flows.protocol != TCP) | (flows.total("syn") + flows.total("odd_flags") > 0)
    return np.where(asks & (flows.total("data") == 0), 1 + flows.folded, 0)


def _logins(flows: Flows, _foreign: Bool) -> I64:
    attempts = flows.total("login_attempts")
    return attempts if attempts.any() else flows.total("syn")


def _repeats(flows: Flows, _foreign: Bool) -> I64:
    marks = (flows.total(name) for name in _REPEATS)
    return next((mark for mark in marks if mark.any()), np.zeros(len(flows), np.int64))


def _taken_over(flows: Flows, foreign: Bool) -> I64:
    """Count what passes through a host in the name of others, or asks others to send it there."""
    lures = (flows.total("dns_conflicts") > 0) | (flows.dhcp_operation == _DHCP_SERVER)
    for protocol, icmp_type in _REDIRECTS.items():
        lures |= (flows.protocol == protocol) & (flows.dst_port == icmp_type)
    return np.where(foreign | lures, flows.total("packets"), 0)


_WEIGHTS: Final[dict[AttackType, Callable[[Flows, Bool], I64]]] = {
    "DOS": _packets,
    "Botnet": _packets,
    "Replay": _repeats,
    "MITM": _taken_over,
    "Scan": _probes,
    "BruteForce": _logins,
    "Anomaly": _packets,
}


def _protocol(flows: Flows) -> U64:
    return flows.protocol.astype(np.uint64)


def _service(flows: Flows) -> U64:
    kind = flows.protocol.astype(np.uint64) << np.uint64(16) | flows.dst_port
    return hashed(0, flows.dst_ip_high, flows.dst_ip_low, kind)


def _has_one_source(flows: Flows, weight: I64, rows: I64) -> bool:
    """Return whether at least half of the weight comes from one address."""
    weight = weight[rows]
    groups = Groups.of(hashed(0, flows.src_ip_high[rows], flows.src_ip_low[rows]))
    # A folded row's packets come from as many addresses more as it says.
    sums = groups.sums(np.where(flows.sources[rows] > 0, 0, weight))
    return 2 * int(sums.max()) >= int(weight.sum())


def _is_whole(flows: Flows, window: Flows) -> Bool:
    """Return which rows tell all that names a flow."""
    whole: Bool = (flows.folded == 0) & (flows.src_ip_high | flows.src_ip_low > 0)
    whole &= flows.dst_ip_high | flows.dst_ip_low > 0
    is_icmp = is_one_of(flows.protocol, ICMP, ICMPV6)
    has_ports = is_one_of(flows.protocol, TCP, UDP)
    # Later fragments have neither ports nor type, and where flows were folded source ports are lost.
    later = (flows.src_port == 0) & (flows.dst_port == 0) & (flows.total("fragments") > 0)
    lost = has_ports & (flows.src_port == 0) & bool(window.folded.any())
    whole &= flows.protocol != _SCTP  # its ports are not read
    whole &= ~(later & (has_ports | is_icmp)) & ~lost
    return whole


def _flow(flows: Flows, row: int, packets: int) -> Flow | None:
    ends = [
        ip_text(int(flows.src_ip_high[row]), int(flows.src_ip_low[row])),
        ip_text(int(flows.dst_ip_high[row]), int(flows.dst_ip_low[row])),
    ]
    source, target = ends
    if source is None or target is None:
        return None
    protocol, src_port, dst_port = (
        int(column[row]) for column in (flows.protocol, flows.src_port, flows.dst_port)
    )
    if protocol in _REDIRECTS:
        # Of requests and replies the code does not count: many codes are one flow.
        code = 0 if is_two_way(protocol, dst_port) else int(flows.icmp_code[row])
        src_port, dst_port = dst_port, code
    return Flow(
        src_ip=source,
        dst_ip=target,
        protocol=protocol,
        src_port=src_port,
        dst_port=dst_port,
        packets=packets,
    )
