"""provision.sh: puts everything in place once, says what it would do, and takes it all back."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firmware.namespaces import FIRMWARE
from tests.tools import require

SCRIPTS = sorted(FIRMWARE.rglob("*.sh"))
NOTHING = "nothing to change\n"
Provision = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The parts of a Raspberry Pi OS that provision.sh looks at."""
    machine = tmp_path / "pi"
    for folder in ("boot/firmware", "etc/NetworkManager", "etc/sysctl.d", "var/lib"):
        (machine / folder).mkdir(parents=True)
    (machine / "etc/hostname").write_text("Pi-Kitchen\n")
    (machine / "boot/firmware/cmdline.txt").write_text("console=tty1 root=PARTUUID=1 rootwait\n")
    units = machine / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for unit in ("systemd-networkd.service", "systemd-resolved.service"):
        (units / unit).write_text(
            "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=default.target\n"
        )
    return machine


@pytest.fixture
def provision(root: Path) -> Provision:
    require("systemctl", package="systemd")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run("--root", str(root), *arguments)

    return call


def run(
    *arguments: str, script: Path = FIRMWARE / "provision.sh", user: int | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        user=user,
        group=user,
    )


def everything_in(root: Path) -> dict[str, tuple[int, str]]:
    """Path -> mode and content, of every file, link and folder."""
    found = {}
    for path in sorted(root.rglob("*")):
        content = str(path.readlink()) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            content = path.read_text()
        found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path):
    shellcheck = require("shellcheck", package="shellcheck")
    checked = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert checked.stdout == ""


def test_check_says_what_would_change_and_changes_nothing(provision: Provision, root: Path):
    before = everything_in(root)
    checked = provision("--check")
    assert checked.returncode == 1
    assert "would install /etc/edgewarden/agent.toml" in checked.stdout
    assert "would enable edgewarden-agent.service" in checked.stdout
    assert everything_in(root) == before


def test_what_check_announces_is_what_is_done(provision: Provision):
    announced = provision("--check").stdout.replace("would ", "")
    assert provision().stdout == announced


@pytest.mark.parametrize("role", ["agent", "aggregator"])
def test_a_second_run_changes_nothing(provision: Provision, root: Path, role: str):
    assert provision("--role", role).returncode == 0
    after_one = everything_in(root)
    second = provision("--role", role)
    assert (second.returncode, second.stdout) == (0, NOTHING)
    assert everything_in(root) == after_one
    assert provision("--role", role, "--check").returncode == 0


@pytest.mark.parametrize("role", ["agent", "aggregator"])
def test_undo_leaves_the_machine_as_it_was(provision: Provision, root: Path, role: str):
    (root / "etc/sysctl.d/90-edgewarden.conf").write_text("# an administrator's own\n")
    before = everything_in(root)
    assert provision("--role", role).returncode == 0
    assert everything_in(root) != before
    assert provision("--undo").returncode == 0
    assert everything_in(root) == before


def test_undo_only_announces_with_check(provision: Provision, root: Path):
    provision()
    before = everything_in(root)
    checked = provision("--undo", "--check")
    assert checked.returncode == 1
    assert "would restore /boot/firmware/cmdline.txt" in checked.stdout
    assert everything_in(root) == before


def test_existing_settings_and_credentials_are_never_touched(provision: Provision, root: Path):
    own = root / "etc/edgewarden/credentials/agent/client.key"
    own.parent.mkdir(parents=True)
    own.write_text("the key\n")
    settings = root / "etc/edgewarden/agent.toml"
    settings.write_text('device_id = "mine"\n')
    for arguments in ((), ("--profile", "edge-ml-8gb"), ("--undo",)):
        assert provision(*arguments).returncode == 0
        assert own.read_text() == "the key\n"
        assert settings.read_text() == 'device_id = "mine"\n'


def test_what_a_person_edited_is_neither_overwritten_nor_removed(provision: Provision, root: Path):
    provision()
    edited = root / "etc/sysctl.d/90-edgewarden.conf"
    edited.write_text("net.core.rmem_max = 1\n")
    again = provision()
    assert "keep /etc/sysctl.d/90-edgewarden.conf: edited by hand" in again.stdout
    undone = provision("--undo")
    assert "keep /etc/sysctl.d/90-edgewarden.conf: edited since" in undone.stdout
    assert edited.read_text() == "net.core.rmem_max = 1\n"


def test_what_mosquitto_would_not_start_with_is_set_aside(provision: Provision, root: Path):
    provision("--role", "aggregator")
    settings = root / "etc/mosquitto/conf.d/edgewarden.conf"
    edited = settings.read_text() + "listener 8884\n"
    settings.write_text(edited)
    announced = provision("--undo", "--check")
    assert f"would set /{settings.relative_to(root)} aside" in announced.stdout
    assert settings.exists()
    assert provision("--undo").returncode == 0
    assert not settings.exists()
    assert settings.with_name("edgewarden.conf.edited").read_text() == edited


