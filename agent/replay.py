"""A capture through the whole detector: JSON Lines out, progress and a summary for the person."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from agent.baselines import Baselines
from agent.capture.player import Player
from agent.config import AgentConfig
from agent.effects import Effect, Publish
from agent.explain import Explainer
from agent.model_bundle import Bundle
from agent.novelty import Novelty
from agent.observe import DEFAULT_SEED, Observer
from agent.pipeline import Outcome, Pipeline
from agent.policy import Policy
from agent.scoring import OnnxScorer
from agent.tables import mixed
from agent.verdicts import Judged
from contract.community_id import community_id
from contract.features import FEATURE_NAMES
from contract.messages import Alert

Output = Literal["alerts", "verdicts", "observations"]

_encoder = msgspec.json.Encoder()


class Summary(msgspec.Struct):
    """What a replay saw, for the person who started it."""

    frames: int = 0
    first_ns: int = -1
    last_ns: int = 0
    hosts: set[int] = msgspec.field(default_factory=set)
    alerts: Counter[str] = msgspec.field(default_factory=Counter)


def build_pipeline(
    config: AgentConfig, bundle: Bundle, seed: int, ports: tuple[str, ...] = ()
) -> Pipeline:
    """Return a detector.

    Args:
        config: Settings of windows and policy.
        bundle: What judges.
        seed: Of the hash tables; secret in live operation.
        ports: Names of the source's bridge ports.
    """
    scorer = OnnxScorer(bundle)
    enforcer = config.isolation.enforcer
    policy = Policy(config.policy, config.device_id, scorer.metadata.model_id, enforcer)
    observer = Observer(config.window.max_hosts, seed)
    pipeline = Pipeline(observer, scorer, Explainer(bundle), policy, Baselines(seed))
    if bundle.novelty is not None:
        pipeline.novelty = Novelty(bundle.novelty, scorer.metadata)
    pipeline.ports = ports
    return pipeline


def replay(
    path: Path, config: AgentConfig, bundle: Bundle, output: Output, speed: float | None
) -> None:
    """Judge a capture; results go to stdout, everything else to stderr.

    Args:
        path: A capture file.
        config: Settings of windows and policy.
        bundle: What judges.
        output: Which lines to print.
        speed: How many times faster than recorded; None for as fast as possible.

    Raises:
        CaptureError: The file is no capture.
    """
    started_s = time.monotonic()
    summary = Summary()
    with Player(path, speed) as player, _progress(path.name, player) as advance:
        pipeline = build_pipeline(config, bundle, DEFAULT_SEED, player.ports)
        while not player.finished:
            player.wait(1.0)
            frames = player.read()
            pipeline.ports = player.ports
            if len(frames):
                summary.frames += len(frames)
                _print(pipeline.feed(frames), pipeline, output, summary)
            advance()
        _print(pipeline.flush(), pipeline, output, summary)
        sys.stdout.flush()
        cut = player.reader.truncated
    if cut:
        sys.stderr.write(f"warning: {path}: {cut}\n")
    _tell(path, summary, time.monotonic() - started_s)


def _print(outcome: Outcome, pipeline: Pipeline, output: Output, summary: Summary) -> None:
    for judged in outcome.judged:
        _note(judged, summary)
        if output == "verdicts":
            _write(_verdict_line(pipeline, judged, row) for row in range(len(judged)))
        if output == "observations":
            _write(_observation_line(pipeline, judged, row) for row in range(len(judged)))
    ended = _ended_alerts(outcome.effects)
    summary.alerts.update(alert.attack_type for alert in ended)
    if output == "alerts":
        _write(_alert_line(alert) for alert in ended)


def _ended_alerts(effects: list[Effect]) -> list[Alert]:
    """Return the alerts that closed: each is printed once, with everything known of it."""
    messages = [effect.message for effect in effects if isinstance(effect, Publish)]
    return [m for m in messages if isinstance(m, Alert) and m.state == "closed"]


def _note(judged: Judged, summary: Summary) -> None:
    seen = judged.observations
    if summary.first_ns < 0:
        summary.first_ns = int(seen.window_start_ns[0])
    summary.last_ns = int(seen.window_end_ns.max())
    if len(summary.hosts) < _MOST_HOSTS_TOLD:
        address = np.where(
            seen.is_ip_host, mixed(seen.src_ip_high ^ seen.src_ip_low), seen.src_mac
        )
        summary.hosts.update(np.unique(address).tolist())


_MOST_HOSTS_TOLD = 100_000


def _write(lines: Iterator[dict[str, Any]]) -> None:
    for line in lines:
        sys.stdout.buffer.write(_encoder.encode(line) + b"\n")


def _verdict_line(pipeline: Pipeline, judged: Judged, row: int) -> dict[str, Any]:
    found = pipeline.verdict(judged, row)
    return {
        "type": "verdict",
        "window_start_ns": found.window_start_ns,
        "window_end_ns": found.window_end_ns,
        "host": found.host,
        "src_mac": found.src_mac,
        "src_ip": found.src_ip,
        "label": found.label,
        "scores": found.scores,
        "packets": found.packets,
    }


def _observation_line(pipeline: Pipeline, judged: Judged, row: int) -> dict[str, Any]:
    found = pipeline.verdict(judged, row)
    features = judged.observations.features[row].tolist()
    return {
        "type": "observation",
        "window_start_ns": found.window_start_ns,
        "window_end_ns": found.window_end_ns,
        "host": found.host,
        "src_mac": found.src_mac,
        "src_ip": found.src_ip,
        "packets": found.packets,
        "features": dict(zip(FEATURE_NAMES, features, strict=True)),
    }


def _alert_line(alert: Alert) -> dict[str, Any]:
    names = (
        "alert_id attack_type severity host src_mac src_ip dst_ip first_seen_ns opened_ns "
        "last_seen_ns confidence windows top_features flow"
    )
    return {
        "type": "alert",
        **{name: getattr(alert, name) for name in names.split()},
        "community_id": alert.flow and community_id(alert.flow),
    }


@contextmanager
def _progress(name: str, player: Player) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr while a terminal is there to show it on."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task: TaskID = bar.add_task(name, total=player.reader.total_bytes)
        yield lambda: bar.update(task, completed=player.reader.bytes_read)


def _tell(path: Path, summary: Summary, took_s: float) -> None:
    span_s = max(summary.last_ns - summary.first_ns, 0) / 1e9 if summary.first_ns >= 0 else 0
    alerts = ", ".join(f"{count} {name}" for name, count in sorted(summary.alerts.items()))
    sys.stderr.write(
        f"{path.name}: {summary.frames:,} frames, {span_s:,.0f} s of traffic, "
        f"{len(summary.hosts):,} hosts, judged in {took_s:.1f} s; alerts: {alerts or 'none'}\n"
    )
