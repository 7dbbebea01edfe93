"""Decoding says of a TCP payload whether it speaks of a login, however long it is."""

import numpy as np
import pytest

from agent.decode import MOST_DIGESTED_BYTES, decode
from agent.logins import REFUSAL
from tests.agent.builders import ANN, BOB, batch, tcp

DENIED = b"HTTP/1.1 401 Unauthorized\r\nServer: lighttpd\r\n\r\n"


@pytest.mark.parametrize(
    "length", [len(DENIED), MOST_DIGESTED_BYTES, MOST_DIGESTED_BYTES + 1, 1400]
)
def test_a_refusal_is_recognised_in_short_and_long_pages(length: int) -> None:
    packets = decode(batch([(0, tcp(ANN, BOB, data=DENIED.ljust(length, b".")))]))
    assert packets.login.tolist() == [REFUSAL]


def test_a_payload_whose_head_was_not_captured_whole_says_nothing() -> None:
    frames = [(0, tcp(ANN, BOB, data=DENIED.ljust(1400, b".")))]
    assert decode(batch(frames, snap=58)).login.tolist() == [0]


def test_every_packet_of_a_batch_is_judged_by_its_own_payload() -> None:
    payloads = [DENIED.ljust(700), b"\x80" * 700, b"hello", DENIED]
    frames = [(n / 100, tcp(ANN, BOB, data=payload)) for n, payload in enumerate(payloads)]
    assert np.flatnonzero(decode(batch(frames)).login).tolist() == [0, 3]
