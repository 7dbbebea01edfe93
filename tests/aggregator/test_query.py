"""SQL for analysts: what they are given, in which forms, and how it ends when it takes too much."""

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import httpx
import nanoarrow
import psutil
import pytest
import pytest_asyncio
from nanoarrow import ipc

from aggregator.config import QueryConfig
from aggregator.errors import InvalidError, StoppingError, TooManyAttemptsError
from aggregator.sandbox.job import MAX_ROWS, Format, View
from aggregator.sandbox.runner import AT_ONCE, MOST, MOST_OF_ONE, Query, Result, Sandbox
from aggregator.store.alerts import save_alerts
from aggregator.store.archive import CHANGING, DERIVED, GROWING, Archive
from aggregator.store.database import Database
from aggregator.store.reported import Reported
from aggregator.store.verdicts import save_verdicts
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import BOOT, alert, now_ns, verdicts

BURNING = "SELECT count(*) FROM range(1000000000000)"
OURS, THEIRS = "default", "elsewhere"
VIEWS = {
    *("alerts", "verdicts", "hosts", "isolations", "devices"),
    *("health", "packets", "logs", "readings", "audit", "alert_changes", "device_events"),
    *("commands", "incidents"),
}


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


@pytest_asyncio.fixture
async def sandbox(database: Database) -> AsyncIterator[Sandbox]:
    """A sandbox over one alert and two verdicts of ours, and as many of theirs."""
    others = children()  # of other tests
    archive = Archive(database)
    await archive.open()
    for organization in (THEIRS, OURS):
        device = f"{organization}-pi"
        await database.write(
            *save_alerts([Reported(organization, device, BOOT, now_ns(), alert())]),
            *save_verdicts([Reported(organization, device, BOOT, now_ns(), verdicts())]),
        )
    yield Sandbox(database, archive, QueryConfig(seconds=5, result_bytes=2**20))
    assert not list(archive.copies.glob("_jobs/*"))
    assert children() <= others


async def ask(
    sandbox: Sandbox, sql: str, form: Format = "json", limit: int = 1000, asker: str = ""
) -> Result:
    query = Query(organization=OURS, asker=asker, sql=sql, format=form, limit=limit)
    return await sandbox.run(query)


async def rows(sandbox: Sandbox, sql: str, limit: int = 1000) -> list[Any]:
    return list(json.loads((await ask(sandbox, sql, limit=limit)).body)["rows"])


async def refusal(sandbox: Sandbox, sql: str, form: Format = "json") -> str:
    with pytest.raises(InvalidError) as caught:
        await ask(sandbox, sql, form, limit=MAX_ROWS)
    return str(caught.value)


