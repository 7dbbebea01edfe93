"""Scripts in user, network and mount namespaces of their own: the machine itself stays as it is."""

import subprocess
from pathlib import Path

import pytest

from tests.tools import require

FIRMWARE = Path(__file__).parents[2] / "firmware_configs"


def in_namespace(script: str, *arguments: str | Path, mounts: bool = False) -> str:
    """Run a bash script as root of fresh namespaces and return what it printed.

    Args:
        script: Ends at the first failing command, which fails the test.
        arguments: The script's $1, $2, and so on.
        mounts: Whether the script mounts anything; its mounts vanish with it.
    """
    unshare: list[str | Path] = [
        require("unshare", package="util-linux"),
        "--user",
        "--map-root-user",
        "--net",
    ]
    if mounts:
        unshare.append("--mount")
    probe = subprocess.run([*unshare, "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"kernel: no user namespaces here: {probe.stderr.decode().strip()}")
    ran = subprocess.run(
        [*unshare, "bash", "-euo", "pipefail", "-c", script, "script", *arguments],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
