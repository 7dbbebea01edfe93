import time
from typing import Any

import pytest

from agent.errors import IsolationError
from agent.exempt import Exempt, Exemption
from agent.isolation import Lease
from agent.isolation.bridge_port import BridgePortIsolator
from agent.isolation.guard import ExemptError, Guard

pytestmark = pytest.mark.root

ID = "0123456789abcdef" * 2


def lease(**what: Any) -> Lease:
    return Lease(isolation_id=ID, expires_ns=time.time_ns() + 60_000_000_000, **what)


async def test_a_port_can_be_named_itself(built):
    isolator = BridgePortIsolator("br0", built.box)
    await isolator.apply([lease(bridge_port="lan2")])
    assert not built.reachable()
    assert [found.bridge_port for found in await isolator.read_back()] == ["lan2"]
    await isolator.clear()
    assert built.reachable()


async def test_a_port_s_own_alias_is_back_afterwards(built):
    built.on_box("ip", "link", "set", "dev", "lan2", "alias", "front door camera")
    isolator = BridgePortIsolator("br0", built.box)
    for _ in range(2):
        await isolator.apply([lease(bridge_port="lan2")])
    assert ID in built.on_box("ip", "link", "show", "lan2")
    await isolator.clear()
    assert built.on_box("ip", "link", "show", "lan2").endswith("alias front door camera\n")
    built.on_box("ip", "link", "set", "dev", "lan2", "alias", "")


async def test_a_port_that_a_person_disabled_stays_as_it_is(built):
    built.on_box("bridge", "link", "set", "dev", "lan2", "state", "0")
    isolator = BridgePortIsolator("br0", built.box)
    assert await isolator.read_back() == ()
    await isolator.clear()
    assert not built.reachable()
    built.on_box("bridge", "link", "set", "dev", "lan2", "state", "3")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"bridge_port": "lan9"}, "no port of br0"),
        ({"mac": "02:00:00:00:00:77"}, "has not seen"),
        ({"ip": "10.77.0.2"}, "has not seen"),
    ],
)
async def test_what_has_no_port_is_an_error_and_changes_nothing(built, what, why):
    isolator = BridgePortIsolator("br0", built.box)
    with pytest.raises(IsolationError, match=why):
        await isolator.apply([lease(**what)])
    assert built.reachable()


async def test_a_lease_holds_on_although_the_bridge_forgot_where_the_host_is(built):
    isolator = BridgePortIsolator("br0", built.box)
    held = lease(mac=built.suspect.mac)
    await isolator.apply([held])
    built.on_box("bridge", "fdb", "del", built.suspect.mac, "dev", "lan2", "master")
    await isolator.apply([held])
    assert not built.reachable()
    await isolator.clear()


async def test_a_port_that_began_to_forward_again_is_disabled_by_the_next_apply(built):
    isolator = BridgePortIsolator("br0", built.box)
    held = lease(mac=built.suspect.mac)
    await isolator.apply([held])
    built.on_box("bridge", "link", "set", "dev", "lan2", "state", "3")
    assert await isolator.read_back() == ()
    await isolator.apply([held])
    assert not built.reachable()
    await isolator.clear()


@pytest.mark.parametrize(
    ("home", "why"),
    [("lan2", "the way to the gateway"), (None, "perhaps the way to the gateway"), ("lan1", "")],
)
async def test_a_port_behind_which_an_exempt_host_lives_is_never_disabled(built, home, why):
    async def look() -> Exempt:
        return Exempt([Exemption(who="the gateway", mac="02:00:00:00:00:99", home=home)])

    guard = Guard(BridgePortIsolator("br0", built.box), look)
    if why:
        with pytest.raises(ExemptError, match=f"refused: it is {why}"):
            await guard.apply([lease(mac=built.suspect.mac)])
    else:
        await guard.apply([lease(mac=built.suspect.mac)])
    assert built.reachable() == bool(why)
    await guard.clear()


async def test_a_missing_or_silent_program_is_an_error(monkeypatch):
    with pytest.raises(IsolationError, match="No such file"):
        await BridgePortIsolator("br0", ("/nonexistent/ip",)).read_back()
    monkeypatch.setattr("agent.isolation.programs.TIMEOUT_S", 0.1)
    with pytest.raises(IsolationError, match="no answer"):
        await BridgePortIsolator("br0", ("sh", "-c", "exec sleep 60")).read_back()


async def test_an_unreadable_answer_is_an_error():
    with pytest.raises(IsolationError, match="unreadable"):
        await BridgePortIsolator("br0", ("echo", "{")).read_back()
