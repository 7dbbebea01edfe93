"""scripts/install-packages.sh installs what is missing, or says in one line that it cannot."""

import os
import subprocess
from pathlib import Path

from tests.tools import require

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "install-packages.sh"


def install(stubs: Path, *packages: str) -> subprocess.CompletedProcess[str]:
    require("dpkg-query", package="dpkg")
    environment = os.environ | {"PATH": f"{stubs}:{os.environ['PATH']}"}
    command = [str(SCRIPT), *packages]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def test_what_is_installed_is_left_alone(tmp_path: Path):
    done = install(tmp_path, "dpkg", "libc6")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_ordinary_user_is_told_what_is_missing(tmp_path: Path):
    program(tmp_path, "id", "echo 1000")
    program(tmp_path, "sudo", "exit 1")
    done = install(tmp_path, "dpkg", "no-such-package", "nor-this-one")
    assert done.returncode == 1
    assert done.stderr == (
        "not installed: no-such-package nor-this-one (sudo apt-get install does it)\n"
    )


def test_the_lists_of_packages_are_brought_up_to_date_before_giving_up(tmp_path: Path):
    calls = tmp_path / "calls"
    program(tmp_path, "id", "echo 0")
    program(tmp_path, "apt-get", f'echo "$2" >> {calls}; echo "E: no such package"; exit 100')
    done = install(tmp_path, "no-such-package")
    assert done.returncode == 1
    assert calls.read_text().split() == ["install", "update", "install"]
    assert done.stderr.splitlines()[-1] == (
        "not installed: no-such-package (apt-get: E: no such package)"
    )
