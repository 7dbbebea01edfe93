"""Signing in, staying signed in, signing out; who guesses has to wait."""

import stat
import time
from pathlib import Path

import httpx
import jwt
import pytest

from aggregator.addresses import guesser_of
from aggregator.api.authenticator import AUDIENCE, REFUSAL_S, Authenticator, Origin, signing_key
from aggregator.config import AuthConfig
from aggregator.errors import StoreError, TooManyAttemptsError, UnauthenticatedError
from aggregator.store.database import Database
from aggregator.store.users import NewUser, add_user
from aggregator.throttle import Throttle
from tests.aggregator.conftest import PASSWORD, Centre


def login(centre: Centre, **fields: str) -> httpx.Response:
    return httpx.post(f"{centre.url}/api/v1/auth/login", json=fields)


def me(centre: Centre, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{centre.url}/api/v1/auth/me", headers=headers)


def test_a_name_or_an_address_and_the_password_bring_tokens(centre: Centre):
    for fields in ({"username": "Viewer"}, {"email": "viewer@example.net"}):
        answer = login(centre, password=PASSWORD, **fields).json()
        assert answer["token_type"] == "bearer"
        assert answer["expires_in"] == 900
        assert answer["user"]["role"] == "viewer"
        assert me(centre, answer["access_token"]).json() == answer["user"]


def test_the_oauth2_password_form_works_as_well(centre: Centre):
    form = {"grant_type": "password", "username": "viewer", "password": PASSWORD}
    answer = httpx.post(f"{centre.url}/api/v1/auth/login", data=form)
    assert answer.status_code == 200
    assert answer.json()["access_token"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"username": "viewer"}', b'{"password": 1}', b"\xff", b"{{{"]
)
def test_a_sign_in_without_name_or_password_is_a_bad_request(centre: Centre, body: bytes):
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{centre.url}/api/v1/auth/login", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_password_and_an_unknown_name_sound_the_same(centre: Centre):
    wrong = login(centre, username="analyst", password="wrong")
    unknown = login(centre, username="no-one-of-that-name", password="wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["detail"] == "wrong username or password"
    assert wrong.headers["www-authenticate"] == "Bearer"


def test_who_guesses_has_to_wait(centre: Centre):
    answers = [login(centre, username="guessed", password=str(n)) for n in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert login(centre, username="viewer", password=PASSWORD).status_code == 200


async def test_the_clock_does_not_tell_who_exists(database: Database):
    authenticator = Authenticator(database, AuthConfig(), b"-" * 32)
    password_hash = await authenticator.passwords.hash(PASSWORD)
    ann = NewUser(
        organization="default", username="ann", password_hash=password_hash, role="viewer"
    )
    await add_user(database, ann, 0)
    await authenticator.passwords.verify("x", None)  # makes the hash of nobody
    began_s = time.monotonic()
    await authenticator.passwords.verify("x", password_hash)
    least_s = REFUSAL_S + (time.monotonic() - began_s) / 2
    for name in ("ann", "nobody"):
        for password in ("wrong", "y" * 300, PASSWORD + "y" * 300):
            began_s = time.monotonic()
            with pytest.raises(UnauthenticatedError):
                await authenticator.sign_in(name, password, Origin())
            assert time.monotonic() - began_s > least_s, (name, password)


def test_waits_double_up_to_a_bound_and_are_forgotten_after_a_success():
    now = 0.0
    throttle = Throttle(free=2, most_s=8.0, clock=lambda: now)
    waits = []
    for _ in range(11):
        try:
            throttle.attempt("ada")
        except TooManyAttemptsError as error:
            waits.append(error.retry_after_s)
            now += error.retry_after_s
    assert waits == [1, 2, 4, 8, 8]
    throttle.forget("ada")
    throttle.attempt("ada")


def test_an_attempt_that_was_right_costs_nothing():
    throttle = Throttle(free=2, most_s=8.0)
    for _ in range(9):
        throttle.attempt("10.0.0.1")
        throttle.forgive("10.0.0.1")


def test_a_throttle_forgets_the_oldest_of_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("aggregator.throttle.MAX_KEYS", 3)
    throttle = Throttle(free=5, most_s=8.0)
    for number in range(10):
        throttle.attempt(str(number))
    assert list(throttle._failures) == ["7", "8", "9"]


def test_a_refresh_token_is_good_once_and_a_second_use_ends_the_session(centre: Centre):
    first = login(centre, username="viewer", password=PASSWORD).json()
    url = f"{centre.url}/api/v1/auth/refresh"
    second = httpx.post(url, json={"refresh_token": first["refresh_token"]}).json()
    assert me(centre, second["access_token"]).status_code == 200
    assert httpx.post(url, json={"refresh_token": first["refresh_token"]}).status_code == 401
    assert me(centre, second["access_token"]).status_code == 401
    assert httpx.post(url, json={"refresh_token": second["refresh_token"]}).status_code == 401


def test_signing_out_ends_every_token_of_the_session_and_no_other(centre: Centre):
    one = login(centre, username="viewer", password=PASSWORD).json()
    other = login(centre, username="viewer", password=PASSWORD).json()
    headers = {"Authorization": f"Bearer {one['access_token']}"}
    assert httpx.post(f"{centre.url}/api/v1/auth/logout", headers=headers).status_code == 200
    assert me(centre, one["access_token"]).status_code == 401
    assert me(centre, other["access_token"]).status_code == 200


def forged(key: bytes, **changes: object) -> str:
    claims = {"sub": "1", "sid": "x", "aud": AUDIENCE, "exp": time.time_ns() // 10**9 + 60}
    return jwt.encode(claims | changes, key, "HS256")


def test_tokens_that_we_did_not_make_or_that_are_over_are_refused(centre: Centre):
    key = (centre.data / "jwt.key").read_bytes()
    sid = jwt.decode(centre.token(), options={"verify_signature": False})["sid"]
    assert me(centre, forged(key, sid=sid)).status_code == 200
    bad = [
        forged(b"x" * 32, sid=sid),
        forged(key, sid=sid, aud="another"),
        forged(key, sid=sid, exp=1),
        forged(key),
        jwt.encode({"sid": sid, "aud": AUDIENCE}, key, "HS256"),
        jwt.encode({"sid": sid, "aud": AUDIENCE, "exp": 2**40, "sub": "1"}, "", "none"),
        "garbage",
        "ewd_garbage",
    ]
    assert [me(centre, token).status_code for token in bad] == [401] * len(bad)


def test_the_signing_key_is_for_its_owner_alone_and_stays(tmp_path: Path):
    key = signing_key(tmp_path)
    assert stat.S_IMODE((tmp_path / "jwt.key").stat().st_mode) == 0o600
    assert signing_key(tmp_path) == key
    (tmp_path / "jwt.key").write_bytes(b"short")
    with pytest.raises(StoreError, match="too short"):
        signing_key(tmp_path)


@pytest.mark.parametrize(
    ("address", "guesser"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_all_addresses_of_one_host_stand_for_one_guesser(address: str, guesser: str):
    assert guesser_of(address) == guesser
