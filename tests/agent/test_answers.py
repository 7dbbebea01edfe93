"""The reader of DNS answers, beside scapy's and a slow one of its own."""

import ipaddress
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from agent.answers import MOST_ADDRESSES, MOST_LABELS, MOST_PARTS, Answers, read_answers
from agent.decode import decode
from agent.records import SNAP_BYTES
from agent.tables import hashed
from tests.agent.builders import ANN, GATEWAY, ether, raw_batch, udp
from tests.agent.scapy_decode import halves

SEED = 5
UDP_HEAD = 14 + 20 + 8

Said = tuple[set[str], bool]


def carried(message: bytes) -> bytes:
    return bytes(udp(GATEWAY, ANN, 53, 40_000, message))


def read(frames: list[bytes], snap: int | None = None) -> Answers:
    batch = raw_batch(frames, snap=snap)
    return read_answers(batch, decode(batch), SEED)


def keys(addresses: set[str]) -> set[int]:
    pairs = np.array([halves(address) for address in sorted(addresses)], np.uint64).reshape(-1, 2)
    return set(hashed(SEED, pairs[:, 0], pairs[:, 1]).tolist())


def told(answers: Answers) -> Iterator[tuple[set[int], bool]]:
    for named, unread in zip(answers.named.tolist(), answers.unread.tolist(), strict=True):
        yield set(named) - {0}, unread


def slowly(message: bytes) -> Said | None:
    """Read one message as RFC 1035 has it; None: it tells nothing."""
    if len(message) < 12 or message[2] < 0x80 or message[3] & 15:
        return None
    questions, records = (int.from_bytes(message[at : at + 2], "big") for at in (4, 6))
    truncated = bool(message[2] & 2)
    if not records and not truncated:
        return None
    found: list[str] = []
    at = 12
    for part in range(questions + records if records else 0):
        behind = None if part == MOST_PARTS else behind_name(message, at)
        if behind is None:
            return set(found), True
        at = behind + 4
        if part >= questions:
            record = Record(message, behind)
            if record.lost or (record.address and len(found) == MOST_ADDRESSES):
                return set(found), True
            found += filter(None, [record.address])
            at = record.end
    return set(found), truncated


def behind_name(message: bytes, at: int) -> int | None:
    for _ in range(MOST_LABELS):
        if at < len(message) and 0 < message[at] < 64:
            at += 1 + message[at]
    if at >= len(message) or 0 < message[at] < 192:
        return None
    return at + (1 if message[at] == 0 else 2)


class Record:
    """What stands behind the name of a record."""

    def __init__(self, message: bytes, at: int) -> None:
        kind, of, size = (int.from_bytes(message[at + n : at + n + 2], "big") for n in (0, 2, 8))
        self.end = at + 10 + size
        names = of == 1 and (kind, size) in {(1, 4), (28, 16)}
        self.lost = at + 10 > len(message) or (names and self.end > len(message))
        whole = message[at + 10 : self.end]
        self.address = str(ipaddress.ip_address(whole)) if names and not self.lost else ""


def records(*parts: tuple[str, str, str]) -> bytes:
    """Return an answer to a question after the first part's name."""
    answer = DNS(id=7, qr=1, qd=DNSQR(qname=parts[0][0]))
    answer.an = [DNSRR(rrname=name, type=kind, rdata=data, ttl=60) for name, kind, data in parts]
    return bytes(answer.compress())


CHAIN = records(
    ("cam.example", "CNAME", "edge.cloud.example"),
    ("edge.cloud.example", "CNAME", "a.b.example"),
    ("a.b.example", "A", "203.0.113.7"),
    ("a.b.example", "AAAA", "2001:db8::7"),
)
MANY = records(*(("cam.example", "A", f"203.0.113.{n}") for n in range(1, 31)))


def test_every_address_behind_a_chain_of_names_is_named() -> None:
    assert list(told(read([carried(CHAIN)]))) == [(keys({"203.0.113.7", "2001:db8::7"}), False)]


def test_an_answer_by_ipv6_is_read_too() -> None:
    head = ether(GATEWAY, ANN) / IPv6(src="fe80::1", dst="fe80::2") / UDP(sport=53, dport=40_000)
    found = list(told(read([bytes(head / Raw(CHAIN))])))
    assert found[0][0] >= keys({"203.0.113.7"})


