"""The commands sql, backup, restore and export: while the service runs, and while it does not."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import tarfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import httpx
import pytest

from aggregator.__main__ import main
from aggregator.errors import TooManyAttemptsError
from aggregator.store.archive import Archive
from aggregator.store.backups import Backups
from aggregator.store.database import Database
from aggregator.terminal import MAX_WIDTH, table
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import alert, verdicts
from tests.tools import without_rights

ROOT = Path(__file__).parents[2]
COUNT = "SELECT count(*) AS n FROM verdicts WHERE device_id = 'terminal-pi'"


@pytest.fixture(scope="module")
def told(centre: Centre) -> Centre:
    """The running service, after a device told it two verdicts and an alert."""
    centre.told("terminal-pi", verdicts(), alert(5500))
    return centre


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Centre]:
    """A service of our own that has stopped after a device told it two verdicts."""
    centre = Centre(tmp_path)
    centre.start()
    centre.told("terminal-pi", verdicts())
    assert centre.stop() == 0
    yield centre
    assert "Traceback" not in centre.log.read_text()


def ran(centre: Centre, *arguments: str, **more: str) -> str:
    done = centre.run(*arguments, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(centre: Centre, *arguments: str, **more: str) -> str:
    done = centre.run(*arguments, **more)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("edgewarden")]
    assert "Traceback" not in done.stderr
    return line


def test_the_running_service_is_asked(told: Centre):
    shown = ran(told, "sql", COUNT, "--user", "analyst").splitlines()
    assert shown[:3] == ["n", "-", "2"]
    assert shown[3].startswith("(1 rows as of 20")
    by_token = ran(told, "sql", COUNT, "--format", "csv", EDGEWARDEN_TOKEN=told.token("analyst"))
    assert by_token.splitlines() == ["n", "2"]


def test_a_stopped_store_is_asked_by_the_command_itself(stopped: Centre):
    assert ran(stopped, "sql", COUNT).splitlines()[2] == "2"
    answer = json.loads(ran(stopped, "sql", COUNT, "--format", "json"))
    assert answer["rows"] == [[2]]


def test_what_root_asks_of_a_stopped_store_stays_its_owners(stopped: Centre):
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    for path in (stopped.data, *stopped.data.rglob("*")):
        os.chown(path, owner, -1)
    ran(stopped, "sql", COUNT)
    assert {path.stat().st_uid for path in stopped.data.rglob("*")} == {owner}


def test_a_refusal_is_one_line_whoever_refuses(told: Centre, stopped: Centre, tmp_path: Path):
    for centre in (told, stopped):
        assert "only SELECT" in refused(centre, "sql", "DROP VIEW alerts")
    assert "role analyst" in refused(told, "sql", "SELECT 1", "--user", "viewer")
    assert "elsewhere" not in refused(told, "sql", "SELECT 1", "--user", "nobody")
    assert "there is no database" in refused(Centre(tmp_path / "none"), "sql", "SELECT 1")
    away = ("sql", "SELECT 1", "--url", "http://127.0.0.1:1")
    assert "Connection refused" in refused(told, *away)
    assert "give an address" in refused(told, "sql", "SELECT 1", "--url", "ftp://x")


def test_statements_are_read_line_by_line_until_the_end(stopped: Centre):
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "aggregator", "sql"],
        env=stopped.environment(),
        stdin=side,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(side)
    os.write(main, b"SELECT 40\n + 2 AS answer;\n\nSELECT nothing;\nexit\n")
    out, err = process.communicate(timeout=30)
    os.close(main)
    assert process.returncode == 0
    assert "42" in out
    assert 'column "nothing" was not found' in err


# A process of its own behind a terminal, which Ctrl-C reaches as it does from a keyboard.
AT_A_TERMINAL = """
import os, sys
os.login_tty(0)
os.execv(sys.executable, [sys.executable, "-m", "aggregator", *sys.argv[1:]])
"""
WAIT_S, PRESS_EVERY_S = 30, 3


def shown_until(terminal: int, words: bytes) -> bytes:
    """Read a terminal until it shows some words."""
    shown, deadline = b"", time.monotonic() + WAIT_S
    while words not in shown:
        ready, _, _ = select.select([terminal], [], [], deadline - time.monotonic())
        assert ready, shown
        shown += os.read(terminal, 4096)
    return shown


def interrupted(process: subprocess.Popen[bytes], press: Callable[[], object]) -> int:
    """Press Ctrl-C as a person does: again, where it was not heard; return the exit code.

    CPython is deaf to what comes between the prompt and its waiting for a line.
    """
    for _ in range(WAIT_S // PRESS_EVERY_S):
        press()
        with suppress(subprocess.TimeoutExpired):
            return process.wait(PRESS_EVERY_S)
    pytest.fail("Ctrl-C was not heard")


@pytest.mark.parametrize(
    ("whose", "command", "prompt"),
    [
        ("stopped", "sql", b"sql> "),
        ("stopped", "create-user mallory", b"password: "),
        ("told", "sql", b"sql> "),
        ("told", "sql SHOW", b"password: "),
        ("told", "backup interrupted.tar", b"password: "),
        ("told", "export interrupted", b"password: "),
    ],
)
def test_ctrl_c_ends_what_waits_for_a_line(request, tmp_path: Path, whose, command, prompt):
    environment = request.getfixturevalue(whose).environment(PYTHONPATH=str(ROOT))
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, *command.split()],
        env=environment,
        cwd=tmp_path,
        stdin=side,
    )
    try:
        shown_until(terminal, prompt)
        assert interrupted(process, lambda: os.write(terminal, b"\x03")) == 130
        os.set_blocking(terminal, False)
        with suppress(BlockingIOError):  # nothing more was said
            assert b"Traceback" not in os.read(terminal, 4096)
        assert termios.tcgetattr(side)[3] & termios.ECHO
        assert not list(tmp_path.glob("interrupted*"))
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        os.close(side)


def test_an_interrupt_ends_what_waits_for_a_statement_from_a_pipe(stopped: Centre):
    with subprocess.Popen(
        [sys.executable, "-m", "aggregator", "sql"],
        env=stopped.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            shown_until(process.stdout.fileno(), b"sql> ")
            assert interrupted(process, lambda: process.send_signal(signal.SIGINT)) == 130
            assert b"Traceback" not in process.stderr.read()
        finally:
            process.kill()


def test_a_table_shows_no_control_character_and_no_endless_line():
    answer = {
        "as_of": "now",
        "truncated": True,
        "columns": [{"name": "a", "type": "VARCHAR"}, {"name": "b", "type": "INTEGER"}],
        "rows": [["\x1b[2J\n", None], ["x" * 100, 7]],
    }
    shown = table(json.dumps(answer).encode())
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= MAX_WIDTH + 6
    assert "null" in shown
    assert "there are more" in shown


def test_a_backup_of_the_running_service_is_restored_elsewhere(told: Centre, tmp_path: Path):
    file = tmp_path / "all.tar"
    ran(told, "sql", COUNT)
    said = told.run("backup", str(file)).stderr
    assert "MB written" in said
    assert file.stat().st_mode & 0o077 == 0
    other = Centre(tmp_path / "other")
    other.more = {"EDGEWARDEN_ADMIN_PASSWORD": ""}
    other.data.parent.mkdir()
    assert "parts of the archive" in other.run("restore", str(file)).stderr
    other.start()
    try:
        with other.client("admin") as client:
            assert client.post("/query", json={"sql": COUNT}).json()["rows"] == [[2]]
            found = client.get("/alerts", params={"device_id": "terminal-pi"}).json()
            assert [item["alert_id"] for item in found] == [f"{5500:032x}"]
    finally:
        assert other.stop() == 0
    files = [
        path for path in other.data.rglob("*") if path.is_file() and "broker" not in path.parts
    ]
    assert not [path for path in files if path.stat().st_mode & 0o077]


def test_in_a_folder_that_is_open_to_all_the_data_is_not(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.data.mkdir(mode=0o755, exist_ok=True)
    centre.data.chmod(0o755)
    before = os.umask(0o022)
    try:
        ran(centre, "create-user", "ann")
    finally:
        os.umask(before)
    files = list(centre.data.rglob("*"))
    assert files
    assert [path for path in files if path.stat().st_mode & 0o077] == []


def test_a_backup_of_a_stopped_store_holds_the_same(stopped: Centre, tmp_path: Path):
    ran(stopped, "sql", COUNT)
    file = tmp_path / "all.tar"
    ran(stopped, "backup", str(file))
    with tarfile.open(file) as bundle:
        names = bundle.getnames()
    assert "edgewarden.duckdb" in names
    assert [name for name in names if name.startswith("archive/verdicts/organization=default/")]
    assert "is there already" in refused(stopped, "backup", str(file))
    assert "No such file" in refused(stopped, "backup", str(tmp_path / "nowhere" / "all.tar"))


async def test_one_backup_of_an_admin_and_one_export_of_an_organization_is_made_at_a_time(
    database: Database,
):
    archive = Archive(database)
    await archive.open()
    backups = Backups(database, archive)
    async with backups.everything("1"), backups.views("default"):
        async with backups.everything("2"), backups.views("elsewhere"):
            pass
        with pytest.raises(TooManyAttemptsError):
            await backups.everything("1").__aenter__()
        with pytest.raises(TooManyAttemptsError):
            await backups.views("default").__aenter__()
    async with backups.everything("1"), backups.views("default"):
        pass


def test_only_admins_of_the_installation_make_a_backup(told: Centre, tmp_path: Path):
    for user, words in (("operator", "role admin"), ("stranger", "only admins of default")):
        said = refused(told, "backup", str(tmp_path / "x.tar"), "--user", user)
        assert words in said
    assert list(tmp_path.iterdir()) == []
    for path in ("backup", "export"):
        assert httpx.post(f"{told.url}/api/v1/system/{path}").status_code == 401


def test_a_restore_overwrites_nothing_and_takes_no_file_that_is_no_backup(
    stopped: Centre, told: Centre, tmp_path: Path
):
    junk = tmp_path / "junk.tar"
    junk.write_bytes(b"junk" * 1000)
    for centre in (stopped, told):
        assert "move archive, codes.key, " in refused(centre, "restore", str(junk))
    empty = Centre(tmp_path / "empty")
    empty.data.parent.mkdir()
    assert "junk.tar" in refused(empty, "restore", str(junk))
    climbing = tmp_path / "climbing.tar"
    with tarfile.open(climbing, "w") as bundle:
        bundle.add(junk, arcname="../climbed")
    assert "climbing.tar" in refused(empty, "restore", str(climbing))
    assert not list(tmp_path.rglob("climbed"))
    whole = tmp_path / "whole.tar"
    ran(stopped, "backup", str(whole))
    torn = tmp_path / "torn.tar"
    torn.write_bytes(whole.read_bytes()[:-200_000])
    assert "torn.tar" in refused(empty, "restore", str(torn))
    assert empty.run("restore", str(whole)).returncode == 0


def test_a_restore_makes_the_folder_that_a_link_means(stopped: Centre, tmp_path: Path):
    whole = tmp_path / "whole.tar"
    ran(stopped, "backup", str(whole))
    moved = Centre(tmp_path / "moved")
    moved.data.parent.mkdir()
    # As systemd leaves /var/lib/edgewarden-aggregator when what it means was moved away.
    moved.data.symlink_to(tmp_path / "private")
    assert "none.tar" in refused(moved, "restore", str(tmp_path / "none.tar"))
    ran(moved, "restore", str(whole))
    assert ran(moved, "sql", COUNT).splitlines()[2] == "2"
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_who_may_not_read_what_a_command_needs_is_told_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    closed = tmp_path / "closed"
    closed.mkdir()
    with without_rights(closed):
        assert main(["backup", str(closed / "all.tar")]) == 2
    said = capsys.readouterr().err
    assert said == f"edgewarden-aggregator: {closed}/all.tar: Permission denied: use sudo\n"


def test_an_export_is_read_by_any_duckdb(told: Centre, stopped: Centre, tmp_path: Path):
    for name, centre in (("running", told), ("not", stopped)):
        folder = tmp_path / name
        ran(centre, "export", str(folder))
        found = duckdb.read_parquet(f"{folder}/verdicts/*.parquet", union_by_name=True)
        assert len(found.filter("device_id = 'terminal-pi'").fetchall()) == 2
        assert duckdb.read_parquet(f"{folder}/audit/*.parquet").columns
        assert "not there yet" in refused(centre, "export", str(folder))


def test_an_export_holds_nothing_of_others(told: Centre, tmp_path: Path):
    folder = tmp_path / "theirs"
    ran(told, "export", str(folder), "--user", "stranger")
    for file in folder.rglob("*.parquet"):
        owners = duckdb.read_parquet(str(file)).project("organization").distinct().fetchall()
        assert owners in ([], [("elsewhere",)]), file


def test_what_is_not_in_a_backup_is_said_where_it_is_made(told: Centre):
    with told.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    described = paths["/api/v1/system/backup"]["post"]["description"]
    for text in (described, ran(told, "backup", "--help"), ran(told, "--help")):
        said = " ".join(text.split())
        assert "Recordings of terminals and frames behind alerts are not in it" in said
        assert "everything" not in said.replace("keep everything in ./data", "")


def test_help_shows_how(told: Centre):
    shown = ran(told, "--help")
    for command in ("sql", "backup", "restore", "export"):
        assert f"edgewarden-aggregator {command} " in shown
    assert PASSWORD not in shown
