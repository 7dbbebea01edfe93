"""A switch that is silent, refuses or does not let us in: a real snmpd."""

import time

import msgspec
import pytest

from agent.errors import IsolationError
from agent.isolation.closed_ports import NAME
from agent.isolation.guard import Guard
from agent.isolation.snmp_switch import SnmpSwitchIsolator
from runtime.errors import ConfigError
from tests.agent.isolation.snmp_switch.runs import (
    SECOND_NS,
    free_again,
    lease,
    nobody_exempt,
    opened,
)

pytestmark = pytest.mark.root


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


@pytest.mark.usefixtures("built")
async def test_a_table_of_more_rows_than_are_kept_is_told(isolator, monkeypatch):
    monkeypatch.setattr("agent.isolation.snmp.MAX_ROWS", 1)
    with pytest.raises(IsolationError, match="a table without end"):
        await isolator.learnt()
    monkeypatch.undo()


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
