"""What `edgewarden-agent doctor` says of this machine."""

from typing import Literal

import pytest

from agent.config import AgentConfig, IsolationConfig, PolicyConfig
from agent.doctor import examine
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


def test_a_machine_that_cannot_tell_whom_it_needs_hears_how_to_mend_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert examine(AgentConfig()) == 1
    assert "cannot tell whom this box needs: ip: No such file" in capsys.readouterr().out
