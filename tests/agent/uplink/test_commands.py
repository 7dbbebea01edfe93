import asyncio
import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import IsolationError
from agent.uplink.commands import (
    KEYLESS,
    MAX_DECLINED,
    MAX_SLOW,
    OVERTAKEN,
    Commands,
    Outcome,
    Trust,
)
from agent.uplink.spool import Spool, new_boot
from contract.codec import encode
from contract.commands import (
    AnyCommand,
    InstallModel,
    Isolate,
    Order,
    Release,
    SetMode,
    SignedOrder,
    key_id,
)
from contract.messages import CommandAck
from runtime.errors import ConfigError
from runtime.signatures import read_public_key
from tests.agent.messages import NOW_NS
from tests.tools import require

CENTRE = Ed25519PrivateKey.from_private_bytes(bytes(32))
IMPOSTOR = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
SECOND_NS = 1_000_000_000
MAC = "02:00:00:00:00:07"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.sqlite", 1 << 20, new_boot())
    yield opened
    opened.close()


class Device:
    """A device that obeys, and what it did and answered."""

    def __init__(self, spool: Spool, key=None, fails: str | None = None) -> None:
        self.obeyed: list[AnyCommand] = []
        self.answers: list[CommandAck] = []
        self.now_ns = NOW_NS
        self._fails = fails
        self.commands = Commands(
            spool,
            Trust("default", "pi-1", key),
            obey=self._obey,
            acknowledge=self._acknowledge,
            now_ns=lambda: self.now_ns,
        )

    async def _obey(self, command: AnyCommand) -> Outcome:
        if self._fails:
            raise IsolationError(self._fails)
        self.obeyed.append(command)
        return Outcome("verified", "as asked")

    async def _acknowledge(self, ack: CommandAck) -> None:
        self.answers.append(ack)

    def states(self) -> list[str]:
        return [answer.state for answer in self.answers]


def order(**changes) -> Order:
    plain = Order(
        command_id="c" * 32,
        device_id="pi-1",
        nonce="a" * 32,
        issued_ns=NOW_NS,
        expires_ns=NOW_NS + 60 * SECOND_NS,
        command=SetMode(mode="suggest"),
    )
    return msgspec.structs.replace(plain, **changes)


def signed(what: Order, key: Ed25519PrivateKey = CENTRE, claims=None) -> bytes:
    data = encode(what)
    name = name_of(claims or key)
    return encode(SignedOrder(order=data, key_id=name, signature=key.sign(data)))


def name_of(key: Ed25519PrivateKey) -> str:
    return key_id(key.public_key().public_bytes_raw())


async def test_a_signed_order_is_received_carried_out_and_both_are_told(spool):
    device = Device(spool, CENTRE.public_key())
    await device.commands.take(signed(order()), retained=False)
    assert device.obeyed == [SetMode(mode="suggest")]
    assert device.states() == ["received", "verified"]
    assert device.answers[-1].command_id == "c" * 32
    assert device.answers[-1].detail == "as asked"


async def test_an_order_for_our_organization_is_obeyed(spool):
    device = Device(spool, CENTRE.public_key())
    await device.commands.take(signed(order(organization="default")), retained=False)
    assert device.obeyed == [SetMode(mode="suggest")]


def test_an_agent_from_before_organizations_were_told_reads_the_order_all_the_same():
    fields = [(f.name, f.type) for f in msgspec.structs.fields(Order) if f.name != "organization"]
    former = msgspec.defstruct("Order", fields, frozen=True, kw_only=True)
    read = msgspec.msgpack.decode(encode(order(organization="default")), type=former)
    assert msgspec.structs.asdict(read) == {
        name: getattr(order(), name) for name in former.__struct_fields__
    }


@pytest.mark.parametrize(
    ("reason", "payload"),
    [
        ("command_badly_signed", signed(order(), IMPOSTOR, claims=CENTRE)),
        ("command_of_unknown_key", signed(order(device_id="pi-2"), IMPOSTOR)),
        ("command_for_another", signed(order(device_id="pi-2"))),
        ("command_for_another", signed(order(organization="elsewhere"))),
        ("command_unreadable", b"\xc1 no order"),
        ("command_unreadable", encode(order())),
    ],
)
async def test_an_order_that_is_not_the_centre_s_for_us_is_neither_obeyed_nor_answered(
    spool, caplog, reason, payload
):
    device = Device(spool, CENTRE.public_key())
    for _ in range(3):
        await device.commands.take(payload, retained=False)
    assert device.obeyed == []
    assert device.answers == []
    assert device.commands.counters == {reason: 3}
    assert [record.getMessage() for record in caplog.records] == [reason]


async def test_a_changed_order_is_refused(spool):
    payload = bytearray(signed(order()))
    payload[payload.index(b"suggest")] ^= 1
    device = Device(spool, CENTRE.public_key())
    await device.commands.take(bytes(payload), retained=False)
    assert device.obeyed == []
    assert device.commands.counters == {"command_badly_signed": 1}


