"""Tar streams of backups: what comes out is what went in, and lies nowhere else."""

import io
import tarfile
from pathlib import Path

import pytest

from aggregator.store.bundle import Piece, bundle, unpack


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
    (into / "b").write_bytes(b"of an earlier try")
    assert unpack(io.BytesIO(packed), into) == 2
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
