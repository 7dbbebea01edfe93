import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SpoolError
from agent.uplink.outbox import Numbered, Remembered
from agent.uplink.spool import Spool, new_boot
from contract.codec import decode_envelope
from contract.messages import Alert, Health, VerdictBatch
from tests.agent.messages import alert, health, isolation, verdicts
from tests.tools import require

ROOMY = 64 * 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    opened = Spool(path, ROOMY, new_boot())
    yield opened
    opened.close()


def restarted(spool: Spool, path: Path, max_bytes: int = ROOMY) -> Spool:
    spool.close()
    return Spool(path, max_bytes, new_boot())


def numbers(found: list[Numbered]) -> list[tuple[str, int]]:
    return [(row.boot, row.seq) for row in found]


def floors(found: list[Numbered]) -> list[int]:
    return [decode_envelope(row.payload).floor for row in found]


def test_a_message_travels_with_its_boot_its_number_and_its_topic_s_leaf(spool):
    spool.append([health(7)])
    (row,) = spool.pending(64)
    envelope = decode_envelope(row.payload)
    assert (envelope.boot, envelope.seq, envelope.floor) == (spool.boot, 1, 1)
    assert envelope.message == health(7)
    assert row.leaf == "health"


def test_numbers_begin_at_one_and_have_no_holes(spool):
    spool.append([health(n) for n in range(10)])
    assert [row.seq for row in spool.pending(4)] == [1, 2, 3, 4]
    spool.forget(spool.boot, 2)
    assert [row.seq for row in spool.pending(4)] == [3, 4, 5, 6]


def test_a_message_keeps_the_number_it_was_first_given(spool):
    spool.append([health(1)])
    first = spool.pending(64)
    spool.append([alert()])
    assert spool.pending(64)[0] == first[0]


def test_alerts_and_isolations_get_their_numbers_before_the_verdicts_that_waited_longer(spool):
    spool.append([verdicts(), health(), alert(), isolation()])
    assert [row.leaf for row in spool.pending(64)] == [
        "alerts",
        "isolations",
        "health",
        "verdicts",
    ]


def test_what_is_under_way_is_not_handed_over_again(spool):
    spool.append([health(n) for n in range(5)])
    sent = set(numbers(spool.pending(3)))
    assert spool.pending(3, sent) == []
    assert [row.seq for row in spool.pending(4, sent)] == [4]


def test_the_floor_is_the_lowest_number_still_held(spool):
    spool.append([health(n) for n in range(5)])
    assert floors(spool.pending(3)) == [1, 1, 1]
    spool.forget(spool.boot, 2)
    assert floors(spool.pending(3)) == [3, 3, 3]


def test_what_was_not_handed_over_cannot_be_forgotten(spool):
    spool.append([health(n) for n in range(5)])
    spool.pending(2)
    spool.forget(spool.boot, 2**62)
    assert [row.seq for row in spool.pending(64)] == [3, 4, 5]


def test_after_a_restart_what_had_a_number_keeps_it_and_the_rest_is_numbered_anew(spool, path):
    spool.append([health(n) for n in range(4)])
    spool.pending(2)
    spool.forget(spool.boot, 1)
    later = restarted(spool, path)
    assert numbers(later.pending(64)) == [(spool.boot, 2), (later.boot, 1), (later.boot, 2)]
    later.forget(spool.boot, 2)
    assert numbers(later.pending(64)) == [(later.boot, 1), (later.boot, 2)]
    later.close()


def test_verdicts_are_dropped_first_then_health_and_alerts_last(path):
    spool = Spool(path, 200_000, new_boot())
    for n in range(100):
        spool.append([alert(n), health(n), verdicts(20, n)])
    kept = [decode_envelope(row.payload).message for row in spool.pending(10_000)]
    assert sum(isinstance(message, Alert) for message in kept) == 100
    assert sum(isinstance(message, Health) for message in kept) == 100
    assert [m.packets[0] for m in kept if isinstance(m, VerdictBatch)][-1] == 99  # the newest
    assert spool.dropped == {"spool_full_verdicts": 100 - (len(kept) - 200)}
    assert spool.depth()["spool_bytes"] <= 200_000
    spool.close()


def test_dropping_what_had_a_number_raises_the_floor_and_leaves_no_hole(path):
    spool = Spool(path, 100_000, new_boot())
    spool.append([alert(n) for n in range(300)])
    handed = len(spool.pending(10_000))
    spool.append([alert(n) for n in range(300, 320)])
    found = spool.pending(10_000)
    held = [row.seq for row in found]
    assert held == list(range(21, handed + 21))
    assert set(floors(found)) == {21}
    assert spool.dropped == {"spool_full_alerts": 20 + 300 - handed}
    spool.close()


