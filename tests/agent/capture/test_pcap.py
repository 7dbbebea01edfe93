import contextlib
import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.capture.pcap import PcapReader, read_frames, write_frames
from agent.errors import CaptureError
from agent.records import NO_VLAN, FrameBatch
from tests.agent.capture import files
from tests.agent.capture.files import SECOND_NS, START_NS, Sight, read, sights

FRAMES = sights(40)
ORDERS = ("<", ">")
MICROSECONDS = {"<": files.classic(FRAMES), ">": files.classic(FRAMES, order=">")}
EVERY_FORMAT = {
    "us, little": files.classic(FRAMES),
    "us, big": files.classic(FRAMES, order=">"),
    "ns, little": files.classic(FRAMES, magic=0xA1B23C4D),
    "ns, big": files.classic(FRAMES, order=">", magic=0xA1B23C4D),
    "modified, little": files.classic(FRAMES, magic=0xA1B2CD34),
    "modified, big": files.classic(FRAMES, order=">", magic=0xA1B2CD34),
    "ng, little": files.pcapng(FRAMES),
    "ng, big": files.pcapng(FRAMES, order=">"),
}
fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it.bin"


@pytest.mark.parametrize("content", EVERY_FORMAT.values(), ids=EVERY_FORMAT.keys())
def test_every_format_gives_the_same_frames(path: Path, content: bytes) -> None:
    assert read(path, content) == (FRAMES, ("if0",), None)


@pytest.mark.parametrize("content", EVERY_FORMAT.values(), ids=EVERY_FORMAT.keys())
def test_gzip_is_told_by_content_and_not_by_name(path: Path, content: bytes) -> None:
    assert read(path, gzip.compress(content)).sights == FRAMES
    assert read(path.with_suffix(".gz"), content).sights == FRAMES


def test_gzip_members_one_after_another_are_one_capture(path: Path) -> None:
    content = MICROSECONDS["<"]
    halves = gzip.compress(content[:1000]) + gzip.compress(content[1000:]) + bytes(512)
    assert read(path, halves) == (FRAMES, ("if0",), None)


