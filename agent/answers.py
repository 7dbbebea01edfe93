"""What DNS answers name: the addresses in all answers of a batch, read together."""

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.records import I64, SNAP_BYTES, U8, U64, Bool, FrameBatch, PacketBatch
from agent.tables import hashed

_UDP_BYTES: Final = 8
_HEADER_BYTES: Final = 12
MOST_ADDRESSES: Final = 12  # of one answer; SNAP_BYTES hold nine
# Of what is read: a hostile answer may have a label for every two bytes.
MOST_PARTS: Final = 16  # questions and records of one answer
MOST_LABELS: Final = 16  # of one name

_RECORD_BYTES: Final = 10  # behind its name: type, class, time to live, length
_HEAD_BYTES: Final = _RECORD_BYTES + 16  # and the longest address
_SPARE: Final = 32  # behind the longest message: any field can be read, wherever it starts
_INTERNET, _A, _AAAA = 1, 1, 28
_A_BYTES, _AAAA_BYTES = 4, 16
_POINTER, _LONGEST_LABEL = 0xC0, 0x3F
_PORT: Final = 53
_KIND, _ANSWER = 0x800F, 0x8000  # a response, and no error
_TRUNCATED: Final = 0x0200
_32: Final = np.uint64(32)
_MAPPED: Final = np.uint64(0xFFFF_0000_0000)


def starts_of_answers(heads: U8, where: I64, captured: I64) -> I64:
    """Return where in their frames the DNS answers start that name something, or may.

    Args:
        heads: UDP and DNS headers, of DNS's port, shape (n, 20 or more).
        where: The start of each in its frame.
        captured: How many bytes of the frame there are from there on.

    Returns:
        0 of what is no such answer; shape (n,).
    """
    words = heads[:, : _UDP_BYTES + _HEADER_BYTES].copy().view(">u2")
    flags = words[:, 5]
    tells = (words[:, 0] == _PORT) & (flags & _KIND == _ANSWER)
    tells &= (words[:, 7] > 0) | (flags & _TRUNCATED > 0)
    tells &= captured >= _UDP_BYTES + _HEADER_BYTES
    return np.where(tells, where + _UDP_BYTES, 0)


class Answers(msgspec.Struct, frozen=True, eq=False):
    """DNS answers in the order of their packets; the first dimension of every column is theirs."""

    named: U64  # keys of the addresses, 0 behind the last; shape (answers, MOST_ADDRESSES)
    unread: Bool  # it may name more: it is cut off, too long, damaged, or says to ask again by TCP

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self.unread)


def read_answers(frames: FrameBatch, packets: PacketBatch, seed: int) -> Answers:
    """Read the addresses that the DNS answers among some packets name.

    Names are skipped: whatever the question was, and however long the chain of CNAMEs before the
    address, the address is named. Only the section of answers is read.

    Args:
        frames: The frames.
        packets: What decode makes of them, row by row.
        seed: Of the keys: those of agent.flows.Ends with the same seed.
    """
    rows = (packets.dns_at > 0).nonzero()[0]
    at = packets.dns_at.take(rows).astype(np.int64)
    length = np.minimum(frames.captured_bytes.take(rows), SNAP_BYTES) - at
    length = np.minimum(length, packets.payload_bytes.take(rows))
    start = frames.offset.take(rows) + at
    return _Reader(_messages(frames.data, start, int(length.max(initial=0))), length).read(seed)


def _messages(data: U8, start: I64, longest: int) -> U8:
    """Return some bytes from each start, uint8 of shape (n, longest + _SPARE).

    What lies behind a message's end is another frame's: check the length.
    """
    width = longest + _SPARE
    missing = int(start.max(initial=0)) + width - len(data)
    if missing > 0:
        data = np.concatenate([data, np.zeros(missing, np.uint8)])
    data = np.ascontiguousarray(data)
    messages: U8 = _at_every_byte(data, width)[start].view(np.uint8).reshape(len(start), width)
    return messages