def test_a_flood_never_grows_the_file_beyond_its_bound(path):
    spool = Spool(path, 1_000_000, new_boot())
    for n in range(300):
        spool.append([verdicts(200, n)])
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 8_000_000
    spool.close()


def test_a_message_too_large_for_the_wire_is_counted_and_the_others_are_kept(spool, caplog):
    spool.append([verdicts(9000), health()])
    assert [row.leaf for row in spool.pending(64)] == ["health"]
    assert spool.dropped == {"spool_unsendable_verdicts": 1}
    assert [record.getMessage() for record in caplog.records] == ["message_unsendable"]


@pytest.mark.usefixtures("spool")
def test_a_second_agent_cannot_open_the_same_spool(path):
    with pytest.raises(SpoolError, match="locked"):
        Spool(path, ROOMY, new_boot())


def test_a_folder_that_does_not_exist_is_one_clear_line(tmp_path):
    with pytest.raises(SpoolError, match="unable to open"):
        Spool(tmp_path / "nowhere" / "spool.sqlite", ROOMY, new_boot())


@pytest.mark.parametrize("damage", ["overwritten", "torn", "foreign"])
def test_a_damaged_file_is_set_aside_and_told(spool, path, caplog, damage):
    spool.append([health(n) for n in range(500)])
    spool.close()
    if damage == "overwritten":
        path.write_bytes(b"no database" * 1000)
    elif damage == "torn":
        with path.open("r+b") as file:
            file.seek(4096 * 3)
            file.write(os.urandom(4096 * 4))
    else:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 77")
        database.close()
    later = Spool(path, ROOMY, new_boot())
    later.append([health()])
    assert [row.seq for row in later.pending(64)] == [1]
    later.close()
    assert path.with_name("spool.sqlite.corrupt-1").exists()
    assert [record.getMessage() for record in caplog.records] == ["spool_corrupt"]


def test_damaged_files_do_not_fill_the_disk(path):
    for _ in range(6):
        path.write_bytes(b"no database" * 1000)
        Spool(path, ROOMY, new_boot()).close()
    assert len(list(path.parent.glob("*.corrupt-*"))) == 3


def ordered(number: int, isolation: str | None = None, issued_ns: int = 1) -> Remembered:
    return Remembered(f"{number:032x}", issued_ns, expires_ns=100, isolation_id=isolation)


def test_an_order_is_new_once_even_across_a_restart(spool, path):
    assert spool.remember_order(ordered(1), now_ns=1) == 0
    spool.finish_order(ordered(1).nonce)
    assert spool.remember_order(ordered(1), now_ns=2) is None
    later = restarted(spool, path)
    assert later.remember_order(ordered(1), now_ns=3) is None
    later.close()


def test_when_an_isolation_was_ordered_last_is_known_even_after_a_restart(spool, path):
    assert spool.remember_order(ordered(1, "a", 5), now_ns=1) == 0
    assert spool.remember_order(ordered(2, "b", 1), now_ns=1) == 0
    later = restarted(spool, path)
    assert later.remember_order(ordered(3, "a", 3), now_ns=1) == 5
    assert later.remember_order(ordered(4, "a", 7), now_ns=1) == 5
    assert later.remember_order(ordered(5, "a", 8), now_ns=1) == 7
    later.close()


def test_of_isolations_that_were_ordered_a_bounded_number_is_remembered(spool, monkeypatch):
    monkeypatch.setattr("agent.uplink.outbox.MAX_ORDERED", 2)
    for number, about in enumerate("abac"):
        spool.remember_order(ordered(number, about, 5), now_ns=1)
    assert spool.remember_order(ordered(10, "a", 6), now_ns=1) == 5
    assert spool.remember_order(ordered(11, "b", 6), now_ns=1) == 0  # it was longest ago


def test_where_there_is_no_room_for_an_order_it_is_none_that_is_new(spool, monkeypatch):
    monkeypatch.setattr("agent.uplink.outbox.MAX_NONCES", 2)
    known = [spool.remember_order(ordered(number), now_ns=1) for number in range(3)]
    assert known == [0, 0, None]
    assert spool.remember_order(ordered(3), now_ns=101) == 0  # the others are over


