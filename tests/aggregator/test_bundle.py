"""Tar streams of backups: what comes out is what went in, and lies nowhere else."""

import io
import tarfile
from pathlib import Path

import pytest

from aggregator.store.bundle import MANIFEST, Piece, Unpacked, bundle, bundle_bytes, unpack


def test_what_was_packed_comes_out_private_whatever_the_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Debian 12's Python 3.11.2 has no `filter` of TarFile.extract, so nothing may need it.
    monkeypatch.delattr(tarfile.TarFile, "extract")
    original = tmp_path / "original"
    original.write_bytes(b"verdict" * 1000)
    packed = b"".join(bundle([Piece("archive/day=1/a.parquet", original), Piece("b", original)]))
    into = tmp_path / "into"
    into.mkdir()
    assert unpack(io.BytesIO(packed), into) == Unpacked(2, listed=True)
    for name in ("archive/day=1/a.parquet", "b"):
        assert (into / name).read_bytes() == original.read_bytes()
        assert (into / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../climbed", "/climbed", "a/../../climbed"])
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, name: str):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    packed.seek(0)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(tarfile.TarError, match="climbed"):
        unpack(packed, into)
    assert not list(tmp_path.rglob("climbed"))


@pytest.fixture
def packed(tmp_path: Path) -> bytes:
    """A bundle of two files, the second of zeros."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"verdict" * 1000)
    second.write_bytes(bytes(2000))
    pieces = [Piece("a/first", first), Piece("second", second)]
    packed = b"".join(bundle(pieces))
    assert bundle_bytes(pieces) == len(packed)
    return packed


def of_before(packed: bytes) -> bytes:
    """Return a bundle as versions wrote it that put no list before the files."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        first, second, _ = tar
        assert first.name == MANIFEST
    return packed[second.offset :]


@pytest.mark.parametrize("missing", [1500, 2560, 3000, 3584, 4000, 8000])
def test_a_bundle_without_its_end_is_not_taken_for_whole(
    tmp_path: Path, packed: bytes, missing: int
):
    for number, whole in enumerate((packed, of_before(packed))):
        into = tmp_path / str(number)
        with pytest.raises(tarfile.TarError):
            unpack(io.BytesIO(whole[:-missing]), into)


def test_a_bundle_whose_end_is_zeros_is_not_taken_for_whole(tmp_path: Path, packed: bytes):
    with pytest.raises(tarfile.TarError, match="1 of 2 files"):
        unpack(io.BytesIO(packed[:-4000] + bytes(4000)), tmp_path / "into")


def test_a_bundle_that_is_damaged_within_is_not_taken_for_whole(tmp_path: Path, packed: bytes):
    for number, whole in enumerate((packed, of_before(packed))):
        head = whole.index(b"second", 1024)
        with pytest.raises(tarfile.TarError):
            unpack(
                io.BytesIO(whole[:head] + b"third!" + whole[head + 6 :]), tmp_path / str(number)
            )


def test_a_bundle_of_before_is_taken_and_said_to_have_no_list(tmp_path: Path, packed: bytes):
    assert unpack(io.BytesIO(of_before(packed)), tmp_path / "x") == Unpacked(2, listed=False)


def test_what_is_there_is_not_overwritten(tmp_path: Path, packed: bytes):
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "second").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        unpack(io.BytesIO(packed), tmp_path / "into")
    assert (tmp_path / "into" / "second").read_bytes() == b"mine"
