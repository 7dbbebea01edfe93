"""A bundle that travels as a tar file: read as it was packed, and never beyond its bounds."""

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.model_bundle import (
    ALL_FILES,
    MANIFEST,
    MAX_BUNDLE_BYTES,
    MODEL,
    BundleError,
    read_manifest,
    read_metadata,
    unpack,
)
from tests.model_bundles import tar_of, told, write_bundle


def packed(*members: tuple[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


def test_what_tar_packs_is_what_is_read(tmp_path: Path):
    folder = write_bundle(tmp_path / "b", told("one"), model=b"m" * 1000)
    files = unpack(tar_of(folder))
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert read_metadata(files, read_manifest(files)) == told("one")


def test_in_which_folder_files_lie_does_not_matter_and_others_are_skipped():
    data = packed(("a/b/" + MODEL, b"m"), ("/etc/passwd", b"x"), ("n" * 300, b"y"))
    assert unpack(data) == {MODEL: b"m"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (packed((MODEL, b"1"), ("x/" + MODEL, b"2")), "twice"),
        (packed((MODEL, b"1" * 2000))[:1024], "ends early"),
        (b"\x1f\x8b" + bytes(600), "must not be compressed"),
        (bytes(MAX_BUNDLE_BYTES + 1), "larger than 16 MB"),
    ],
)
def test_what_is_no_bundle_says_why(data: bytes, said: str):
    with pytest.raises(BundleError, match=said):
        unpack(data)


def test_a_missing_file_is_named(tmp_path: Path):
    files = unpack(tar_of(write_bundle(tmp_path / "b", told("one"))))
    for name in (MANIFEST, MODEL):
        with pytest.raises(BundleError, match=f"{name}: is missing"):
            read_manifest({key: value for key, value in files.items() if key != name})


@given(st.binary(max_size=2000), st.integers(0, 4000))
def test_no_bytes_break_it(noise: bytes, at: int):
    data = packed((MODEL, b"m" * 700), (MANIFEST, b"{}"))
    for spoiled in (noise, data[:at] + noise + data[at + len(noise) :]):
        try:
            files = unpack(spoiled)
        except BundleError:
            continue
        assert set(files) <= set(ALL_FILES)
