"""Our reader against scapy's, which shares no line with it."""

import json
from pathlib import Path

import pytest
from scapy.utils import RawPcapNgReader, RawPcapReader

from tests.agent.capture import files
from tests.agent.capture.files import SECOND_NS, Reading, Sight, read, sights


def by_scapy(path: Path) -> list[Sight]:
    with RawPcapReader(str(path)) as reader:
        found = []
        for frame, about in reader:
            if isinstance(reader, RawPcapNgReader):
                ticks = about.tshigh << 32 | about.tslow
                time_ns = ticks * SECOND_NS // about.tsresol
            else:
                time_ns = about.sec * SECOND_NS + about.usec * (1 if reader.nano else 1000)
            found.append(Sight(time_ns, frame, about.wirelen))
        return found


@pytest.mark.parametrize("order", ["<", ">"])
def test_crafted_files_read_the_same(tmp_path: Path, order: str) -> None:
    frames = sights(500)
    for content in (
        files.classic(frames, order=order),
        files.classic(frames, order=order, magic=0xA1B23C4D),
        files.pcapng(frames, order),
    ):
        path = tmp_path / "crafted"
        assert read(path, content) == Reading(by_scapy(path), ("if0",), None)


@pytest.mark.captures
def test_all_labelled_captures_read_the_same(captures: Path) -> None:
    for entry in json.loads((captures / "manifest.json").read_text()):
        path = captures / entry["file"]
        found, _, truncated = read(path)
        assert truncated is None, path
        assert len(found) == entry["packets"], path
        assert [sight._replace(port=0) for sight in found] == by_scapy(path), path
