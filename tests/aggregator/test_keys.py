"""Secrets in files: made once, whole, and for their owner alone."""

import itertools
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aggregator.errors import StoreError
from aggregator.keys import kept_key


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "data" / "a.key"
    key = kept_key(path, lambda: b"secret")
    assert key == kept_key(path, lambda: b"another") == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["a.key"]


def test_whoever_comes_at_the_same_time_gets_the_same_key(tmp_path: Path):
    names = itertools.count()
    with ThreadPoolExecutor(8) as threads:
        for _ in range(20):
            path = tmp_path / f"{next(names)}.key"
            asked = [
                threads.submit(kept_key, path, lambda: secrets.token_bytes(32)) for _ in range(8)
            ]
            assert len({each.result() for each in asked}) == 1


def test_a_key_that_cannot_be_kept_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        kept_key(tmp_path / "file" / "a.key", lambda: b"secret")