@pytest.mark.parametrize("order", ORDERS)
def test_a_file_cut_anywhere_gives_the_frames_before_the_cut(path: Path, order: str) -> None:
    few = FRAMES[:5]
    record_ends = 24 + np.cumsum([16 + len(sight.frame) for sight in few])
    _assert_prefixes(path, files.classic(few, order=order), {24, *record_ends.tolist()}, few)
    blocks = [files.section(order), files.interface(order)]
    blocks += [files.enhanced(sight.time_ns // 1000, sight, order) for sight in few]
    _assert_prefixes(path, b"".join(blocks), set(np.cumsum([*map(len, blocks)]).tolist()), few)


def _assert_prefixes(path: Path, content: bytes, ends: set[int], frames: list[Sight]) -> None:
    for length in range(min(ends) - 4, len(content) + 1):
        if length < 24 and content[0] != 0x0A:
            continue  # such a header is no capture yet
        found, _, truncated = read(path, content[:length])
        assert found == frames[: len(found)]
        assert (truncated is None) == (length in ends)
        passed = sum(end <= length for end in ends) - len(ends) + len(frames)
        assert len(found) == max(0, passed)


def test_a_gzip_file_cut_anywhere_gives_a_prefix_and_says_so(path: Path) -> None:
    packed = gzip.compress(MICROSECONDS["<"], 0)  # stored, so that every byte counts
    counts = []
    for length in (*range(60, len(packed), 13), len(packed) - 1):
        found, _, truncated = read(path, packed[:length])
        assert found == FRAMES[: len(found)]
        assert truncated is not None
        assert "gzip" in truncated
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[-1] == len(FRAMES)


def test_a_record_of_impossible_length_ends_the_capture_where_it_stands(path: Path) -> None:
    content = files.classic(FRAMES[:3])
    liar = struct.pack("<IIII", 1, 1, (1 << 18) + 1, 60)
    found, _, truncated = read(path, content + liar + files.classic(FRAMES)[24:])
    assert found == FRAMES[:3]
    claim = "claims 262145 captured bytes, more than 262144"
    assert truncated == f"the record at byte {len(content)} {claim}"


def test_the_longest_frame_is_read_whole(path: Path) -> None:
    giant = Sight(START_NS, bytes(1 << 18), 1 << 18)
    for content in (files.classic([giant] * 40), files.pcapng([giant] * 40)):
        assert read(path, content).sights == [giant] * 40


@pytest.mark.parametrize(
    ("damaged", "fault"),
    [
        (files.block(6, bytes(16)), "has an impossible length of 28"),
        (files.block(6, struct.pack("<IIIII", 7, 0, 0, 0, 0)), "names an interface"),
        (files.block(6, struct.pack("<IIIII", 0, 0, 0, 90, 0)), "is too short for its frame"),
        (files.block(6, struct.pack("<IIIII", 0, 0, 0, 1 << 20, 0)), "captured bytes"),
        (files.block(6, bytes(20))[:-4] + bytes(4), "has two different lengths"),
        (files.block(5, bytes(20))[:-4] + bytes(4), "has two lengths, 32 and 0"),
        (struct.pack("<II", 6, 1 << 21), "has an impossible length of 2097152"),
        (struct.pack("<II", 5, 13), "has an impossible length of 13"),
        (files.block(0x0A0D0D0A, bytes(16)), "starts a section of unknown byte order"),
    ],
)
def test_a_damaged_block_ends_the_capture_where_it_stands(
    path: Path, damaged: bytes, fault: str
) -> None:
    start = files.pcapng(FRAMES[:3])
    after = files.enhanced(0, FRAMES[3]) * 3
    found, _, truncated = read(path, start + damaged + after)
    assert found == FRAMES[:3]
    assert truncated is not None
    assert truncated.startswith(f"the block at byte {len(start)} ")
    assert fault in truncated


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04 a zip file, say, and no capture", "not a pcap or pcapng file"),
        (b"\xd4\xc3\xb2\xa1", "the file ends inside the pcap header"),
        (b"\x1f\x8bgarbage behind the mark of gzip", "the gzip data are damaged"),
        (gzip.compress(b"", mtime=0), "not a pcap or pcapng file"),
        (files.classic([], linktype=105), "link type 105 (IEEE 802.11) cannot be read"),
        (files.classic([], linktype=9999), "link type 9999 cannot be read"),
    ],
)
def test_what_is_no_capture_is_refused_in_one_line(path: Path, content: bytes, why: str) -> None:
    with pytest.raises(CaptureError) as caught:
        read(path, content)
    assert str(caught.value).startswith(f"{path}: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.pcap"):
        with pytest.raises(CaptureError, match="cannot be read"):
            PcapReader(path)


@pytest.mark.parametrize("batch_frames", [1, 7, 16_384])
def test_batches_have_at_most_as_many_frames_as_asked_for(path: Path, batch_frames: int) -> None:
    frames = sights(7000)
    for content in (files.classic(frames), files.pcapng(frames)):
        path.write_bytes(content)
        batches = list(read_frames(path, batch_frames))
        assert files.seen(batches) == frames
        assert max(map(len, batches)) <= batch_frames


def test_progress_counts_the_bytes_of_the_file_on_disk(path: Path) -> None:
    packed = gzip.compress(files.classic(sights(3000)))
    path.write_bytes(packed)
    with PcapReader(path) as reader:
        assert reader.bytes_read < reader.total_bytes == len(packed)
        list(reader)
        assert reader.bytes_read == reader.total_bytes


