"""Enrolling an authenticator, and what a code of it is worth."""

import asyncio
import base64
import itertools
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from aggregator.api.authorization import AuthorizationCodes
from aggregator.errors import ConflictError, TooManyAttemptsError, WrongCodeError
from aggregator.store.database import Database
from aggregator.store.users import SessionUser
from runtime.totp import PERIOD_S, code_at
from tests.aggregator.conftest import PASSWORD, TLS, Centre

WHO = SessionUser(
    7, "default", "ada", None, None, "operator", is_active=True, created_ns=0, last_login_ns=None
)
KEY = b"k" * 32
_number = itertools.count()


def code_of(secret: str, steps: int = 0) -> str:
    now_s = int(time.time())  # noqa: TID251
    return code_at(base64.b32decode(secret), now_s // PERIOD_S + steps)


@pytest.fixture
def codes(database: Database) -> AuthorizationCodes:
    return AuthorizationCodes(database, KEY)


@pytest.fixture
def someone(centre: Centre) -> Iterator[httpx.Client]:
    """Sign in as an operator whom nobody else uses."""
    body = {"username": f"totp-{next(_number)}", "password": PASSWORD, "role": "operator"}
    with centre.client() as admin:
        admin.post("/users", json=body).raise_for_status()
        token = admin.post("/auth/login", json=body).raise_for_status().json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{centre.url}/api/v1", headers=headers, verify=TLS) as client:
        yield client


async def test_a_code_is_good_once_and_after_a_restart_it_still_was_used(database: Database):
    codes = AuthorizationCodes(database, KEY)
    secret = (await codes.enrol(WHO)).secret
    first = code_of(secret)
    await codes.confirm(WHO, first)
    second = code_of(secret, 1)
    await codes.use(WHO, second)
    for again in (codes, AuthorizationCodes(database, KEY)):
        for used in (first, second):
            with pytest.raises(WrongCodeError, match="wrong or was used"):
                await again.use(WHO, used)


async def test_a_code_used_at_the_same_time_by_two_is_good_for_one(codes: AuthorizationCodes):
    secret = (await codes.enrol(WHO)).secret
    (recovery, *_) = await codes.confirm(WHO, code_of(secret))
    for code in (code_of(secret, 1), recovery):
        outcomes = await asyncio.gather(  # noqa: TID251  all of them, whatever they raise
            *(codes.use(WHO, code) for _ in range(4)), return_exceptions=True
        )
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, WrongCodeError) for outcome in outcomes) == 3


async def test_a_recovery_code_is_good_once_however_it_is_typed(codes: AuthorizationCodes):
    recovery = await codes.confirm(WHO, code_of((await codes.enrol(WHO)).secret))
    assert len(set(recovery)) == 10
    await codes.use(WHO, recovery[0])
    with pytest.raises(WrongCodeError):
        await codes.use(WHO, recovery[0])
    await codes.use(WHO, recovery[1].upper().replace("-", " "))
    known = await codes.state(WHO)
    assert known is not None
    assert len(known.recovery_hashes) == 8


async def test_guessing_is_slowed_down_and_a_right_code_ends_that(codes: AuthorizationCodes):
    secret = (await codes.enrol(WHO)).secret
    (recovery, *_) = await codes.confirm(WHO, code_of(secret))
    for _ in range(4):
        with pytest.raises(WrongCodeError):
            await codes.use(WHO, "123 456 7")
    await codes.use(WHO, recovery)
    for _ in range(5):
        with pytest.raises(WrongCodeError):
            await codes.use(WHO, "no code")
    with pytest.raises(TooManyAttemptsError) as refused:
        await codes.use(WHO, code_of(secret, 1))
    assert refused.value.retry_after_s >= 1


async def test_an_authenticator_that_was_not_confirmed_opens_nothing(codes: AuthorizationCodes):
    secret = (await codes.enrol(WHO)).secret
    with pytest.raises(WrongCodeError, match="POST /api/v1/auth/totp"):
        await codes.use(WHO, code_of(secret))
    with pytest.raises(WrongCodeError):
        await codes.confirm(WHO, "000000")
    await codes.confirm(WHO, code_of(secret))
    with pytest.raises(ConflictError):
        await codes.enrol(WHO)
    with pytest.raises(ConflictError):
        await codes.confirm(WHO, code_of(secret, 1))


async def test_the_database_holds_nothing_that_makes_a_code(
    codes: AuthorizationCodes, tmp_path: Path
):
    enrolment = await codes.enrol(WHO)
    recovery = await codes.confirm(WHO, code_of(enrolment.secret))
    secret = base64.b32decode(enrolment.secret)
    kept = await asyncio.to_thread(
        lambda: b"".join(path.read_bytes() for path in tmp_path.iterdir())
    )
    for text in (enrolment.secret.encode(), secret, secret.hex().encode(), recovery[0].encode()):
        assert text not in kept


