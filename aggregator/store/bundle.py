"""Many files as one tar stream of known size, and back: what backups and exports are made of.

The first of them is a list of the others: tar alone does not tell a bundle whose end is missing.
"""

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
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
FILE_MODE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Piece(msgspec.Struct, frozen=True):
    """A file that does not change any more, and its name in the bundle."""

    name: str
    path: Path


class Manifest(msgspec.Struct, frozen=True):
    """The files of a bundle by name, and how many bytes each has."""

    files: dict[str, int]


class Unpacked(msgspec.Struct, frozen=True):
    """What came out of a bundle."""

    files: int
    listed: bool  # False: earlier versions wrote no list, and its end alone says that it is whole


def bundle_bytes(pieces: Sequence[Piece]) -> int:
    """Return how long the bundle of some files is."""
    manifest = _manifest(pieces)
    sizes = [len(_head(piece)) + _padded(piece.path.stat().st_size) for piece in pieces]
    return len(_manifest_head(manifest)) + _padded(len(manifest)) + sum(sizes) + len(END)


def bundle(pieces: Sequence[Piece]) -> Generator[bytes, None, None]:
    """Yield a bundle, chunk by chunk."""
    manifest = _manifest(pieces)
    yield _manifest_head(manifest) + manifest.ljust(_padded(len(manifest)), b"\0")
    for piece in pieces:
        yield _head(piece)
        size = piece.path.stat().st_size
        with piece.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        if padding := _padded(size) - size:
            yield bytes(padding)
    yield END


def unpack(source: IO[bytes], folder: Path) -> Unpacked:
    """Write the files of a bundle into a folder.

    Raises:
        tarfile.TarError: It is no bundle, is not whole, or wants to write elsewhere.
        FileExistsError: One of the files is there already.
    """
    listed: dict[str, int] | None = None
    found: dict[str, int] = {}
    with tarfile.open(fileobj=source, mode="r|") as stream:
        for member in filter(tarfile.TarInfo.isfile, stream):
            if member.name == MANIFEST and not found:
                listed = _listed(stream, member)
            else:
                _take_out(stream, member, folder)
                found[member.name] = member.size
        whole = _ends(source, stream.offset) if listed is None else found == listed
    if not whole:
        of = "" if listed is None else f" of {len(listed)}"
        message = f"it is damaged, or its end is missing: {len(found)}{of} files came out"
        raise tarfile.ReadError(message)
    return Unpacked(len(found), listed is not None)


def _ends(source: IO[bytes], offset: int) -> bool:
    # To tarfile a head that is cut off or damaged is an end as well.
    source.seek(offset)
    return source.read(len(END)) == END


def _listed(stream: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, int]:
    content = stream.extractfile(member)
    text = content.read(MAX_MANIFEST_BYTES) if content is not None else b""
    try:
        return msgspec.json.decode(text, type=Manifest).files
    except msgspec.DecodeError as error:
        message = f"{MANIFEST}: {error}"
        raise tarfile.ReadError(message) from error


def _take_out(stream: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    # By hand: TarFile.extract has filters only since Python 3.11.4, and Debian 12 has 3.11.2.
    name = PurePosixPath(member.name)
    content = stream.extractfile(member)
    if name.is_absolute() or ".." in name.parts or content is None:
        message = f"{member.name!r} is no name of a file in the folder"
        raise tarfile.ExtractError(message)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, os.fdopen(os.open(path, _NEW, FILE_MODE), "wb") as file:
        shutil.copyfileobj(content, file, CHUNK_BYTES)


def _head(piece: Piece) -> bytes:
    state = piece.path.stat()
    return _head_of(piece.name, state.st_size, int(state.st_mtime))


def _manifest(pieces: Sequence[Piece]) -> bytes:
    sizes = {piece.name: piece.path.stat().st_size for piece in pieces}
    return msgspec.json.encode(Manifest(sizes))


def _manifest_head(manifest: bytes) -> bytes:
    return _head_of(MANIFEST, len(manifest), 0)


def _head_of(name: str, size: int, mtime_s: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, mtime_s, FILE_MODE
    return member.tobuf(tarfile.GNU_FORMAT)


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def pieces_below(folder: Path) -> list[Piece]:
    """Return every file below a folder, by its path from there."""
    files = sorted(Path(at, name) for at, _, names in os.walk(folder) for name in names)
    return [Piece(str(file.relative_to(folder)), file) for file in files]
