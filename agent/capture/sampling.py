"""What is left out on purpose when the engine falls behind: whole small flows, and the rest of large ones."""

from typing import Final

import numpy as np

from agent.big_endian import u16, u64
from agent.capture.columns import at_every_byte
from agent.grouping import Groups
from agent.records import I32, I64, U8, U64
from agent.tables import hashed

MOST: Final = 64
_FULL, _CALM = 0.875, 0.125  # shares of a ring
_CALM_READS: Final = 8  # until more flows are taken again
_LARGE_FLOWS: Final = 16  # that many may be large at once
_LEAST_OF_A_FLOW: Final = 32  # frames

HEAD_BYTES: Final = 58  # up to the ports behind an IPv6 header
_IPV4_HEAD_BYTES: Final = 38
_IPV4, _IPV6 = 0x0800, 0x86DD
_IPV4_WITHOUT_OPTIONS: Final = 0x45


class Sampler:
    """Chooses among the frames of one bridge port while its ring fills up faster than it is read.

    Of the small flows one in `one_in` is taken whole, in both directions; which ones is a secret. Of
    the few flows that make up the most, the first frames are taken, so that no flood goes unseen.

    Attributes:
        one_in: 1 as long as everything is taken.
        left_out: Frames that were not taken since the start.
    """

    def __init__(self, seed: int) -> None:
        self.one_in = 1
        self.left_out = 0
        self._seed = seed
        self._calm = 0

    def adjust(self, filled: float) -> None:
        """Take in how much of the ring waits to be read, before each read.

        Args:
            filled: As a share of the ring, 0 to 1.
        """
        if filled >= _FULL:
            self.one_in = min(2 * self.one_in, MOST)
            self._calm = 0
        elif filled < _CALM and self.one_in > 1:
            self._calm += 1
            if self._calm == _CALM_READS:
                self.one_in //= 2
                self._calm = 0

    def choose(self, data: U8, offset: I64, captured_bytes: I32) -> I64:
        """Return which frames are taken, ascending row numbers; the others are counted.

        Args:
            data: A buffer with at least HEAD_BYTES from every offset on.
            offset: Where each frame starts, shape (n,).
            captured_bytes: How long it is, shape (n,).
        """
        if self.one_in == 1:
            return np.arange(len(offset))
        flow = flow_keys(data, offset, captured_bytes, self._seed)
        groups = Groups.of(flow)
        large = groups.sizes >= max(len(flow) // _LARGE_FLOWS, _LEAST_OF_A_FLOW)
        chosen = flow[groups.first] < np.uint64(2**64 // self.one_in)
        most = np.where(large, max(len(flow) // (4 * self.one_in), _LEAST_OF_A_FLOW), len(flow))
        place = np.arange(len(flow)) - np.repeat(groups.starts, groups.sizes)
        taken = np.repeat(chosen | large, groups.sizes) & (place < np.repeat(most, groups.sizes))
        rows = np.sort(groups.order[taken])
        self.left_out += len(flow) - len(rows)
        return rows


def flow_keys(data: U8, offset: I64, captured_bytes: I32, seed: int) -> U64:
    """Return a key for the flow of each frame, the same in both directions; shape (n,).

    Read at fixed places. In what is not IP, or has VLAN tags or options before its ports, a flow is
    what two MACs exchange.
    """
    heads = at_every_byte(data, f"V{HEAD_BYTES}")[offset].view(np.uint8).reshape(-1, HEAD_BYTES)
    ethertype = u16(heads, 12)
    ipv4 = (captured_bytes >= _IPV4_HEAD_BYTES) & (ethertype == _IPV4)
    ipv4 &= heads[:, 14] == _IPV4_WITHOUT_OPTIONS
    ipv6 = (captured_bytes >= HEAD_BYTES) & (ethertype == _IPV6)
    addresses = u64(heads, 26)
    pair = (addresses >> np.uint64(32)) ^ (addresses & np.uint64(0xFFFF_FFFF))
    pair = np.where(ipv6, u64(heads, 30) ^ u64(heads, 46), pair)
    pair = np.where(ipv4 | ipv6, pair, (u64(heads, 0) ^ u64(heads, 6)) >> np.uint64(16))
    ports = np.where(ipv4, u16(heads, 34) ^ u16(heads, 36), np.uint16(0))
    ports = np.where(ipv6, u16(heads, 54) ^ u16(heads, 56), ports)
    return hashed(seed, pair, ports)
