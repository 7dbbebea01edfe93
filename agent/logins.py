"""Passwords in the clear and their refusals, told by the first bytes of a payload."""

from typing import Final

import numpy as np

from agent.big_endian import u32
from agent.records import U8, U32, Bool
from agent.tables import members

ATTEMPT: Final = np.uint8(1)
REFUSAL: Final = np.uint8(2)
ACCEPTANCE: Final = np.uint8(3)
WELCOME: Final = np.uint8(4)

_STATUS_AT: Final = 9  # of HTTP/1.1 and RTSP/1.0
_TELNET_AT: Final = (0, 1, 2, 3, 4)  # the refusal follows line ends
_PATH_AT: Final = range(5, 44)


def _word(text: bytes) -> int:
    return int.from_bytes(text, "big")


_HTTP, _RTSP = _word(b"HTTP"), _word(b"RTSP")
_REPLIES: Final = (_word(b"530 "), _word(b"530-"), _word(b"535 "), _word(b"535-"))
_LOGGED_IN: Final = _word(b"230 ")
_POST, _PASS, _LOGIN = _word(b"POST"), _word(b"PASS"), _word(b"Logi")
_SMB2, _LOGON_FAILURE = _word(b"\xfeSMB"), 0x6D0000C0
_CONNECT, _CONNACK, _CONNECT_TAIL = 0x10, 0x20, _word(b"MQTT")
_ENDS_LINES: Final = members(*b"L\r\n\0")
_TELLING_LONG: Final = members(*b"HRP")
_TELLING: Final = members(0x10, 0x20, *b"25", *b"HRPL\r\n\0", 0x4A, *range(0x40, 0x50))


def logins(blocks: U8) -> U8:
    """Tell of each payload whether it carries a password in the clear, or refuses or accepts one.

    Knows HTTP, RTSP, FTP, SMTP, MQTT, telnet, SMB and MySQL; of what is encrypted nothing can be told.

    Args:
        blocks: The first bytes of each payload, zeros behind its end; shape (n, at least 48).

    Returns:
        0, ATTEMPT, REFUSAL, WELCOME (who tried is let in) or ACCEPTANCE for each, shape (n,). Whatever
        succeeds in HTTP and RTSP is an acceptance: a page may say that a password was wrong.
    """
    first = u32(blocks, 0)
    tried = np.where(_attempts(blocks, first), ATTEMPT, np.uint8(0))
    succeeds = ((first == _HTTP) | (first == _RTSP)) & (blocks[:, _STATUS_AT] == ord("2"))
    tried[succeeds] = ACCEPTANCE
    tried[(first == _LOGGED_IN) | _mqtt_welcome(blocks)] = WELCOME
    return np.where(_refuses(blocks, first), REFUSAL, tried)


def may_tell(first: U8, long: Bool) -> Bool:
    """Return which payloads are worth a closer look, so that others cost one lookup.

    Args:
        first: The first byte of each.
        long: Whether it is longer than answers are, but for pages and forms.
    """
    worth: Bool = np.where(long, _TELLING_LONG[first], _TELLING[first])
    return worth


def _refuses(head: U8, first: U32) -> Bool:
    denied = np.zeros(len(head), np.bool_)
    for reply in _REPLIES:
        denied |= first == reply
    denied |= (head[:, 4] == 0xFF) & (head[:, 5] == 0x15) & (head[:, 6] == 0x04)  # noqa: PLR2004 MySQL
    for asked, which in (
        ((first == _HTTP) | (first == _RTSP), _is_unauthorized),
        (_ENDS_LINES[head[:, 0]], _is_incorrect),
        (head[:, 0] == 0, _is_logon_failure),
        (head[:, 0] == _CONNACK, _mqtt_refusal),
    ):
        rows = asked.nonzero()[0]
        if len(rows):
            denied[rows] |= which(head.take(rows, axis=0))
    return denied


def _is_unauthorized(head: U8) -> Bool:
    status = u32(head, _STATUS_AT - 1) & np.uint32(0xFFFFFF)
    denied: Bool = (status == _word(b"401")) | (status == _word(b"403"))
    return denied


def _is_incorrect(head: U8) -> Bool:
    """Tell whether telnet says so."""
    found = np.zeros(len(head), np.bool_)
    for at in _TELNET_AT:
        found |= (u32(head, at) == _LOGIN) & (u32(head, at + 6) == _word(b"inco"))
    return found


def _is_logon_failure(head: U8) -> Bool:
    """Tell whether SMB says so."""
    failed: Bool = (u32(head, 4) == _SMB2) & (u32(head, 12) == _LOGON_FAILURE)
    return failed


def _mqtt_refusal(head: U8) -> Bool:
    old = (head[:, 1] == 2) & (head[:, 3] > 0) & (head[:, 3] <= 5)  # noqa: PLR2004  (MQTT 3)
    new = (head[:, 1] > 2) & (head[:, 3] >= 0x80) & (head[:, 2] == 0)  # noqa: PLR2004  (MQTT 5)
    refusal: Bool = old | new
    return refusal


def _mqtt_welcome(head: U8) -> Bool:
    welcome: Bool = (head[:, 0] == _CONNACK) & (head[:, 1] > 1) & (head[:, 2] <= 1)
    welcome &= head[:, 3] == 0
    return welcome


def _attempts(head: U8, first: U32) -> Bool:
    tried: Bool = (first == _PASS) & (head[:, 4] == ord(" "))
    # Fixed header, length (one byte), name length, "MQTT", level, flags: user name and password.
    connect = (head[:, 0] == _CONNECT) & (u32(head, 4) == _CONNECT_TAIL)
    tried |= connect & (head[:, 9] & 0xC0 == 0xC0)  # noqa: PLR2004
    post = (first == _POST).nonzero()[0]
    if len(post):
        lower = head[post] | np.uint8(0x20)
        found = np.zeros(len(post), np.bool_)
        for at in _PATH_AT:
            found |= u32(lower, at) == _word(b"logi")
        tried[post] |= found
    return tried