async def test_every_view_and_every_column_says_what_it_is(sandbox: Sandbox):
    assert {name for (name,) in await rows(sandbox, "SHOW TABLES")} == VIEWS
    named = dict(
        await rows(sandbox, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")
    )
    assert named.keys() == VIEWS
    assert all(named.values())
    silent = await rows(
        sandbox,
        "SELECT table_name, column_name FROM duckdb_columns()"
        " WHERE schema_name = 'main' AND NOT internal AND comment IS NULL",
    )
    assert silent == []


async def test_no_view_of_the_database_is_forgotten(database: Database):
    defined = await database.read("view_definitions", {}, View)
    assert {view.name for view in defined} == {*GROWING, *CHANGING, *DERIVED} == VIEWS


async def test_an_organization_has_its_own_rows_in_every_view(sandbox: Sandbox):
    for view in VIEWS - {"audit"}:
        found = await rows(sandbox, f"FROM {view} SELECT DISTINCT organization")
        assert found in ([], [[OURS]]), view
    assert await rows(sandbox, "SELECT count(*) FROM alerts") == [[1]]
    assert await rows(sandbox, "SELECT count(*), sum(malicious_windows) FROM hosts") == [[1, 1]]


async def test_what_reached_us_a_moment_ago_is_seen_when_the_files_are_old_enough(
    database: Database,
):
    archive = Archive(database, max_age_s=0.0)
    await archive.open()
    sandbox = Sandbox(database, archive, QueryConfig())
    for count in (2, 4, 6):
        await database.write(*save_verdicts([Reported(OURS, "pi", BOOT, now_ns(), verdicts())]))
        assert await rows(sandbox, "SELECT count(*) FROM verdicts") == [[count]]


async def test_values_come_as_a_browser_can_read_them(sandbox: Sandbox):
    found = await rows(
        sandbox,
        "SELECT 9007199254740993, 2::UTINYINT, 1.50, 'nan'::DOUBLE, NULL, [1, 2], {'a': 'b'},"
        " TIMESTAMP '2026-11-28 07:00:00.25', TIMESTAMPTZ '2026-11-28 07:00:00+01', map{1: 'x'}",
    )
    moments = ["2026-11-28T07:00:00.250000Z", "2026-11-28T06:00:00.000000Z"]
    expected = ["9007199254740993", 2, 1.5, None, None, [1, 2], {"a": "b"}, *moments, {"1": "x"}]
    assert found == [expected]


async def test_more_rows_than_the_limit_are_left_out_and_that_is_said(sandbox: Sandbox):
    cut = await ask(sandbox, "SELECT * FROM range(10)", limit=9)
    assert (cut.rows, cut.truncated, json.loads(cut.body)["truncated"]) == (9, True, True)
    whole = await ask(sandbox, "SELECT * FROM range(10)", limit=10)
    assert (whole.rows, whole.truncated) == (10, False)
    assert await rows(sandbox, "SELECT range AS n FROM range(10) ORDER BY n DESC", limit=2) == [
        [9],
        [8],
    ]


async def test_every_form_holds_the_same_rows(sandbox: Sandbox, tmp_path: Path):
    sql = "SELECT host, label, window_start FROM verdicts ORDER BY label DESC"
    texts = (await ask(sandbox, sql, "csv")).body.decode()
    table = list(csv.DictReader(io.StringIO(texts)))
    labels = ["benign", "Scan"]
    assert [row["label"] for row in table] == labels
    assert table[0]["window_start"] == "1970-01-01T00:00:01.000000Z"
    arrow = ipc.InputStream.from_readable((await ask(sandbox, sql, "arrow")).body)
    assert nanoarrow.ArrayStream(arrow).read_all().to_columns_pysequence()[1][1] == labels
    file = tmp_path / "result.parquet"
    file.write_bytes((await ask(sandbox, sql, "parquet")).body)
    assert duckdb.read_parquet(str(file)).project("label").fetchall() == [("benign",), ("Scan",)]


LOW = "'low'::ENUM('low', 'high')"
MOMENT = "TIMESTAMPTZ '2026-11-28 07:00:00.25+01'"
TEXT = "2026-11-28T06:00:00.250000Z"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (LOW, "low"),
        (f"[[{LOW}]]", [["low"]]),
        (f"{{'a \"b': {LOW}, 'when': [{MOMENT}]}}", {'a "b': "low", "when": [TEXT]}),
        (f"MAP{{{LOW}: {MOMENT}}}", {"low": TEXT}),
        (f"MAP{{{MOMENT}: 1}}", {TEXT: 1}),
        (f"union_value(level := {LOW})", "low"),
        (f"array_value({MOMENT}, {MOMENT})", [TEXT, TEXT]),
        (f"[{MOMENT}::VARIANT]", ["2026-11-28 06:00:00.25+00"]),
    ],
)
async def test_what_can_be_given_in_one_form_can_be_in_all(
    sandbox: Sandbox, tmp_path: Path, value: str, expected: object
):
    sql = f'SELECT {value} AS "a ""value"'
    assert await rows(sandbox, sql) == [[expected]]
    texts = (await ask(sandbox, sql, "csv")).body.decode()
    assert [row.keys() for row in csv.DictReader(io.StringIO(texts))] == [{'a "value'}]
    arrow = ipc.InputStream.from_readable((await ask(sandbox, sql, "arrow")).body)
    assert len(nanoarrow.ArrayStream(arrow).read_all()) == 1
    file = tmp_path / "result.parquet"
    file.write_bytes((await ask(sandbox, sql, "parquet")).body)
    assert duckdb.read_parquet(str(file)).count("*").fetchall() == [(1,)]


