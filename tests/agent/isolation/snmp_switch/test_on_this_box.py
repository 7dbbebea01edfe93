"""A managed switch as the doctor and a person on the box see it: a real snmpd."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import AgentConfig, IsolationConfig
from agent.doctor import examine
from agent.exempt import Exempt, Exemption
from tests.agent.isolation.snmp_switch.runs import OTHERS, also_learnt, free_again, lease, opened

pytestmark = pytest.mark.root


async def told_by_the_doctor(capsys: pytest.CaptureFixture[str], **isolation) -> str:
    config = AgentConfig(isolation=IsolationConfig(enforcer="snmp_switch", **isolation))
    await asyncio.to_thread(examine, config)
    return capsys.readouterr().out


def on_this_box(command: str, settings: Path, *more: str) -> str:
    program = [sys.executable, "-P", "-m", "agent", command, "--config", str(settings), *more]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


async def test_the_doctor_says_what_the_switch_can_do_and_changes_nothing(built, switch, capsys):
    with also_learnt(built, "lan1", OTHERS):
        told = await told_by_the_doctor(capsys, switch=switch.config("v3"))
    assert "ok   switch 127.0.0.1 answers: Linux" in told
    assert "tells 5 hosts at 2 ports" in told
    assert "ok   port lan1 is never closed: 4 MACs were learnt there (max_macs = 1)" in told
    assert "ok   switch 127.0.0.1 can close ports (set lan2 to what it is)" in told
    assert built.reachable()


@pytest.mark.parametrize(
    ("login", "changes", "why"),
    [
        ("v2c that may only read", {}, "refuses: noAccess"),
        ("v2c of a stranger", {"timeout_s": 0.1}, "switch 127.0.0.1 does not answer"),
        ("v2c", {"host": ""}, "set host and credentials_file"),
        ("v2c", {"uplinks": ["lan1", "lan2"]}, "every port is an uplink"),
    ],
)
@pytest.mark.usefixtures("built")
async def test_the_doctor_says_what_the_switch_does_not_let_us_do(
    switch, capsys, login, changes, why
):
    told = await told_by_the_doctor(capsys, switch=switch.config(login, **changes))
    assert why in told
    assert "can close ports" not in told


async def test_the_doctor_says_when_no_port_may_be_closed_since_somebody_exempt_is_not_found(
    built, switch, tmp_path
):
    with opened(switch, tmp_path) as isolator:
        found = await isolator.look(Exempt([Exemption(who="the gateway", mac=OTHERS[0])]))
        assert found.lost == "perhaps the way to the gateway"
        found = await isolator.look(
            Exempt([Exemption(who="the gateway", mac=built.victim.mac, home="lan1")])
        )
    assert found.lost == ""
    assert found.uplinks == {"lan1": f"{built.victim.mac} is never cut off"}


async def test_a_person_on_the_box_sees_which_port_is_closed_and_opens_it(built, switch, isolator):
    await isolator.apply([lease(mac=built.suspect.mac)])
    folder, config = isolator._file._folder, switch.config()
    settings = folder / "agent.toml"
    settings.write_text(
        f'[isolation]\nenforcer = "snmp_switch"\n[isolation.switch]\nhost = "{config.host}"\n'
        f'port = {config.port}\ncredentials_file = "{config.credentials_file}"\n'
        f'[spool]\npath = "{folder}/spool.sqlite"\n'
    )
    seen = on_this_box("isolations", settings)
    assert f'"mac":"{built.suspect.mac}"' in seen
    assert '"at":"port lan2 of switch 127.0.0.1"' in seen
    assert on_this_box("release", settings, built.suspect.mac) == ""
    assert on_this_box("isolations", settings) == ""
    assert await free_again(built)
