"""An isolator of the lab's switch, and what tests ask of it."""

import asyncio
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from agent.exempt import Exempt
from agent.isolation import Enforcing, Lease
from agent.isolation.snmp_switch import SnmpSwitchIsolator
from tests.agent.isolation.lab import Lab
from tests.agent.isolation.switch import Switch

SECOND_NS = 1_000_000_000
ID = "0123456789abcdef" * 2
OTHERS = [f"02:00:00:00:01:{number:02x}" for number in range(3)]


@contextmanager
def opened(switch: Switch, folder: Path, login: str = "v2c", **changes):
    with closing(SnmpSwitchIsolator(switch.config(login, **changes), folder)) as isolator:
        yield isolator


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