async def test_an_enum_is_text_in_every_form(sandbox: Sandbox, tmp_path: Path):
    sql = f"SELECT {LOW} AS level"
    said = json.loads((await ask(sandbox, sql)).body)
    assert said["columns"] == [{"name": "level", "type": "VARCHAR"}]
    arrow = ipc.InputStream.from_readable((await ask(sandbox, sql, "arrow")).body)
    assert nanoarrow.ArrayStream(arrow).read_all().to_columns_pysequence()[1] == [["low"]]
    file = tmp_path / "result.parquet"
    file.write_bytes((await ask(sandbox, sql, "parquet")).body)
    assert duckdb.read_parquet(str(file)).fetchall() == [("low",)]


@pytest.mark.parametrize("around", ["{}", "SELECT * FROM ({})", "WITH p AS ({}) FROM p"])
async def test_a_pivot_names_its_columns_and_is_told_so(sandbox: Sandbox, around: str):
    pivot = "PIVOT alerts ON severity {}USING count(*)"
    said = await refusal(sandbox, around.format(pivot.format("")))
    assert said.startswith("a PIVOT has to name the values that become columns: PIVOT alerts")
    named = pivot.format("IN ('low', 'medium', 'high', 'critical') ")
    assert named in said
    assert len(await rows(sandbox, around.format(named))) == 1


async def test_what_cannot_be_checked_or_given_is_refused_by_its_real_name(sandbox: Sandbox):
    said = await refusal(sandbox, "SELECT ['low']::ENUM('low')[]")
    assert said.startswith("what cannot be looked through is not run: Cannot serialize")


@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE alerts",
        "SUMMARIZE verdicts",
        "SHOW TABLES",
        "FROM alerts",
        "/* why */ SELECT 1; -- done",
    ],
)
async def test_looking_around_is_a_select_as_well(sandbox: Sandbox, sql: str):
    assert await rows(sandbox, sql)


async def test_a_mistake_is_explained_in_the_words_of_the_database(sandbox: Sandbox):
    assert 'column "hots" not found' in await refusal(sandbox, "SELECT hots FROM verdicts")
    assert "syntax error" in await refusal(sandbox, "SELEC 1")
    assert "Conversion Error" in await refusal(sandbox, "SELECT host::INTEGER FROM verdicts")


async def test_a_statement_that_takes_too_long_is_ended_by_the_kernel(sandbox: Sandbox):
    began = time.monotonic()
    said = await refusal(sandbox, BURNING)
    assert said == "stopped after 5 s: select less"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "sql",
    ["SELECT repeat('x', 2000000000)", "SELECT list(range) FROM range(1000000000)"],
)
async def test_a_statement_that_takes_too_much_memory_is_ended(sandbox: Sandbox, sql: str):
    said = "the statement needs more than the 512 MB of memory that it may have"
    assert await refusal(sandbox, sql) == said


@pytest.mark.parametrize("form", ["json", "csv", "arrow", "parquet"])
async def test_a_result_that_is_too_large_is_not_given(sandbox: Sandbox, form: Format):
    said = await refusal(sandbox, "SELECT uuid() FROM range(100000)", form)
    assert said == "the result is larger than 1 MB: select less"


async def test_who_goes_away_leaves_no_process_behind(sandbox: Sandbox):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await ask(sandbox, BURNING)


async def test_more_statements_than_may_wait_are_told_to_come_back(sandbox: Sandbox):
    others = children()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(sandbox, BURNING, asker=str(n))) for n in range(MOST)]
        await asyncio.sleep(0.5)
        assert len(children() - others) == AT_ONCE
        with pytest.raises(TooManyAttemptsError):
            await ask(sandbox, "SELECT 1")
        for task in tasks:
            task.cancel()