def test_what_was_set_aside_before_stays_beside_what_is_set_aside_now(
    provision: Provision, root: Path
):
    settings = root / "etc/mosquitto/conf.d/edgewarden.conf"
    for line in ("first", "second", "third"):
        provision("--role", "aggregator")
        settings.write_text(f"# {line}\n")
        assert provision("--undo").returncode == 0
    kept = sorted(settings.parent.glob("edgewarden.conf.edited*"))
    assert [file.name.removeprefix("edgewarden.conf.") for file in kept] == [
        "edited",
        "edited.1",
        "edited.2",
    ]
    assert [file.read_text() for file in kept] == ["# first\n", "# second\n", "# third\n"]


def test_a_file_from_an_older_version_is_updated_and_still_undone(
    provision: Provision, root: Path
):
    before = everything_in(root)
    provision()
    unit = root / "etc/systemd/system/edgewarden-agent.service"
    manifest = root / "var/lib/edgewarden-provision/manifest"
    old = b"[Service]\n"
    unit.write_bytes(old)
    digest = subprocess.run(["sha256sum"], input=old, capture_output=True, check=True)
    lines = [
        f"made\t{digest.stdout.decode().split()[0]}\t{path}"
        if (path := line.split("\t")[2]) == "/etc/systemd/system/edgewarden-agent.service"
        else line
        for line in manifest.read_text().splitlines()
    ]
    manifest.write_text("\n".join(lines) + "\n")
    assert provision().stdout == "update /etc/systemd/system/edgewarden-agent.service\n"
    assert b"ExecStart" in unit.read_bytes()
    provision("--undo")
    assert everything_in(root) == before


def test_the_device_takes_the_machines_name_unless_told_otherwise(
    provision: Provision, root: Path
):
    provision()
    settings = root / "etc/edgewarden/agent.toml"
    assert 'device_id = "pi-kitchen"' in settings.read_text()
    provision("--undo")
    provision("--device-id", "cellar")
    assert 'device_id = "cellar"' in settings.read_text()


def test_a_profile_brings_its_settings_and_its_memory_limit(provision: Provision, root: Path):
    provision("--profile", "feature-extraction-4gb")
    assert "ring_slots = 32768" in (root / "etc/edgewarden/agent.toml").read_text()
    drop_in = root / "etc/systemd/system/edgewarden-agent.service.d/10-profile.conf"
    assert "MemoryMax=384M" in drop_in.read_text()


def test_the_memory_controller_is_switched_on_where_the_firmware_switches_it_off(
    provision: Provision, root: Path
):
    provision()
    command_line = (root / "boot/firmware/cmdline.txt").read_text()
    assert command_line == "console=tty1 root=PARTUUID=1 rootwait cgroup_enable=memory\n"


def test_the_network_can_be_left_alone(provision: Provision, root: Path):
    provision("--no-network", "--no-firewall")
    assert not (root / "etc/systemd/network").exists()
    assert not (root / "etc/edgewarden/nftables").exists()
    assert (root / "etc/edgewarden/agent.toml").exists()


def test_an_aggregators_machine_keeps_its_own_network_and_packet_filter(
    provision: Provision, root: Path
):
    provision("--role", "aggregator")
    assert not (root / "etc/systemd/network").exists()
    assert not (root / "etc/edgewarden/nftables").exists()
    assert not (root / "etc/sysctl.d/90-edgewarden.conf").exists()
    assert (root / "etc/mosquitto/conf.d/edgewarden.conf").exists()


def test_credentials_folders_are_for_root_alone(provision: Provision, root: Path):
    provision()
    for folder in ("etc/edgewarden/credentials", "etc/edgewarden/credentials/agent"):
        assert (root / folder).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "arguments",
    [
        ("--role", "router"),
        ("--profile", "2gb"),
        ("--device-id", "../x"),
        ("--device-id",),
        ("--root", "/no/such/folder"),
        ("--faster",),
    ],
)
def test_what_it_does_not_understand_is_refused(provision: Provision, arguments: tuple[str, ...]):
    refused = provision(*arguments)
    assert refused.returncode == 2
    assert "provision.sh: " in refused.stderr


def test_an_ordinary_user_may_look_and_not_touch():
    nobody = None if os.geteuid() else 65534
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is closed to others
        Path(folder).chmod(0o755)
        for part in ("firmware_configs", "systemd"):
            shutil.copytree(FIRMWARE.parent / part, Path(folder, part))
        script = Path(folder, "firmware_configs", "provision.sh")
        refused = run(script=script, user=nobody)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "needs root" in refused.stderr
        assert "would " in run("--check", script=script, user=nobody).stdout
