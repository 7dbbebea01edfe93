import json
import re
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from agent.errors import IsolationError, NoBridgeError
from agent.isolation import Lease
from agent.isolation.desired import PUT_BACK, DesiredIsolations
from agent.isolation.lease_file import LeaseFile
from agent.isolation.nft import MILLISECOND_NS, TICKS_MS, NftIsolator
from agent.isolation.on_this_box import released
from contract.cuts import Part
from tests.agent.isolation.lab import Lab
from tests.agent.messages import isolation

pytestmark = pytest.mark.root

SECOND_NS = 1_000_000_000
FIREWALL = Path(__file__).parents[3] / "firmware_configs" / "nftables" / "edgewarden-base.nft"
ID = "0123456789abcdef" * 2
MAC = "02:00:00:00:00:77"


@pytest.fixture
async def nft(built: Lab) -> AsyncIterator[NftIsolator]:
    made = built.isolator()
    yield made
    await made.clear()


def lease(seconds: float = 60, **what: Any) -> Lease:
    until_ns = time.time_ns() + int(seconds * SECOND_NS)
    return Lease(isolation_id=ID, expires_ns=until_ns, **what)


def sets(built: Lab) -> dict[str, list[dict[str, dict[str, object]]]]:
    listed = json.loads(built.on_box("nft", "-j", "list", "table", "bridge", "edgewarden"))
    return {i["set"]["name"]: i["set"].get("elem", []) for i in listed["nftables"] if "set" in i}


def in_ms(told: str) -> int:
    each = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    return sum(int(count) * each[unit] for count, unit in re.findall(r"(\d+)([a-z]+)", told))


async def make_table(nft: NftIsolator) -> None:
    await nft.apply([lease(mac="02:00:00:00:00:77")])
    await nft.apply([])


async def test_where_nobody_is_isolated_no_table_is_made(built, nft):
    await nft.apply([])
    assert built.on_box("nft", "list", "ruleset") == ""


async def test_only_the_remaining_time_is_armed_to_the_tick_of_the_kernel(built):
    moment_ns = time.time_ns()
    nft = built.isolator(lambda: moment_ns)
    for left_ms in (604_799_999, 4200, 900):
        until_ns = moment_ns + left_ms * MILLISECOND_NS
        await nft.apply([Lease(isolation_id=ID, mac=MAC, expires_ns=until_ns)])
        listed = built.on_box("nft", "list", "set", "bridge", "edgewarden", "isolated_macs")
        (told,) = re.findall(r"timeout (\w+)", listed)
        assert left_ms < in_ms(told) <= left_ms + TICKS_MS


@pytest.mark.usefixtures("built")
async def test_no_name_of_a_port_says_more_to_nft_than_a_name(nft):
    odd = ["a;flush", "#x", "@x", "$x", "a{b", "\\x", "}"]
    leases = [lease(mac=MAC, bridge_port=name) for name in odd]
    await nft.apply(leases)
    assert sorted(str(each.bridge_port) for each in await nft.read_back()) == sorted(odd)
    with pytest.raises(IsolationError, match="no bridge_port"):
        await nft.apply([*leases, lease(mac=MAC, bridge_port='"} ;flush')])
    assert len(await nft.read_back()) == len(odd)


async def test_a_host_is_isolated_by_its_address_or_on_its_port_alone(built, nft):
    for what in (
        {"ip": built.suspect.ip},
        {"mac": built.suspect.mac, "bridge_port": "lan2"},
        {"mac": built.suspect.mac, "ip": built.suspect.ip},
    ):
        await nft.apply([lease(**what)])
        assert not built.reachable()
        (found,) = await nft.read_back()
        assert {k: v for k in ("mac", "ip", "bridge_port") if (v := getattr(found, k))} == what
    await nft.apply([lease(mac=built.suspect.mac, bridge_port="lan1")])
    assert built.reachable()


