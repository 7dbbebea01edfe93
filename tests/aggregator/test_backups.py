"""Backups while the service runs: whoever takes them, and however they break off."""

import time
from pathlib import Path

import httpx
import pytest

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
