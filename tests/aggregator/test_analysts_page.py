"""docs/analysts.md: every example runs, and finds something."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from aggregator.config import QueryConfig
from aggregator.sandbox.runner import Query, Sandbox
from aggregator.store.alert_changes import AlertChange, change_alerts
from aggregator.store.alerts import AlertFilter, find_alerts, save_alerts
from aggregator.store.archive import Archive
from aggregator.store.database import Database
from aggregator.store.health import save_health
from aggregator.store.isolations import save_isolations
from aggregator.store.reported import Reported
from aggregator.store.verdicts import save_verdicts
from contract.messages import Message
from tests.aggregator.messages import (
    BOOT,
    SECOND_NS,
    alert,
    health,
    isolation,
    now_ns,
    verdicts,
)
from tests.aggregator.people import ADA

PAGE = (Path(__file__).parents[2] / "docs" / "analysts.md").read_text()
EXAMPLES = re.findall(r"```sql\n(.+?)```", PAGE, flags=re.DOTALL)
DUCKDB = """
import sys, duckdb
print(duckdb.sql(sys.argv[1].replace("data/archive", sys.argv[2])).fetchall())
"""


M = TypeVar("M", bound=Message)


def told(message: M, device_id: str = "pi") -> Reported[M]:
    return Reported("default", device_id, BOOT, now_ns(), message)


async def fill(database: Database) -> Archive:
    now_s = now_ns() // SECOND_NS
    await database.write(
        *save_verdicts([told(verdicts(("benign", "Scan"), number=now_s))]),
        *save_verdicts([told(verdicts(("benign",), number=now_s - 1))]),
        save_health([told(health())]),
    )
    archive = Archive(database)
    await archive.open()
    return archive


async def fill_alerts(database: Database) -> None:
    await database.write(
        *save_alerts([told(alert(), "other-pi")]),
        save_isolations([told(isolation(), "other-pi")]),
    )
    (found,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    acknowledged = AlertChange(status="acknowledged")
    await database.write(*change_alerts(ADA, "change", [found.id], acknowledged, now_ns()))


@pytest.mark.parametrize("sql", EXAMPLES, ids=lambda sql: sql.split("\n")[0])
async def test_an_example_of_the_page_finds_something(database: Database, sql: str):
    archive = await fill(database)
    await fill_alerts(database)
    sandbox = Sandbox(database, archive, QueryConfig())
    result = await sandbox.run(Query(organization="default", sql=sql))
    assert result.rows > 0


def commands(page: str) -> Sequence[str]:
    return re.findall(r'duckdb -c "(.+?)"', page, flags=re.DOTALL)


async def test_the_files_are_read_by_another_process_while_the_database_is_open(
    database: Database,
):
    archive = await fill(database)
    await archive.write("default")
    (sql,) = commands(PAGE)
    shown = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", "-c", DUCKDB, sql, str(archive.path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "'benign', 2" in shown.stdout
    assert "'Scan', 1" in shown.stdout
