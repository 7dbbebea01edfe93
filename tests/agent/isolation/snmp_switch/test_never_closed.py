"""What of a managed switch is never closed: a real snmpd that changes a real bridge."""

import asyncio
import time

import pytest

from agent.errors import IsolationError
from agent.exempt import Exempt, Exemption
from agent.isolation.guard import ExemptError, Guard
from tests.agent.isolation.snmp_switch.runs import (
    OTHERS,
    SECOND_NS,
    also_learnt,
    free_again,
    holding,
    lease,
    opened,
)

pytestmark = pytest.mark.root


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


async def test_a_switch_that_numbers_its_ports_anew_has_no_other_port_closed(built, isolator):
    async with asyncio.timeout(30):  # snmpd may not know every port yet
        while not {"lan1", "lan2"} <= isolator._tables.interfaces.keys():
            await isolator.learnt()
    interfaces = isolator._tables.interfaces
    interfaces["lan2"], interfaces["lan1"] = interfaces["lan1"], interfaces["lan2"]
    await isolator.apply([lease(mac=built.suspect.mac)])
    assert "state DOWN" in built.on_box("ip", "link", "show", "lan2")
    assert "state UP" in built.on_box("ip", "link", "show", "lan1")


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
