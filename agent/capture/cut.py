"""What the formats of capture files have in common."""

from typing import NamedTuple, Protocol

from agent.records import U8, FrameBatch

MAX_FRAME_BYTES = 1 << 18  # captured: longer ones are taken for damage
SLACK_BYTES = 512  # that a buffer has before and behind the file's bytes


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
