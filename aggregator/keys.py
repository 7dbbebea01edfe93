"""Secrets of this installation: files that nobody else may read, made when they are first needed."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aggregator.errors import StoreError


def kept_key(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return what a file holds; where there is none it is made, readable by its owner alone.

    Raises:
        StoreError: It can be neither read nor made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _write_whole(path, make())
        return path.read_bytes()
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise StoreError(message) from error


def _write_whole(path: Path, key: bytes) -> None:
    # Under another name first: a key that a power cut left half written would be lost for good.
    # Whoever links it first has made it, and all of us read that one.
    half = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    with suppress(FileExistsError):
        path.hardlink_to(half)
    half.unlink()
