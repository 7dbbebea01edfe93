"""What the first bytes of a payload tell of passwords, in every protocol that says it in the clear."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.logins import ACCEPTANCE, ATTEMPT, REFUSAL, WELCOME, logins

REFUSALS = {
    "http": b"HTTP/1.1 401 Unauthorized\r\n",
    "http forbids": b"HTTP/1.0 403 Forbidden\r\n",
    "rtsp": b"RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\n",
    "ftp": b"530 Login incorrect.\r\n",
    "ftp in lines": b"530-Sorry\r\n",
    "smtp": b"535 5.7.8 Error: authentication failed\r\n",
    "mqtt 3": b"\x20\x02\x00\x05",
    "mqtt 5": b"\x20\x03\x00\x86\x00",
    "telnet": b"\r\nLogin incorrect\r\n",
    "telnet at once": b"Login incorrect\r\nlogin: ",
    "smb": b"\0\0\0\x49\xfeSMB\x40\0\0\0\x6d\0\0\xc0",
    "mysql": b"\x4a\0\0\x02\xff\x15\x04#28000Access denied",
}
ATTEMPTS = {
    "ftp": b"PASS hunter2\r\n",
    "http form": b"POST /login HTTP/1.1\r\nHost: cam\r\n",
    "http form, deeper": b"POST /cgi-bin/luci/Login?x=1 HTTP/1.1\r\n",
    "mqtt": b"\x10\x20\0\x04MQTT\x04\xc2\0\x3c\0\x05panel",
}
ACCEPTANCES = {
    "http": b"HTTP/1.1 200 OK\r\n",
    "http empty": b"HTTP/1.0 204 No Content\r\n",
    "rtsp": b"RTSP/1.0 200 OK\r\n",
}
WELCOMES = {
    "ftp": b"230 Login successful.\r\n",
    "mqtt 3": b"\x20\x02\x00\x00",
    "mqtt 3, known": b"\x20\x02\x01\x00",
    "mqtt 5": b"\x20\x03\x00\x00\x00",
}
NEITHER = {
    "http elsewhere": b"HTTP/1.1 302 Found\r\n",
    "ftp asks": b"331 Please specify the password.\r\n",
    "mqtt without password": b"\x10\x20\0\x04MQTT\x04\x02\0\x3c\0\x05panel",
    "upload": b"POST /api/readings HTTP/1.1\r\n",
    "form named late": b"POST /x HTTP/1.1\r\nHost: panel.example.com\r\nX: login",
    "telnet asks": b"\r\ndvrdvs login: ",
    "nothing": b"",
}


def said(payload: bytes) -> int:
    return int(logins(np.frombuffer(payload[:64].ljust(64, b"\0"), np.uint8)[None, :])[0])


@pytest.mark.parametrize(
    ("payload", "meant"),
    [
        pytest.param(payload, meant, id=f"{kind}, {name}")
        for kind, meant, payloads in (
            ("refusal", REFUSAL, REFUSALS),
            ("attempt", ATTEMPT, ATTEMPTS),
            ("welcome", WELCOME, WELCOMES),
            ("acceptance", ACCEPTANCE, ACCEPTANCES),
            ("neither", 0, NEITHER),
        )
        for name, payload in payloads.items()
    ],
)
def test_what_a_payload_means_for_a_login_is_recognised(payload: bytes, meant: int) -> None:
    assert said(payload) == meant


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_rows_are_judged_each_for_itself_whatever_they_hold(payloads: list[bytes]) -> None:
    rows = [np.frombuffer(payload.ljust(64, b"\0"), np.uint8) for payload in payloads]
    together = logins(np.stack(rows) if rows else np.zeros((0, 64), np.uint8))
    assert together.tolist() == [said(payload) for payload in payloads]