def test_a_gzip_bomb_stays_small(path: Path) -> None:
    record = struct.pack("<IIII", 0, 0, 1 << 18, 1 << 18) + bytes(1 << 18)
    path.write_bytes(gzip.compress(files.classic([]) + record * 800, 1))
    tracemalloc.start()
    count = sum(map(len, read_frames(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 800
    assert peak < 20_000_000


@pytest.mark.parametrize("order", ORDERS)
def test_frames_that_look_like_records_deceive_nobody(path: Path, order: str) -> None:
    inner = files.classic(sights(5), order=order)[24:], files.pcapng(sights(5), order=order)
    frames = [
        Sight(START_NS + index * 1000, (inner[index % 2] * 2)[index:], 5000)
        for index in range(3000)
    ]
    assert read(path, files.classic(frames, order=order)).sights == frames
    assert read(path, files.pcapng(frames, order=order)).sights == frames


def test_captures_that_start_in_1970_or_span_years_are_read_exactly(path: Path) -> None:
    early = [Sight(index * 1000, bytes(index % 200), 300) for index in range(20_000)]
    assert read(path, files.classic(early)).sights == early
    years = [Sight(index * 86_400 * SECOND_NS, bytes(60), 60) for index in range(3000)]
    assert read(path, files.classic(years, order=">")).sights == years


HEADERS = st.sampled_from(
    [b"", files.classic([]), files.classic([], order=">"), files.pcapng([]), files.section(">")]
)
PIECES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                files.classic(FRAMES[:1])[24:],
                files.enhanced(START_NS, FRAMES[0]),
                files.enhanced(START_NS, FRAMES[0], ">"),
                files.simple(FRAMES[1]),
                files.obsolete(0, FRAMES[2]),
                files.interface(linktype=113),
                files.interface(">", linktype=101, options=((9, b"\xff"), (14, b"\xff" * 8))),
                files.section(),
            ]
        ),
    ),
    max_size=12,
)


@fuzz
@given(header=HEADERS, pieces=PIECES, packed=st.booleans(), flips=st.lists(st.integers(0, 2000)))
def test_any_bytes_are_frames_or_no_capture(
    tmp_path: Path,
    header: bytes,
    pieces: list[bytes],
    packed: bool,  # noqa: FBT001
    flips: list[int],
) -> None:
    content = bytearray(header + b"".join(pieces))
    if packed:
        content = bytearray(gzip.compress(bytes(content)))
    for flip in flips:
        if flip < len(content):
            content[flip] ^= 1 << flip % 8
    with contextlib.suppress(CaptureError):
        read(tmp_path / "any", bytes(content))


@fuzz
@given(
    st.lists(
        st.tuples(
            st.integers(0, (2**32 - 1) * SECOND_NS),
            st.binary(max_size=80),
            st.one_of(st.just(NO_VLAN), st.integers(0, 0xFFFF)),
        )
    )
)
def test_what_was_written_is_read_again(
    tmp_path: Path, frames: list[tuple[int, bytes, int]]
) -> None:
    lengths = np.array([len(frame) for _, frame, _ in frames], np.int32)
    batch = FrameBatch(
        data=np.frombuffer(b"".join(frame for _, frame, _ in frames), np.uint8),
        offset=np.cumsum(lengths, dtype=np.int64) - lengths,
        captured_bytes=lengths,
        wire_bytes=lengths + np.int32(9),  # whatever was taken off is counted already
        time_ns=np.array([time_ns for time_ns, _, _ in frames], np.int64),
        bridge_port=np.zeros(len(frames), np.int16),
        vlan_tci=np.array([tci for _, _, tci in frames], np.int32),
    )
    path = tmp_path / "written.pcap"
    write_frames(path, [batch, batch])
    wanted = []
    for time_ns, frame, tci in frames:
        tag = b"" if tci == NO_VLAN or len(frame) < 12 else b"\x81\x00" + tci.to_bytes(2)
        whole = frame[:12] + tag + frame[12:]
        wanted.append(Sight(time_ns, whole, len(frame) + 9))
    assert read(path).sights == wanted * 2
