"""Codes of an authenticator against the vectors of the RFCs."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from runtime.totp import code_at, enrolment_uri, matching_step

SECRET = b"12345678901234567890"  # of RFC 4226, appendix D, and RFC 6238, appendix B
OF_COUNTERS = (
    *("755224", "287082", "359152", "969429", "338314"),
    *("254676", "287922", "162583", "399871", "520489"),
)
OF_TIMES = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}


@pytest.mark.parametrize("counter", range(len(OF_COUNTERS)))
def test_a_code_of_a_counter_is_what_rfc_4226_says(counter: int):
    assert code_at(SECRET, counter) == OF_COUNTERS[counter]


@pytest.mark.parametrize("seconds", OF_TIMES)
def test_a_code_of_a_time_is_what_rfc_6238_says(seconds: int):
    assert code_at(SECRET, seconds // 30, digits=8) == OF_TIMES[seconds]


@pytest.mark.parametrize(("off_s", "right"), [(-60, 0), (-30, 1), (0, 1), (30, 1), (60, 0)])
def test_a_clock_may_be_off_by_one_step_and_no_more(off_s: int, right: int):
    now_s = 1234567890
    code = code_at(SECRET, (now_s + off_s) // 30)
    assert matching_step(SECRET, code, now_s) == ((now_s + off_s) // 30 if right else None)


@pytest.mark.parametrize("code", ["", "000000", "٣٣٣٣٣٣", "0" * 64])
def test_what_is_no_code_matches_nothing(code: str):
    assert matching_step(SECRET, code, 1234567890) is None


def test_an_authenticator_reads_the_secret_from_the_address():
    address = urlsplit(enrolment_uri(SECRET, "Edgewarden", "al/ice"))
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert address.path == "/Edgewarden%3Aal%2Fice"
    assert base64.b32decode(parse_qs(address.query)["secret"][0]) == SECRET