def _at_every_byte(data: U8, width: int) -> NDArray[Any]:
    """View a buffer as items of some bytes that start at every byte and overlap."""
    return np.ndarray((len(data) - width + 1,), f"V{width}", data, strides=(1,))


class _Reader:
    """Some messages on their way: all advance together, by a name and what stands behind it."""

    def __init__(self, messages: U8, length: I64) -> None:
        count, width = messages.shape
        self._bytes = messages.reshape(-1)
        self._base = np.arange(count) * width  # where each message starts,
        self._end = self._base + length  # ends,
        self._at = self._base + _HEADER_BYTES  # and is read
        self._last = len(self._bytes) - _SPARE  # where any field can still be read
        head = messages[:, 4:8].copy().view(">u2").astype(np.int64)
        self._questions, self._records = head[:, 0].copy(), head[:, 1].copy()
        self._unread = messages[:, 2] & (_TRUNCATED >> 8) > 0
        self._found = np.zeros(count, np.int64)
        self._named = np.zeros((count, MOST_ADDRESSES), np.uint64)

    def read(self, seed: int) -> Answers:
        """Return what the messages name."""
        live = self._records.nonzero()[0]
        for _ in range(MOST_PARTS):
            if not len(live):
                break
            live = self._behind_names(live)
            asked = self._questions.take(live) > 0
            if asked.any():
                questions = live[asked]
                self._questions[questions] -= 1
                self._at[questions] += 4
            if asked.all():
                continue
            records = live[~asked]
            live = np.concatenate([live[asked], records[self._record(records, seed)]])
        self._unread[live] = True
        return Answers(self._named, self._unread)

    def _behind_names(self, live: I64) -> I64:
        """Step over a name of some messages; return those whose name could be read."""
        at, end = self._at.take(live), self._end.take(live)
        for _ in range(MOST_LABELS):
            first = self._bytes.take(np.minimum(at, self._last)).astype(np.int64)
            is_label = (first > 0) & (first <= _LONGEST_LABEL) & (at < end)
            if not is_label.any():
                break
            at += (first + 1) * is_label
        first = self._bytes.take(np.minimum(at, self._last))
        # A pointer ends a name, wherever it leads.
        good = (at < end) & ((first == 0) | (first >= _POINTER))
        self._at[live] = at + np.where(first == 0, 1, 2)
        self._unread[live[~good]] = True
        readable: I64 = live[good]
        return readable

    def _record(self, rows: I64, seed: int) -> Bool:
        """Read the record behind a name of some messages; return which go on."""
        at, end = self._at.take(rows), self._end.take(rows)
        head = _at_every_byte(self._bytes, _HEAD_BYTES)[np.minimum(at, self._last)]
        head = head.view(np.uint8).reshape(len(rows), _HEAD_BYTES)
        words = head[:, :_RECORD_BYTES].copy().view(">u2").astype(np.int64)
        kind, size = words[:, 0], words[:, 4]
        told = at + _RECORD_BYTES <= end
        is_wide = (kind == _AAAA) & (size == _AAAA_BYTES)
        names = told & (is_wide | (kind == _A) & (size == _A_BYTES)) & (words[:, 1] == _INTERNET)
        behind = at + _RECORD_BYTES + size
        # An address that is cut off, or one too many.
        lost = names & ((behind > end) | (self._found.take(rows) == MOST_ADDRESSES)) | ~told
        names &= ~lost
        chosen = rows[names]
        address = head[names, _RECORD_BYTES:].copy().view(">u8").astype(np.uint64)
        high, low = address[:, 0], address[:, 1]
        is_wide = is_wide[names]
        if not is_wide.all():
            low = np.where(is_wide, low, high >> _32 | _MAPPED)
            high = high * is_wide
        self._named[chosen, self._found.take(chosen)] = hashed(seed, high, low)
        self._found[chosen] += 1
        if lost.any():
            self._unread[rows[lost]] = True
        self._records[rows] -= 1
        self._at[rows] = behind
        goes_on: Bool = ~lost & (self._records.take(rows) > 0)
        return goes_on
