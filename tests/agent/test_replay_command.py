"""`edgewarden-agent replay`: JSON Lines on stdout, words on stderr, one exit code for each end."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.__main__ import main
from agent.capture.pcap import write_frames
from agent.model_bundle import DEFAULT_BUNDLE
from contract.attacks import CLASSES
from contract.features import FEATURE_NAMES
from contract.model_bundle import CARD, METADATA, MODEL, TREES
from model_training.bundle import public_pem, sign_bundle
from model_training.export import to_onnx, to_trees
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    START_S,
    batch,
    every,
    flood,
    handshake,
    in_order_of_time,
    joined,
    ping,
    tcp,
)
from tests.tiny_models import booster, metadata

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "agent" / "demo" / "home-lan.pcap.gz"
SECOND = 1_000_000_000
# The command as it is installed, but with a key of our own beside the shipped one.
LAUNCH = (
    "import sys, pathlib, agent.model_bundle as b; b.SHIPPED_KEYS = pathlib.Path(sys.argv.pop(1));"
    "from agent.__main__ import main; sys.exit(main())"
)

VERDICT = "type window_start_ns window_end_ns host src_mac src_ip label scores packets".split()  # noqa: SIM905
ALERT = (  # noqa: SIM905
    "type alert_id attack_type severity host src_mac src_ip dst_ip first_seen_ns opened_ns "
    "last_seen_ns confidence windows top_features flow community_id"
).split()
OBSERVATION = "type window_start_ns window_end_ns host src_mac src_ip packets features".split()  # noqa: SIM905


class Trusted(NamedTuple):
    """A bundle and the folder of the key that signed it."""

    bundle: Path
    keys: Path


@pytest.fixture(scope="session")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Trusted:
    """The small model in a bundle, with thresholds that it often reaches."""
    folder = tmp_path_factory.mktemp("bundle")
    keys = tmp_path_factory.mktemp("keys")
    said = metadata(thresholds=dict.fromkeys(CLASSES[1:], 0.25))
    (folder / MODEL).write_bytes(to_onnx(booster(), said))
    (folder / TREES).write_bytes(to_trees(booster()))
    (folder / METADATA).write_bytes(msgspec.json.encode(said))
    (folder / CARD).write_text("# A small model\n")
    key = Ed25519PrivateKey.from_private_bytes(b"edgewarden edgewarden edgewarden")
    sign_bundle(folder, said.model_id, key)
    (keys / "maker.pem").write_bytes(public_pem(key))
    return Trusted(folder, keys)


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some seconds of a quiet household with a SYN flood in it."""
    quiet = [
        timed
        for at in range(9)
        for timed in every(0.05, [*handshake(ANN, BOB, 4000 + at), ping(BOB, ANN)], at)
    ]
    ports = np.arange(4800) + 1
    storm = flood(tcp(EVE, BOB, 1, 80, "S"), 4800, {(34, 2): ports}, at_s=2, seconds=4)
    path = tmp_path_factory.mktemp("captures") / "flood.pcap"
    write_frames(path, [in_order_of_time(joined(batch(quiet), storm))])
    return path


