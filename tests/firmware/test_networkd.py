"""The bridge's files, read and carried out by a real systemd-networkd inside namespaces."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.namespaces import FIRMWARE, in_namespace
from tests.tools import require

NETWORKD = FIRMWARE / "networkd"

# $1 is the folder of configuration files. networkd gives root up for the account
# systemd-network; here that account is root of the namespace. A read-only /sys tells it that no
# udev will announce the links.
PREPARE = """
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
cp -r "$1" /mnt/network
printf 'root:x:0:0::/:/bin/sh\\nsystemd-network:x:0:0::/:/bin/sh\\n' >/mnt/passwd
mount --bind /mnt/passwd /etc/passwd
mount --bind /mnt/network /etc/systemd/network
ip link set lo up
for n in 1 2; do
  ip link add "lan$n" type veth peer name "far$n"
  ip link set "far$n" up
done
"""

RUN_NETWORKD = (
    PREPARE
    + """
networkd=$2
mkdir -p /mnt/run/systemd/netif/links /mnt/run/systemd/netif/leases
mount --bind /mnt/run /run
mount -t sysfs -o ro sysfs /sys
SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=console "$networkd" >/mnt/log 2>&1 & pid=$!
trap 'kill $pid' EXIT
for _ in $(seq 100); do
  [ "$(ip link show master br0 up 2>/dev/null | grep -c 'lan[12]@')" = 2 ] && break
  kill -0 $pid || { cat /mnt/log; exit 1; }
  sleep 0.1
done
sleep 0.3
printf '{"links": %s, "addresses": %s, "log": %s}' \\
  "$(ip -details -json link)" "$(ip -json address)" \\
  "$(python3 -c 'import json; print(json.dumps(open("/mnt/log").read()))')"
"""
)


@cache
def network() -> dict[str, Any]:
    """What networkd made of the files: links, addresses and its log."""
    networkd = require("systemd-networkd", package="systemd")
    require("ip", package="iproute2")
    answer: dict[str, Any] = json.loads(
        in_namespace(RUN_NETWORKD, NETWORKD, networkd, mounts=True)
    )
    return answer


def link(name: str) -> dict[str, Any]:
    (found,) = [one for one in network()["links"] if one["ifname"] == name]
    return dict(found)


def complaints(log: str) -> list[str]:
    """The lines in which systemd says that it did not understand a file of ours."""
    return re.findall(r"^.*/etc/systemd/network/\S+:\d+: .*$", log, re.MULTILINE)


def test_networkd_understands_every_line_of_the_files():
    assert complaints(network()["log"]) == []


def test_networkd_would_complain_about_a_misspelt_setting(tmp_path: Path):
    networkd = require("systemd-networkd", package="systemd")
    for file in NETWORKD.iterdir():
        text = file.read_text().replace("EmitLLDP=", "EmitLDLP=")
        (tmp_path / file.name).write_text(text)
    log = json.loads(in_namespace(RUN_NETWORKD, tmp_path, networkd, mounts=True))["log"]
    assert any("EmitLDLP" in line for line in complaints(log))


def test_the_bridge_forwards_at_once_and_hides_nothing_that_a_wire_would_carry():
    bridge = link("br0")["linkinfo"]["info_data"]
    assert bridge["stp_state"] == 0
    assert bridge["forward_delay"] == 0
    assert bridge["mcast_snooping"] == 0
    lldp_and_8021x = 1 << 14 | 1 << 3
    assert int(str(bridge["group_fwd_mask"]), 0) == lldp_and_8021x


@pytest.mark.parametrize("port", ["lan1", "lan2"])
def test_a_lan_port_belongs_to_the_bridge_and_has_no_address(port: str):
    assert link(port)["master"] == "br0"
    (found,) = [one for one in network()["addresses"] if one["ifname"] == port]
    assert found["addr_info"] == []


def test_the_bridge_does_not_show_its_mac_in_its_address():
    assert link("br0")["inet6_addr_gen_mode"] in {"stable_secret", "stable-privacy"}


def test_udev_understands_every_line_of_the_link_files():
    udevadm = require("udevadm", package="udev")
    log = in_namespace(
        PREPARE
        + """
        mount -t sysfs sysfs /sys
        SYSTEMD_LOG_LEVEL=debug "$2" test-builtin net_setup_link /sys/class/net/far1 2>&1
        """,
        NETWORKD,
        udevadm,
        mounts=True,
    )
    for file in NETWORKD.glob("*.link"):
        assert f'Parsed configuration file "/etc/systemd/network/{file.name}"' in log
    assert complaints(log) == []