APPENDER = """
import sys
from pathlib import Path
from agent.uplink.spool import Spool, new_boot
from tests.agent.messages import health
spool = Spool(Path(sys.argv[1]), 64 * 1024 * 1024, new_boot())
for n in range(100_000):
    spool.append([health(n)])
    spool.pending(8)
    print(n, flush=True)
"""


@pytest.mark.parametrize("after", [1, 20, 75])
def test_what_append_returned_from_survives_kill_9(path, after):
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(after):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    promised = after + len(process.stdout.readlines())
    process.wait()
    process.stdout.close()
    later = Spool(path, ROOMY, new_boot())
    found = later.pending(100_000)
    frames = {
        m.frames for row in found if isinstance(m := decode_envelope(row.payload).message, Health)
    }
    assert frames >= set(range(promised))
    old = [row.seq for row in found if row.boot != later.boot]
    assert old == list(range(1, len(old) + 1))
    later.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = (require(name, package="mount") for name in ("mount", "umount"))
    options = ("-t", "tmpfs", "-o", "size=1m", "tmpfs")
    if subprocess.run([mount, *options, folder], check=False, capture_output=True).returncode:
        pytest.skip("kernel: mounting needs CAP_SYS_ADMIN")
    yield folder
    subprocess.run([umount, "-l", folder], check=True)


@pytest.mark.root
def test_while_the_disk_is_full_messages_wait_in_memory_and_nothing_is_lost(small_disk, caplog):
    spool = Spool(small_disk / "spool.sqlite", ROOMY, new_boot())
    spool.append([health(0)])
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(bytes(2_000_000))
    for n in range(1, 400):
        spool.append([health(n)])
    assert [r.getMessage() for r in caplog.records] == ["spool_unwritable"]
    assert spool.depth()["spool_memory"] > 0
    seen = deliver(spool)
    ballast.unlink()
    for n in range(400, 410):
        spool.append([health(n)])
    seen += deliver(spool)
    spool.append([health(410)])
    seen += deliver(spool)
    assert sorted(set(seen)) == list(range(411))
    assert spool.depth() == {"spool": 0, "spool_bytes": 0, "spool_memory": 0}
    assert [r.getMessage() for r in caplog.records] == ["spool_unwritable", "spool_writable"]
    assert spool.dropped == {}
    spool.close()


def deliver(spool: Spool) -> list[int]:
    """Take everything as a centre would: in order, each number once, with receipts."""
    last: dict[str, int] = {}
    seen = []
    while rows := spool.pending(
        64, {(boot, seq) for boot, upto in last.items() for seq in range(upto + 1)}
    ):
        for row in rows:
            envelope = decode_envelope(row.payload)
            assert envelope.seq in (last.get(row.boot, envelope.floor - 1) + 1, envelope.floor)
            last[row.boot] = row.seq
            assert isinstance(envelope.message, Health)
            seen.append(envelope.message.frames)
        for boot, upto in last.items():
            spool.forget(boot, upto)
    return seen


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 9)),
            st.tuples(st.just("send"), st.integers(1, 9)),
            st.tuples(st.just("receipt"), st.integers(0, 9)),
            st.tuples(st.just("restart"), st.just(0)),
        ),
        max_size=30,
    )
)
def test_in_any_order_of_events_everything_arrives_and_every_boot_counts_from_one(
    tmp_path_factory, steps
):
    path = tmp_path_factory.mktemp("spool") / "spool.sqlite"
    spool = Spool(path, ROOMY, new_boot())
    arrived: dict[tuple[str, int], int] = {}
    appended = 0

    def send(limit: int) -> list[Numbered]:
        found = spool.pending(limit)
        for row in found:
            message = decode_envelope(row.payload).message
            assert isinstance(message, Health)
            assert arrived.setdefault((row.boot, row.seq), message.frames) == message.frames
        return found

    for step, amount in steps:
        if step == "append":
            spool.append([health(appended + n) for n in range(amount)])
            appended += amount
        elif step == "send":
            send(amount)
        elif step == "receipt":
            for row in send(64)[:amount][-1:]:
                spool.forget(row.boot, row.seq)
        else:
            spool = restarted(spool, path)
    while found := send(64):
        spool.forget(found[-1].boot, found[-1].seq)
    spool.close()
    assert sorted(arrived.values()) == list(range(appended))
    for boot in {boot for boot, _ in arrived}:
        seqs = sorted(seq for name, seq in arrived if name == boot)
        assert seqs == list(range(1, len(seqs) + 1))
