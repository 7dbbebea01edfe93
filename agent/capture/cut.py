"""What the formats of capture files have in common."""

from typing import NamedTuple, Protocol

import numpy as np

from agent.records import U8, FrameBatch

MAX_FRAME_BYTES = 1 << 18  # captured: longer ones are taken for damage
SLACK_BYTES = 64  # that a buffer has before and behind the file's bytes


class Cut(NamedTuple):
    """What a buffer held."""

    frames: FrameBatch
    end: int  # in the buffer, of what is done with; behind the buffer's end: skip as many bytes
    truncated: str | None = None  # a sentence about damage: the capture ends here


class Records(Protocol):
    """Cuts the bytes of one file format into frames."""

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the bridge ports seen so far."""
        ...

    def cut(self, data: U8, begin: int, end: int, position: int) -> Cut:
        """Find the frames in a buffer.

        Args:
            data: The buffer. Frames stay in it; link headers are overwritten.
            begin: Where the file's bytes begin in it, with a record; a multiple of 4 and at least
                SLACK_BYTES.
            end: Where they end, at least SLACK_BYTES before the buffer does.
            position: Of `begin` in the (unpacked) file.

        Raises:
            CaptureError: The first frame's link type cannot be read.
        """
        ...


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
