"""Batches of verdicts: what fits together is kept row by row, what does not is rejected."""

import itertools
import math
import socket
import struct
from pathlib import Path

import msgspec
import pytest

from aggregator.store.database import Database, Statement
from aggregator.store.reported import Reported
from aggregator.store.verdicts import (
    VerdictFilter,
    count_verdicts,
    find_verdicts,
    newest_verdicts,
    save_verdicts,
)
from contract.attacks import Label
from tests.aggregator.messages import BOOT, MAC, SECOND_NS, verdicts
from tests.aggregator.older import older
from tests.aggregator.taking import arrival, count, ingest, take

NOW_NS = 1_900_000_000 * SECOND_NS


async def test_verdict_columns_that_do_not_fit_together_are_rejected(database: Database):
    good = verdicts()
    broken = [
        msgspec.structs.replace(good, host=[MAC]),
        msgspec.structs.replace(good, sampled_one_in=[2]),
        msgspec.structs.replace(good, scores=good.scores[:-4]),
        msgspec.structs.replace(good, scores=struct.pack("<4f", math.nan, 1.0, 0.5, 0.5)),
        msgspec.structs.replace(good, scores=struct.pack("<4f", 7.0, 1.0, 0.5, 0.5)),
    ]
    for column in ("host", "src_mac", "src_ip", "dst_ip"):
        for text in ("?", "", f"{MAC}\n"):
            addresses = {column: [*getattr(good, column)[:-1], text]}
            broken.append(msgspec.structs.replace(good, **addresses))
    batch = [arrival(message, seq) for seq, message in enumerate(broken, start=1)]
    await take(ingest(database), batch)
    assert count(database, "store.rejects") == len(broken)
    assert count(database, "store.verdicts") == 0


