"""Kernel, systemd and first-boot settings, each read by the program that will read it."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.firmware.namespaces import FIRMWARE, in_namespace
from tests.tools import require

SYSCTL = FIRMWARE / "sysctl" / "90-edgewarden.conf"
CLOUD_INIT = FIRMWARE / "cloud-init"


def sysctl_settings() -> dict[str, str]:
    """Return key -> value; a key that may be absent keeps its leading minus."""
    lines = [line for line in SYSCTL.read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split(" = ") for line in lines)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_every_kernel_setting_exists_unless_it_is_marked_as_optional():
    for key in sysctl_settings():
        if not key.startswith("-"):
            assert Path("/proc/sys", key.replace(".", "/")).exists(), key


def test_the_kernel_takes_the_network_settings():
    keys = [key for key in sysctl_settings() if key.startswith(("net.ipv4.", "net.ipv6."))]
    applied = in_namespace(
        '"$1" --strict --prefix=/net/ipv4 --prefix=/net/ipv6 "$2"; shift 2; sysctl "$@"',
        require("systemd-sysctl", package="systemd"),
        SYSCTL,
        *keys,
    )
    wanted = {key: sysctl_settings()[key] for key in keys}
    assert dict(line.split(" = ") for line in applied.splitlines()) == wanted


def test_bridged_frames_stay_on_layer_two_whenever_br_netfilter_arrives():
    for protocol in ("arptables", "ip6tables", "iptables"):
        assert sysctl_settings()[f"-net.bridge.bridge-nf-call-{protocol}"] == "0"
    rule = (FIRMWARE / "udev" / "90-edgewarden-bridge.rules").read_text()
    assert re.search(
        r'KERNEL=="br_netfilter", RUN\+="\S+systemd-sysctl --prefix=/net/bridge"', rule
    )


def test_cloud_init_accepts_the_first_boot():
    cloud_init = require("cloud-init", package="cloud-init")
    checked = run(cloud_init, "schema", "--config-file", CLOUD_INIT / "user-data")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_cloud_init_would_refuse_a_misspelt_setting(tmp_path: Path):
    cloud_init = require("cloud-init", package="cloud-init")
    wrong = tmp_path / "user-data"
    text = (CLOUD_INIT / "user-data").read_text()
    wrong.write_text(text.replace("ssh_pwauth: false", "ssh_pwauth: [maybe]"))
    assert run(cloud_init, "schema", "--config-file", wrong).returncode != 0


@pytest.mark.parametrize(
    ("written_for", "says"),
    [
        ("network-manager", r"interface-name=eth0\n[^$]*\[ipv4\]\nmethod=auto"),  # Raspberry Pi OS
        ("eni", r"auto eth0\niface eth0 inet dhcp"),  # Debian
    ],
)
def test_cloud_init_gives_the_first_boot_an_address(tmp_path: Path, written_for: str, says: str):
    cloud_init = require("cloud-init", package="cloud-init")
    converted = run(
        *(cloud_init, "devel", "net-convert", "--kind", "yaml", "--distro", "debian"),
        *("--network-data", CLOUD_INIT / "network-config"),
        *("--output-kind", written_for, "--directory", tmp_path),
    )
    assert converted.returncode == 0, converted.stderr
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert re.search(says, written)


def test_the_first_boot_has_no_password_and_only_a_placeholder_for_a_key():
    first_boot = yaml.safe_load((CLOUD_INIT / "user-data").read_text())
    (user,) = first_boot["users"]
    assert user["lock_passwd"] is True
    assert first_boot["ssh_pwauth"] is False
    assert all("REPLACE" in key for key in user["ssh_authorized_keys"])
    assert not {"passwd", "hashed_passwd", "plain_text_passwd"} & user.keys()
    assert "chpasswd" not in first_boot
    assert "PRIVATE KEY" not in (CLOUD_INIT / "user-data").read_text()


@pytest.mark.parametrize(
    ("file", "shipped"),
    [
        ("90-edgewarden-watchdog.conf", "system.conf"),
        ("90-edgewarden-journald.conf", "journald.conf"),
    ],
)
def test_every_key_of_a_systemd_drop_in_is_one_that_systemd_knows(file: str, shipped: str):
    """No command reads these files without acting on them, so the names are compared with the
    list that systemd ships: each file with all its keys, commented out."""
    require("systemctl", package="systemd")
    folders = (Path("/etc/systemd"), Path("/usr/lib/systemd"))
    known = next(folder / shipped for folder in folders if (folder / shipped).exists())
    names = set(re.findall(r"^#?(\w+)=", known.read_text(), re.MULTILINE))
    ours = re.findall(r"^(\w+)=", (FIRMWARE / "systemd" / file).read_text(), re.MULTILINE)
    assert ours
    assert set(ours) <= names
