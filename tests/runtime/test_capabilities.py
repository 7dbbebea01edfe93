"""Rights given up are gone, for what is started afterwards too."""

import subprocess
import sys

import pytest

from tests.tools import require

pytestmark = pytest.mark.root

# In a namespace where we are root; then a link is made, and a raw socket opened.
PROGRAM = """
import socket, subprocess
from runtime.capabilities import *
{deed}
added = subprocess.run(["ip", "link", "add", "x0", "type", "bridge"], capture_output=True)
try:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw = True
except PermissionError:
    raw = False
print(sorted(permitted() & {{CAP_NET_ADMIN, CAP_NET_RAW}}), added.returncode == 0, raw)
"""


def told(deed: str) -> str:
    require("ip", package="iproute2")
    unshare = ("unshare", "--user", "--map-root-user", "--net")
    program = [*unshare, sys.executable, "-c", PROGRAM.format(deed=deed)]
    ran = subprocess.run(program, capture_output=True, text=True, check=False, timeout=20)
    if "unshare" in ran.stderr:
        pytest.skip(f"kernel: no namespaces here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_who_gives_up_nothing_may_do_both() -> None:
    assert told("") == "[12, 13] True True"


def test_who_gave_up_changing_the_network_can_still_read_frames() -> None:
    assert told("give_up(CAP_NET_ADMIN)") == "[13] False True"


def test_who_keeps_changing_the_network_alone_reads_no_frames() -> None:
    assert told("keep_only({CAP_NET_ADMIN})") == "[12] True False"


def test_what_was_given_up_does_not_come_back() -> None:
    deed = "give_up(CAP_NET_ADMIN)\ntry:\n    keep_only({CAP_NET_ADMIN, CAP_NET_RAW})\nexcept OSError: pass"
    assert told(deed) == "[13] False True"


def test_one_cannot_keep_what_one_does_not_have() -> None:
    script = (
        "from runtime.capabilities import *; keep_only(set()); keep_only({12}); print(permitted())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "set()\n"
