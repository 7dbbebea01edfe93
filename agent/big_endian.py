"""Numbers in network order, out of the same place of many heads."""

import numpy as np

from agent.records import U8, U16, U32, U64


def u16(heads: U8, at: int) -> U16:
    """Return two bytes of each row of `heads`, uint8 of shape (n, width), as a number; shape (n,)."""
    return heads[:, at : at + 2].view(">u2")[:, 0].astype(np.uint16)


def u32(heads: U8, at: int) -> U32:
    """Return four bytes of each row; see `u16`."""
    return heads[:, at : at + 4].view(">u4")[:, 0].astype(np.uint32)


def u64(heads: U8, at: int) -> U64:
    """Return eight bytes of each row; see `u16`."""
    return heads[:, at : at + 8].view(">u8")[:, 0].astype(np.uint64)
