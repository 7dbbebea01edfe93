"""What travels between the rooms of the agent: structures of arrays, one row per frame or host."""

import msgspec
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

SNAP_BYTES = 192  # of a frame that decode looks at; longer frames count with their wire length
DIGEST_BYTES = 64  # of a payload, by which it is known again
NO_VLAN = -1


class FrameBatch(msgspec.Struct, frozen=True, eq=False):
    """Frames as captured, oldest first: one buffer and where each frame lies in it.

    `data` is uint8 of shape (bytes,); all other columns have shape (n,).
    """

    data: U8
    offset: I64  # of a frame's first byte in `data`
    captured_bytes: I32
    wire_bytes: I32  # at least captured_bytes, except in lying files; with the tag taken off
    time_ns: I64  # UTC
    bridge_port: I16  # index into the source's `ports`
    vlan_tci: I32  # taken off by the kernel and told by the ring; NO_VLAN where there is none

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.offset)


class PacketBatch(msgspec.Struct, frozen=True, eq=False):
    """Decoded headers, one row per frame, every column of shape (n,).

    Addresses are integers: a MAC in the low 48 bits; an IP in two halves, an IPv4 address mapped to
    ::ffff:a.b.c.d. A field that a frame does not have is 0. `status` is 0 or a decode.Status:
    rows with another status still have the fields that were readable.
    """

    time_ns: I64
    wire_bytes: I32
    bridge_port: I16
    status: U8
    vlan_id: I16  # of the outer tag; NO_VLAN where there is none
    ethertype: U16  # behind the tags
    src_mac: U64
    dst_mac: U64
    ip_version: U8  # 4, 6, or 0
    src_ip_high: U64
    src_ip_low: U64
    dst_ip_high: U64
    dst_ip_low: U64
    ip_identification: U16  # of IPv4
    hop_limit: U8
    protocol: U8  # behind IPv6 extension headers
    fragment: U8  # 0 whole, 1 first, 2 later
    src_port: U16
    dst_port: U16  # of VRRP the priority: 0 of who is no router any more
    tcp_flags: U8
    tcp_sequence: U32
    payload_bytes: I32  # of TCP, UDP or ICMP, by the header's lengths
    payload_digest: (
        U64  # of the payload's captured head and length (of an MQTT publication: of what
    )
    # it says); 0 without, or when long
    login: U8  # of a payload: 0, or what agent.logins says of it
    icmp_type: U8
    icmp_code: U8
    router_lifetime: U16  # s, of an IPv6 router advertisement; 0 of who is no way out
    arp_operation: U16  # 1 request, 2 reply
    claim_mac: U64  # who is said to hold ...
    claim_ip_high: U64  # ... this address (ARP sender, ND advertisement target)
    claim_ip_low: U64
    asked_ip_high: U64  # the address that an ARP request or ND solicitation asks for
    asked_ip_low: U64
    dns_id: U16
    dns_flags: U16  # of UDP port 53; bit 15 set in responses
    dns_at: U8  # where in the frame a DNS answer starts that tells something; 0 of all else
    dhcp_operation: U8  # of UDP ports 67 and 68: 1 from a client, 2 from a server
    dhcp_client: U64  # the client's MAC in that message

    def __len__(self) -> int:
        """Return the number of packets."""
        return len(self.time_ns)

    def take(self, rows: "slice | I64 | Bool") -> "PacketBatch":
        """Return the rows that a slice, mask or index array chooses."""
        return PacketBatch(*(getattr(self, name)[rows] for name in self.__struct_fields__))


class Observations(msgspec.Struct, frozen=True, eq=False):
    """Closed windows with their feature vectors, one row per host that sent in the window.

    `features` is float32 of shape (n, FEATURE_COUNT), all finite; the other columns have shape (n,).
    The columns beside `features` name the host for people and never reach the model.
    """

    window_start_ns: I64
    window_end_ns: I64
    is_ip_host: Bool  # the host is an IP behind a router, not a MAC
    src_mac: U64
    src_ip_high: U64  # the source address it used most; 0 where it sent no IP
    src_ip_low: U64
    dst_ip_high: U64  # whom it sent most packets to
    dst_ip_low: U64
    bridge_port: I16
    packets: I64
    wire_bytes: I64
    sampled_one_in: I32  # of how many flows of its bridge port one was taken; 1: all were
    shared_mac: Bool  # its MAC was seen behind another bridge port too
    features: F32

    def __len__(self) -> int:
        """Return the number of observations."""
        return len(self.window_start_ns)

    def take(self, rows: slice) -> "Observations":
        """Return some rows."""
        return Observations(*(getattr(self, name)[rows] for name in self.__struct_fields__))


def concatenate(batches: list[Observations]) -> Observations:
    """Return all rows of some observations, in order; at least one batch is needed."""
    names = Observations.__struct_fields__
    return Observations(*(np.concatenate([getattr(b, name) for b in batches]) for name in names))
