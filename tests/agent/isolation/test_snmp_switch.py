"""Ports of a managed switch: a real snmpd that changes a real bridge."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from agent.config import AgentConfig, IsolationConfig
from agent.doctor import examine
from agent.errors import IsolationError
from agent.exempt import Exempt, Exemption
from agent.isolation import Enforcing, Lease
from agent.isolation.closed_ports import NAME
from agent.isolation.desired import DesiredIsolations
from agent.isolation.enforcer import started_enforcer
from agent.isolation.guard import ExemptError, Guard
from agent.isolation.lease_file import LeaseFile
from agent.isolation.requests import Begin
from agent.isolation.snmp_switch import SnmpSwitchIsolator
from runtime.errors import ConfigError
from tests.agent.isolation.lab import Lab
from tests.agent.isolation.switch import Switch, managed
from tests.agent.isolation.test_enforcer import children
from tests.agent.messages import isolation

pytestmark = pytest.mark.root

SECOND_NS = 1_000_000_000
ID = "0123456789abcdef" * 2
OTHERS = [f"02:00:00:00:01:{number:02x}" for number in range(3)]


@pytest.fixture(scope="module")
def switch(network: Lab, tmp_path_factory) -> Iterator[Switch]:
    with managed(network, tmp_path_factory.mktemp("switch")) as running:
        yield running


@pytest.fixture
async def built(network: Lab, switch: Switch, tmp_path_factory) -> Lab:
    """Return the lab with every port open, whatever a test before has done."""
    with opened(switch, tmp_path_factory.mktemp("person")) as person:
        await person._open("lan2")
    assert await free_again(network)
    return network


@contextmanager
def opened(switch: Switch, folder: Path, login: str = "v2c", **changes):
    with closing(SnmpSwitchIsolator(switch.config(login, **changes), folder)) as isolator:
        yield isolator


@pytest.fixture
async def isolator(built, switch, tmp_path):
    assert built.reachable()
    with opened(switch, tmp_path) as made:
        yield made
        await made.clear()


def lease(seconds: float = 60, number: str = ID, **what) -> Lease:
    return Lease(isolation_id=number, expires_ns=time.time_ns() + int(seconds * SECOND_NS), **what)


async def nobody_exempt() -> Exempt:
    return Exempt()


async def holding(isolator: Enforcing) -> list[Lease]:
    """Return what holds, as it was asked for."""
    held = await isolator.read_back()
    assert {each.at for each in held} <= {"port lan2 of switch 127.0.0.1"}
    return [msgspec.structs.replace(each, at="") for each in held]


async def free_again(built: Lab) -> bool:
    for _ in range(20):
        if built.reachable():
            return True
        await asyncio.sleep(0.05)
    return False


@contextmanager
def also_learnt(built: Lab, port: str, macs: list[str]):
    for mac in macs:
        built.on_box("bridge", "fdb", "add", mac, "dev", port, "master", "dynamic")
    yield
    for mac in macs:
        with suppress(AssertionError):  # who closes a port forgets who was there
            built.on_box("bridge", "fdb", "del", mac, "dev", port, "master")


STRONG = ["v3 by sha256", "v3 by sha and aes256", "v3 by sha512 and aes256"]


@pytest.mark.parametrize("login", ["v2c", "v3", *STRONG])
async def test_the_port_behind_which_a_host_was_learnt_is_closed_and_opened(
    built, switch, tmp_path, login
):
    with opened(switch, tmp_path, login) as isolator:
        held = lease(mac=built.suspect.mac)
        await isolator.apply([held])
        assert not built.reachable()
        assert await holding(isolator) == [held]
        assert "state DOWN" in built.on_box("ip", "link", "show", "lan2")
        await isolator.apply([])
        assert await isolator.read_back() == ()
        assert await free_again(built)


@pytest.mark.parametrize("login", ["v2c", "v3"])
async def test_a_switch_may_be_managed_over_ipv6(built, tmp_path, login):
    with (
        managed(built, tmp_path, host="::1") as switch,
        opened(switch, tmp_path, login, timeout_s=5.0) as isolator,
    ):
        await isolator.apply([lease(mac=built.suspect.mac)])
        assert not built.reachable()
        await isolator.apply([])
        assert await free_again(built)


async def test_an_isolation_tells_which_port_was_closed(built, switch, tmp_path):
    with opened(switch, tmp_path) as isolator:
        desired = DesiredIsolations(Guard(isolator, nobody_exempt), LeaseFile(tmp_path))
        done = await desired.isolate(
            msgspec.structs.replace(
                isolation(1),
                isolated_mac=built.suspect.mac,
                isolated_ns=time.time_ns(),
                expires_ns=time.time_ns() + 60 * SECOND_NS,
            )
        )
        assert (done.state, done.detail) == ("verified", "at port lan2 of switch 127.0.0.1")
        (lifted,) = await desired.release(done.isolation_id, "false alarm")
        assert lifted.state == "lifted"
    assert await free_again(built)


async def test_a_switch_that_fills_the_table_by_vlan_alone_is_understood(built, tmp_path):
    with managed(built, tmp_path, "dot1q") as switch, opened(switch, tmp_path) as isolator:
        assert (await isolator.learnt())[built.suspect.mac] == "lan2"
        assert (await isolator.learnt())[built.victim.mac] == "lan1"


async def test_a_host_that_nobody_learnt_is_not_isolated(isolator):
    with pytest.raises(IsolationError, match="has not learnt 02:00:00:00:00:77"):
        await isolator.apply([lease(mac="02:00:00:00:00:77")])
    assert await isolator.read_back() == ()


async def test_one_host_that_cannot_be_found_keeps_no_other_from_being_isolated(built, isolator):
    unknown, known = lease(number="1" * 32, mac="02:00:00:00:00:77"), lease(mac=built.suspect.mac)
    with pytest.raises(IsolationError, match="has not learnt"):
        await isolator.apply([unknown, known])
    assert await holding(isolator) == [known]
    with pytest.raises(IsolationError, match="has not learnt"):
        await isolator.apply([unknown])
    assert await isolator.read_back() == ()


async def test_a_port_with_more_hosts_than_allowed_is_an_uplink(built, switch, tmp_path):
    with also_learnt(built, "lan2", OTHERS[:2]):
        with opened(switch, tmp_path, max_macs=2) as isolator:
            with pytest.raises(IsolationError, match=r"lan2 is an uplink: 3 MACs were learnt"):
                await isolator.apply([lease(mac=built.suspect.mac)])
            with pytest.raises(IsolationError, match=r"lan2 is an uplink"):
                await isolator.apply([lease(bridge_port="lan2")])
            assert built.reachable()
        with opened(switch, tmp_path, max_macs=3) as isolator:
            await isolator.apply([lease(mac=built.suspect.mac)])
            assert not built.reachable()
            await isolator.clear()
    assert await free_again(built)


async def test_a_port_that_is_listed_is_never_closed(built, switch, tmp_path):
    with (
        opened(switch, tmp_path, uplinks=["lan2"]) as isolator,
        pytest.raises(IsolationError, match="lan2 is an uplink: listed in uplinks"),
    ):
        await isolator.apply([lease(mac=built.suspect.mac)])
    assert built.reachable()


@pytest.mark.parametrize(
    ("home", "why"),
    [
        ("lan2", "the way to the gateway"),  # where it was before it fell silent
        ("lan1", "the gateway"),  # its MAC is at this port now, whoever uses it
    ],
)
async def test_a_port_behind_which_somebody_exempt_was_learnt_is_never_closed(
    built, switch, tmp_path, home, why
):
    async def look() -> Exempt:
        return Exempt([Exemption(who="the gateway", mac=OTHERS[0], home=home)])

    seen = OTHERS[:1] if home == "lan1" else []
    with (
        also_learnt(built, "lan2", seen),
        opened(switch, tmp_path, max_macs=8) as isolator,
        pytest.raises(ExemptError, match=f"refused: it is {why}$"),
    ):
        await Guard(isolator, look).apply([lease(mac=built.suspect.mac)])
    assert built.reachable()


async def test_a_mac_that_shows_up_at_another_port_closes_neither(built, switch, tmp_path):
    with opened(switch, tmp_path) as isolator:
        assert (await isolator.learnt())[built.suspect.mac] == "lan2"
        isolator._monotonic_ns = lambda: time.monotonic_ns() + 6 * SECOND_NS
        elsewhere = (built.suspect.mac, "dev", "lan1", "master", "dynamic")
        built.on_box("bridge", "fdb", "replace", *elsewhere)
        with pytest.raises(IsolationError, match=r"at several ports lately \(lan1, lan2\)"):
            await isolator.apply([lease(mac=built.suspect.mac)])
    assert built.reachable()


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"mac": "02:00:00:00:00:0b", "bridge_port": "lan1"}, "behind two bridge ports"),
        ({"ip": "10.77.0.2"}, "behind a router"),
        ({"bridge_port": "lan9"}, "no port 'lan9'"),
    ],
)
async def test_what_a_switch_cannot_cut_is_refused(isolator, what, why):
    with pytest.raises(IsolationError, match=why):
        await isolator.apply([lease(**what)])


@pytest.mark.parametrize("login", ["v2c that may only read", "v3 that may only read"])
async def test_a_switch_that_refuses_is_told_and_nothing_is_said_to_hold(
    built, switch, tmp_path, login
):
    with opened(switch, tmp_path, login) as isolator:
        with pytest.raises(IsolationError, match="refuses: noAccess"):
            await isolator.apply([lease(mac=built.suspect.mac)])
        assert await isolator.read_back() == ()
        await isolator.apply([])
    assert built.reachable()
    assert (tmp_path / NAME).read_text() == "[]"


@pytest.mark.parametrize("login", ["v2c of a stranger", "v3 with a wrong password"])
async def test_a_switch_that_does_not_let_us_in_is_told(built, switch, tmp_path, login, caplog):
    with opened(switch, tmp_path, login, timeout_s=0.2) as isolator:
        with pytest.raises(IsolationError, match=r"switch 127\.0\.0\.1 does not answer") as told:
            await isolator.apply([lease(mac=built.suspect.mac)])
        assert "wrong-" not in str(told.value) + caplog.text


async def test_a_switch_that_is_silent_is_waited_for_in_bounds_and_told(
    built, switch, tmp_path, caplog
):
    leases = [lease(number=f"{n:032x}", mac=built.suspect.mac) for n in range(50)]
    with opened(switch, tmp_path, timeout_s=0.2) as isolator:
        switch.pause()
        try:
            began_s = time.monotonic()
            for asked in (isolator, Guard(isolator, nobody_exempt)):
                with pytest.raises(IsolationError, match="does not answer"):
                    await asked.apply(leases)
            assert time.monotonic() - began_s < 8  # of ten for each lease by itself
            assert caplog.messages.count("switch_away") == 1
        finally:
            switch.go_on()
    assert built.reachable()


async def test_what_was_asked_of_a_silent_switch_is_undone_when_it_is_back(
    built, switch, tmp_path
):
    with opened(switch, tmp_path, timeout_s=0.2) as isolator:
        await isolator.learnt()
        note = isolator._file.change

        def note_and_fall_silent(**changes):
            note(**changes)
            switch.pause()

        isolator._file.change = note_and_fall_silent
        with pytest.raises(IsolationError, match="does not answer"):
            await isolator.apply([lease(mac=built.suspect.mac)])
        isolator._file.change = note
        switch.go_on()
        assert "0123456789abcdef" in (tmp_path / NAME).read_text()
        isolator._monotonic_ns = lambda: time.monotonic_ns() + 6 * SECOND_NS
        await isolator.apply([])
        assert await isolator.read_back() == ()
        assert await free_again(built)


async def test_who_starts_next_finds_what_is_closed_and_opens_it_in_time(built, switch, tmp_path):
    with opened(switch, tmp_path) as before:
        held = lease(mac=built.suspect.mac)
        await before.apply([held])
    with opened(switch, tmp_path) as after:
        assert await holding(after) == [held]
        await after.apply([held])  # although nothing is learnt at a closed port
        assert not built.reachable()
        await after.apply([msgspec.structs.replace(held, expires_ns=time.time_ns())])
        assert await after.read_back() == ()
        assert await free_again(built)


async def test_an_enforcer_of_a_switch_needs_no_right_here_and_opens_all_when_its_agent_ends(
    built, tmp_path
):
    with managed(built, tmp_path, inside=True) as switch:
        settings = IsolationConfig(enforcer="snmp_switch", switch=switch.config())
        with started_enforcer(Begin(settings, [], {}, tmp_path), built.box) as enforcer:
            held = lease(mac=built.suspect.mac)
            await enforcer.apply([held])
            assert await holding(enforcer) == [held]
            (said,) = children().values()
            assert {int(said[kind], 16) for kind in ("CapEff", "CapPrm", "CapAmb")} == {0}
            assert not built.reachable()
        assert await free_again(built)
    assert (tmp_path / NAME).read_text() == "[]"


async def test_a_port_that_somebody_opened_is_closed_again(built, switch, isolator):
    held = lease(mac=built.suspect.mac)
    await isolator.apply([held])
    with opened(switch, isolator._file._folder) as another:
        await another._open("lan2")
        assert await isolator.read_back() == ()
        await isolator.apply([held])
    assert not built.reachable()


async def test_a_switch_that_numbers_its_ports_anew_has_no_other_port_closed(built, isolator):
    async with asyncio.timeout(30):  # snmpd may not know every port yet
        while not {"lan1", "lan2"} <= isolator._tables.interfaces.keys():
            await isolator.learnt()
    interfaces = isolator._tables.interfaces
    interfaces["lan2"], interfaces["lan1"] = interfaces["lan1"], interfaces["lan2"]
    await isolator.apply([lease(mac=built.suspect.mac)])
    assert "state DOWN" in built.on_box("ip", "link", "show", "lan2")
    assert "state UP" in built.on_box("ip", "link", "show", "lan1")


@pytest.mark.usefixtures("built")
async def test_a_table_of_more_rows_than_are_kept_is_told(isolator, monkeypatch):
    monkeypatch.setattr("agent.isolation.snmp.MAX_ROWS", 1)
    with pytest.raises(IsolationError, match="a table without end"):
        await isolator.learnt()
    monkeypatch.undo()


async def test_a_port_that_a_person_closed_stays_closed(built, switch, tmp_path, isolator):
    with opened(switch, tmp_path) as person:
        index, _ = await person._status("lan2")
        await person._set("lan2", index, 2)
        with pytest.raises(IsolationError, match="down already, and not by us"):
            await isolator.apply([lease(bridge_port="lan2")])
        await isolator.clear()
        assert (await person._status("lan2"))[1] == 2
        await person._open("lan2")
    assert await free_again(built)


async def test_a_port_is_open_when_the_last_of_its_leases_ends(built, isolator):
    one, other = lease(mac=built.suspect.mac), lease(number="2" * 32, bridge_port="lan2")
    await isolator.apply([one, other])
    await isolator.apply([other])
    assert await holding(isolator) == [other]
    assert not built.reachable()
    await isolator.apply([])
    assert await free_again(built)


async def test_which_ports_are_closed_is_not_guessed_when_it_cannot_be_read(isolator, tmp_path):
    (tmp_path / NAME).write_text("{")
    with pytest.raises(IsolationError, match="tells which ports"):
        await isolator.read_back()
    (tmp_path / NAME).unlink()


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ('version = "2c"\ncommunity = "hush"\n', 0o644, "is open to others: chmod 600"),
        ('version = "3"\nuser = "u"\nauth_password = "hush"\n', 0o600, "length >= 8"),
        ('version = "1"\ncommunity = "hush"\n', 0o600, "version"),
        ('community = "hush', 0o600, "Unterminated"),
    ],
)
def test_credentials_are_private_and_complete_and_never_told(switch, tmp_path, text, mode, why):
    path = tmp_path / "switch.toml"
    path.write_text(text)
    path.chmod(mode)
    config = msgspec.structs.replace(switch.config(), credentials_file=path)
    with pytest.raises(ConfigError, match=why) as told:
        SnmpSwitchIsolator(config, tmp_path)
    assert "hush" not in str(told.value)


async def told_by_the_doctor(capsys: pytest.CaptureFixture[str], **isolation) -> str:
    config = AgentConfig(isolation=IsolationConfig(enforcer="snmp_switch", **isolation))
    await asyncio.to_thread(examine, config)
    return capsys.readouterr().out


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


def on_this_box(command: str, settings: Path, *more: str) -> str:
    program = [sys.executable, "-P", "-m", "agent", command, "--config", str(settings), *more]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
