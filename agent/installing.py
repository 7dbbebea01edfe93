"""From the centre's order to another model that judges: fetched, tried, swapped, or told why not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from agent.centre import Centre
from agent.config import AgentConfig
from agent.errors import CentreError, ModelError
from agent.installed import Candidate, Installed
from agent.uplink.commands import Outcome
from contract.commands import InstallModel
from contract.model_bundle import MAX_BUNDLE_BYTES

log = logging.getLogger(__name__)

LOOK_S: Final = 10.0

Adopt = Callable[[Candidate], Awaitable[None]]


class Installer:
    """Carries out orders to judge with another model.

    Args:
        config: Who this box is, and how it reaches the centre.
        installed: Where models are kept.
        adopt: Lets a model judge from the next window on.

    Raises:
        CentreError: The centre's address is none.
    """

    def __init__(self, config: AgentConfig, installed: Installed, adopt: Adopt) -> None:
        self._device_id = config.device_id
        self._key_file = config.centre.api_key_file
        url = config.centre.url
        self._centre = Centre(url, config.centre.ca_file) if url else None
        self._installed = installed
        self._adopt = adopt

    async def install(self, command: InstallModel) -> Outcome:
        """Have a model judge; whatever is wrong with it, the one that judges goes on.

        Raises:
            CentreError: It cannot be fetched.
            ModelError: It cannot be used.
        """
        candidate = await asyncio.to_thread(self._found, command)
        # Written down first: after a crash between the two the new one judges, and is on trial.
        await asyncio.to_thread(self._installed.take, candidate)
        await self._adopt(candidate)
        model_id = candidate.bundle.metadata.model_id
        log.warning("model_installed", extra={"model": model_id})
        return Outcome("verified", f"{model_id} judges; it was tried before")

    async def watch(self) -> None:
        """Count, for ever, a model that has judged for a while as proven."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self._installed.note_running)

    def _found(self, command: InstallModel) -> Candidate:
        held = self._installed.find(command.model_id, command.sha256)
        if held is not None:
            return held
        if command.sha256 is None:
            message = f"{command.model_id} is not here any more"
            raise ModelError(message)
        data = self._fetched(command.model_id)
        return self._installed.keep(data, command.model_id, command.sha256)

    def _fetched(self, model_id: str) -> bytes:
        if self._centre is None or self._key_file is None:
            message = "models cannot be fetched: set url and api_key_file in [centre]"
            raise CentreError(message)
        try:
            key = self._key_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            message = f"api_key_file in [centre]: {error}"
            raise CentreError(message) from error
        path = f"/api/v1/devices/{self._device_id}/models/{model_id}"
        return self._centre.fetch(path, key, MAX_BUNDLE_BYTES)[1]
