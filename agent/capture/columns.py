"""Columns over the bytes of a buffer, and frames as columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.records import U8, FrameBatch


def at_every_byte(data: U8, dtype: str) -> NDArray[Any]:
    """View a buffer as values that start at every byte and overlap.

    Indexing the view with places copies what lies there, several times faster than an index
    for each byte; assigning to it writes there.
    """
    width = np.dtype(dtype).itemsize
    return np.ndarray((max(0, len(data) - width + 1),), dtype, data, strides=(1,))


def parts_of(frames: FrameBatch, max_frames: int) -> Iterator[FrameBatch]:
    """Split a batch into as few parts as possible, of about equal size."""
    count = -(-len(frames) // max_frames)
    names = FrameBatch.__struct_fields__[1:]
    for part in range(count):
        rows = slice(part * len(frames) // count, (part + 1) * len(frames) // count)
        yield FrameBatch(frames.data, *(getattr(frames, name)[rows] for name in names))


def no_frames(data: U8) -> FrameBatch:
    """Return a batch without frames."""
    nothing = np.zeros(0, np.int64)
    narrow = nothing.astype(np.int32)
    return FrameBatch(data, nothing, narrow, narrow, nothing, nothing.astype(np.int16), narrow)


def joined(pieces: list[FrameBatch]) -> FrameBatch:
    """Return the frames of some batches that share one buffer, in order."""
    pieces = [piece for piece in pieces if len(piece)] or pieces[:1]
    if len(pieces) == 1:
        return pieces[0]
    names = FrameBatch.__struct_fields__[1:]
    columns = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in names)
    return FrameBatch(pieces[0].data, *columns)
