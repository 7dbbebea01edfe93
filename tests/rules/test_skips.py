"""In CI a skipped test is a failure, unless the kernel or absent captures excuse it."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TESTS = """
import pytest

def test_tool(): pytest.skip("no mosquitto here")
def test_kernel(): pytest.skip("kernel: no vlan device")
def test_captures(): pytest.skip("captures: no folder")

@pytest.mark.xfail
def test_expected(): assert False
"""


def outcomes(folder: Path, *, ci: bool, captures: Path) -> dict[str, str]:
    """Run a few skipping tests in a pytest of their own; return what became of each."""
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    (folder / "test_some.py").write_text(TESTS)
    (folder / "test_module.py").write_text("import pytest\npytest.importorskip('absent_module')\n")
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"CI": "true"} if ci else {})
    run = [sys.executable, "-m", "pytest", "-v", "-c", os.devnull, "--rootdir", str(folder)]
    run += ["-p", "no:cacheprovider", "--continue-on-collection-errors"]
    run += ["--captures", str(captures), str(folder)]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    told = re.findall(r"::test_(\w+) ([A-Z]+)", done.stdout)
    errors = re.findall(r"^(ERROR) \S*test_(module)\.py", done.stdout, flags=re.MULTILINE)
    return dict(told) | {name: word for word, name in errors}


def test_ci_fails_every_skip_that_nothing_excuses(tmp_path: Path):
    assert outcomes(tmp_path, ci=True, captures=tmp_path) == {
        "module": "ERROR",
        "tool": "FAILED",
        "kernel": "SKIPPED",
        "captures": "FAILED",
        "expected": "XFAIL",
    }


def test_ci_accepts_missing_captures_where_the_folder_is_absent(tmp_path: Path):
    assert outcomes(tmp_path, ci=True, captures=tmp_path / "absent")["captures"] == "SKIPPED"


def test_a_skip_stays_a_skip_outside_ci(tmp_path: Path):
    assert outcomes(tmp_path, ci=False, captures=tmp_path) == {
        "tool": "SKIPPED",
        "kernel": "SKIPPED",
        "captures": "SKIPPED",
        "expected": "XFAIL",
    }
