"""Devices are told what they are to be until they have answered, and whoever is not is noted."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final

from aggregator.commands.commander import Commander
from aggregator.errors import ConflictError
from aggregator.store.audit import Somebody
from aggregator.store.database import Database
from aggregator.store.desired import DueMode, DueModel, due_models, due_modes, note_drift
from contract.commands import AnyCommand, InstallModel, SetMode

log = logging.getLogger(__name__)

LOOK_S: Final = 5.0
MOST_AT_ONCE: Final = 100


class Convergence:
    """Compares what devices are to be with what they say they are.

    Args:
        database: Where both are.
        commander: Who tells them.
    """

    def __init__(self, database: Database, commander: Commander) -> None:
        self._database = database
        self._commander = commander
        self._wake = asyncio.Event()

    def look_soon(self) -> None:
        """Look at once: something else is wanted."""
        self._wake.set()

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            self._wake.clear()
            await self.look(time.time_ns())
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()

    async def look(self, now_ns: int) -> None:
        """Note who differs, and tell those who have not been told."""
        await self._database.write(note_drift(now_ns))
        for model in await due_models(self._database, now_ns, MOST_AT_ONCE):
            command = InstallModel(model_id=model.model_id, sha256=model.sha256)
            await self._tell(model, command, "model.install")
        for mode in await due_modes(self._database, now_ns, MOST_AT_ONCE):
            await self._tell(mode, SetMode(mode=mode.mode), "mode.set")

    async def _tell(self, due: DueModel | DueMode, command: AnyCommand, action: str) -> None:
        actor = Somebody(due.organization, due.username, due.user_id)
        try:
            await self._commander.queue(actor, due.device_id, command, action)
        except ConflictError as error:  # so many commands wait for it that one more is no help
            extra = {"device": due.device_id, "why": str(error)}
            log.warning("desired_not_told", extra=extra)