class Result(NamedTuple):
    """What the command did."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON Lines of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Result]


@pytest.fixture
def replay(
    trusted: Trusted, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Command:
    """The command inside this process."""
    monkeypatch.setattr("agent.model_bundle.SHIPPED_KEYS", trusted.keys)

    def run(*arguments: object) -> Result:
        code = main(["replay", "--bundle", str(trusted.bundle), *map(str, arguments)])
        out, err = capsysbinary.readouterr()
        return Result(code, out, err.decode())

    return run


def process(trusted: Trusted, *arguments: object) -> list[str]:
    return [
        *(sys.executable, "-c", LAUNCH, str(trusted.keys), "replay"),
        *("--bundle", str(trusted.bundle), *map(str, arguments)),
    ]


def execute(trusted: Trusted, *arguments: object) -> Result:
    """The command as a process of its own."""
    done = subprocess.run(
        process(trusted, *arguments), capture_output=True, timeout=50, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())


# --- lines


def test_alerts_are_lines_with_exactly_the_promised_keys(replay: Command, capture: Path) -> None:
    done = replay(capture)
    assert done.code == 0
    assert [list(line) for line in done.lines] == [ALERT] * len(done.lines)
    alert = next(line for line in done.lines if line["host"] == EVE.mac)
    assert (alert["type"], alert["attack_type"], alert["severity"]) == ("alert", "DOS", "high")
    assert alert["opened_ns"] == (START_S + 3) * SECOND  # one window of so many packets is enough
    assert alert["first_seen_ns"] == (START_S + 2) * SECOND
    assert alert["windows"] >= 4
    assert 0.25 <= alert["confidence"] <= 1
    assert set(alert["top_features"][0]) >= {"feature", "value", "unit", "contribution", "words"}


def test_verdicts_are_lines_with_exactly_the_promised_keys(replay: Command, capture: Path) -> None:
    done = replay("--output", "verdicts", capture)
    assert [list(line) for line in done.lines] == [VERDICT] * len(done.lines)
    (first, *_) = done.lines
    assert list(first["scores"]) == list(CLASSES)
    assert sum(first["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert sum(line["packets"] for line in done.lines) == 4800 + 9 * 4
    starts = [line["window_start_ns"] for line in done.lines]
    assert starts == sorted(starts)
    assert {line["host"] for line in done.lines} == {ANN.mac, BOB.mac, EVE.mac}


def test_observations_are_lines_with_every_feature(replay: Command, capture: Path) -> None:
    done = replay("--output", "observations", capture)
    assert [list(line) for line in done.lines] == [OBSERVATION] * len(done.lines)
    assert all(list(line["features"]) == list(FEATURE_NAMES) for line in done.lines)
    flooding = [line for line in done.lines if line["host"] == EVE.mac]
    assert flooding[0]["features"]["sent_syn_1s"] == 1200


def test_nothing_but_lines_is_on_stdout_and_the_summary_on_stderr(
    replay: Command, capture: Path
) -> None:
    done = replay(capture)
    assert done.out.endswith(b"}\n")
    assert "flood.pcap: 4,836 frames, 9 s of traffic, 3 hosts" in done.err
    assert "DOS" in done.err


def test_the_same_file_gives_the_same_bytes(replay: Command, capture: Path) -> None:
    for output in ("alerts", "verdicts", "observations"):
        assert replay("--output", output, capture).out == replay("--output", output, capture).out


def test_speed_changes_nothing(replay: Command, capture: Path) -> None:
    fast, slow = replay(capture), replay("--speed", "40", capture)
    assert slow.out == fast.out


def test_a_process_of_its_own_says_the_same(
    replay: Command, trusted: Trusted, capture: Path
) -> None:
    done = execute(trusted, capture)
    assert done.code == 0
    assert done.out == replay(capture).out


def test_settings_are_obeyed(
    replay: Command, capture: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = tmp_path / "agent.toml"
    settings.write_text("[policy]\nstrikes = 3\n")
    (alert,) = [a for a in replay("--config", settings, capture).lines if a["host"] == EVE.mac]
    assert alert["opened_ns"] == (START_S + 4) * SECOND
    monkeypatch.setenv("EDGEWARDEN_POLICY__STRIKES", "9")
    assert replay(capture).out == b""


def test_several_files_are_judged_one_after_the_other(replay: Command, capture: Path) -> None:
    once, twice = replay(capture), replay(capture, capture)
    assert twice.out == once.out * 2
    assert twice.err.count("frames,") == 2


# --- files


def test_packed_files_give_the_same_lines(replay: Command, capture: Path, tmp_path: Path) -> None:
    packed = tmp_path / "flood.pcap.gz"
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    assert replay(packed).out == replay(capture).out


@pytest.mark.parametrize("keep", [60_001, 100_000])
def test_a_truncated_file_is_judged_up_to_the_cut_with_a_warning(
    replay: Command, capture: Path, tmp_path: Path, keep: int
) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[:keep])
    done = replay("--output", "verdicts", cut)
    assert done.code == 0
    assert done.err.startswith(f"warning: {cut}: ")
    last = done.lines[-1]["window_start_ns"]
    whole = replay("--output", "verdicts", capture).lines
    assert [line for line in done.lines if line["window_start_ns"] < last] == [
        line for line in whole if line["window_start_ns"] < last
    ]


def test_a_truncated_packed_file_is_judged_too(
    replay: Command, capture: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.pcap.gz"
    packed = gzip.compress(capture.read_bytes())
    cut.write_bytes(packed[: len(packed) // 2])
    done = replay("--output", "verdicts", cut)
    assert (done.code, done.err.count("warning: ")) == (0, 1)
    assert len(done.lines) > 0


@pytest.mark.parametrize("content", [b"", b"no capture at all", b"\x1f\x8b", bytes(1000)])
def test_what_is_no_capture_is_told_in_one_line(
    replay: Command, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    done = replay(path)
    assert (done.code, done.out) == (2, b"")
    assert done.err.startswith(f"edgewarden-agent: {path}: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("name", ["missing.pcap", "."])
def test_what_cannot_be_read_is_told_in_one_line(
    replay: Command, tmp_path: Path, name: str
) -> None:
    done = replay(tmp_path / name)
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert "Traceback" not in done.err


def test_a_bad_file_among_good_ones_spoils_only_itself(
    replay: Command, capture: Path, tmp_path: Path
) -> None:
    done = replay(capture, tmp_path / "missing", capture)
    assert done.code == 2
    assert done.out == replay(capture).out * 2


def test_a_capture_without_frames_has_no_lines(
    replay: Command, capture: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(capture.read_bytes()[:24])
    done = replay(empty)
    assert (done.code, done.out) == (0, b"")
    assert "0 frames" in done.err


# --- the command


def test_a_reader_that_has_seen_enough_is_no_error(trusted: Trusted, capture: Path) -> None:
    with subprocess.Popen(
        process(trusted, "--output", "observations", *[capture] * 3),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert json.loads(running.stdout.readline())["type"] == "observation"
        running.stdout.close()
        complaint = running.stderr.read().decode()
        assert running.wait(50) == 0
    assert "Traceback" not in complaint
    assert "BrokenPipe" not in complaint


def test_help_names_every_choice(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for word in (
        "FILE",
        "--output",
        "alerts",
        "verdicts",
        "observations",
        "--speed",
        "max",
        ".gz",
    ):
        assert word in told


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--output", "poems", "x.pcap"],
        ["--speed", "0", "x.pcap"],
        ["--speed", "-1", "x.pcap"],
        ["--speed", "nan", "x.pcap"],
        ["--speed", "fast", "x.pcap"],
    ],
)
def test_wrong_usage_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_a_bundle_that_nobody_trusts_judges_nobody(
    trusted: Trusted, capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--bundle", str(trusted.bundle), str(capture)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "not signed by a trusted key" in told.err


def test_a_setting_that_is_wrong_is_named(replay: Command, capture: Path, tmp_path: Path) -> None:
    settings = tmp_path / "agent.toml"
    settings.write_text('[policy]\nexempt = ["the gateway"]\n')
    done = replay("--config", settings, capture)
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert "the gateway" in done.err


def test_the_demo_is_judged_by_the_model_that_ships() -> None:
    if not DEFAULT_BUNDLE.is_dir():
        pytest.skip("no default bundle yet")
    done = subprocess.run(
        [sys.executable, "-m", "agent", "replay", DEMO],
        capture_output=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    alerts = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert {alert["attack_type"] for alert in alerts} >= {"Scan", "DOS", "MITM"}


@pytest.mark.captures
def test_captures_end_without_an_error(replay: Command, captures: Path) -> None:
    paths = sorted(captures.rglob("*.pcap*"), key=lambda path: path.stat().st_size)
    for path in [p for p in paths if p.suffix != ".csv"][3::70]:
        done = replay("--output", "verdicts", path)
        assert done.code == 0, done.err
