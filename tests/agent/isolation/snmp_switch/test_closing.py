"""Ports of a managed switch: a real snmpd that changes a real bridge."""

import time

import msgspec
import pytest

from agent.config import IsolationConfig
from agent.isolation.closed_ports import NAME
from agent.isolation.desired import DesiredIsolations
from agent.isolation.enforcer import started_enforcer
from agent.isolation.guard import Guard
from agent.isolation.lease_file import LeaseFile
from agent.isolation.requests import Begin
from tests.agent.isolation.snmp_switch.runs import (
    SECOND_NS,
    free_again,
    holding,
    lease,
    nobody_exempt,
    opened,
)
from tests.agent.isolation.switch import managed
from tests.agent.isolation.test_enforcer import children
from tests.agent.messages import isolation

pytestmark = pytest.mark.root


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


async def test_a_port_is_open_when_the_last_of_its_leases_ends(built, isolator):
    one, other = lease(mac=built.suspect.mac), lease(number="2" * 32, bridge_port="lan2")
    await isolator.apply([one, other])
    await isolator.apply([other])
    assert await holding(isolator) == [other]
    assert not built.reachable()
    await isolator.apply([])
    assert await free_again(built)
