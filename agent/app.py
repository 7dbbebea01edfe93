"""The agent put together: builds the parts, runs them in one TaskGroup, turns effects into deeds."""

import asyncio
import logging
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path
from typing import Final, assert_never

import msgspec

from agent.baselines import read_baselines, write_baselines
from agent.capture import FrameSource
from agent.capture.chosen import chosen_source
from agent.config import AgentConfig
from agent.effects import Effect, Isolate, Publish
from agent.errors import AgentError, BaselineError
from agent.evidence import Evidence
from agent.health import HealthReporter, Seen
from agent.installed import Candidate, Installed
from agent.installing import Installer
from agent.isolation import GuardedIsolator
from agent.isolation.keeper import Keeper
from agent.model_bundle import DEFAULT_BUNDLE
from agent.own_log import OwnLog
from agent.pipeline import Outcome, Pipeline
from agent.replay import build_pipeline
from agent.samples import Samples
from agent.uplink.commands import Commands, Trust
from agent.uplink.commands import Outcome as Carried
from agent.uplink.publisher import Address, Publisher
from agent.uplink.spool import Spool, new_boot
from contract.commands import AnyCommand, CollectEvidence, InstallModel, Release, SetMode
from contract.commands import Isolate as IsolateCommand
from contract.messages import Alert, AnyMessage, ModelsHave, Presence
from runtime.errors import ProcessError, first_of
from runtime.signatures import read_public_key
from runtime.systemd import notify

log = logging.getLogger(__name__)

WAIT_S: Final = 0.1  # how long frames gather before they are looked at
MOST_WAITING: Final = 8192  # hosts; with more, judging comes before reading
HEALTH_S: Final = 10.0
SAVE_S: Final = 3600.0
MOST_DEEDS: Final = 64  # steps whose effects wait to be carried out
EVIDENCE_BEFORE_NS: Final = 5_000_000_000
DRAIN_S: Final = 5.0  # at the end, for the centre to take what waits


def main(
    config: AgentConfig, guard: GuardedIsolator, replay: Path | None, speed: float | None
) -> int:
    """Watch the network until a signal, or play a capture to its end; return the exit code."""
    try:
        with chosen_source(config.capture, replay, speed) as source:
            asyncio.run(run(config, source, guard, plays=replay is not None))
    except ExceptionGroup as group:
        # Not `except*`: what is raised in one comes out in a group again.
        told, others = group.split((AgentError, ProcessError))
        if told is None or others is not None:
            raise
        raise first_of(told) from None
    return 0


async def run(
    config: AgentConfig, source: FrameSource, guard: GuardedIsolator, *, plays: bool
) -> None:
    """Detect, isolate and report until SIGTERM, SIGINT or the end of a played capture.

    Args:
        config: All settings.
        source: Open; closed by the caller.
        guard: Who enforces.
        plays: The source is a capture file: its end is the end, and the centre may take the rest.
    """
    with ExitStack() as stack:
        boot = new_boot()
        spool = stack.enter_context(
            closing(Spool(config.spool.path, config.spool.max_bytes, boot))
        )
        installed = Installed(
            config.spool.path.parent / "models",
            config.model.bundle or DEFAULT_BUNDLE,
            config.model.trusted_keys,
        )
        bundle = installed.load()
        # Secret, so that nobody can aim at a slot of our tables.
        pipeline = build_pipeline(config, bundle, secrets.randbits(64), source.ports)
        agent = _Agent(config, source, pipeline, spool, guard, installed)
        await agent.run(plays=plays)
        installed.note_end()


