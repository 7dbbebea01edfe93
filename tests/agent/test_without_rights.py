"""What a person without the right to something is told on the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent import doctor  # noqa: F401  loaded while everything may be read
from agent.__main__ import main
from agent.isolation import on_this_box  # noqa: F401
from tests.tools import without_rights


@pytest.mark.parametrize("command", [("release", "--all"), ("doctor",)])
def test_who_may_not_read_what_a_command_needs_is_told_so_in_one_line(
    command: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    closed = tmp_path / "closed"
    closed.mkdir()
    monkeypatch.setenv("EDGEWARDEN_SPOOL__PATH", str(closed / "spool.sqlite"))
    monkeypatch.setenv("EDGEWARDEN_BROKER__HOST", "127.0.0.1")
    monkeypatch.setenv("EDGEWARDEN_BROKER__PORT", "1")
    monkeypatch.setenv("EDGEWARDEN_BROKER__CA_FILE", str(closed / "ca.crt"))
    monkeypatch.setenv("EDGEWARDEN_BROKER__PASSWORD_FILE", str(closed / "password"))
    with without_rights(closed):
        code = main(list(command))
    told = capsys.readouterr()
    if command == ("doctor",):
        assert code == 1, told.err
        assert f"FAIL cannot write to {closed}" in told.out
    else:
        assert code == 2
        assert told.err == f"edgewarden-agent: {closed}/leases.json: Permission denied: use sudo\n"


WITHOUT_THE_RIGHT = """
import sys
from runtime.capabilities import CAP_NET_ADMIN, give_up

give_up(CAP_NET_ADMIN)
from agent.__main__ import main

sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", [("isolations",), ("release", "--all")])
def test_who_may_not_ask_the_kernel_is_told_so_in_one_line(
    command: tuple[str, ...], tmp_path: Path
):
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_RIGHT, *command],
        env=os.environ
        | {
            "EDGEWARDEN_ISOLATION__ENFORCER": "nft",
            "EDGEWARDEN_SPOOL__PATH": str(tmp_path / "spool.sqlite"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2
    assert told.stderr.startswith("edgewarden-agent: the enforcer nft takes the right")
    assert told.stderr.endswith(": use sudo\n")
    assert told.stderr.count("\n") == 1
