"""The agent's service, playing a capture: what it leaves behind, and goes on from."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

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
