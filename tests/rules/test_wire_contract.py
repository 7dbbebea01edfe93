"""docs/wire-contract.md is what contract/ says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wire_contract_page_is_current():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "wire_contract.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