class _Agent:
    """Everything that runs together."""

    def __init__(  # noqa: PLR0913, PLR0917  all that is opened before
        self,
        config: AgentConfig,
        source: FrameSource,
        pipeline: Pipeline,
        spool: Spool,
        guard: GuardedIsolator,
        installed: Installed,
    ) -> None:
        self._config = config
        self._installed = installed
        self._installer = Installer(config, installed, self._adopt)
        self._source = source
        self._pipeline = pipeline
        self._spool = spool
        self._stop = asyncio.Event()
        self._sampling = False
        # Full, it holds the engine back.
        self._deeds: asyncio.Queue[Sequence[Effect]] = asyncio.Queue(MOST_DEEDS)
        # One thread, always the same: the memory that one gives back, another would not use again.
        self._engine = ThreadPoolExecutor(1, "engine")
        self._kept: dict[str, str | None] = {}  # open alerts -> digest of their evidence
        self._evidence = Evidence(config.spool.path.parent / "evidence")
        self._samples = Samples(self._evidence, pipeline)
        self._baselines_path = config.spool.path.parent / "baselines.npz"
        folder = config.spool.path.parent
        self._isolations = Keeper(guard, pipeline.policy, folder, self._put, self._on_engine)
        self._health = HealthReporter(pipeline.model.model_id)
        self._log = OwnLog()
        key = config.commands.public_key_file
        trust = Trust(config.organization, config.device_id, read_public_key(key) if key else None)
        self._commands = Commands(spool, trust, obey=self._obey, acknowledge=self._tell)
        self._publisher = Publisher(
            spool,
            Address(config.organization, config.device_id),
            Presence(
                online=True,
                since_ns=time.time_ns(),
                boot=spool.boot,
                version=version("edgewarden"),
                model_id=pipeline.model.model_id,
            ),
            take_order=self._commands.take,
        )

    async def run(self, *, plays: bool) -> None:
        """Run all parts; the first that fails ends them all."""
        loop = asyncio.get_running_loop()
        self._restore_baselines()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        # The source must not be closed while the engine reads it, whatever ended the rest.
        with self._engine, self._log.listening():
            await self._run_together(plays=plays)

    async def _run_together(self, *, plays: bool) -> None:
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self._report(), name="health"),
                tasks.create_task(self._keep_baselines(), name="baselines"),
                tasks.create_task(self._isolations.settle(), name="isolations"),
                tasks.create_task(self._isolations.look_around(), name="exempt"),
                tasks.create_task(self._act(), name="deeds"),
                tasks.create_task(self._commands.take_time(), name="slow_commands"),
                tasks.create_task(self._installer.watch(), name="model"),
            ]
            if self._config.broker.host:
                uplink = self._publisher.run(self._config.broker)
                helpers.append(tasks.create_task(uplink, name="uplink"))
            else:
                log.warning("no_broker", extra={"hint": "set host in [broker]; alerts stay here"})
            await self._tell(self._models())
            log.info("watching", extra={"ports": ", ".join(self._source.ports)})
            notify("READY=1")
            await self._detect()
            notify("STOPPING=1")
            if plays and self._config.broker.host:
                await self._drain()
            for task in helpers:
                task.cancel()

    async def _detect(self) -> None:
        """Move frames through the pipeline; the watchdog is fed here, by work that is done."""
        loop = asyncio.get_running_loop()
        while not self._stop.is_set() and not self._source.finished:
            outcome = await loop.run_in_executor(self._engine, self._step)
            self._tell_sampling()
            if outcome.effects:
                await self._deeds.put(outcome.effects)
            notify("WATCHDOG=1")
        outcome = await loop.run_in_executor(self._engine, self._flush)
        await self._deeds.put(outcome.effects)
        await self._deeds.join()
        await self._save_baselines()
        seen, dropped = self._pipeline.observer.frames, self._dropped()
        log.info("stopped", extra={"frames": seen, "dropped": dropped})
        await self._publisher.put(self._log.take())

    async def _act(self) -> None:
        """Do what follows, while the engine reads on: a disk that is slow must not fill the ring."""
        while True:
            await self._perform(await self._deeds.get())
            self._deeds.task_done()

    def _step(self) -> Outcome:
        """Read what has arrived, then judge a little of what is due: the ring must not fill up."""
        pipeline, source = self._pipeline, self._source
        source.wait(0.0 if pipeline.waiting else WAIT_S)
        frames = source.read()
        if len(frames):
            pipeline.ports = source.ports
            self._evidence.append(frames)
            pipeline.take(frames, source.sampled_one_in)
        else:
            pipeline.close_until(source.complete_until_ns)
        few = pipeline.waiting < MOST_WAITING
        outcome = pipeline.judge_some() if few else pipeline.settle()
        outcome.effects.extend(self._samples.of(outcome))
        return outcome

    def _flush(self) -> Outcome:
        outcome = self._pipeline.flush()
        outcome.effects.extend(self._samples.of(outcome))
        return outcome

    def _tell_sampling(self) -> None:
        """Log when the engine falls behind, and when it has caught up."""
        one_in = max(self._source.sampled_one_in, default=1)
        if (one_in > 1) != self._sampling:
            self._sampling = one_in > 1
            event = "overloaded" if self._sampling else "caught_up"
            level = logging.WARNING if self._sampling else logging.INFO
            log.log(
                level, event, extra={"sampled_one_in": one_in, "dropped": self._source.dropped()}
            )

    async def _perform(self, effects: Sequence[Effect]) -> None:
        # Whoever attacks is cut off first: the frames that show why are written to the disk later.
        isolated = {
            at: await self._isolations.carry_out(effect.isolation)
            for at, effect in enumerate(effects)
            if isinstance(effect, Isolate)
        }
        messages: list[AnyMessage] = []
        for at, effect in enumerate(effects):
            if isinstance(effect, Publish):
                messages.append(await self._with_evidence(effect.message))
            else:
                messages += isolated[at]
        if messages:
            await self._publisher.put(messages)

    async def _with_evidence(self, message: AnyMessage) -> AnyMessage:
        if not isinstance(message, Alert):
            return message
        log.info(
            "alert",
            extra={"attack": message.attack_type, "host": message.host, "state": message.state},
        )
        if message.alert_id not in self._kept:
            since_ns = message.first_seen_ns - EVIDENCE_BEFORE_NS
            mac = int((message.src_mac or "0").replace(":", ""), 16)
            keep = self._evidence.keep
            self._kept[message.alert_id] = await asyncio.to_thread(
                keep, message.alert_id, mac, since_ns
            )
        digest = self._kept[message.alert_id]
        if message.state == "closed":
            del self._kept[message.alert_id]
        return msgspec.structs.replace(message, evidence_sha256=digest)

    async def _report(self) -> None:
        while True:
            await self._publisher.put([self._state(), *self._log.take()])
            await asyncio.sleep(HEALTH_S)

    async def _keep_baselines(self) -> None:
        """Save what is usual for each host, seldom: cards wear out."""
        while True:
            await asyncio.sleep(SAVE_S)
            await self._save_baselines()

    async def _save_baselines(self) -> None:
        loop = asyncio.get_running_loop()
        # On the engine's thread, between two windows.
        data = await loop.run_in_executor(self._engine, self._pipeline.baselines.to_bytes)
        try:
            await asyncio.to_thread(write_baselines, self._baselines_path, data)
        except BaselineError as error:
            log.warning("baselines_not_saved", extra={"why": str(error)})

    def _restore_baselines(self) -> None:
        try:
            read_baselines(self._baselines_path, self._pipeline.baselines)
        except BaselineError as error:
            log.warning("baselines_begin_anew", extra={"why": str(error)})

    def _state(self) -> AnyMessage:
        observer, policy = self._pipeline.observer, self._pipeline.policy
        seen = Seen(observer.frames, observer.windows, observer.hosts_known, policy.alerts)
        mode, queued = policy.mode, {**self._spool.depth(), "hosts": self._pipeline.waiting}
        return self._health.report(time.time_ns(), mode, seen, self._dropped(), queued)

    def _dropped(self) -> dict[str, int]:
        counters = {
            **self._source.dropped(),
            **self._pipeline.dropped(),
            **self._spool.dropped,
            **self._commands.counters,
            "log.lines": self._log.dropped,
        }
        return {name: count for name, count in counters.items() if count}

    def _models(self) -> ModelsHave:
        model = self._pipeline.model
        return ModelsHave(
            active=model.model_id,
            installed=self._installed.model_ids,
            feature_schema_id=model.feature_schema_id,
        )

    async def _obey(self, command: AnyCommand) -> Carried:
        if isinstance(command, IsolateCommand):
            return await self._isolate(command)
        if isinstance(command, Release):
            lifted = await self._isolations.lift(command.isolation_id, command.reason)
            if not lifted:
                return Carried("failed", "no such isolation")
            await self._publisher.put(lifted)
            is_free = lifted[0].state == "lifted"
            return Carried("verified" if is_free else "failed", lifted[0].detail)
        if isinstance(command, CollectEvidence):
            return await self._collect(command)
        if isinstance(command, InstallModel):
            return await self._installer.install(command)
        if isinstance(command, SetMode):
            self._pipeline.policy.mode = command.mode
            log.warning("mode_set", extra={"mode": command.mode})
            return Carried("applied")
        assert_never(command)

    async def _adopt(self, candidate: Candidate) -> None:
        """Let another model judge, between two windows, and tell the centre."""
        loop = asyncio.get_running_loop()
        adopt = self._pipeline.adopt
        outcome = await loop.run_in_executor(
            self._engine, adopt, candidate.scorer, candidate.explainer, candidate.novelty
        )
        await self._deeds.put(outcome.effects)
        model_id = self._health.model_id = self._pipeline.model.model_id
        presence = self._publisher.presence
        self._publisher.presence = msgspec.structs.replace(presence, model_id=model_id)
        await self._publisher.put([self._models(), self._state()])

    async def _collect(self, command: CollectEvidence) -> Carried:
        parts = await asyncio.to_thread(self._evidence.parts, command.alert_id)
        if not parts:
            return Carried("failed", "the frames of this alert are not kept any more")
        await self._publisher.put(parts)
        return Carried("applied", f"on their way, in {len(parts)} parts")

    async def _isolate(self, command: IsolateCommand) -> Carried:
        done, as_wanted = await self._isolations.obey(command)
        await self._publisher.put([done])
        return Carried("verified" if as_wanted else "failed", done.detail)

    async def _on_engine(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._engine, work)

    async def _put(self, messages: Sequence[AnyMessage]) -> None:
        await self._publisher.put(list(messages))

    async def _tell(self, message: AnyMessage) -> None:
        await self._publisher.put([message])

    async def _drain(self) -> None:
        """Give the centre a moment to take what waits, so that a played capture is told whole."""
        until_s = time.monotonic() + DRAIN_S
        while any(self._spool.depth().values()):
            if time.monotonic() > until_s:
                log.warning("not_drained", extra={"waiting": sum(self._spool.depth().values())})
                return
            await asyncio.sleep(WAIT_S)