def test_a_person_enrols_with_the_password_confirms_and_removes(
    someone: httpx.Client, centre: Centre
):
    assert someone.get("/auth/totp").json() == {"enrolled": False, "recovery_codes_left": 0}
    begun = someone.post("/auth/totp", json={"password": PASSWORD}).json()
    assert begun["otpauth_uri"].startswith("otpauth://totp/Edgewarden%3Atotp-")
    code = code_of(begun["secret"])
    done = someone.post("/auth/totp/confirm", json={"authorization_code": code})
    assert len(done.json()["recovery_codes"]) == 10
    assert someone.get("/auth/totp").json() == {"enrolled": True, "recovery_codes_left": 10}
    used = someone.post("/auth/totp/remove", json={"authorization_code": code})
    assert used.status_code == 401
    recovery = {"authorization_code": done.json()["recovery_codes"][3]}
    assert someone.post("/auth/totp/remove", json=recovery).status_code == 200
    assert someone.get("/auth/totp").json()["enrolled"] is False
    log = centre.log.read_text()
    assert begun["secret"] not in log
    assert recovery["authorization_code"] not in log


@pytest.fixture
def guarded(centre: Centre) -> Iterator[tuple[httpx.Client, list[str]]]:
    """Sign in as an admin who has an authenticator, with codes that are good once each."""
    body = {"username": f"guarded-{next(_number)}", "password": PASSWORD, "role": "admin"}
    with centre.client() as client:
        client.post("/users", json=body).raise_for_status()
        token = client.post("/auth/login", json=body).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        begun = client.post("/auth/totp", json={"password": PASSWORD}).json()
        code = {"authorization_code": code_of(begun["secret"])}
        done = client.post("/auth/totp/confirm", json=code).raise_for_status()
        yield client, done.json()["recovery_codes"]


def test_what_gives_rights_or_keys_away_takes_a_code_of_who_has_an_authenticator(
    guarded: tuple[httpx.Client, list[str]],
):
    client, codes = guarded
    new: dict[str, object] = {"username": f"made-{next(_number)}", "password": PASSWORD}
    made = client.post("/users", json=new).raise_for_status().json()  # a viewer needs none
    asked: list[tuple[str, str, dict[str, object]]] = [
        ("POST", "/users", new | {"username": f"made-{next(_number)}", "role": "operator"}),
        ("PATCH", f"/users/{made['id']}", {"role": "admin"}),
        ("POST", f"/users/{made['id']}/password", {}),
        ("POST", "/invites", {"role": "operator"}),
        ("POST", "/system/backup", {}),
    ]
    for method, path, body in asked:
        missing = client.request(method, path, json=body)
        assert missing.status_code == 401, path
        assert "authenticator" in missing.json()["detail"]
        coded = body | {"authorization_code": codes.pop()}
        assert client.request(method, path, json=coded).is_success, path
        assert client.request(method, path, json=coded).status_code in {401, 409}, path
    assert "authorization_code" not in client.get("/audit?limit=20").text


def test_a_backup_from_the_command_line_takes_a_code_too(
    centre: Centre, guarded: tuple[httpx.Client, list[str]], tmp_path: Path
):
    client, codes = guarded
    name = client.get("/auth/me").json()["username"]
    without = centre.run("backup", str(tmp_path / "a.tar"), "--user", name)
    assert (without.returncode, "authorization_code is missing" in without.stderr) == (2, True)
    coded = centre.run("backup", str(tmp_path / "a.tar"), "--user", name, "--code", codes.pop())
    assert coded.returncode == 0, coded.stderr


def test_who_guesses_is_told_how_long_to_wait(someone: httpx.Client):
    begun = someone.post("/auth/totp", json={"password": PASSWORD}).json()
    code = {"authorization_code": code_of(begun["secret"])}
    someone.post("/auth/totp/confirm", json=code).raise_for_status()
    answers = [someone.post("/auth/totp/remove", json=code) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_who_lost_everything_enrols_anew_after_a_word_on_the_command_line(tmp_path: Path):
    alone = Centre(tmp_path)
    alone.start()
    with alone.client() as client:
        stolen = client.post("/auth/totp", json={"password": "not mine"})
        assert stolen.status_code == 401
        begun = client.post("/auth/totp", json={"password": PASSWORD}).json()
        code = {"authorization_code": code_of(begun["secret"])}
        client.post("/auth/totp/confirm", json=code).raise_for_status()
    assert alone.stop(signal.SIGTERM) == 0
    assert alone.run("forget-authenticator", "nobody").returncode == 2
    assert alone.run("forget-authenticator", "admin").returncode == 0
    alone.start()
    with alone.client() as client:
        assert client.get("/auth/totp").json()["enrolled"] is False
        actions = [entry["action"] for entry in client.get("/audit").json()]
        assert actions[0] == "totp.forget"
    assert alone.stop() == 0
