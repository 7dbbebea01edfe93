"""Devices over SSH: how they are and what they log, on a real SSH server, and what cannot be reached."""

import socket
import time
from pathlib import Path

import httpx
import pytest

from aggregator.config import ShellConfig
from aggregator.errors import InvalidError, UnreachableError
from aggregator.seal import Seal
from aggregator.shell.measures import parsed
from aggregator.shell.shells import Shells
from aggregator.shell.ssh import Login, connected
from aggregator.store.database import Database
from aggregator.store.device_hosts import WayTo
from aggregator.store.users import SessionUser
from tests.aggregator.ssh import SshServer, add, ssh_server

LOOPBACK = "127.0.0.1"
OPERATOR = (
    "terminal-operator"  # of this file alone: without an authenticator, whatever others enrol
)


def test_metrics_of_a_device_come_from_its_own_kernel(manager: httpx.Client, server: SshServer):
    device_id = add(manager, server)
    answer = manager.get(f"/devices/{device_id}/metrics")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["success"]
    metrics = told["data"]
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert metrics["memory"]["totalBytes"] == total
    assert 0 < metrics["memory"]["usagePercent"] < 100
    assert metrics["cpu"]["cores"] >= 1
    assert 0 <= metrics["cpu"]["usagePercent"] <= 100
    assert metrics["uptime"] == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=30)
    assert "lo" in [interface["name"] for interface in metrics["network"]]
    assert all(disk["mount"].startswith("/") for disk in metrics["disk"])
    assert all(process["pid"] > 0 for process in metrics["processes"])


def test_logs_of_a_device_are_its_last_lines(manager: httpx.Client, server: SshServer):
    device_id = add(manager, server)
    server.install("journalctl", "seq 9")
    answer = manager.get(f"/devices/{device_id}/logs?lines=7")
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"]
    assert answer.json()["data"]["logs"] == list("3456789")
    assert "n=7" in server.commands
    assert manager.get(f"/devices/{device_id}/logs?lines=7;reboot").status_code == 400


JOURNAL = 'case "$*" in *-q*) ;; *) echo "-- No entries --" ;; esac'


def test_where_the_journal_says_nothing_another_log_is_read(
    manager: httpx.Client, server: SshServer
):
    device_id = add(manager, server)
    server.install("journalctl", JOURNAL)
    server.install(
        "tail", 'case "$*" in */messages) echo fallen back ;; */syslog) ;; *) cat ;; esac'
    )
    answer = manager.get(f"/devices/{device_id}/logs").raise_for_status()
    assert answer.json()["data"]["logs"] == ["fallen back"]


def test_a_device_that_shows_no_log_is_told_so(manager: httpx.Client, server: SshServer):
    device_id = add(manager, server)
    server.install("journalctl", JOURNAL)
    server.install("tail", "cat >/dev/null; exit 1")
    for other in ("logread", "dmesg"):
        server.install(other, "exit 1")
    answer = manager.get(f"/devices/{device_id}/logs")
    assert answer.status_code == 502
    assert "shows no log" in answer.json()["error"]


def test_a_device_that_is_no_linux_is_told_so():
    with pytest.raises(UnreachableError, match="as a Linux does"):
        parsed(b"'export' is not recognized as an internal or external command")


def test_nothing_from_outside_becomes_part_of_a_command(manager: httpx.Client, server: SshServer):
    device_id = add(manager, server, description="$(reboot)", name=f"box {server.port} `id`")
    manager.get(f"/devices/{device_id}/metrics").raise_for_status()
    assert server.commands
    assert "reboot" not in server.commands
    assert "`id`" not in server.commands


