"""How a command moves on: by its device's word alone, never back, and to an end by its time."""

import asyncio
import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from aggregator.commands import commander as commander_module
from aggregator.commands.commander import Commander
from aggregator.commands.signing import load_signer
from aggregator.config import CommandsConfig
from aggregator.errors import ConflictError, StoreError
from aggregator.live import LiveFeed
from aggregator.store.commands import MAX_OPEN, CommandRow, move_commands
from aggregator.store.database import Database
from aggregator.store.devices import Heard, save_device_health, save_heard
from aggregator.store.reported import Reported
from aggregator.store.users import SessionUser
from contract.codec import decode_order, decode_signed_order
from contract.commands import CollectEvidence, Release, SetMode
from contract.messages import CommandAck, CommandState
from runtime.errors import BrokerError
from tests.aggregator.messages import BOOT, SECOND_NS, health, now_ns

WHO: Final = SessionUser(
    7, "default", "ada", None, None, "operator", is_active=True, created_ns=0, last_login_ns=None
)
LIFT: Final = Release(isolation_id="a" * 32, reason="enough")


class Desk:
    """A commander, and a broker that can be away."""

    def __init__(self, database: Database, folder: Path, valid_s: int = 60) -> None:
        self.database = database
        self.sent: list[tuple[str, bytes]] = []
        self.waits: list[int] = []  # how long the broker may keep each
        self.away = False
        self.signer = load_signer(folder)
        config = CommandsConfig(valid_s=valid_s, wait_s=0.2)
        self.commander = Commander(database, LiveFeed(), self.signer, config)

    async def publish(self, topic: str, payload: bytes, valid_s: int) -> None:
        if self.away:
            message = "the broker is away"
            raise BrokerError(message)
        self.sent.append((topic, payload))
        self.waits.append(valid_s)

    async def lift(self) -> CommandRow:
        return await self.commander.queue(WHO, "pi-1", LIFT, "isolation.lift")

    async def other(self) -> CommandRow:
        return await self.commander.queue(WHO, "pi-1", SetMode(mode="suggest"), "command.queue")

    async def told(self, row: CommandRow, *states: CommandState, device_id: str = "pi-1") -> None:
        await self.word(*[_ack(row, state) for state in states], device_id=device_id)

    async def word(self, *acks: CommandAck, device_id: str = "pi-1") -> None:
        """Take what a device says, all at once."""
        reported = [Reported("default", device_id, "b", 5, ack) for ack in acks]
        await self.database.write(move_commands(reported))

    async def state(self, row: CommandRow) -> str:
        return (await self.commander.find("default", row.command_id)).state

    async def sending(self, times: int) -> None:
        """Let the commander send until the broker was given so much."""
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.commander.send(self.publish))
            while len(self.sent) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            task.cancel()


def _ack(row: CommandRow, state: CommandState, declined: bytes | None = None) -> CommandAck:
    """Say how far a command is; `declined` are the bytes of an order that was not believed."""
    digest = None if declined is None else hashlib.sha256(declined).hexdigest()
    return CommandAck(
        command_id=row.command_id, state=state, at_ns=5, detail=state, declined=digest
    )


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path)


@contextmanager
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setattr(commander_module, "POLL_S", 0.02)
        yield


async def test_a_command_is_queued_until_the_broker_has_it_and_then_sent(desk: Desk):
    row = await desk.lift()
    assert (row.state, row.kind, row.username) == ("queued", "release", "ada")
    desk.away = True
    with pytest.raises(BrokerError):
        await desk.commander.send(desk.publish)
    assert await desk.state(row) == "queued"
    desk.away = False
    await desk.sending(1)
    assert await desk.state(row) == "sent"
    ((topic, payload),) = desk.sent
    assert topic == "edgewarden/v1/default/pi-1/commands"
    signed = decode_signed_order(payload)
    key = load_pem_public_key(desk.signer.public_pem().encode())
    key.verify(signed.signature, signed.order)  # type: ignore[union-attr, call-arg]
    order = decode_order(signed.order)
    assert (order.command, order.device_id) == (LIFT, "pi-1")
    assert order.expires_ns - order.issued_ns == 60 * 10**9


async def test_what_is_not_answered_is_sent_again_with_the_same_nonce_and_then_it_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(commander_module, "AGAIN_NS", 20_000_000)
    row = await desk.lift()
    with quick(monkeypatch):
        await desk.sending(3)
    assert len({payload for _, payload in desk.sent}) == 1
    await desk.told(row, "received")
    sent = len(desk.sent)
    with quick(monkeypatch):
        await desk.sending(sent)
        await asyncio.sleep(0.2)
    assert len(desk.sent) == sent


@pytest.mark.parametrize("order", [*itertools.permutations(("received", "applied", "verified"))])
async def test_answers_come_late_twice_and_in_any_order_and_never_move_it_back(
    desk: Desk, order: tuple[CommandState, ...]
):
    row = await desk.lift()
    far: list[str] = []
    for state in (*order, *order):
        await desk.told(row, state)
        far.append(await desk.state(row))
    ranks = ["received", "applied", "verified"]
    assert [ranks.index(state) for state in far] == sorted(ranks.index(state) for state in far)
    assert far[-1] == "verified"
    await desk.sending(0)
    await desk.told(row, "failed", "expired", "queued", "sent")
    assert await desk.state(row) == "verified"