async def test_nobody_keeps_others_from_asking(sandbox: Sandbox):
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(ask(sandbox, BURNING, asker="greedy")) for _ in range(MOST_OF_ONE)
        ]
        await asyncio.sleep(0.1)
        with pytest.raises(TooManyAttemptsError, match="of yours"):
            await ask(sandbox, "SELECT 1", asker="greedy")
        async with asyncio.timeout(4):  # the first statement burns for longer
            assert (await ask(sandbox, "SELECT 1", asker="other")).rows == 1
        for task in tasks:
            task.cancel()


async def test_what_runs_and_what_waits_when_the_service_stops_is_told_so(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
):
    async with asyncio.timeout(3), asyncio.TaskGroup() as group:
        tasks = [group.create_task(ended(sandbox)) for _ in range(2)]
        await asyncio.sleep(0.3)
        sandbox.close()
    assert [task.result() for task in tasks] == [
        "the service stops: ask again when it is back"
    ] * 2
    assert caplog.messages == []


async def ended(sandbox: Sandbox) -> str:
    with pytest.raises(StoppingError) as caught:
        await ask(sandbox, BURNING)
    return str(caught.value)


async def test_files_are_for_nobody_else(sandbox: Sandbox, tmp_path: Path):
    await ask(sandbox, "SELECT 1")
    for folder in (tmp_path / "archive", tmp_path / "copies"):
        files = list(folder.rglob("*.parquet"))
        assert files
        assert folder.stat().st_mode & 0o077 == 0
        assert not [file for file in files if file.stat().st_mode & 0o077]


def test_an_analyst_asks_over_http(centre: Centre):
    centre.told("query-pi", verdicts(("Scan",)))
    sql = "SELECT label FROM verdicts WHERE device_id = 'query-pi'"
    with centre.client("analyst") as client:
        answer = client.post("/query", json={"sql": sql})
        assert answer.status_code == 200
        assert answer.json()["rows"] == [["Scan"]]
        assert answer.headers["X-Rows"] == "1"
        table = client.post("/query", json={"sql": sql, "format": "csv"})
        assert table.headers["Content-Type"].startswith("text/csv")
        assert table.text.splitlines() == ["label", "Scan"]


def test_another_organization_asks_and_sees_nothing_of_ours(centre: Centre):
    centre.told("query-pi", verdicts())
    with centre.client("stranger") as client:
        for view in sorted(VIEWS):
            sql = f"FROM {view} WHERE organization <> 'elsewhere'"
            assert client.post("/query", json={"sql": sql}).json()["rows"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sql": ""},
        {"sql": "SELECT 1", "format": "xml"},
        {"sql": "SELECT 1", "limit": 0},
        {"sql": "SELECT 1", "limit": 100_001},
        {"sql": "SELECT 1", "memory": 1},
        {"sql": "SELECT " + "1" * 20_000},
        {"sql": "SELECT 1 FROM nowhere"},
        {"sql": "\0"},
        {"sql": "SELECT '\ud800'"},
    ],
)
def test_a_question_that_makes_no_sense_is_a_problem_of_the_asker(
    centre: Centre, body: dict[str, object]
):
    with centre.client("analyst") as client:
        answer = client.post("/query", content=json.dumps(body))
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_a_service_that_stops_says_so_to_those_whose_statements_run_and_wait(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.start()
    with centre.client() as client, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(client.post, "/query", json={"sql": BURNING}) for _ in range(2)]
        time.sleep(1)
        assert centre.stop() == 0
        answers = [future.result() for future in asked]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}
    assert "Traceback" not in centre.log.read_text()


def test_the_service_goes_on_while_a_statement_burns(centre: Centre):
    with centre.client("analyst") as client, centre.client("viewer") as other:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/query", json={"sql": BURNING}, timeout=1.0)
        assert other.get("/alerts").status_code == 200
        assert client.post("/query", json={"sql": "SELECT 1"}, timeout=30).status_code == 200
