"""Real programs measured: what they take, what they say, and what became of them."""

import subprocess
import sys

import msgspec
import pytest

from benchmarks import __main__ as command
from benchmarks import live, ourselves, results, uplink
from benchmarks.captures import capture
from benchmarks.comparison import compare
from benchmarks.measure import CommandError, run
from benchmarks.peers import OURS, PEERS, Peer
from benchmarks.workers.stages import FILE_WALK, PARTS
from tests.tools import require

SHORT = "growth_10000_packets"
BUSY = "sum(range(3_000_000)); room = bytearray(60_000_000)"


def peer(name: str) -> Peer:
    return next(each for each in PEERS if each.name == name)


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_cpu_memory_and_output_of_a_program_are_told():
    usage = run(python(f"{BUSY}; print('done')"), keeps_output=True)
    assert usage.output == "done\n"
    assert usage.cpu_s > 0.01
    assert usage.peak_rss_bytes > 60_000_000


def test_a_small_program_does_not_pay_for_the_memory_of_who_measures_it():
    held = bytearray(200_000_000)
    assert run(["true"], keeps_output=False).peak_rss_bytes < 30_000_000
    assert held


def test_what_children_take_counts():
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True)"
    assert run(python(child), keeps_output=False).peak_rss_bytes > 60_000_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import sys; sys.exit('no such thing')", "no such thing"),
        ("import time; time.sleep(30)", "-9"),
    ],
)
def test_a_program_that_fails_or_hangs_is_told(text: str, told: str):
    with pytest.raises(CommandError, match=told):
        run(python(text), keeps_output=False, timeout_s=1)


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(CommandError, match="no-such-program"):
        run(["no-such-program"], keeps_output=False)


def test_a_peer_is_compared_with_ours_on_the_same_packets():
    require("tcpdump", package="tcpdump")
    chosen = [peer(OURS), peer(f"{OURS}, frames only"), peer("tcpdump")]
    compared = compare(SHORT, chosen, rounds=1)
    assert [each.failed for each in compared.measured] == [None] * 3
    assert compared.capture.packets == 10_000
    assert [each.seen for each in compared.measured] == [10_000, 10_000, None]
    assert compared.measured[2].version[0].isdigit()


def test_a_peer_that_is_not_there_is_one_line_with_the_fix():
    gone = msgspec.structs.replace(peer("tcpdump"), missing=lambda: "tcpdump: install it")
    compared = compare(SHORT, [gone], rounds=1)
    assert compared.measured == []
    assert compared.absent == ["tcpdump: install it"]


def test_a_cut_capture_holds_the_first_packets():
    cut = capture(SHORT, 2_000)
    assert cut.packets == 2_000
    assert cut.path != capture(SHORT).path


def test_every_part_of_ours_is_timed_under_the_name_it_has_today():
    spent = ourselves.stages(SHORT, rounds=1).spent_ns
    assert {FILE_WALK, "decode", "flow grouping", "hosts", "histories", "scoring"} <= spent.keys()
    assert spent.keys() >= PARTS.keys() - {"explaining"}  # nobody attacks here


def test_ours_judges_every_host_once_a_second():
    _, told = ourselves.judged(capture(SHORT))
    assert told.packets == 10_000
    assert told.rows == capture(SHORT).hosts
    assert told.cpu_s > 0


def test_the_uplink_says_how_many_bytes_of_each_kind():
    sent = uplink.of(capture(SHORT))
    assert sent.messages["health"] == 1
    assert 0 < sum(sent.sent_bytes.values()) < 10_000


@pytest.mark.slow
def test_the_program_is_found_judging_and_watching():
    started = ourselves.start_up(rounds=1)
    assert 0 < started.first_verdict_s < 30
    assert 0 < started.watching_s < 30


@pytest.mark.root
@pytest.mark.slow
def test_every_frame_sent_at_a_low_rate_is_seen_live():
    require("unshare", package="util-linux")
    require("ip", package="iproute2")
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"kernel: no network namespace: {probe.stderr.decode().strip()}")
    (step,) = live.steps("edgewarden", [2_000.0], SHORT)
    assert step.is_whole
    assert 4_000 < step.sent < 10_000


def test_the_command_prints_what_it_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(results, "save", lambda _: None)
    assert command.main(["--only", "stages", "--rounds", "1", "--captures", SHORT]) == 0
    assert "decode" in capsys.readouterr().out
