"""What a ring shows is judged as the same frames from a file are, and an overloaded agent says so."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from agent.capture.pcap import read_frames, write_frames
from agent.capture.ring import RingSource
from agent.config import AgentConfig, PolicyConfig
from agent.pipeline import Outcome
from agent.records import NO_VLAN, FrameBatch
from agent.replay import build_pipeline
from agent.verdicts import Judged
from tests.agent.builders import ANN, BOB, EVE, handshake, ping, tagged, tcp, udp, who_has
from tests.agent.capture.wires import Wire, frame
from tests.tiny_models import bundle

Wires = tuple[Wire, ...]

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

QUIET = [*handshake(ANN, BOB, 4000), udp(BOB, ANN, data=b"21.5"), ping(ANN, BOB)]
LOUD = [tcp(EVE, BOB, port, 80, "S") for port in range(1, 1200)]
TAGGED = [tagged(udp(ANN, BOB, data=bytes(300)), 7), tagged(who_has(EVE, BOB.ip), 7)]
FRAMES = [bytes(each) for each in (*QUIET, *TAGGED, *LOUD, *QUIET)]


def detector():
    config = AgentConfig(policy=PolicyConfig(strikes=1))
    return build_pipeline(config, bundle(), 0, ("lan0",))


def rows(outcomes: list[Outcome], name: str) -> np.ndarray:
    judged: list[Judged] = [each for outcome in outcomes for each in outcome.judged]
    return np.concatenate([getattr(each.observations, name) for each in judged])


def test_live_is_judged_as_a_replay_of_the_same_frames(wires: Wires, tmp_path: Path) -> None:
    wire, _ = wires
    live, outcomes = detector(), []
    captured: list[FrameBatch] = []
    with RingSource([wire.port]) as source:
        wire.send(*FRAMES)
        until_s = time.monotonic() + 3
        while time.monotonic() < until_s:
            source.wait(0.1)
            frames = source.read()
            if len(frames):
                captured.append(frames)
                live.take(frames, source.sampled_one_in)
            else:
                live.close_until(source.complete_until_ns)
            outcomes.append(live.judge_some())
        assert live.waiting == 0
        assert set(source.dropped().values()) == {0}
    assert sum(map(len, captured)) == len(FRAMES)
    assert sum(int((each.vlan_tci != NO_VLAN).sum()) for each in captured) == len(TAGGED)
    # Closed by the clock, before the end.
    assert rows(outcomes, "packets").sum() == len(FRAMES)
    outcomes.append(live.flush())
    write_frames(tmp_path / "seen.pcap", captured)
    replayed = detector()
    again = [replayed.feed(frames) for frames in read_frames(tmp_path / "seen.pcap")]
    again.append(replayed.flush())
    assert [e for o in outcomes for e in o.effects] == [e for o in again for e in o.effects]
    for name in ("window_start_ns", "src_mac", "src_ip_low", "wire_bytes", "features"):
        assert np.array_equal(rows(outcomes, name), rows(again, name)), name


def test_an_overloaded_agent_leaves_out_flows_counts_them_and_says_so(
    wires: Wires, tmp_path: Path
) -> None:
    wire, _ = wires
    settings = tmp_path / "agent.toml"
    settings.write_text(
        '[capture]\ninterfaces = ["lan0"]\nring_slots = 480\n'
        f'[spool]\npath = "{tmp_path}/spool.sqlite"\n'
    )
    program = [sys.executable, "-m", "agent", "run", "--config", str(settings)]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as agent:
        assert agent.stderr is not None
        while "watching" not in agent.stderr.readline():
            assert agent.poll() is None
        sent = 60_000
        for first in range(0, sent, 1000):
            wire.send(*(frame(number) for number in range(first, first + 1000)))
        time.sleep(0.5)
        agent.send_signal(signal.SIGTERM)
        events = [json.loads(line) for line in agent.stderr]
    assert agent.returncode == 0
    told = {event["event"]: event for event in events}
    dropped = told["stopped"]["dropped"]
    assert told["overloaded"]["sampled_one_in"] > 1
    assert dropped["sampled_out_lan0"] > 0
    lost = dropped["sampled_out_lan0"] + dropped.get("ring_full_lan0", 0)
    assert told["stopped"]["frames"] + lost == sent
