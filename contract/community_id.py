"""The Community ID of a flow, version 1: one name for it in Zeek, Suricata, Arkime and here.

https://github.com/corelight/community-id-spec
"""

import base64
import hashlib
import ipaddress
import struct
from typing import Final

from contract.messages import ICMP, ICMPV6, Flow

_HAVE_PORTS: Final = frozenset({ICMP, 6, 17, ICMPV6, 132})  # with TCP, UDP and SCTP
# Types of request and reply, which are one flow. All others go one way, and are not turned.
_PAIRS: Final = {
    ICMP: ((8, 0), (10, 9), (13, 14), (15, 16), (17, 18)),
    ICMPV6: ((128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)),
}
_COUNTERPARTS: Final = {
    protocol: dict(pairs) | {reply: request for request, reply in pairs}
    for protocol, pairs in _PAIRS.items()
}


def is_two_way(protocol: int, icmp_type: int) -> bool:
    """Return whether ICMP messages of a type are requests or replies, whose code does not count."""
    return icmp_type in _COUNTERPARTS.get(protocol, {})


def community_id(flow: Flow, seed: int = 0) -> str | None:
    """Return the name of a flow, the same in both directions.

    Args:
        flow: Of ICMP its ports are type and code.
        seed: 0 to 65,535; the same wherever names are compared.

    Returns:
        `1:` and the SHA-1 in base64; None where the addresses are none, or of two IP versions.
    """
    try:
        source = ipaddress.ip_address(flow.src_ip).packed
        target = ipaddress.ip_address(flow.dst_ip).packed
    except ValueError:
        return None
    if len(source) != len(target):
        return None
    src_port, dst_port = flow.src_port, flow.dst_port
    turns = True
    if flow.protocol in _COUNTERPARTS:
        turns = is_two_way(flow.protocol, src_port)
        dst_port = _COUNTERPARTS[flow.protocol].get(src_port, dst_port)
    one, other = (source, src_port), (target, dst_port)
    if turns and other < one:
        one, other = other, one
    data = struct.pack("!H", seed) + one[0] + other[0] + bytes([flow.protocol, 0])
    if flow.protocol in _HAVE_PORTS:
        data += struct.pack("!HH", one[1], other[1])
    digest = hashlib.sha1(data, usedforsecurity=False).digest()
    return "1:" + base64.b64encode(digest).decode()
