"""scripts/setup.sh says in one line why it cannot go on."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in a folder of its own, where a mistake of it harms nobody's .venv."""
    (tmp_path / "scripts").mkdir()
    for name in ("pyproject.toml", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    return Path(shutil.copy(ROOT / "scripts" / "setup.sh", tmp_path / "scripts"))


def setup(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def interpreter(folder: Path, description: str) -> str:
    """Make a program that describes itself like a Python which does not suit us."""
    program = folder / "python"
    program.write_text(
        f'#!/bin/sh\ncase "$2" in *platform*) echo {description};; *) exit 1;; esac\n'
    )
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("3.9.2 64", "needs Python 3.11 to 3.13"),
        ("3.14.0 64", "needs Python 3.11 to 3.13"),
        ("3.11.2 32", "needs a 64-bit system"),
    ],
)
def test_an_unsuitable_python_is_refused(
    script: Path, tmp_path: Path, description: str, told: str
):
    done = setup(script, PYTHON=interpreter(tmp_path, description))
    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_python_is_named(script: Path):
    done = setup(script, PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "setup: there is no /nowhere/python3: install python3 (3.11 to 3.13)"
    ]


def test_an_unknown_profile_is_refused(script: Path):
    done = setup(script, "everything")
    assert done.returncode == 1
    assert done.stderr == "setup: unknown: everything (programs or develop)\n"
