"""Who is exempt, as a real kernel and the system's files tell it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from agent.errors import IsolationError
from agent.exempt import ON_LINK, THIS_BOX, Exempt, Exemption
from agent.isolation.bridge_port import learnt_ports
from agent.isolation.pinned import HOLD_NS, Pinned
from agent.isolation.surroundings import Surroundings
from tests.agent.isolation.lab import Lab

pytestmark = pytest.mark.root

BOX_IP = "10.77.0.254"


@pytest.fixture
def box(built: Lab) -> Iterator[Lab]:
    """The box has an address, and the victim is its gateway."""
    built.on_box("ip", "link", "set", "br0", "address", "02:00:00:00:00:fe")
    built.on_box("ip", "address", "add", f"{BOX_IP}/24", "dev", "br0")
    built.on_box("ip", "route", "add", "default", "via", built.victim.ip)
    for host in (built.victim, built.suspect):
        built.on_box("ping", "-c", "1", "-W", "1", host.ip)
    yield built
    built.on_box("ip", "address", "flush", "dev", "br0")
    built.on_box("ip", "neighbour", "flush", "all")


def learnt_by(box: Lab) -> Callable[[], Awaitable[dict[str, str]]]:
    return partial(learnt_ports, "br0", box.box)


def look(box: Lab, root: Path, **names: str) -> Exempt:
    return asyncio.run(around(box, root, **names).look())


def around(box: Lab, root: Path, **names: str) -> Surroundings:
    return Surroundings([], names, learnt_by(box), prefix=box.box, root=root)


def test_the_box_itself_is_exempt_by_every_address_and_mac(box, tmp_path):
    exempt = look(box, tmp_path)
    own = {each.mac or each.network for each in exempt.exemptions if each.who == THIS_BOX}
    assert {BOX_IP, "02:00:00:00:00:fe"} <= own
    assert exempt.why("02:00:00:00:00:fe") == THIS_BOX


def test_the_gateway_is_exempt_by_its_address_and_mac_and_its_port_is_known(box, tmp_path):
    exempt = look(box, tmp_path)
    assert exempt.why(None, box.victim.ip) == "the gateway"
    assert exempt.why(box.victim.mac) == "the gateway"
    assert exempt.why(None, None, "lan1") == "the way to the gateway"
    assert exempt.why(box.victim.mac, None, "lan2") is None
    assert exempt.why(box.suspect.mac, box.suspect.ip) is None


def test_nobody_of_this_link_is_cut_off_by_an_address_that_another_may_have_taken(box, tmp_path):
    exempt = look(box, tmp_path)
    assert exempt.why(None, box.suspect.ip) == ON_LINK
    assert exempt.why(None, "10.78.0.2") is None
    assert exempt.why(box.suspect.mac, box.suspect.ip) is None


def test_an_ipv6_gateway_is_exempt(box, tmp_path):
    box.on_box("ip", "-6", "route", "add", "default", "via", "fe80::77", "dev", "br0")
    assert look(box, tmp_path).why(None, "fe80::77") == "the gateway"
    box.on_box("ip", "-6", "route", "del", "default")


@pytest.mark.parametrize(
    ("file", "text", "who"),
    [
        ("etc/resolv.conf", "# x\nnameserver {ip}\n", "a DNS server"),
        ("run/systemd/resolve/resolv.conf", "nameserver {ip}\n", "a DNS server"),
        ("run/systemd/netif/leases/3", "ADDRESS=1\nSERVER_ADDRESS={ip}\n", "a DHCP server"),
        ("var/lib/NetworkManager/x.lease", "SERVER_ADDRESS={ip}\n", "a DHCP server"),
        (
            "var/lib/dhcp/dhclient.leases",
            "lease {{\n  option dhcp-server-identifier {ip};\n}}\n",
            "a DHCP server",
        ),
        ("run/systemd/netif/leases/3", "NTP=10.9.9.9 {ip}\n", "a time server"),
        ("etc/systemd/timesyncd.conf", "[Time]\nNTP={ip}\n", "a time server"),
        ("etc/chrony/chrony.conf", "server {ip} iburst\n", "a time server"),
        (
            "run/systemd/sessions/4",
            "REMOTE_HOST={ip}\n",
            "where an administrator is logged in from",
        ),
    ],
)
def test_whom_the_system_s_files_name_is_exempt_by_address_and_mac(box, tmp_path, file, text, who):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text.format(ip=box.suspect.ip))
    exempt = look(box, tmp_path)
    assert exempt.why(None, box.suspect.ip) == who
    assert exempt.why(box.suspect.mac) == who


def test_the_broker_is_exempt_by_name_also_while_no_name_server_answers(
    box, tmp_path, monkeypatch
):
    surroundings = around(box, tmp_path, localhost="the broker", **{"10.77.0.2": "a log server"})
    first = asyncio.run(surroundings.look())
    assert "the broker" in {each.who for each in first.exemptions}
    assert first.why(box.suspect.mac) == "a log server"
    monkeypatch.setattr("agent.isolation.surroundings.RESOLVE_S", -1.0)
    again = asyncio.run(surroundings.look())
    assert "the broker" in {each.who for each in again.exemptions}


def test_what_is_written_down_is_exempt_with_the_port_where_it_lives(box, tmp_path):
    written = [Exemption(who="by hand", mac=box.suspect.mac)]
    exempt = asyncio.run(
        Surroundings(written, {}, learnt_by(box), prefix=box.box, root=tmp_path).look()
    )
    assert exempt.why(box.suspect.mac, None, "lan2") == "by hand"
    assert exempt.why(box.suspect.mac, None, "lan1") is None


def test_of_too_many_exempt_hosts_those_that_are_written_down_are_kept(box, tmp_path, monkeypatch):
    monkeypatch.setattr("agent.exempt.MAX_EXEMPTIONS", 2)
    written = [Exemption(who="by hand", network=f"10.9.9.{number}") for number in (1, 2)]
    surroundings = Surroundings(written, {}, learnt_by(box), prefix=box.box, root=tmp_path)
    exempt = asyncio.run(surroundings.look())
    assert [each.who for each in exempt.exemptions] == ["by hand", "by hand"]


def test_a_poisoned_neighbour_table_takes_nobody_s_exemption_and_gives_none(box, tmp_path):
    surroundings = around(box, tmp_path)
    asyncio.run(surroundings.look())
    thief = "02:00:00:00:00:0b"
    forged = ("ip", "neighbour", "replace", box.victim.ip, "lladdr", thief, "dev", "br0")
    box.on_box(*forged)
    exempt = asyncio.run(surroundings.look())
    assert exempt.why(box.victim.mac) == "the gateway"
    assert exempt.why(thief) is None


def test_without_the_tools_it_is_not_known_who_is_exempt(tmp_path):
    learnt = partial(learnt_ports, "br0", ("/nonexistent",))
    surroundings = Surroundings([], {}, learnt, prefix=("/nonexistent",), root=tmp_path)
    with pytest.raises(IsolationError):
        asyncio.run(surroundings.look())


def test_another_value_is_believed_once_it_has_held_for_ten_minutes():
    pinned = Pinned()
    pinned.see("gateway", "old", 0)
    pinned.see("gateway", "new", 1)
    pinned.see("gateway", "new", HOLD_NS)
    assert pinned.get("gateway") == "old"
    pinned.see("gateway", "new", HOLD_NS + 1)
    assert pinned.get("gateway") == "new"


@pytest.mark.parametrize("between", ["old", "third"])
def test_another_value_that_did_not_hold_all_the_time_is_not_believed(between):
    pinned = Pinned()
    for now_ns, value in ((0, "old"), (1, "new"), (2, between), (3, "new"), (HOLD_NS + 2, "new")):
        pinned.see("gateway", value, now_ns)
    assert pinned.get("gateway") == "old"