async def test_ipv6_addresses_are_read_back_in_any_spelling(built, nft):
    await nft.apply([lease(ip="FE80:0:0:0::00b")])
    (found,) = await built.isolator().read_back()
    assert found.ip == "fe80::b"


async def test_other_tables_are_never_touched(built, nft):
    built.on_box("nft", "add", "table", "bridge", "somebody_else")
    built.on_box("nft", "add", "chain", "bridge", "somebody_else", "theirs")
    before = built.on_box("nft", "list", "table", "bridge", "somebody_else")
    await nft.apply([lease(mac=built.suspect.mac)])
    await nft.clear()
    assert built.on_box("nft", "list", "table", "bridge", "somebody_else") == before
    assert "edgewarden" not in built.on_box("nft", "list", "ruleset")
    built.on_box("nft", "delete", "table", "bridge", "somebody_else")


async def test_the_table_is_the_one_that_the_box_s_firewall_makes(built, nft):
    rules = "".join(
        line
        for line in FIREWALL.read_text().splitlines(keepends=True)
        if not line.startswith("include")
    )
    only_ours = rules[rules.index("add table bridge edgewarden") :]
    built.on_box("nft", only_ours)
    made_at_boot = built.on_box("nft", "list", "table", "bridge", "edgewarden")
    await nft.apply([])
    assert built.on_box("nft", "list", "table", "bridge", "edgewarden") == made_at_boot
    await nft.clear()
    await make_table(nft)
    made_by_us = built.on_box("nft", "list", "table", "bridge", "edgewarden")
    assert sorted(made_by_us.split("\n")) == sorted(made_at_boot.split("\n"))


async def test_rules_that_somebody_flushed_are_there_again(built, nft):
    held = lease(mac=built.suspect.mac)
    await nft.apply([held])
    built.on_box("nft", "flush", "table", "bridge", "edgewarden")
    assert built.reachable()
    await nft.apply([held])
    assert not built.reachable()


def box_reaches(built: Lab, ip: str) -> bool:
    ping = [*built.box, "ping", "-c", "1", "-W", "0.4", ip]
    return subprocess.run(ping, capture_output=True, check=False).returncode == 0


async def test_who_borrows_a_mac_is_cut_off_and_its_owner_is_not(built, nft):
    built.on_box("ip", "address", "add", "10.77.0.254/24", "dev", "br0")
    try:
        built.on_suspect("ip", "link", "set", "eth0", "address", built.victim.mac)
        assert box_reaches(built, built.suspect.ip)
        await nft.apply([lease(mac=built.victim.mac, bridge_port="lan2")])
        assert not box_reaches(built, built.suspect.ip)
        assert box_reaches(built, built.victim.ip)
    finally:
        built.on_suspect("ip", "link", "set", "eth0", "address", built.suspect.mac)
        built.on_box("ip", "address", "flush", "dev", "br0")
        built.on_box("ip", "neighbour", "flush", "all")
    await nft.clear()
    assert built.reachable()


@pytest.mark.parametrize("chain", ["isolations", "from_ports"])
async def test_elements_that_no_rule_looks_at_hold_nobody(built, nft, chain):
    held = lease(mac=built.suspect.mac)
    await nft.apply([held])
    built.on_box("nft", "flush", "chain", "bridge", "edgewarden", chain)
    assert await nft.read_back() == ()
    await nft.apply([held])
    assert len(await nft.read_back()) == 1


async def test_whatever_others_flush_the_agent_puts_back_and_tells(built, nft, tmp_path):
    desired = DesiredIsolations(nft, LeaseFile(tmp_path))
    mac = built.suspect.mac
    until_ns = time.time_ns() + 60 * SECOND_NS
    wanted = structs.replace(
        isolation(), host=mac, isolated_mac=mac, isolated_ns=time.time_ns(), expires_ns=until_ns
    )
    assert (await desired.isolate(wanted)).state == "verified"
    for flush in (("ruleset",), ("chain", "bridge", "edgewarden", "isolations")):
        built.on_box("nft", "flush", *flush)
        assert built.reachable()
        (told,) = await desired.settle()
        assert (told.state, told.detail) == ("verified", PUT_BACK)
        assert not built.reachable()
    (element,) = sets(built)["isolated_macs"]
    assert int(str(element["elem"]["timeout"])) <= 60
    assert await released(LeaseFile(tmp_path), nft, None) == 0
    await desired.settle()
    assert built.on_box("nft", "list", "ruleset") == ""
    assert built.reachable()


