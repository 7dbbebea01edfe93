"""What the doctor says of what passes a box, and by what it could cut somebody off."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import AgentConfig, CaptureConfig, IsolationConfig, SwitchConfig
from agent.doctor_enforcers import enforcer_findings, sight_findings
from tests.agent.isolation.lab import lab

NOWHERE = "nowhere0"


def told(config: AgentConfig) -> list[tuple[str, str]]:
    found = [*sight_findings(config), *enforcer_findings(config)]
    return [(finding.state, finding.what) for finding in found]


def test_without_a_bridge_nothing_passes_this_box_and_only_a_switch_cuts_off() -> None:
    interfaces = CaptureConfig(interfaces=["eth9"])
    switch = SwitchConfig(host="192.168.1.2")
    isolation = IsolationConfig(enforcer="nft", bridge=NOWHERE, switch=switch)
    sees, can, cannot = told(AgentConfig(capture=interfaces, isolation=isolation))
    assert "only what a switch mirrors there" in sees[1]
    assert can[1].startswith("hosts can be cut off here by snmp_switch; not by nft: no bridge")
    assert cannot == ("broken", f"nobody can be cut off by nft: no bridge {NOWHERE}")


@pytest.mark.parametrize("enforcer", ["dry_run", "snmp_switch"])
def test_a_box_that_could_cut_nobody_off_is_told_so(enforcer) -> None:
    isolation = IsolationConfig(enforcer=enforcer, bridge=NOWHERE)
    can, *cannot = told(AgentConfig(isolation=isolation))
    assert can[1].startswith("hosts can be cut off here by nothing; not by nft: no bridge")
    states = [state for state, _ in cannot]
    assert states == ([] if enforcer == "dry_run" else ["broken"])


def test_the_library_that_cuts_off_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.isolation.nft_library.LIBRARY", "libnowhere.so")
    config = AgentConfig(isolation=IsolationConfig(enforcer="nft"))
    (finding,) = [each for each in enforcer_findings(config) if each.state == "broken"]
    assert "nobody can be cut off by nft: libnowhere.so: cannot open" in finding.what
    assert finding.fix == "apt install nftables"


@pytest.mark.root
def test_on_a_bridge_it_is_said_what_passes_and_what_can_be_done(tmp_path: Path) -> None:
    settings = tmp_path / "agent.toml"
    settings.write_text(
        '[capture]\ninterfaces = ["lan1", "lan2"]\n[isolation]\nenforcer = "nft"\n'
        f'[spool]\npath = "{tmp_path}/spool.sqlite"\n'
    )
    with lab() as built:
        program = [*built.box, sys.executable, "-P", "-m", "agent", "doctor"]
        ran = subprocess.run(
            [*program, "--config", settings], capture_output=True, text=True, check=False
        )
    assert "ok   sees what passes br0 by lan1, lan2; not what hosts behind one" in ran.stdout
    assert "ok   hosts can be cut off here by nft, bridge_port; not by snmp_switch" in ran.stdout
    assert "nobody can be cut off" not in ran.stdout
