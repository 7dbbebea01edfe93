"""What a statement may be: one SELECT that makes its rows of views, not of functions that reach out."""

from collections.abc import Iterator

import duckdb
import msgspec

TABLE_FUNCTIONS = frozenset(
    {
        *("generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"),
        *("duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_types"),
        *("duckdb_tables", "duckdb_views", "histogram", "histogram_values", "summary"),
    }
)
# They tell how the process is set up, or leave something behind in it.
REFUSED_FUNCTIONS = frozenset({"current_setting", "getenv", "write_log"})
REFUSED_TABLES = frozenset({"pg_settings"})

JsonValue = dict[str, object] | list[object] | object


def refusal_of(connection: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    """Return why a statement is not run, or None when it may be.

    Raises:
        duckdb.Error: It is no SQL.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        return f"one SELECT at a time: these are {len(statements)} statements"
    if statements[0].type != duckdb.StatementType.SELECT:
        return f"only SELECT is allowed here, not {statements[0].type.name}"
    tree = _tree(connection, sql)
    if tree is None:
        return "only SELECT is allowed here"
    for kind, name in _names(tree):
        if kind == "TABLE_FUNCTION" and name not in TABLE_FUNCTIONS:
            return f"the table function {name} is not allowed here: select from the views"
        if name in (REFUSED_TABLES if kind == "BASE_TABLE" else REFUSED_FUNCTIONS):
            return f"{name} is not allowed here"
    return None


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> JsonValue | None:
    found = connection.execute("SELECT json_serialize_sql($sql::VARCHAR)", {"sql": sql}).fetchone()
    tree = msgspec.json.decode(found[0] if found else "{}", type=dict[str, object])
    return None if tree.get("error", True) else tree


def _names(tree: JsonValue) -> Iterator[tuple[str, str]]:
    """Yield what a statement selects from or calls: the kind of node, and the name in small letters."""
    waiting: list[JsonValue] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
            kind = str(node.get("type"))
            called = node.get("function") if kind == "TABLE_FUNCTION" else node
            if isinstance(called, dict):
                name = called.get("table_name" if kind == "BASE_TABLE" else "function_name")
                yield kind, str(name).lower()
