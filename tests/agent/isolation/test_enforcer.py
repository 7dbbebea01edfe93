"""The enforcer as a process: what it may do, what it refuses, and what stays when it dies."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.config import IsolationConfig
from agent.errors import EnforcerGoneError, IsolationError
from agent.isolation import Lease
from agent.isolation.enforcer import Enforcer, started_enforcer
from agent.isolation.guard import ExemptError
from agent.isolation.requests import MAX_BYTES, Begin
from contract.commands import MAX_ISOLATION_S
from contract.cuts import Part
from runtime.capabilities import CAP_NET_ADMIN
from tests.agent.isolation.lab import Lab

pytestmark = pytest.mark.root

SECOND_NS = 1_000_000_000
EXEMPT = "02:00:00:00:00:77"
NOWHERE = Path("/nonexistent")


@pytest.fixture
def enforcer(built: Lab) -> Iterator[Enforcer]:
    with started_enforcer(begin(), built.box) as started:
        yield started
    built.on_box("nft", "flush", "ruleset")


def begin() -> Begin:
    return Begin(IsolationConfig(enforcer="nft"), [EXEMPT], {}, NOWHERE)


def lease(mac: str, seconds: float = 60, number: int = 1) -> Lease:
    until_ns = time.time_ns() + int(seconds * SECOND_NS)
    return Lease(isolation_id=f"{number:032x}", mac=mac, expires_ns=until_ns)


def children() -> dict[int, dict[str, str]]:
    """Return what the kernel says of the processes that we started."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            said = dict(re.findall(r"^(\w+):\t(.*)$", path.read_text(), re.MULTILINE))
            command = (path.parent / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if said["PPid"] == str(os.getpid()) and b"\0enforce\0" in command:
            found[int(said["Pid"])] = said
    return found


async def test_the_enforcer_isolates_reads_back_and_lets_go(built, enforcer):
    held = lease(built.suspect.mac)
    await enforcer.apply([held])
    assert not built.reachable()
    (found,) = await enforcer.read_back()
    assert found.isolation_id == held.isolation_id
    await enforcer.clear()
    assert await enforcer.read_back() == ()
    assert built.reachable()


async def test_the_enforcer_may_change_the_network_and_nothing_else(enforcer):
    await enforcer.read_back()
    (said,) = children().values()
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        assert int(said[kind], 16) == 1 << CAP_NET_ADMIN, kind
    assert said["NoNewPrivs"] == "1"


async def test_an_enforcer_begins_with_whatever_can_be_set(built, tmp_path):
    settings = IsolationConfig(enforcer="nft", release_secret_file=tmp_path / "release.secret")
    with started_enforcer(Begin(settings, [EXEMPT], {}, NOWHERE), built.box) as enforcer:
        assert await enforcer.read_back() == ()


async def test_the_enforcer_refuses_the_exempt_by_its_own_look(built, enforcer):
    exempt = await enforcer.refresh()
    assert exempt.why(EXEMPT) == "exempt by [policy] exempt"
    with pytest.raises(ExemptError, match="refused: it is exempt by"):
        await enforcer.apply([lease(EXEMPT, number=2), lease(built.suspect.mac)])
    assert [found.mac for found in await enforcer.read_back()] == [built.suspect.mac]


async def test_the_enforcer_cuts_off_no_uplink_and_no_part_of_the_exempt(built):
    settings = IsolationConfig(enforcer="nft", uplinks=["lan2"])
    with started_enforcer(Begin(settings, [EXEMPT], {}, NOWHERE), built.box) as enforcer:
        uplink = msgspec.structs.replace(lease(EXEMPT), mac=None, bridge_port="lan2")
        with pytest.raises(ExemptError, match="it is the way to the rest of the network"):
            await enforcer.apply([uplink])
        slowed = msgspec.structs.replace(lease(EXEMPT), part=Part(kind="rate"))
        with pytest.raises(ExemptError, match="it is exempt by"):
            await enforcer.apply([slowed])
        pair = Part(kind="pair", peer_mac=EXEMPT)
        await enforcer.apply([msgspec.structs.replace(lease(built.suspect.mac), part=pair)])
        (found,) = await enforcer.read_back()
        assert (found.mac, found.part) == (built.suspect.mac, pair)
    built.on_box("nft", "flush", "ruleset")


async def test_what_the_kernel_refuses_is_an_error_and_the_enforcer_lives_on(enforcer):
    nobody = Lease(isolation_id="0" * 32, bridge_port="lan9", expires_ns=2**62)
    with pytest.raises(IsolationError, match="lan9 is no port of br0"):
        await enforcer.apply([nobody])
    assert await enforcer.read_back() == ()


async def test_nobody_gets_an_isolation_for_ever_from_the_enforcer(built, enforcer):
    await enforcer.apply([msgspec.structs.replace(lease(built.suspect.mac), expires_ns=2**62)])
    (found,) = await enforcer.read_back()
    assert found.expires_ns <= time.time_ns() + (MAX_ISOLATION_S + 1) * SECOND_NS


async def test_a_lease_goes_on_and_ends_in_time_with_every_process_killed(built):
    with started_enforcer(begin(), built.box) as enforcer:
        held = lease(built.suspect.mac, 5.0)
        await enforcer.apply([held])
        (pid,) = children()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(EnforcerGoneError):
            await enforcer.read_back()
    assert not built.reachable()
    while not built.reachable():
        assert time.time_ns() < held.expires_ns + 2 * SECOND_NS
        await asyncio.sleep(0.02)
    built.on_box("nft", "flush", "ruleset")


async def test_a_stop_of_the_service_does_not_end_the_enforcer_before_its_agent(built, enforcer):
    await enforcer.read_back()
    (pid,) = children()
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(pid, number)
    await enforcer.apply([lease(built.suspect.mac)])
    assert not built.reachable()


async def test_without_its_agent_the_enforcer_ends_and_leaves_what_holds(built):
    with started_enforcer(begin(), built.box) as enforcer:
        await enforcer.apply([lease(built.suspect.mac)])
        assert len(children()) == 1
    assert children() == {}
    assert not built.reachable()
    built.on_box("nft", "flush", "ruleset")


async def test_what_no_kernel_would_end_is_let_go_when_the_agent_ends(built, tmp_path):
    settings = IsolationConfig(enforcer="bridge_port")
    with started_enforcer(Begin(settings, [], {}, tmp_path), built.box) as enforcer:
        await enforcer.apply([lease(built.suspect.mac)])
        assert not built.reachable()
    assert built.reachable()


def framed(message: object) -> bytes:
    data = msgspec.msgpack.encode(message, enc_hook=str)
    return len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    "said",
    [
        b"\0\0\0\x04abcd",
        struct.pack(">I", MAX_BYTES + 1),
        struct.pack(">I", 2**32 - 1) + b"x",
        framed({"type": "apply", "leases": "everybody"}),
        framed({"type": "apply", "leases": [{"isolation_id": "1", "expires_ns": 1}]}),
        framed({"type": "begin", "isolation": {}, "exempt": [], "names": {}}),
    ],
)
def test_who_talks_nonsense_to_an_enforcer_is_not_listened_to_any_more(said):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        program = [sys.executable, "-P", "-m", "agent", "enforce", str(theirs.fileno())]
        process = subprocess.Popen(program, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
        theirs.close()
        ours.sendall(framed(Begin(IsolationConfig(), [], {}, NOWHERE)) + said)
        assert process.wait(10) == 1
        with contextlib.suppress(ConnectionResetError):
            assert ours.recv(1000) == b""