UNBELIEVING = pytest.mark.parametrize(
    ("key", "reason", "why"),
    [
        (None, "command_without_key", KEYLESS),
        (IMPOSTOR.public_key(), "command_of_unknown_key", f"the key {name_of(IMPOSTOR)} alone"),
    ],
)


@UNBELIEVING
async def test_who_gives_an_order_that_cannot_be_believed_hears_why(
    spool, caplog, key, reason, why
):
    device = Device(spool, key)
    payload = signed(order())
    await device.commands.take(payload, retained=False)
    assert device.obeyed == []
    assert [record.getMessage() for record in caplog.records] == [reason]
    (answer,) = device.answers
    assert (answer.command_id, answer.state) == ("c" * 32, "failed")
    assert why in answer.detail
    assert answer.declined == hashlib.sha256(payload).hexdigest()
    for payload in (b"\xc1 no order", encode(order()), signed(order(device_id="pi-2"))):
        await device.commands.take(payload, retained=False)
    await device.commands.take(signed(order()), retained=True)
    assert len(device.answers) == 1


@UNBELIEVING
async def test_of_orders_that_cannot_be_believed_a_few_a_minute_are_answered(
    spool, key, reason, why
):
    device = Device(spool, key)
    for _ in range(3 * MAX_DECLINED):
        await device.commands.take(signed(order()), retained=False)
    assert device.states() == ["failed"] * MAX_DECLINED
    assert all(why in answer.detail for answer in device.answers)
    assert device.commands.counters == {reason: 3 * MAX_DECLINED}
    device.now_ns += 60 * SECOND_NS
    await device.commands.take(signed(order()), retained=False)
    assert len(device.answers) == MAX_DECLINED + 1
    device.now_ns -= 3600 * SECOND_NS  # a clock that was set is not waited for
    await device.commands.take(signed(order()), retained=False)
    assert len(device.answers) == MAX_DECLINED + 2
    assert device.obeyed == []


async def test_a_forgery_with_the_number_of_an_order_keeps_the_order_from_nothing(spool):
    device = Device(spool, CENTRE.public_key())
    for _ in range(2 * MAX_DECLINED):
        await device.commands.take(signed(order(), IMPOSTOR), retained=False)
    payload = signed(order())
    await device.commands.take(payload, retained=False)
    assert device.obeyed == [SetMode(mode="suggest")]
    of_order = [answer for answer in device.answers if answer.declined is None]
    assert [answer.state for answer in of_order] == ["received", "verified"]
    declined = {answer.declined for answer in device.answers} - {None}
    assert declined == {hashlib.sha256(signed(order(), IMPOSTOR)).hexdigest()}


async def test_a_retained_order_is_refused(spool):
    device = Device(spool, CENTRE.public_key())
    await device.commands.take(signed(order()), retained=True)
    assert device.obeyed == []


async def test_an_order_is_obeyed_once_even_across_a_restart(spool, tmp_path):
    device = Device(spool, CENTRE.public_key())
    await device.commands.take(signed(order()), retained=False)
    await device.commands.take(signed(order()), retained=False)
    spool.close()
    later = Spool(tmp_path / "spool.sqlite", 1 << 20, new_boot())
    restarted = Device(later, CENTRE.public_key())
    await restarted.commands.take(signed(order()), retained=False)
    later.close()
    assert len(device.obeyed) == 1
    assert restarted.obeyed == []
    assert restarted.commands.counters == {"command_seen_before": 1}


class _KilledError(BaseException):
    """The agent ends here, whatever it was doing."""


async def test_an_order_in_whose_middle_the_agent_was_killed_is_taken_once_more_and_not_again(
    tmp_path, monkeypatch
):
    async def killed(_: AnyCommand) -> Outcome:
        raise _KilledError

    for is_taken in (True, True, False):
        spool = Spool(tmp_path / "spool.sqlite", 1 << 20, new_boot())
        device = Device(spool, CENTRE.public_key())
        monkeypatch.setattr(device.commands, "_obey", killed)
        with pytest.raises(_KilledError) if is_taken else nullcontext():
            await device.commands.take(signed(order()), retained=False)
        assert device.commands.counters["command_seen_before"] == (0 if is_taken else 1)
        spool.close()


async def test_an_order_under_way_that_comes_again_is_not_taken_twice(spool):
    device = Device(spool, CENTRE.public_key())
    model = InstallModel(model_id="home-2")
    await device.commands.take(signed(order(command=model)), retained=False)
    await device.commands.take(signed(order(command=model)), retained=False)
    assert device.commands.counters == {"command_seen_before": 1}


