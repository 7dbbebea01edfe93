"""Letting go on the box with a code that it checks by itself."""

import base64
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.errors import ReleaseCodeError
from agent.release_code import new_secret, use_release_code
from runtime.totp import PERIOD_S, code_at
from tests.agent.messages import NOW_NS

SECOND_NS = 1_000_000_000


class Box:
    """A box with a secret, and a clock that stands still until it is set."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "release.secret"
        self.uri = new_secret(self.path)
        self.now_ns = NOW_NS

    def code(self, steps: int = 0) -> str:
        secret = base64.b32decode(self.path.read_text().strip())
        return code_at(secret, self.now_ns // SECOND_NS // PERIOD_S + steps)

    def use(self, code: str) -> None:
        use_release_code(self.path, code, lambda: self.now_ns)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_the_secret_is_shown_once_and_is_the_owner_s_alone(box: Box):
    told = parse_qs(urlsplit(box.uri).query)["secret"][0]
    assert told == box.path.read_text().strip()
    assert box.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ReleaseCodeError, match="File exists"):
        new_secret(box.path)


def test_a_code_is_good_once(box: Box):
    box.use(box.code())
    for used in (box.code(), box.code(-1)):
        with pytest.raises(ReleaseCodeError, match="wrong or was used"):
            box.use(used)
    box.use(box.code(1))


def test_guessing_is_slowed_down_and_a_right_code_too_early_does_not_pass(box: Box):
    for _ in range(3):
        with pytest.raises(ReleaseCodeError, match="wrong"):
            box.use("000000x")
    with pytest.raises(ReleaseCodeError, match="try again in 1 s"):
        box.use(box.code())
    box.now_ns += SECOND_NS
    box.use(box.code())
    with pytest.raises(ReleaseCodeError, match="wrong"):
        box.use("no")
    box.use(box.code(1))


def test_a_clock_that_was_set_back_locks_nobody_out_for_longer(box: Box):
    for _ in range(3):
        with pytest.raises(ReleaseCodeError):
            box.use("no")
    box.now_ns -= 3600 * SECOND_NS
    with pytest.raises(ReleaseCodeError, match="try again in 300 s"):
        box.use(box.code())


@pytest.mark.parametrize("text", ["", "not base32!"])
def test_a_secret_that_is_none_lets_nobody_pass(box: Box, text: str):
    box.path.write_text(text)
    with pytest.raises(ReleaseCodeError):
        box.use("123456")


def test_what_is_used_can_be_damaged_and_is_named_then(box: Box):
    box.path.with_name("release.secret.used").write_text("nonsense")
    with pytest.raises(ReleaseCodeError, match=r"release\.secret\.used"):
        box.use(box.code())


def release(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = folder / "agent.toml"
    config.write_text(f'[isolation]\nrelease_secret_file = "{folder}/secret"\n')
    program = [sys.executable, "-m", "agent", *arguments, "--config", str(config)]
    return subprocess.run(
        program,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=os.environ,
        stdin=subprocess.DEVNULL,
    )


def test_release_asks_for_a_code_where_a_secret_is_set(tmp_path: Path):
    assert "No such file" in release(tmp_path, "release", "--all", "--code", "1").stderr
    made = release(tmp_path, "release-secret")
    assert made.stdout.startswith("otpauth://totp/Edgewarden")
    without = release(tmp_path, "release", "--all")
    assert (without.returncode, "--code" in without.stderr) == (2, True)
    wrong = release(tmp_path, "release", "--all", "--code", "0000000")
    assert (wrong.returncode, "wrong or was used" in wrong.stderr) == (2, True)
    secret = base64.b32decode((tmp_path / "secret").read_text().strip())
    ran = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True)
    code = code_at(secret, int(ran.stdout) // PERIOD_S)
    assert release(tmp_path, "release", "--all", "--code", code).returncode == 0
    assert release(tmp_path, "release", "--all", "--code", code).returncode == 2