async def test_verdicts_keep_how_their_flows_were_sampled(database: Database):
    sampled = msgspec.structs.replace(verdicts(number=2), sampled_one_in=[1, 16])
    await take(ingest(database), [arrival(verdicts(number=1), 1), arrival(sampled, 2)])
    rows = await find_verdicts(database, "default", VerdictFilter(), limit=100)
    assert sorted((row.window_start_ns // 1_000_000_000, row.sampled_one_in) for row in rows) == [
        (1, 1),
        (1, 1),
        (2, 1),
        (2, 16),
    ]


async def test_verdicts_keep_their_scores_by_class(database: Database):
    await take(ingest(database), [arrival(verdicts(("Scan", "Anomaly"), number=5))])
    rows = await find_verdicts(database, "default", VerdictFilter(), limit=100)
    found = {row.label: (row.confidence, row.scores, row.classes) for row in rows}
    assert found == {
        "Scan": (0.875, [0.125, 0.875], ["benign", "Scan"]),
        "Anomaly": (0.125, [0.125, 0.875], ["benign", "Scan"]),
    }


async def test_verdicts_of_models_with_other_classes_are_stored_in_one_go(database: Database):
    other = msgspec.structs.replace(
        verdicts(("Replay",), number=2),
        classes=["benign", "Replay", "DOS"],
        scores=struct.pack("<3f", 0.25, 0.5, 0.25),
    )
    of_none = msgspec.structs.replace(verdicts(number=3), classes=[], scores=b"")
    batch = [verdicts(("Scan",), number=1), other, of_none]
    await take(ingest(database), [arrival(told, seq) for seq, told in enumerate(batch, start=1)])
    rows = await find_verdicts(database, "default", VerdictFilter(), limit=100)
    assert [(row.label, row.confidence, row.scores, row.classes) for row in rows] == [
        ("Replay", 0.5, [0.25, 0.5, 0.25], ["benign", "Replay", "DOS"]),
        ("Scan", 0.875, [0.125, 0.875], ["benign", "Scan"]),
    ]
    assert count(database, "store.rejects") == 1


async def test_what_devices_judged_before_their_judges_were_told_apart_is_kept(tmp_path: Path):
    told = [
        ("default", "pi", "one", 1),
        ("default", "pi", "two", 2),
        ("default", "pi", "two", 3),
        ("default", "other", "two", 4),
        ("elsewhere", "pi", "two", 5),
    ]
    with older(tmp_path, 26) as stored:
        for organization, device, model, number in told:
            stored.execute(
                "INSERT INTO store.verdicts (organization, device_id, model_id, window_start_ns,"
                " window_ns, host, label, confidence, scores, classes, packets, wire_bytes,"
                " feature_schema_id, received_ns) VALUES (?, ?, ?, ?, 1000000000, '10.0.0.9',"
                " 'Scan', 0.75, [0.25, 0.75], ['benign', 'Scan'], 7, 8, '1', 1000)",
                [organization, device, model, number * 1_000_000_000],
            )
        older_rows = stored.sql("SELECT position, model_id FROM store.verdicts").fetchall()
    async with Database(tmp_path) as database:
        await take(ingest(database), [arrival(verdicts(("benign",), number=9))])
        rows = await find_verdicts(database, "default", VerdictFilter(), limit=100)
        kept = [(row.device_id, row.model_id, row.window_start_ns // 10**9) for row in rows[1:]]
        assert kept == [("other", "two", 4), ("pi", "two", 3), ("pi", "two", 2), ("pi", "one", 1)]
        assert {(tuple(row.classes), row.window_ns) for row in rows} == {
            (("benign", "Scan"), 1_000_000_000)
        }
        assert [row.scores for row in rows[1:]] == [[0.25, 0.75]] * 4
        shown = database._open_connection().sql(
            "SELECT position, model_id FROM store.numbered_verdicts"
            " WHERE window_start < '1970-01-01 00:00:09'"
        )
        assert sorted(shown.fetchall()) == sorted(older_rows)


async def test_the_service_manager_waits_for_an_older_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with older(tmp_path, 30):
        pass
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        async with Database(tmp_path):
            told = manager.recv(500).decode()
    assert "EXTEND_TIMEOUT_USEC=" in told


async def test_a_judge_is_kept_once_and_only_as_long_as_its_verdicts(database: Database):
    same = [arrival(verdicts(number=number), number) for number in (1, 2)]
    newer = msgspec.structs.replace(verdicts(number=3), model_id="newer")
    await take(ingest(database), same)
    await take(ingest(database), [arrival(newer, 3)])
    assert count(database, "store.judges") == 2
    database._open_connection().execute("DELETE FROM store.verdicts WHERE window_start_ns > 2e9")
    await database.write(Statement("forget_judges", {}))
    assert count(database, "store.judges") == 1
    rows = await find_verdicts(database, "default", VerdictFilter(), limit=100)
    assert len(rows) == 4


SOUGHT = [
    VerdictFilter(),
    VerdictFilter(label="Scan"),
    VerdictFilter(since_ns=NOW_NS - 90 * SECOND_NS),
    VerdictFilter(since_ns=NOW_NS - SECOND_NS),
    VerdictFilter(until_ns=NOW_NS - 100 * SECOND_NS),
    VerdictFilter(until_ns=NOW_NS - 5000 * SECOND_NS, device_id="pi"),
    VerdictFilter(until_ns=NOW_NS + 9000 * SECOND_NS),
    VerdictFilter(device_id="another"),
]


@pytest.mark.parametrize("wanted", SOUGHT)
async def test_the_newest_verdicts_are_those_that_a_search_of_all_finds_first(
    database: Database, wanted: VerdictFilter
):
    # Seconds ago: some ahead of our clock, one of each second, a few of the last days.
    ages = [-5000, -3, *range(200), *range(3000, 6000, 500), *range(90_000, 90_005)]
    seen: dict[str, tuple[Label, ...]] = {"pi": ("Scan",), "pi-2": ("benign",)}
    told = [
        Reported("default", device, BOOT, 1, verdicts(labels, number=NOW_NS // SECOND_NS - age))
        for age in ages
        for device, labels in seen.items()
    ]
    await database.write(*save_verdicts(told))
    for limit, skip in itertools.product((1, 3, 50, 500), (0, 2, 150, 600)):
        rows = await newest_verdicts(
            database, "default", wanted, now_ns=NOW_NS, limit=limit, skip=skip
        )
        found = await find_verdicts(database, "default", wanted, limit=limit, skip=skip)
        assert [(row.window_start_ns, row.device_id) for row in rows] == [
            (row.window_start_ns, row.device_id) for row in found
        ]


async def test_verdicts_of_one_organization_are_not_found_by_another(database: Database):
    await take(ingest(database), [arrival(verdicts())])
    assert await find_verdicts(database, "elsewhere", VerdictFilter(), limit=100) == []
    assert await count_verdicts(database, "elsewhere", VerdictFilter()) == 0
