"""What an MQTT publication says, whatever else its segment carries."""

from typing import Final

import numpy as np

from agent.records import I64, U8, Bool

BROKER_PORT: Final = 1883
_PUBLISH: Final = 3
_KEPT: Final = 56  # of what is said; the longest fixed header and the identifier fit in the rest


def take_down(blocks: U8, lengths: I64, rows: I64) -> None:
    """Take publications down to topic and message, in place.

    One message is alike whether it goes out once or until acknowledged, alone or with others behind
    it in one segment: a program that sends a recorded command again seldom sends the same segment.

    Args:
        blocks: The first bytes of each payload, zeros behind its end; of shape (n, 64).
        lengths: Of each payload, shape (n,); of a publication, of topic and message afterwards.
        rows: Which may begin with an MQTT PUBLISH; those of up to 16 KB are taken down.
    """
    publishes = blocks[rows, 0] >> 4 == _PUBLISH
    long = blocks[rows, 1] & blocks[rows, 2] & 0x80 > 0
    chosen: I64 = rows[publishes & ~long]
    if len(chosen):
        blocks[chosen], lengths[chosen] = _said(blocks[chosen])


def _said(blocks: U8) -> tuple[U8, I64]:
    """Return the first bytes of topic and message, zeros behind their end, and their lengths."""
    is_wide = blocks[:, 1] & 0x80 > 0
    wide = is_wide.nonzero()[0]
    length = (blocks[:, 1] & 0x7F).astype(np.int64)
    length[wide] += blocks[wide, 2].astype(np.int64) << 7
    kept = np.zeros_like(blocks)
    kept[:, :_KEPT] = blocks[:, 2 : _KEPT + 2]
    kept[wide, :_KEPT] = blocks[wide, 3 : _KEPT + 3]
    numbered = (blocks[:, 0] & 0x06).nonzero()[0]
    if len(numbered):
        length[numbered] = np.maximum(length[numbered] - 2, 0)
        kept[numbered] = _without_number(kept[numbered], blocks[numbered], is_wide[numbered])
    short = (length < _KEPT).nonzero()[0]
    kept[short, :_KEPT] *= np.arange(_KEPT) < length[short, None]
    return kept, length


def _without_number(kept: U8, blocks: U8, is_wide: Bool) -> U8:
    """Take the identifier out from behind the topic."""
    column = np.arange(_KEPT)
    topic_end = 2 + (kept[:, 0].astype(np.int64) << 8) + kept[:, 1]
    start = np.where(is_wide, 3, 2)
    source = start[:, None] + column + 2 * (column >= topic_end[:, None])
    kept[:, :_KEPT] = np.take_along_axis(blocks, source, axis=1)
    return kept
