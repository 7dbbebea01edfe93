"""What `edgewarden-agent doctor` says of this machine."""

import time
from pathlib import Path
from typing import Literal

import pytest
from msgspec import structs

from agent.config import AgentConfig, IsolationConfig, PolicyConfig, SpoolConfig
from agent.doctor import check, examine
from agent.isolation.lease_file import Desired, LeaseFile
from runtime.errors import ConfigError
from tests.agent.messages import isolation
from tests.tools import require


def test_the_doctor_lists_who_is_never_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    require("ip", package="iproute2")
    examine(AgentConfig(policy=PolicyConfig(exempt=["02:00:00:00:00:77", "10.9.0.0/16"])))
    told = capsys.readouterr().out
    assert "never cut off: this box (" in told
    assert "never cut off: exempt by [policy] exempt (02:00:00:00:00:77, 10.9.0.0/16)" in told


def test_the_doctor_says_how_little_is_cut_off_first(capsys: pytest.CaptureFixture[str]) -> None:
    chosen: tuple[tuple[Literal["nft", "bridge_port"], str], ...] = (
        (
            "nft",
            "cut off in part at first: DOS by pair or rate, BruteForce by flow or pair, Scan by",
        ),
        ("bridge_port", "bridge_port closes whole ports: no part of a host is cut off"),
    )
    for enforcer, told in chosen:
        policy = PolicyConfig(mode="enforce", first_cuts={"Replay": [], "Scan": ["rate"]})
        examine(AgentConfig(policy=policy, isolation=IsolationConfig(enforcer=enforcer)))
        assert told in capsys.readouterr().out


@pytest.mark.root
def test_the_doctor_compares_what_should_be_cut_off_with_what_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    require("nft", package="nftables")
    config = AgentConfig(
        isolation=IsolationConfig(enforcer="nft"), spool=SpoolConfig(path=tmp_path / "spool")
    )
    examine(config)
    assert "cut off as it should be: 0 isolations" in capsys.readouterr().out
    now_ns = time.time_ns()
    wanted = structs.replace(isolation(), expires_ns=now_ns + 60_000_000_000, isolated_ns=now_ns)
    LeaseFile(tmp_path).exchange([Desired(wanted, 2**62, "this")], set())
    examine(config)
    told = capsys.readouterr().out
    assert f"should be cut off and is not: {wanted.host}\n       fix: start the agent" in told


def test_a_machine_that_cannot_tell_whom_it_needs_hears_how_to_mend_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert examine(AgentConfig()) == 1
    assert "cannot tell whom this box needs: ip: No such file" in capsys.readouterr().out


def test_a_class_that_enforces_by_itself_is_no_mode_in_which_nobody_is_cut_off(
    capsys: pytest.CaptureFixture[str],
) -> None:
    examine(AgentConfig())
    assert "policy mode observe: nobody is cut off unless a person says so" in (
        capsys.readouterr().out
    )
    examine(AgentConfig(policy=PolicyConfig(modes={"DOS": "enforce"})))
    said = capsys.readouterr().out
    assert "nobody is cut off" not in said
    assert "warn policy mode enforce, but the enforcer is dry_run" in said


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (PolicyConfig(exempt=["192.168.1.300"]), "policy.exempt: '192.168.1.300' is neither"),
        (PolicyConfig(critical=["tcp/x"]), "policy.critical"),
        (PolicyConfig(modes={"Anomaly": "enforce"}), "policy.modes.Anomaly"),
    ],
)
def test_what_keeps_the_agent_from_starting_is_not_called_fine(
    policy: PolicyConfig, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = AgentConfig(policy=policy)
    with pytest.raises(ConfigError, match=words):
        check(config)
    examine(config)
    assert f"FAIL {words}" in capsys.readouterr().out