@pytest.mark.parametrize("more", ["", ' comment "edgewarden:mine"'])
async def test_what_a_person_put_there_is_shown_and_can_be_taken_away(built, nft, more):
    await make_table(nft)
    element = "{ 02:00:00:00:00:0b" + more + " }"
    built.on_box("nft", "add", "element", "bridge", "edgewarden", "isolated_macs", element)
    (found,) = await nft.read_back()
    assert found.mac == built.suspect.mac
    assert re.fullmatch("[0-9a-f]{32}", found.isolation_id)
    assert not built.reachable()
    await nft.apply([])
    assert built.reachable()


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({}, "cannot cut a host by bridge_port"),
        ({"mac": MAC, "part": Part(kind="pair")}, "cannot cut a pair by mac"),
        ({"ip": "10.0.0.1", "part": Part(kind="pair", peer_ip="fe80::1")}, "by ip, peer_ip"),
        ({"ip": "10.0.0.1", "part": Part(kind="pair", peer_ip="nowhere")}, "nowhere"),
        ({"mac": MAC, "ip": "10.0.0.1", "part": Part(kind="rate")}, "a rate by mac, ip"),
        ({"mac": MAC, "bridge_port": "lan2", "part": Part(kind="rate")}, "mac, bridge_port"),
        ({"mac": MAC, "part": Part(kind="flow", peer_mac=MAC, port=1)}, "a flow by mac"),
        ({"ip": "1.2.3"}, "1.2.3"),
        ({"mac": "not a mac"}, "nft: "),
    ],
)
async def test_what_nft_cannot_isolate_is_an_error_and_changes_nothing(built, nft, what, why):
    held = lease(mac=built.suspect.mac)
    await nft.apply([held])
    with pytest.raises(IsolationError, match=why):
        await nft.apply([held, lease(**what)])
    assert not built.reachable()
    assert len(await nft.read_back()) == 1


async def test_a_missing_library_is_an_error(monkeypatch):
    monkeypatch.setattr("agent.isolation.nft_library.LIBRARY", "libnowhere.so")
    with pytest.raises(IsolationError, match="cannot open shared object"):
        await NftIsolator().read_back()


async def test_after_an_error_the_library_goes_on(built):
    table = {"family": "bridge", "name": "nowhere"}
    for _ in range(2):
        with pytest.raises(IsolationError, match="No such file"):
            built.nftables.run([{"list": {"table": table}}])
        assert await built.isolator().read_back() == ()


async def test_without_a_bridge_nobody_is_said_to_be_cut_off(built):
    elsewhere = NftIsolator("br9", built.box, time.time_ns, built.nftables)
    with pytest.raises(NoBridgeError):
        await elsewhere.learnt()
    with pytest.raises(IsolationError, match="br9 has no ports, so nothing passes here"):
        await elsewhere.apply([lease(mac=MAC)])


async def test_where_nothing_passes_the_box_nobody_is_said_to_be_cut_off(built, nft):
    await nft.apply([lease(mac=MAC)])
    for each in (built.victim, built.suspect):
        built.on_box("ip", "link", "set", each.port, "nomaster")
    try:
        await nft.learnt()  # as is done every ten seconds
        assert await nft.read_back() == ()
        with pytest.raises(IsolationError, match="br0 has no ports, so nothing passes here"):
            await nft.apply([lease(mac=MAC)])
        await nft.apply([])  # whoever is let go is let go all the same
        assert not any(sets(built).values())
    finally:
        for each in (built.victim, built.suspect):
            built.on_box("ip", "link", "set", each.port, "master", "br0")
