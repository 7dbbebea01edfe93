"""The agent's service, playing a capture: what it leaves behind, and goes on from."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.app import run as agent_run
from agent.capture.player import Player
from agent.config import AgentConfig, PolicyConfig, SpoolConfig
from agent.errors import CaptureError
from agent.exempt import Exempt
from agent.isolation import Lease
from agent.isolation.dry_run import DryRun
from agent.isolation.enforcer import guarded
from agent.isolation.guard import Guard
from agent.uplink.spool import Spool, new_boot
from contract.codec import decode_envelope
from contract.messages import Alert, Isolation

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


class Watched(DryRun):
    """Notes what evidence there is when it is told to cut off, and what was told by then."""

    def __init__(self, folder: Path) -> None:
        super().__init__(lambda: 0)  # what the capture saw is long over
        self.evidence_then: list[list[Path]] = []
        self._folder = folder

    async def apply(self, desired: Sequence[Lease]) -> None:
        if desired:
            self.evidence_then.append(list(self._folder.glob("evidence/*.pcap")))
        await super().apply(desired)


async def test_who_attacks_is_cut_off_before_the_evidence_is_written(tmp_path: Path) -> None:
    config = AgentConfig(
        spool=SpoolConfig(path=tmp_path / "spool.sqlite"), policy=PolicyConfig(mode="enforce")
    )
    watched = Watched(tmp_path)

    async def nobody() -> Exempt:
        return Exempt()

    with Player(DEMO, 1000.0) as source:
        await agent_run(config, source, Guard(watched, nobody), plays=True)
    assert watched.evidence_then[0] == []
    assert watched.evidence_then[-1]
    with closing(Spool(config.spool.path, config.spool.max_bytes, new_boot())) as spool:
        waiting = spool.pending(1000)
    told = [decode_envelope(row.payload).message for row in waiting]
    opened = [each for each in told if isinstance(each, Alert) and each.state == "open"]
    assert all(alert.top_features and alert.evidence_sha256 for alert in opened)
    cut = {each.alert_id for each in told if isinstance(each, Isolation)}
    assert cut
    assert cut <= {alert.alert_id for alert in opened}
