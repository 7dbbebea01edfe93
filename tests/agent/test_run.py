"""The agent's service, playing a capture: what it leaves behind, and goes on from."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.app import run as agent_run
from agent.capture.player import Player
from agent.config import AgentConfig, SpoolConfig
from agent.errors import CaptureError
from agent.isolation.enforcer import guarded

DEMO = Path(__file__).parent.parent.parent / "agent" / "demo" / "home-lan.pcap.gz"


def run(folder: Path) -> dict[str, dict[str, Any]]:
    """Play the demo as fast as it goes, without a broker; return the last of each logged event."""
    settings = folder / "agent.toml"
    settings.write_text(f'[spool]\npath = "{folder}/spool.sqlite"\n')
    program = [sys.executable, "-m", "agent", "run", "--config", str(settings)]
    played = subprocess.run(
        [*program, "--replay", str(DEMO), "--speed", "1000"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert played.returncode == 0, played.stderr
    events = [json.loads(line) for line in played.stderr.splitlines()]
    return {event["event"]: event for event in events}


def test_the_agent_says_what_it_saw_and_keeps_what_is_usual(tmp_path: Path) -> None:
    told = run(tmp_path)
    assert told["stopped"]["frames"] == 16_002
    with np.load(tmp_path / "baselines.npz") as kept:
        hosts = len(kept["host"])
        first = int(kept["learned"].max())
    assert hosts > 5
    assert "baselines_begin_anew" not in run(tmp_path)
    with np.load(tmp_path / "baselines.npz") as kept:
        assert int(kept["learned"].max()) > first


def test_an_agent_whose_baselines_are_damaged_begins_anew_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "baselines.npz").write_bytes(b"nonsense")
    told = run(tmp_path)
    assert "not a file of baselines" in told["baselines_begin_anew"]["why"]
    assert told["stopped"]["frames"] == 16_002


class BusySource(Player):
    """A capture whose reading takes a while, and whose counters cannot be told meanwhile."""

    reading = False

    def wait(self, timeout_s: float) -> None:
        self.reading = True
        time.sleep(5 * timeout_s)
        self.reading = False

    def dropped(self) -> dict[str, int]:
        if not self.reading:
            return {}
        message = "lan0: the interface is gone"
        raise CaptureError(message)


async def test_whatever_fails_nothing_reads_a_source_any_more_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.app.HEALTH_S", 0.05)
    config = AgentConfig(spool=SpoolConfig(path=tmp_path / "spool.sqlite"))
    with BusySource(DEMO, 1.0) as source:
        with pytest.RaisesGroup(CaptureError):
            await agent_run(config, source, guarded(config), plays=True)
        assert not source.reading


def test_a_part_that_cannot_start_is_told_in_one_line(tmp_path: Path) -> None:
    settings = tmp_path / "agent.toml"
    missing = tmp_path / "client.crt"
    settings.write_text(
        f'[spool]\npath = "{tmp_path}/spool.sqlite"\n'
        f'[broker]\nhost = "localhost"\ntls = true\ncert_file = "{missing}"\n'
    )
    program = [sys.executable, "-m", "agent", "run", "--config", str(settings)]
    ran = subprocess.run(
        [*program, "--replay", str(DEMO)], capture_output=True, text=True, check=False, timeout=50
    )
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    last = ran.stderr.splitlines()[-1]
    assert (
        last == f"edgewarden-agent: TLS file of the broker: {missing}: No such file or directory"
    )