def about(isolation: int, seconds: int, command: type[Isolate] | type[Release] = Isolate) -> bytes:
    """Return an order about an isolation, issued so many seconds after the first."""
    isolation_id = f"{isolation:032x}"
    what = (
        Release(isolation_id=isolation_id, reason="why")
        if command is Release
        else Isolate(isolation_id=isolation_id, mac=MAC, duration_s=60 + seconds, reason="why")
    )
    nonce = f"{isolation:016x}{seconds:016x}"
    return signed(order(nonce=nonce, issued_ns=NOW_NS + seconds * SECOND_NS, command=what))


@pytest.mark.parametrize("last", [Isolate, Release])
async def test_an_order_that_was_overtaken_by_a_later_one_of_its_isolation_changes_nothing(
    spool, last
):
    device = Device(spool, CENTRE.public_key())
    await device.commands.take(about(1, 5, last), retained=False)
    await device.commands.take(about(2, 1), retained=False)  # of another one
    assert device.states() == ["received", "verified"] * 2
    for _ in range(2):
        await device.commands.take(about(1, 3), retained=False)
    assert len(device.obeyed) == 2
    assert device.states()[4:] == ["received", "failed"]
    assert device.answers[-1].detail == OVERTAKEN
    assert device.commands.counters == {"command_overtaken": 1, "command_seen_before": 1}
    await device.commands.take(about(1, 7), retained=False)
    assert len(device.obeyed) == 3


async def test_a_lift_is_obeyed_also_where_it_was_overtaken(spool):
    device = Device(spool, CENTRE.public_key())
    await device.commands.take(about(1, 5), retained=False)
    await device.commands.take(about(1, 3, Release), retained=False)
    assert [type(command) for command in device.obeyed] == [Isolate, Release]


async def test_an_order_is_overtaken_also_across_a_restart(spool, tmp_path):
    device = Device(spool, CENTRE.public_key())
    await device.commands.take(about(1, 5), retained=False)
    spool.close()
    later = Spool(tmp_path / "spool.sqlite", 1 << 20, new_boot())
    restarted = Device(later, CENTRE.public_key())
    await restarted.commands.take(about(1, 3), retained=False)
    later.close()
    assert restarted.obeyed == []
    assert restarted.answers[-1].detail == OVERTAKEN


async def test_an_expired_order_is_answered_as_expired_and_not_carried_out(spool):
    device = Device(spool, CENTRE.public_key())
    device.now_ns = NOW_NS + 61 * SECOND_NS
    await device.commands.take(signed(order()), retained=False)
    assert device.obeyed == []
    assert device.states() == ["expired"]


async def test_a_lift_is_carried_out_however_late_our_clock_says_it_comes(spool):
    device = Device(spool, CENTRE.public_key())
    device.now_ns = NOW_NS + 3 * 86_400 * SECOND_NS
    release = Release(isolation_id="1" * 32, reason="false alarm")
    await device.commands.take(signed(order(command=release)), retained=False)
    assert device.obeyed == [release]
    assert device.states()[0] == "received"


async def test_what_could_not_be_carried_out_is_told_with_its_reason(spool):
    device = Device(spool, CENTRE.public_key(), fails="no such isolation")
    release = Release(isolation_id="1" * 32, reason="false alarm")
    await device.commands.take(signed(order(command=release)), retained=False)
    assert device.states() == ["received", "failed"]
    assert device.answers[-1].detail == "no such isolation"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.binary(max_size=300))
def test_no_bytes_at_all_can_break_the_taker_of_orders(spool, payload):
    device = Device(spool, CENTRE.public_key())
    asyncio.run(device.commands.take(payload, retained=False))
    assert device.obeyed == []


def test_the_public_key_is_a_pem_file_as_openssl_writes_it(tmp_path):
    openssl = require("openssl", package="openssl")
    secret, public = tmp_path / "key.pem", tmp_path / "public.pem"
    subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", secret], check=True)
    subprocess.run([openssl, "pkey", "-in", secret, "-pubout", "-out", public], check=True)
    assert len(read_public_key(public).public_bytes_raw()) == 32


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PUBLIC KEY-----\nAA\n", None])
def test_a_key_that_is_none_is_one_clear_line(tmp_path, content):
    path = tmp_path / "public.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"public\.pem"):
        read_public_key(path)


async def test_a_lift_does_not_wait_for_a_model_and_models_wait_for_each_other(spool):
    device = Device(spool, CENTRE.public_key())
    install = InstallModel(model_id="home-2")
    for number in range(MAX_SLOW + 1):
        nonce = f"{number:032x}"
        slow = order(command=install, nonce=nonce, command_id=nonce)
        await device.commands.take(signed(slow), retained=False)
    await device.commands.take(signed(order()), retained=False)
    assert device.obeyed == [SetMode(mode="suggest")]
    assert device.states() == ["received"] * (MAX_SLOW + 1) + ["failed", "received", "verified"]
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(device.commands.take_time())
        async with asyncio.timeout(10):
            while device.states().count("verified") < MAX_SLOW + 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        working.cancel()
    assert device.obeyed.count(install) == MAX_SLOW
