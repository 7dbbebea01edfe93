"""Many files as one tar stream of known size, and back: what backups and exports are made of."""

import os
import shutil
import tarfile
from collections.abc import Generator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

BLOCK_BYTES = tarfile.BLOCKSIZE
CHUNK_BYTES = 256 * 1024
END = bytes(2 * BLOCK_BYTES)
FILE_MODE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Piece(msgspec.Struct, frozen=True):
    """A file that does not change any more, and its name in the bundle."""

    name: str
    path: Path


def bundle_bytes(pieces: Sequence[Piece]) -> int:
    """Return how long the bundle of some files is."""
    return sum(len(_header(piece)) + _padded(piece.path.stat().st_size) for piece in pieces) + len(
        END
    )


def bundle(pieces: Sequence[Piece]) -> Generator[bytes, None, None]:
    """Yield a bundle, chunk by chunk."""
    for piece in pieces:
        yield _header(piece)
        size = piece.path.stat().st_size
        with piece.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        if padding := _padded(size) - size:
            yield bytes(padding)
    yield END


def unpack(source: IO[bytes], folder: Path) -> int:
    """Write the files of a bundle into a folder, and return how many they were.

    Raises:
        tarfile.TarError: It is no bundle, ends early, or wants to write elsewhere.
    """
    count = 0
    with tarfile.open(fileobj=source, mode="r|") as stream:
        for member in filter(tarfile.TarInfo.isfile, stream):
            _take_out(stream, member, folder)
            count += 1
    return count


def _take_out(stream: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    # By hand: TarFile.extract has filters only since Python 3.11.4, and Debian 12 has 3.11.2.
    name = PurePosixPath(member.name)
    content = stream.extractfile(member)
    if name.is_absolute() or ".." in name.parts or content is None:
        message = f"{member.name!r} is no name of a file in the folder"
        raise tarfile.ExtractError(message)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with content, os.fdopen(os.open(path, _NEW, FILE_MODE), "wb") as file:
        shutil.copyfileobj(content, file, CHUNK_BYTES)


def _header(piece: Piece) -> bytes:
    state = piece.path.stat()
    member = tarfile.TarInfo(piece.name)
    member.size, member.mtime, member.mode = state.st_size, int(state.st_mtime), FILE_MODE
    return member.tobuf(tarfile.GNU_FORMAT)


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def pieces_below(folder: Path) -> list[Piece]:
    """Return every file below a folder, by its path from there."""
    files = sorted(Path(at, name) for at, _, names in os.walk(folder) for name in names)
    return [Piece(str(file.relative_to(folder)), file) for file in files]
