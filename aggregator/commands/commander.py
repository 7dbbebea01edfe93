"""Queues commands, sends them while a broker is there, ends them by their time, waits for answers."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from aggregator.commands.signing import Signer
from aggregator.config import CommandsConfig
from aggregator.errors import ConflictError
from aggregator.live import LiveFeed
from aggregator.shapes import NS_PER_S, command_shape, isolation_shape
from aggregator.store.audit import Actor, audit
from aggregator.store.commands import (
    RANKS,
    SETTLED,
    CommandFilter,
    CommandKey,
    CommandRow,
    NewCommand,
    Queued,
    add_command,
    due_commands,
    expire_commands,
    find_commands,
    note_sent,
)
from aggregator.store.database import Database, Statement
from aggregator.store.devices import wrong_clocks
from aggregator.store.isolations import IsolationFilter, find_isolations
from aggregator.store.users import SessionUser
from contract.commands import AnyCommand, Isolate, Order, Release
from contract.topics import commands_topic

log = logging.getLogger(__name__)

COMMAND: Final = "command"  # the type of its events on the live feed
POLL_S: Final = 1.0
AGAIN_NS: Final = 5 * NS_PER_S  # twice as long with every time that no answer came
MOST_AT_ONCE: Final = 100
MAX_NS: Final = 2**63 - 1
APPLIED_IS_ALL: Final = frozenset(
    {"set_mode", "collect_evidence"}
)  # kinds of which a device says no more

# Topic, payload, and for how many seconds it may wait for its device.
Publish = Callable[[str, bytes, int], Awaitable[None]]


class Commander:
    """Has devices told what a person wants.

    A command is signed once, with one nonce: sent again, it is obeyed once all the same.

    Args:
        database: Where commands are kept.
        live: Who tells how far they have come.
        signer: Who signs.
        config: How long devices may take.
    """

    def __init__(
        self, database: Database, live: LiveFeed, signer: Signer, config: CommandsConfig
    ) -> None:
        self._database = database
        self._live = live
        self._signer = signer
        self._config = config
        self._wake = asyncio.Event()

    def public_pem(self) -> str:
        """Return the key by which agents believe our commands, PEM."""
        return self._signer.public_pem()

    async def queue(
        self,
        actor: Actor,
        device_id: str,
        command: AnyCommand,
        action: str,
        *needed: Statement,
    ) -> CommandRow:
        """Keep a command and send it soon; a release that waits already is not queued twice.

        Args:
            actor: Who wants it.
            device_id: Who is to obey.
            command: What.
            action: What the audit calls it.
            needed: What is done together with it or not at all, such as using up a code.

        Raises:
            ConflictError: Too many commands wait for the device, or what is needed is not so.
        """
        now_ns = time.time_ns()
        expires_ns = now_ns + self._config.valid_s * NS_PER_S
        order = Order(
            command_id=secrets.token_hex(16),
            organization=actor.organization,
            device_id=device_id,
            nonce=secrets.token_hex(16),
            issued_ns=now_ns,
            expires_ns=await self.by_its_clock(actor.organization, device_id, expires_ns),
            command=command,
        )
        new = _new(actor, order, self._signer.sign(order), expires_ns)
        return await self.keep(actor, new, action, now_ns, *needed)

    async def by_its_clock(self, organization: str, device_id: str, moment_ns: int) -> int:
        """Return what a device's clock shows at a moment: by that it ends isolations and orders."""
        wrong = await wrong_clocks(self._database, organization, device_id)
        offset_ns = sum(each.clock_offset_ns for each in wrong)
        return max(0, min(moment_ns - offset_ns, MAX_NS))

    async def keep(
        self,
        actor: Actor,
        new: NewCommand,
        action: str,
        now_ns: int,
        *needed: Statement,
    ) -> CommandRow:
        """Keep a command, signed or to be polled for, and what the audit says of it.

        Raises:
            ConflictError: Too many commands wait for the device, or what is needed is not so.
        """
        entry = audit(
            actor,
            action,
            new.isolation_id or new.device_id,
            now_ns=now_ns,
            detail=new.command_id,
            after=msgspec.Raw(new.body.encode()),
        )
        command_id = new.command_id
        if not await self._database.change(Queued, add_command(new, now_ns), entry, *needed):
            command_id = await self._waiting_release(new, now_ns)
        self._wake.set()
        await self.tell([CommandKey(new.organization, command_id)])
        return await self.find(new.organization, command_id)

    async def _waiting_release(self, new: NewCommand, now_ns: int) -> str:
        """Return why a command was not added: the same release, or too much, is under way."""
        wanted = CommandFilter(
            device_id=new.device_id, isolation_id=new.isolation_id, kind="release"
        )
        known = await find_commands(self._database, new.organization, wanted)
        waiting = [row for row in known if not row.over and row.expires_ns > now_ns]
        if new.kind != "release" or not waiting:
            message = f"too many commands wait for {new.device_id} already"
            raise ConflictError(message)
        return waiting[0].command_id

    async def find(self, organization: str, command_id: str) -> CommandRow:
        """Return a command that was queued."""
        wanted = CommandFilter(command_ids=[command_id])
        return (await find_commands(self._database, organization, wanted))[0]

    async def have_done(
        self,
        actor: SessionUser,
        device_id: str,
        command: AnyCommand,
        action: str,
        *needed: Statement,
    ) -> CommandRow:
        """Queue a command; return it when its device has said the last of it, or after a while.

        Raises:
            ConflictError: Too many commands wait for the device, or what is needed is not so.
        """
        queued = await self.queue(actor, device_id, command, action, *needed)
        return await self._answered(actor.organization, queued.command_id)

    async def _answered(self, organization: str, command_id: str) -> CommandRow:
        with suppress(TimeoutError), self._live.watch(organization, frozenset({COMMAND})) as told:
            async with asyncio.timeout(self._config.wait_s):
                while not is_settled(row := await self.find(organization, command_id)):
                    await told.take()
                return row
        return await self.find(organization, command_id)

    async def send(self, publish: Publish) -> None:
        """Give commands to the broker, for ever; what it may have lost again.

        Raises:
            BrokerError: The broker was lost; what it did not take stays queued.
        """
        while True:
            self._wake.clear()
            now_ns = time.time_ns()
            due = await due_commands(self._database, now_ns, again_ns=AGAIN_NS, limit=MOST_AT_ONCE)
            for each in due:
                topic = commands_topic(each.organization, each.device_id)
                valid_s = max(1, (each.expires_ns - now_ns) // NS_PER_S)
                await publish(topic, each.payload, valid_s)
                await self._database.write(note_sent(each, time.time_ns()))
            await self.tell([CommandKey(each.organization, each.command_id) for each in due])
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()

    async def expire(self) -> None:
        """End commands by their time, for ever, whether or not a broker is there."""
        while True:
            ended = await self._database.write_returning(
                CommandKey, expire_commands(time.time_ns())
            )
            for each in ended:
                log.warning("command_expired", extra={"id": each.command_id})
            await self.tell(ended)
            await asyncio.sleep(POLL_S)

    async def tell_ended(self, organization: str, device_id: str, now_ns: int) -> None:
        """Tell those who watch which commands of a device were ended at a moment."""
        wanted = CommandFilter(device_id=device_id, ended_ns=now_ns)
        for row in await find_commands(self._database, organization, wanted):
            extra = {"id": row.command_id, "device": device_id, "why": row.detail}
            log.warning("command_ended", extra=extra)
            self._live.publish(organization, COMMAND, command_shape(row))

    async def tell(self, keys: Sequence[CommandKey]) -> None:
        """Tell those who watch how far some commands are, and who lifted what."""
        for organization in {key.organization for key in keys}:
            ids = [key.command_id for key in keys if key.organization == organization]
            wanted = CommandFilter(command_ids=ids, limit=len(ids))
            rows = await find_commands(self._database, organization, wanted)
            await self._tell_lifted(organization, rows)
            for row in reversed(rows):
                self._live.publish(organization, COMMAND, command_shape(row))

    async def _tell_lifted(self, organization: str, rows: Sequence[CommandRow]) -> None:
        lifted = [row for row in rows if row.kind == "release" and row.state == "verified"]
        if not lifted:
            return
        ids = [row.isolation_id or "" for row in lifted]
        wanted = IsolationFilter(isolation_ids=ids)
        now_ns = time.time_ns()
        for found in await find_isolations(self._database, organization, wanted, now_ns=now_ns):
            self._live.publish(organization, "isolation", isolation_shape(found))


def is_settled(row: CommandRow) -> bool:
    """Return whether a device has said the last of a command."""
    return row.rank >= (RANKS["applied"] if row.kind in APPLIED_IS_ALL else SETTLED)


def _new(actor: Actor, order: Order, payload: bytes, expires_ns: int) -> NewCommand:
    command = order.command
    isolation_id = command.isolation_id if isinstance(command, Isolate | Release) else None
    return NewCommand(
        organization=actor.organization,
        device_id=order.device_id,
        command_id=order.command_id,
        kind=str(command.__struct_config__.tag),
        isolation_id=isolation_id,
        body=msgspec.json.encode(command).decode(),
        payload=payload,
        user_id=actor.id,
        username=actor.username,
        expires_ns=expires_ns,
    )
