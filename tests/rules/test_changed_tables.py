"""Every statement that writes is known to, with its table: what is kept in memory relies on it."""

import re
from pathlib import Path

import pytest

from aggregator.store.texts import changed, sql

QUERIES = Path(__file__).parents[2] / "aggregator" / "store" / "queries"
NAMES = sorted(path.stem for path in QUERIES.glob("*.sql"))
VERB = re.compile(
    r"\b(INSERT\s+INTO|UPDATE(?!\s+SET)|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE)\s+([\w.]+)"
)
READS = {"SELECT", "WITH", "FROM", "COPY"}


@pytest.mark.parametrize("name", NAMES)
def test_a_query_changes_the_one_table_that_is_known_or_reads(name: str):
    text = re.sub(r"--.*", "", sql(name))
    written = [table.removeprefix("store.") for _, table in VERB.findall(text)]
    assert list(changed(name)) == written
    assert bool(written) == (text.split()[0] not in READS)
    assert len(written) <= 1
