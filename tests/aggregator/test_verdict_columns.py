"""Batches of verdicts: what fits together is kept row by row, what does not is rejected."""

import math
import struct
from pathlib import Path

import duckdb
import msgspec

from aggregator.store.database import FILE_NAME, Database
from aggregator.store.verdicts import VerdictFilter, find_verdicts
from tests.aggregator.messages import (
    MAC,
    verdicts,
)
from tests.aggregator.taking import arrival, count, ingest, take


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


async def test_the_classes_of_verdicts_from_before_they_were_one_text_are_kept(tmp_path: Path):
    async with Database(tmp_path) as database:
        await take(ingest(database), [arrival(verdicts(("Scan",)))])
    with duckdb.connect(str(tmp_path / FILE_NAME)) as stored:
        stored.execute(
            "ALTER TABLE store.verdicts ALTER classes TYPE VARCHAR[] USING split(classes, ',')"
        )
        stored.execute("DELETE FROM schema_migrations WHERE number = 27")
    async with Database(tmp_path) as database:
        await take(ingest(database), [arrival(verdicts(("benign",)), 2)])
        rows = await find_verdicts(database, "default", VerdictFilter(), limit=100)
        assert [row.classes for row in rows] == [["benign", "Scan"]] * 2
        shown = database._open_connection().sql("SELECT DISTINCT classes FROM main.verdicts")
        assert shown.fetchall() == [(["benign", "Scan"],)]