def test_the_first_key_is_expected_from_then_on(manager: httpx.Client, tmp_path: Path):
    with ssh_server(tmp_path / "first") as first:
        device_id = add(manager, first)
        assert manager.get(f"/devices/{device_id}").json()["data"]["hostKey"] is None
        manager.get(f"/devices/{device_id}/metrics").raise_for_status()
        old = manager.get(f"/devices/{device_id}").json()["data"]["hostKey"]
        assert old == first.fingerprint
    with ssh_server(tmp_path / "other", first.port) as other:
        answer = manager.get(f"/devices/{device_id}/metrics")
        assert (answer.status_code, answer.json()["success"]) == (409, False)
        assert other.fingerprint in answer.json()["error"]
        assert other.commands == ""
        entries = manager.get("/v1/audit?action=host_key").json()
        mine = [entry for entry in entries if entry["target"] == device_id]
        assert [entry["action"] for entry in mine] == ["host_key.refuse", "host_key.set"]
        assert other.fingerprint in mine[0]["detail"]
        assert manager.delete(f"/v1/devices/{device_id}/host-key").status_code == 204
        manager.get(f"/devices/{device_id}/metrics").raise_for_status()
        known = {"host_key": old}
        assert manager.put(f"/v1/devices/{device_id}/host-key", json=known).status_code == 204
        assert manager.get(f"/devices/{device_id}/metrics").status_code == 409


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("169.254.169.254", "169.254.169.254 is a link-local address"),
        ("::ffff:169.254.169.254", "a link-local address"),
        ("2852039166", "a link-local address"),
        ("0xa9fea9fe", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("fd00:ec2::254", "credentials"),
        ("100.100.100.200", "credentials"),
        ("224.0.0.1", "a group's address"),
        ("0.0.0.0", "no host's address"),  # noqa: S104  refused
        ("255.255.255.255", "no host's address"),
    ],
)
def test_an_address_at_which_no_device_is_is_refused_when_it_is_added(
    manager: httpx.Client, host: str, words: str
):
    before = manager.get("/devices").headers["x-total-count"]
    answer = manager.post("/devices", json={"name": "strange", "host": host, "port": 80})
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert words in answer.json()["error"]
    assert "no device is reached there" in answer.json()["error"]
    assert manager.get("/devices").headers["x-total-count"] == before


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"])
async def test_nor_is_one_reached_that_a_name_or_a_device_told_later_leads_to(address: str):
    nearby = ShellConfig(networks=("127.0.0.0/8",))  # whatever this test finds, it goes nowhere
    with pytest.raises(InvalidError, match="no device is reached there"):
        async with connected(Login(address, 9, "x", "x", ""), nearby):
            pass


async def whys(database: Database, organization: str, config: ShellConfig) -> list[str]:
    """Return why somebody of an organization reaches nothing on this machine and beyond."""
    who = SessionUser(
        1,
        organization,
        "ann",
        None,
        None,
        "admin",
        is_active=True,
        created_ns=0,
        last_login_ns=None,
    )
    shells = Shells(database, Seal(b"-" * 32, "key"), config, "default")
    found = []
    with socket.create_server((LOOPBACK, 0)) as mute:  # takes connections and says nothing
        for host, port in (
            *((host, 1) for host in (LOOPBACK, "localhost", "::ffff:127.0.0.1", "0x7f.1")),
            (LOOPBACK, mute.getsockname()[1]),
            ("no-such-host.invalid", 1),
        ):
            way = WayTo("d", host, port, "x", None, "")
            with pytest.raises((InvalidError, UnreachableError)) as refused:
                async with shells.line(who, way, "x", "x"):
                    pass
            found.append(str(refused.value).replace(f"{host} port {port}", "it"))
    return found


async def test_strangers_do_not_look_around_on_the_centre_and_in_its_network(database: Database):
    own = await whys(database, "default", ShellConfig(connect_s=0.1))
    assert len(set(own)) > 2
    theirs = await whys(database, "elsewhere", ShellConfig(connect_s=0.1))
    assert all("is this machine" in why for why in theirs[:5])
    assert theirs[5] == "it is not reached"
    nearby = ShellConfig(connect_s=0.1, networks=("127.0.0.0/8",))
    assert set(await whys(database, "elsewhere", nearby)) == {"it is not reached"}


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"password": "wrong"}, 502, "user name or password are refused"),
        ({"password": None}, 409, "no password is kept"),
        ({"port": 1}, 502, "127.0.0.1 port 1"),
        ({"host": "no-such-host.invalid"}, 502, "there is no such host"),
        ({"host": None}, 409, "it is not known where it is"),
    ],
)
def test_what_cannot_be_reached_is_told_in_the_envelope(
    manager: httpx.Client, server: SshServer, more: dict[str, object], status: int, words: str
):
    answer = manager.get(f"/devices/{add(manager, server, **more)}/metrics")
    assert answer.status_code == status, answer.text
    assert not answer.json()["success"]
    assert words in answer.json()["error"]
