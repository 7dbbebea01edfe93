"""Captures are taken as their manifest says, and only when they are what it says."""

import msgspec
import pytest

from model_training.captures import check_capture, default_folders, read_captures
from model_training.errors import ManifestError
from tests.model_training.builders import frame, write_capture

FRAMES = [(0.0, frame(2, 4, "10.0.0.1", "10.0.0.2"), "benign")]
OTHERS = [(0.0, frame(2, 4, "10.0.0.1", "10.0.0.2", port=81), "benign")]


def files(folder, splits=("train",)):
    return [capture.entry.file for capture in read_captures([folder], splits)]


def test_what_is_for_unit_tests_or_validation_is_not_learned_from(tmp_path):
    write_capture(tmp_path, "a.pcap", FRAMES)
    write_capture(tmp_path, "b.pcap", OTHERS, split="validation")
    write_capture(tmp_path, "c.pcap", [*FRAMES, *OTHERS], split="unit-test")
    assert files(tmp_path) == ["a.pcap"]
    assert files(tmp_path, ("validation",)) == ["b.pcap"]


def test_the_same_content_under_two_names_counts_once(tmp_path):
    write_capture(tmp_path, "a.pcap", FRAMES)
    write_capture(tmp_path, "again.pcap", FRAMES)
    assert files(tmp_path) == ["a.pcap"]


def test_captures_of_several_folders_are_taken_together(tmp_path):
    write_capture(tmp_path / "one", "a.pcap", FRAMES)
    write_capture(tmp_path / "two", "b.pcap", OTHERS)
    found = read_captures([tmp_path / "one", tmp_path / "two"], ["train"])
    assert [capture.path.name for capture in found] == ["a.pcap", "b.pcap"]


@pytest.mark.parametrize(
    ("told", "tool"),
    [
        ({"origin": {"repository": "r", "tool": "hping3"}}, "hping3"),
        ({"origin": {"repository": "r", "tool": "none"}}, ""),
        ({"attackers": [{"mac": "1"}, {"mac": "2", "tool": "nmap 4.x"}]}, "nmap"),
        ({"attackers": [{"tool": "edgewarden-lab"}], "notes": "mirai {'seconds': 3}"}, "mirai"),
        ({"notes": "recorded at night"}, ""),
    ],
)
def test_a_capture_tells_with_what_it_was_attacked(tmp_path, told, tool):
    write_capture(tmp_path, "a.pcap", FRAMES, **told)
    (capture,) = read_captures([tmp_path], ["train"])
    assert capture.entry.tool == tool
    assert "hping3" not in capture.entry.origin.name


def test_an_altered_capture_is_noticed(tmp_path):
    write_capture(tmp_path, "a.pcap", FRAMES)
    (capture,) = read_captures([tmp_path], ["train"])
    check_capture(capture)
    capture.path.write_bytes(capture.path.read_bytes() + b"\0")
    with pytest.raises(ManifestError, match="not the file that its manifest describes"):
        check_capture(capture)


def test_a_missing_manifest_says_how_to_name_the_folder(tmp_path):
    with pytest.raises(ManifestError, match="--captures or EDGEWARDEN_CAPTURES"):
        files(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sha256": "x"}, "sha256"),
        ({"split": "test"}, "split"),
        ({"file": "../elsewhere.pcap"}, "lies outside the folder"),
        ({"labels_file": "/etc/passwd"}, "lies outside the folder"),
        ({"labels_file": None, "classes": ["DOS", "benign"]}, "no labels_file"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_refused(tmp_path, change, complaint):
    write_capture(tmp_path, "a.pcap", FRAMES)
    manifest = tmp_path / "manifest.json"
    (entry,) = msgspec.json.decode(manifest.read_bytes())
    manifest.write_bytes(msgspec.json.encode([entry | change]))
    with pytest.raises(ManifestError, match=complaint):
        files(tmp_path)


def test_folders_can_be_named_in_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEWARDEN_CAPTURES", f"{tmp_path}/a:{tmp_path}/b")
    assert default_folders() == [tmp_path / "a", tmp_path / "b"]


def test_a_household_is_an_origin_of_its_own(tmp_path):
    write_capture(tmp_path, "a.pcap", FRAMES, origin={"repository": "lab", "household": "flat"})
    write_capture(tmp_path, "b.pcap", OTHERS, origin={"repository": "lab"})
    names = [capture.entry.origin.name for capture in read_captures([tmp_path], ["train"])]
    assert names == ["lab/flat", "lab"]
