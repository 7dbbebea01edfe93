"""Keeps at Home Assistant's broker what is retained there of devices, and takes it away again."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Final

import aiomqtt
import msgspec

from aggregator.config import HomeAssistantConfig
from aggregator.home_assistant.entities import OFFLINE, ONLINE, retained, status_topic
from aggregator.store.database import Database
from aggregator.store.home_assistant import shown_devices
from runtime import backoff, broker
from runtime.errors import BrokerError
from runtime.files import write_whole

log = logging.getLogger(__name__)

CLIENT_ID: Final = "edgewarden-home-assistant"
FILE: Final = "home_assistant.json"  # in the data folder: the topics that hold something of ours
PERIOD_S: Final = 2.0
ANSWER_S: Final = 10.0
GOODBYE_S: Final = 1.0
FIRST_WAIT_S: Final = 1.0
MOST_WAIT_S: Final = 60.0
AT_LEAST_ONCE: Final = 1
VERSION: Final = metadata.version("edgewarden")


class HomeAssistant:
    """Tells Home Assistant of the devices of an organization while that is set, and else of none.

    Args:
        database: Where devices are.
        config: Whether, where, and whose.
        folder: Where it is kept which topics hold something of ours.
    """

    def __init__(self, database: Database, config: HomeAssistantConfig, folder: Path) -> None:
        self._database = database
        self._config = config
        self._path = folder / FILE
        self._known: set[str] = set()
        self.connected = False

    async def run(self) -> None:
        """Keep it current for ever; where it is turned off take all of it away, and end.

        Raises:
            ConfigError: The settings of its broker cannot be used.
        """
        self._known = await asyncio.to_thread(self._read)
        if not self._config.enabled and not self._known:
            return
        if not self._config.broker.host:
            log.warning("home_assistant_keeps_devices", extra={"why": "no broker is set"})
            return
        waits = backoff.delays(FIRST_WAIT_S, MOST_WAIT_S)
        lost = False
        while True:
            try:
                async with broker.connect(
                    self._config.broker, client_id=CLIENT_ID, will=self._will(), clean=True
                ) as client:
                    if not self._config.enabled:
                        await self._take_away(client, self._known | {status_topic(self._config)})
                        log.info("home_assistant_left")
                        return
                    await self._serve(client)
            except BrokerError as error:
                if not lost:
                    log.warning("home_assistant_lost", extra={"why": str(error)})
                lost, self.connected = True, False
            if self.connected:
                waits, lost = backoff.delays(FIRST_WAIT_S, MOST_WAIT_S), False
            await asyncio.sleep(next(waits))

    def _will(self) -> aiomqtt.Will | None:
        if not self._config.enabled:
            return None
        return aiomqtt.Will(status_topic(self._config), OFFLINE, qos=AT_LEAST_ONCE, retain=True)

    async def _serve(self, client: aiomqtt.Client) -> None:
        status = status_topic(self._config)
        told: dict[str, bytes] = {}
        try:
            await self._say(client, status, ONLINE)
            while True:
                await self._bring_up_to_date(client, told)
                if not self.connected:
                    await self._check(client, [status, *list(told)[:1]])
                    log.info("home_assistant_connected", extra={"topics": len(told)})
                    self.connected = True
                await asyncio.sleep(PERIOD_S)
        except asyncio.CancelledError:
            # A goodbye that is said needs no will; a broker that is lost meanwhile has the will.
            with suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._say(client, status, OFFLINE)
            raise

    async def _bring_up_to_date(self, client: aiomqtt.Client, told: dict[str, bytes]) -> None:
        """Publish what changed since it was told on this connection, and take away who is gone."""
        config = self._config
        rows = await shown_devices(self._database, config.organization, time.time_ns())
        wanted = {
            topic: payload
            for row in rows
            for topic, payload in retained(config, row, VERSION).items()
        }
        # What will be there is written down first: after a crash it can still be taken away.
        await self._remember(self._known | wanted.keys())
        for topic, payload in wanted.items():
            if told.get(topic) != payload:
                await self._say(client, topic, payload)
                told[topic] = payload
        gone = self._known - wanted.keys()
        if gone:
            await self._take_away(client, gone)
            for topic in gone:
                told.pop(topic, None)

    async def _take_away(self, client: aiomqtt.Client, topics: set[str]) -> None:
        for topic in sorted(topics):
            await self._say(client, topic, b"")
        await self._remember(self._known - topics)

    async def _check(self, client: aiomqtt.Client, topics: Sequence[str]) -> None:
        """Look whether the broker has kept what we said: it takes what its rules forbid as well.

        Raises:
            BrokerError: It has not.
        """
        missing = set(topics)
        await client.subscribe([(topic, AT_LEAST_ONCE) for topic in topics])
        try:
            async with asyncio.timeout(ANSWER_S):
                while missing:
                    message = await anext(client.messages)
                    missing.discard(str(message.topic))
        except TimeoutError as error:
            why = f"the broker keeps nothing on {', '.join(sorted(missing))}: see its access rules"
            raise BrokerError(why) from error
        for topic in topics:
            await client.unsubscribe(topic)

    async def _say(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        await client.publish(topic, payload, qos=AT_LEAST_ONCE, retain=True)

    async def _remember(self, topics: set[str]) -> None:
        if topics != self._known:
            await asyncio.to_thread(self._write, topics)
            self._known = topics

    def _read(self) -> set[str]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=set[str])
        except FileNotFoundError:
            return set()
        except (OSError, msgspec.MsgspecError) as error:
            # What is shown today is shown all the same; what is not any more stays there.
            log.warning("home_assistant_topics_lost", extra={"why": f"{self._path}: {error}"})
            return set()

    def _write(self, topics: set[str]) -> None:
        try:
            if topics:
                write_whole(self._path, msgspec.json.encode(sorted(topics)))
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            why = f"{self._path}: {error.strerror}"
            log.warning("home_assistant_topics_not_kept", extra={"why": why})
