"""Codes that an authenticator makes from a shared secret and the time (RFC 6238)."""

import base64
import hmac
from typing import Final
from urllib.parse import quote, urlencode

DIGITS: Final = 6
PERIOD_S: Final = 30
SKEW_STEPS: Final = 1  # how far an authenticator's clock may be off
SECRET_BYTES: Final = 20


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of a step of time (HMAC-SHA-1, which is all that authenticators share)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}}"


def matching_step(secret: bytes, code: str, now_s: int) -> int | None:
    """Return the step of time whose code this is, within the skew; None for a wrong code.

    As slow for a wrong code as for a right one.
    """
    now_step = now_s // PERIOD_S
    found = None
    for step in range(now_step - SKEW_STEPS, now_step + SKEW_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def as_text(secret: bytes) -> str:
    """Return a secret as people type it."""
    return base64.b32encode(secret).decode()


def enrolment_uri(secret: bytes, issuer: str, account: str) -> str:
    """Return what an authenticator reads from a QR code."""
    whose = quote(f"{issuer}:{account}", safe="")
    query = urlencode(
        {"secret": as_text(secret), "issuer": issuer, "digits": DIGITS, "period": PERIOD_S}
    )
    return f"otpauth://totp/{whose}?{query}"
