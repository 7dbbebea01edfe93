"""Tests marked root run in a second pytest: root of its own namespaces, a network for each test."""

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.agent.capture.wires import Wire
from tests.tools import require

_INSIDE = "EDGEWARDEN_TEST_INSIDE_NAMESPACE"
_CLONE_NEWNET = 0x40000000
_OUTCOMES = pytest.StashKey[dict[str, ET.Element]]()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Report what became of a test marked root in the second pytest, which runs them all."""
    if pyfuncitem.get_closest_marker("root") is None or _INSIDE in os.environ:
        return None
    session = pyfuncitem.session
    if _OUTCOMES not in session.stash:
        session.stash[_OUTCOMES] = _run_inside(session)
    outcome = session.stash[_OUTCOMES][pyfuncitem.name]
    for reason in outcome.iter("skipped"):
        pytest.skip(reason.get("message", ""))
    for failure in (*outcome.iter("failure"), *outcome.iter("error")):
        pytest.fail(f"in its namespace:\n{failure.text}", pytrace=False)
    return True


def _run_inside(session: pytest.Session) -> dict[str, ET.Element]:
    unshare = [str(require("unshare", package="util-linux")), "--user", "--map-root-user", "--net"]
    probe = subprocess.run([*unshare, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"kernel: no user namespaces here: {probe.stderr.strip()}")
    folder = Path(__file__).parent
    chosen = [
        f"{item.path}::{item.name}"
        for item in session.items
        if item.get_closest_marker("root") and item.path.is_relative_to(folder)
    ]
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary) / "report.xml"
        again = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        ran = subprocess.run(
            [*unshare, *again, f"--junitxml={report}", *chosen],
            env=os.environ | {_INSIDE: "1"},
            cwd=session.config.rootpath,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        if not report.exists():
            pytest.fail(f"no report from the namespace:\n{ran.stdout}{ran.stderr}")
        cases = ET.parse(report).iter("testcase")  # noqa: S314 pytest wrote it
        return {case.attrib["name"]: case for case in cases}


@pytest.fixture
def wires() -> Generator[tuple[Wire, ...]]:
    """Two cables in an empty network; none outside, where the test's body does not run."""
    if _INSIDE not in os.environ:
        yield ()
        return
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with Wire(0) as one, Wire(1) as other:
        yield one, other
