"""The texts of queries, with what several of them share put in."""

import functools
import re
from importlib import resources

WHICH = re.compile(r"/\* which: (\w+) \*/")  # the conditions that a list and its count share
CHANGED = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM|MERGE INTO)\s+store\.(\w+)")
ROWS = re.compile(r"/\* rows: (\w+) \*/")  # of a table, and of its files in the archive


@functools.cache
def sql(query: str, earlier: tuple[str, ...] = ()) -> str:
    """Return the text of queries/<query>.sql.

    `/* which: x */` stands for queries/which/x.sql; `/* rows: x */` for the table store.x, or with
    what the archive has of it for queries/earlier/x.sql.

    Args:
        query: Its file name.
        earlier: The tables of which the archive is to be read, too.
    """
    text = _whole(_query_file(query))
    return ROWS.sub(
        lambda found: (
            _query_file("earlier", found[1]).strip()
            if found[1] in earlier
            else f"store.{found[1]}"
        ),
        text,
    )


@functools.cache
def growing(query: str) -> tuple[str, ...]:
    """Return the tables that a query reads and of which the archive may have more."""
    return tuple(dict.fromkeys(ROWS.findall(_query_file(query))))


@functools.cache
def changed(query: str) -> tuple[str, ...]:
    """Return the table that a query changes, if it changes one."""
    return tuple(CHANGED.findall(sql(query)))


def _whole(text: str) -> str:
    return WHICH.sub(lambda found: _whole(_query_file("which", found[1]).strip()), text)


def _query_file(*names: str) -> str:
    path = "/".join(names)
    return resources.files("aggregator.store").joinpath("queries", f"{path}.sql").read_text()
