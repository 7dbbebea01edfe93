"""The locks satisfy pyproject.toml, hold hashes and no address; one version in every place."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
GROUPS: dict[str, list[str | dict[str, str]]] = PROJECT["dependency-groups"]
PYTHONS = ("3.11.9", "3.12.9", "3.13.5")
APART = "bench-peers"  # other people's programs, in an environment of their own


def pins(lock: Path, python: str) -> dict[str, Version]:
    """Return the version of every distribution that a lock takes for a Python on Linux."""
    text = re.sub(r" \\\n.*", "", re.sub(r"(?m)^\s*#.*\n", "", lock.read_text()))
    environment = {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": "linux",
        "platform_system": "Linux",
    }
    found: dict[str, Version] = {}
    for line in re.findall(r"(?m)^[a-z0-9].*$", text):
        pinned = Requirement(line)
        (exactly,) = pinned.specifier
        if pinned.marker is None or pinned.marker.evaluate(environment):
            found[canonicalize_name(pinned.name)] = Version(exactly.version)
    return found


def wanted(lock: str) -> list[Requirement]:
    """Return what pyproject.toml asks of a lock."""
    extras = {"dev": list(EXTRAS), "build": [], APART: []}.get(lock, [lock])
    if "training" in extras:
        extras = [*extras, "agent"]
    texts = [text for extra in extras for text in EXTRAS[extra]]
    texts += [] if lock in {"build", APART} else PROJECT["project"]["dependencies"]
    groups = {"dev": ["bench", "build", "lint", "test"], "build": ["build"], APART: [APART]}
    texts += [
        text for group in groups.get(lock, []) for text in GROUPS[group] if isinstance(text, str)
    ]
    return [Requirement(text) for text in texts if not text.startswith("edgewarden")]


def test_every_extra_has_its_lock():
    assert {lock.stem for lock in LOCKS} == {*EXTRAS, "build", "dev", APART}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_what_the_project_asks_for_within_its_bounds(lock: Path, python: str):
    pinned = pins(lock, python)
    for requirement in wanted(lock.stem):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{lock.name} lacks {name}: make lock"
        assert pinned[name] in requirement.specifier, f"{lock.name}: {name}: make lock"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    "lock", [lock for lock in LOCKS if lock.stem != APART], ids=lambda lock: lock.stem
)
def test_locks_agree_so_that_they_can_be_installed_together(lock: Path, python: str):
    everything = pins(ROOT / "requirements" / "dev.txt", python)
    assert pins(lock, python).items() <= everything.items()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_python_gets_the_same_versions(lock: Path):
    oldest, *others = (pins(lock, python) for python in PYTHONS)
    for pinned in others:
        changed = {name for name in pinned.keys() & oldest if pinned[name] != oldest[name]}
        assert not changed, "it would judge otherwise on another Python: make lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_holds_hashes_and_no_address(lock: Path):
    text = lock.read_text()
    blocks = re.split(r"(?m)^(?=[a-z0-9])", text)[1:]
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", block) for block in blocks)
    options = set(re.findall(r"(?<!\S)--[a-z-]+", text))
    assert options == {"--hash"}
    assert "://" not in text
    assert " @ " not in text


def test_no_other_kind_of_lock_is_in_the_repository():
    assert not list(ROOT.glob("*.lock"))


def test_the_build_requirement_is_locked():
    (backend,) = PROJECT["build-system"]["requires"]
    assert Requirement(backend) in wanted("build")


def test_the_changelog_speaks_of_this_version():
    headings = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text())
    released = [heading for heading in headings if heading != "Unreleased"]
    assert released[0] == PROJECT["project"]["version"]


def test_the_licence_is_the_one_declared():
    assert PROJECT["project"]["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_the_wheel_holds_everything_that_the_packages_need_to_run(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", tmp_path], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    listed = subprocess.run(
        ["git", "ls-files", "--", *packages], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert set(listed.stdout.splitlines()) <= packed