def test_an_answer_that_goes_on_behind_what_is_looked_at_says_so() -> None:
    ((named, unread),) = told(read([carried(MANY)]))
    assert unread
    whole = (SNAP_BYTES - UDP_HEAD - 12 - 17) // 16
    assert named == keys({f"203.0.113.{n}" for n in range(1, whole + 1)})


@pytest.mark.parametrize(
    "message",
    [
        bytes(DNS(id=7, qr=0, qd=DNSQR(qname="cam.example"))),
        bytes(DNS(id=7, qr=1, rcode=3, qd=DNSQR(qname="cam.example"))),
        bytes(DNS(id=7, qr=1, qd=DNSQR(qname="cam.example"))),
        CHAIN[:11],
        b"",
    ],
    ids=["a question", "no such name", "no record", "no header", "nothing"],
)
def test_what_is_no_answer_tells_nothing(message: bytes) -> None:
    assert not len(read([carried(message)]))


def test_an_answer_that_says_to_ask_again_by_tcp_may_name_anything() -> None:
    message = bytes(DNS(id=7, qr=1, tc=1, qd=DNSQR(qname="cam.example")))
    assert list(told(read([carried(message)]))) == [(set(), True)]


def test_questions_and_other_traffic_beside_answers_are_not_read() -> None:
    frames = [carried(b"\0" * 40), bytes(udp(ANN, GATEWAY, 40_000, 53, CHAIN)), carried(CHAIN)]
    assert len(read(frames)) == 1


@pytest.mark.parametrize("tail", [b"\xc0\x0c" * 60, b"\x01a" * 60, b"\x40" * 60, b"\xff" * 60])
def test_hostile_names_end_a_message_and_harm_no_other(tail: bytes) -> None:
    hostile = bytes.fromhex("000780000001ffff00000000") + tail
    found = list(told(read([carried(hostile), carried(CHAIN), carried(hostile)])))
    assert found[1] == (keys({"203.0.113.7", "2001:db8::7"}), False)
    assert found[0] == found[2] == (set(), True)


names = st.lists(st.sampled_from(["a", "bc", "cam", "x" * 30, "example"]), min_size=1, max_size=4)
addresses = st.one_of(
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str)),
    st.tuples(st.just("CNAME"), names.map(".".join)),
)


@given(st.lists(st.tuples(names.map(".".join), addresses), min_size=1, max_size=9))
def test_generated_answers_are_read_like_scapy_reads_them(
    parts: list[tuple[str, tuple[str, str]]],
) -> None:
    message = records(*((name, kind, data) for name, (kind, data) in parts))
    said = {
        ipaddress.ip_address(record.rdata) for record in DNS(message).an if record.type in {1, 28}
    }
    ((named, unread),) = told(read([carried(message)]))
    everything = keys({str(address) for address in said})
    assert named <= everything
    assert unread or named == everything
    assert not unread or len(message) > SNAP_BYTES - UDP_HEAD


@given(st.lists(st.tuples(st.sampled_from([CHAIN, MANY]), st.data()), min_size=1, max_size=6))
def test_damaged_answers_are_read_like_the_slow_reader_reads_them(
    drawn: list[tuple[bytes, st.DataObject]],
) -> None:
    messages = []
    for message, data in drawn:
        damaged = bytearray(message[: data.draw(st.integers(12, len(message)))])
        for _ in range(data.draw(st.integers(0, 4))):
            damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        messages.append(bytes(damaged))
    assert_as_by_slow_reader(messages)


@given(st.lists(st.binary(min_size=8, max_size=150), min_size=1, max_size=8))
def test_any_bytes_are_read_like_the_slow_reader_reads_them(bodies: list[bytes]) -> None:
    assert_as_by_slow_reader([b"\0\7\x80\0" + body for body in bodies])


def assert_as_by_slow_reader(messages: list[bytes]) -> None:
    found = list(told(read([carried(message) for message in messages])))
    said = [slowly(message[: SNAP_BYTES - UDP_HEAD]) for message in messages]
    assert found == [(keys(each[0]), each[1]) for each in said if each is not None]