async def test_that_an_order_was_not_believed_counts_of_that_very_order(desk: Desk):
    row, other = await desk.lift(), await desk.other()
    await desk.sending(2)
    payloads = {
        decode_order(decode_signed_order(data).order).command_id: data for _, data in desk.sent
    }
    payload = payloads[row.command_id]
    for forged in (
        payload + b"\0",
        payload.replace(payload[-1:], b"\1"),
        payloads[other.command_id],
        b"",
    ):
        await desk.word(_ack(row, "failed", forged))
        assert await desk.state(row) == "sent"
    await desk.word(_ack(row, "failed", b"forged"), _ack(row, "verified"))
    assert await desk.state(row) == "verified"
    await desk.word(_ack(other, "failed", payloads[other.command_id]))
    assert await desk.state(other) == "failed"


async def test_answers_that_come_together_count_as_the_furthest_of_them(desk: Desk):
    row = await desk.lift()
    await desk.told(row, "failed", "received")
    assert await desk.state(row) == "failed"
    assert (await desk.commander.find("default", row.command_id)).detail == "failed"


async def test_nobody_but_its_device_moves_a_command(desk: Desk):
    row = await desk.lift()
    await desk.told(row, "verified", device_id="pi-2")
    await desk.told(row, "queued", "sent")
    assert await desk.state(row) == "queued"


async def test_a_command_ends_by_its_time_without_a_broker_and_after_a_restart(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    row = await Desk(database, tmp_path, valid_s=1).lift()
    again = Desk(database, tmp_path)
    await asyncio.sleep(1.0)
    await again.sending(0)
    assert again.sent == []
    with quick(monkeypatch):
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(again.commander.expire())
            while await again.state(row) != "expired":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            task.cancel()
    await again.sending(0)
    assert again.sent == []
    # The device heard of it in time all the same, and could not say so until now.
    await again.told(row, "received", "verified")
    assert await again.state(row) == "verified"


async def test_a_release_that_is_under_way_is_not_queued_twice(desk: Desk):
    row = await desk.lift()
    assert (await desk.lift()).command_id == row.command_id
    await desk.told(row, "received")
    assert (await desk.lift()).command_id == row.command_id
    await desk.told(row, "failed")
    assert (await desk.lift()).command_id != row.command_id


async def test_what_may_wait_for_a_device_is_bounded(desk: Desk):
    for _ in range(MAX_OPEN):
        await desk.other()
    with pytest.raises(ConflictError, match="pi-1"):
        await desk.other()
    assert (await desk.commander.queue(WHO, "pi-2", LIFT, "isolation.lift")).state == "queued"


async def test_neither_analysts_nor_other_commands_keep_a_lift_from_waiting(desk: Desk):
    evidence = CollectEvidence(alert_id="b" * 32)
    for _ in range(MAX_OPEN):
        await desk.commander.queue(WHO, "pi-1", evidence, "evidence.collect")
    with pytest.raises(ConflictError, match="pi-1"):
        await desk.commander.queue(WHO, "pi-1", evidence, "evidence.collect")
    for _ in range(MAX_OPEN):
        await desk.other()
    assert (await desk.lift()).state == "queued"


@pytest.mark.parametrize("ahead_s", [-3 * 86_400, 3 * 86_400])
async def test_an_order_ends_by_the_clock_of_its_device_and_its_wait_by_ours(
    desk: Desk, ahead_s: int
):
    told = msgspec.structs.replace(health(), clock_synchronized=False)
    report = Reported("default", "pi-1", BOOT, now_ns(), told, -ahead_s * SECOND_NS)
    sender = Heard("default", "pi-1", 0)
    await desk.database.write(save_heard([sender], now_ns()), save_device_health([report]))
    row = await desk.other()
    await desk.sending(1)
    (_, payload), (valid_s,) = desk.sent[0], desk.waits
    order = decode_order(decode_signed_order(payload).order)
    assert order.expires_ns - row.expires_ns == ahead_s * SECOND_NS
    assert order.issued_ns == row.created_ns
    assert 58 <= valid_s <= 60


async def test_waiting_ends_with_the_device_s_last_word_or_with_patience(desk: Desk):
    row = await desk.commander.have_done(WHO, "pi-1", LIFT, "isolation.lift")
    assert row.state == "queued"
    await desk.told(row, "verified")
    assert (await desk.commander._answered("default", row.command_id)).state == "verified"


def test_the_key_stays_and_one_that_is_none_is_named(tmp_path: Path):
    assert load_signer(tmp_path).public_pem() == load_signer(tmp_path).public_pem()
    (tmp_path / "commands.key").write_text("nonsense")
    with pytest.raises(StoreError, match=r"commands\.key: no private key"):
        load_signer(tmp_path)
