"""Backups: however slowly a running service's are taken, and what a restore makes of them."""

import asyncio
import os
import tarfile
import time
from pathlib import Path

import httpx
import pytest

from aggregator.config import AggregatorConfig, StoreConfig
from aggregator.errors import StoreError
from aggregator.remote import Login, Service
from aggregator.store.bundle import Piece, bundle
from aggregator.store.database import FILE_NAME, Database
from aggregator.terminal import back_up, restore
from tests.aggregator.conftest import Centre


def emptied(folder: Path) -> bool:
    """Wait until nothing is in a folder; return whether that came to be."""
    deadline = time.monotonic() + 5
    while list(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not list(folder.iterdir())


def test_who_breaks_a_backup_off_may_make_another(centre: Centre):
    head = {"Authorization": f"Bearer {centre.token()}", "Connection": "close"}
    for _ in range(2):
        with httpx.stream("POST", f"{centre.url}/api/v1/system/backup", headers=head) as answer:
            assert answer.status_code == 200
        assert emptied(centre.data / "copies" / "_jobs")


def test_who_takes_nothing_of_a_backup_is_cut_off_and_may_make_another(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_HTTP__MAX_REQUEST_S"] = "1"
    centre.start()
    large = centre.data / "models" / "default" / "large.tar"
    large.parent.mkdir(parents=True)
    with large.open("wb") as file:
        file.truncate(30_000_000)  # more than lies in buffers on the way
    head = {"Authorization": f"Bearer {centre.token()}", "Connection": "close"}
    with httpx.stream("POST", f"{centre.url}/api/v1/system/backup", headers=head) as answer:
        assert answer.status_code == 200
        assert emptied(centre.data / "copies" / "_jobs")
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    done = centre.run("backup", str(tmp_path / "all.tar"))
    assert done.returncode == 0, done.stderr
    assert centre.stop() == 0
    assert "Traceback" not in centre.log.read_text()


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a store that is not open, with a key and a model."""
    store = tmp_path / "store"
    asyncio.run(opened(store))
    (store / "jwt.key").write_text("theirs")
    (store / "models" / "default").mkdir(parents=True)
    (store / "models" / "default" / "m.tar").write_text("a model")
    service = Service("http://127.0.0.1:1", Login("nobody", str))
    file = tmp_path / "all.tar"
    back_up(config_of(store), service, file, print)
    return file


async def opened(folder: Path) -> None:
    async with Database(folder):
        pass


def config_of(folder: Path) -> AggregatorConfig:
    return AggregatorConfig(store=StoreConfig(path=folder))


def files_below(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    "name",
    [
        FILE_NAME,
        f"{FILE_NAME}.wal",
        f"{FILE_NAME}.wal.checkpoint",
        f"{FILE_NAME}.wal.recovery",
        "jwt.key",
        "archive/verdicts/organization=default/day=2026-11-30/0-1.parquet",
        "models/default/m.tar",
    ],
)
def test_a_restore_lets_a_part_of_a_store_be_and_names_it(tmp_path: Path, backup: Path, name: str):
    folder = tmp_path / "folder"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(b"mine")
    with pytest.raises(StoreError, match=f"move {name.partition('/')[0]} away") as caught:
        restore(config_of(folder), backup, print)
    assert "\n" not in str(caught.value)
    assert files_below(folder) == {name: b"mine"}
    assert not list(folder.glob("tmp*"))


def test_a_restore_lets_folders_be_that_no_backup_holds(tmp_path: Path, backup: Path):
    folder = tmp_path / "folder"
    (folder / "terminals").mkdir(parents=True)
    (folder / "terminals" / "1.cast").write_text("mine")
    restore(config_of(folder), backup, print)
    found = files_below(folder)
    assert found["jwt.key"] == b"theirs"
    assert found["models/default/m.tar"] == b"a model"
    assert found["terminals/1.cast"] == b"mine"
    assert FILE_NAME in found


def test_a_torn_backup_leaves_nothing_and_a_whole_one_is_restored_after_it(
    tmp_path: Path, backup: Path
):
    folder = tmp_path / "folder"
    torn = tmp_path / "torn.tar"
    for missing in (2500, 3000, 100_000):
        torn.write_bytes(backup.read_bytes()[:-missing])
        with pytest.raises(StoreError, match=r"torn\.tar"):
            restore(config_of(folder), torn, print)
        assert list(folder.iterdir()) == []
    restore(config_of(folder), backup, print)
    assert (folder / "jwt.key").read_text() == "theirs"


def test_a_backup_of_an_earlier_version_is_restored_with_a_warning(tmp_path: Path, backup: Path):
    with tarfile.open(backup) as tar:
        before = tmp_path / "before.tar"
        before.write_bytes(backup.read_bytes()[tar.getmembers()[1].offset :])
    said: list[str] = []
    restore(config_of(tmp_path / "folder"), before, said.append)
    assert "an earlier version" in said[0]


def test_what_holds_no_database_is_no_backup(tmp_path: Path, backup: Path):
    export = tmp_path / "export.tar"
    export.write_bytes(b"".join(bundle([Piece("verdicts/0.parquet", backup)])))
    with pytest.raises(StoreError, match=f"no {FILE_NAME}"):
        restore(config_of(tmp_path / "folder"), export, print)
    assert list((tmp_path / "folder").iterdir()) == []


def test_what_root_restores_into_a_folder_is_its_owners(tmp_path: Path, backup: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    os.chown(folder, owner, -1)
    restore(config_of(folder), backup, print)
    assert {path.stat().st_uid for path in folder.rglob("*")} == {owner}
