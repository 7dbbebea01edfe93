"""The systemd units: valid, hardened, and allowed no more than they need."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from tests.tools import require

UNITS = Path(__file__).parents[2] / "systemd"
MOST_EXPOSURE = 2.5
PROGRAM_UNITS = ("edgewarden-agent", "edgewarden-aggregator")
ALL_UNITS = (*PROGRAM_UNITS, "edgewarden-firewall")


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = require("systemd-analyze", package="systemd")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def settings(unit: str) -> dict[str, list[str]]:
    """Return the [Service] settings; systemd allows a key more than once, so each is a list."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / f"{unit}.service").read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def exposure(unit_file: Path) -> float:
    answer = systemd_analyze("security", "--offline=true", "--no-pager", unit_file)
    overall = re.search(r"Overall exposure level for \S+: ([\d.]+)", answer.stdout)
    assert overall is not None, answer.stderr
    return float(overall[1])


@pytest.fixture
def installed(tmp_path: Path) -> list[Path]:
    """The units as they would be on a machine where the programs stand."""
    copies = []
    for unit in ALL_UNITS:
        text = (UNITS / f"{unit}.service").read_text()
        copy = tmp_path / f"{unit}.service"
        lines = [
            "ExecStart=/bin/true" if line.startswith("ExecStart=") else line
            for line in text.splitlines()
        ]
        copy.write_text("\n".join(lines) + "\n")
        copies.append(copy)
    return copies


def test_systemd_understands_every_line_of_the_units(installed: list[Path]):
    verified = systemd_analyze("verify", "--man=no", *installed)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_systemd_would_complain_about_a_misspelt_setting(installed: list[Path]):
    agent = installed[0]
    agent.write_text(agent.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in systemd_analyze("verify", "--man=no", agent).stderr


@pytest.mark.parametrize("unit", ALL_UNITS)
def test_the_exposure_of_a_unit_is_at_most_two_and_a_half(unit: str):
    path = UNITS / f"{unit}.service"
    passed = systemd_analyze("security", "--offline=true", "--no-pager", "--threshold=25", path)
    assert passed.returncode == 0, passed.stdout
    assert exposure(path) <= MOST_EXPOSURE


def test_the_exposure_check_fails_for_a_unit_without_hardening(tmp_path: Path):
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    passed = systemd_analyze("security", "--offline=true", "--no-pager", "--threshold=25", bare)
    assert passed.returncode != 0
    assert exposure(bare) > MOST_EXPOSURE


def test_the_agent_may_read_frames_and_set_up_the_network_and_nothing_more():
    agent = settings("edgewarden-agent")
    assert agent["CapabilityBoundingSet"] == ["CAP_NET_RAW CAP_NET_ADMIN"]
    assert agent["AmbientCapabilities"] == ["CAP_NET_RAW CAP_NET_ADMIN"]
    assert agent["NoNewPrivileges"] == ["yes"]


def test_the_agent_and_its_enforcer_are_allowed_to_give_up_what_they_do_not_need():
    refused, allowed = settings("edgewarden-agent")["SystemCallFilter"][-2:]
    assert refused.startswith("~")
    privileged = systemd_analyze("syscall-filter", "@privileged").stdout.split()
    assert allowed in privileged  # refused with the others, if it were not allowed again
    assert allowed == "capset"


def test_the_aggregator_has_no_capability_at_all():
    aggregator = settings("edgewarden-aggregator")
    assert aggregator["CapabilityBoundingSet"] == [""]
    assert aggregator["AmbientCapabilities"] == [""]


def test_the_packet_filter_unit_may_set_up_the_network_only():
    assert settings("edgewarden-firewall")["CapabilityBoundingSet"] == ["CAP_NET_ADMIN"]


@pytest.mark.parametrize("unit", PROGRAM_UNITS)
def test_a_stuck_or_dead_program_is_restarted_for_ever_under_an_account_of_its_own(unit: str):
    service = settings(unit)
    assert service["Type"] == ["notify"]
    assert service["WatchdogSec"] == ["30"]
    assert service["Restart"] == ["on-failure"]
    assert service["StartLimitIntervalSec"] == ["0"]
    assert service["DynamicUser"] == ["yes"]
    assert service["StateDirectory"] == [unit]
    assert "MemoryMax" in service


@pytest.mark.parametrize("unit", PROGRAM_UNITS)
def test_a_missing_settings_file_or_credentials_folder_is_said_instead_of_retried(unit: str):
    program = unit.removeprefix("edgewarden-")
    service = settings(unit)
    assert service["AssertPathExists"] == [f"/etc/edgewarden/{program}.toml"]
    folder = service["LoadCredential"][0].partition(":")[2]
    assert service["AssertPathIsDirectory"] == [folder]


def test_the_scoring_library_reports_to_nobody():
    assert "ORT_DISABLE_TELEMETRY=1" in settings("edgewarden-agent")["Environment"]


def test_restarting_the_packet_filter_of_the_distribution_brings_ours_back():
    filter_unit = configparser.ConfigParser(strict=False, interpolation=None)
    filter_unit.read(UNITS / "edgewarden-firewall.service")
    assert filter_unit["Unit"]["partof"] == "nftables.service"
    assert filter_unit["Unit"]["reloadpropagatedfrom"] == "nftables.service"
    assert "nftables.service" in filter_unit["Unit"]["after"].split()
