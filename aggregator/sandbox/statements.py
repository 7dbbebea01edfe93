"""What a statement may be: one SELECT that makes its rows of views, not of functions that reach out."""

from collections.abc import Iterator, Sequence

import duckdb
import msgspec

# None of them takes a text for the name of a table, as histogram() does: that would be looked through by nobody.
TABLE_FUNCTIONS = frozenset(
    {
        *("generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"),
        *("duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_types"),
        *("duckdb_tables", "duckdb_views", "summary"),
    }
)
# They tell how the process is set up, also within a text that they plan, or leave something behind in it.
REFUSED_FUNCTIONS = frozenset({"current_setting", "getenv", "json_serialize_plan", "write_log"})
REFUSED_TABLES = frozenset({"pg_settings"})

PIVOT_NAMES = (
    "a PIVOT has to name the values that become columns:"
    " PIVOT alerts ON severity IN ('low', 'medium', 'high', 'critical') USING count(*)"
)

JsonValue = dict[str, object] | list[object] | object


def refusal_of(connection: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    """Return why a statement is not run, or None when it may be.

    Raises:
        duckdb.Error: It is no SQL.
    """
    statements = connection.extract_statements(sql)
    refusal = _no_select(statements)
    if refusal is not None:
        return refusal
    tree = _tree(connection, sql)
    if tree.get("error_type") == "serialization":
        return f"what cannot be looked through is not run: {tree.get('error_message')}"
    if tree.get("error", True):
        return "only SELECT is allowed here"
    for kind, name in _names(tree):
        if kind == "TABLE_FUNCTION" and name not in TABLE_FUNCTIONS:
            return f"the table function {name} is not allowed here: select from the views"
        if name in (REFUSED_TABLES if kind == "BASE_TABLE" else REFUSED_FUNCTIONS):
            return f"{name} is not allowed here"
    return None


def relations(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """Return what a statement selects from that is no function, in small letters."""
    return {name for kind, name in _names(_tree(connection, sql)) if kind == "BASE_TABLE"}


def _no_select(statements: Sequence[duckdb.Statement]) -> str | None:
    if any(_finds_columns(statement) for statement in statements):
        return PIVOT_NAMES
    if len(statements) != 1:
        return f"one SELECT at a time: these are {len(statements)} statements"
    if statements[0].type != duckdb.StatementType.SELECT:
        return f"only SELECT is allowed here, not {statements[0].type.name}"
    return None


def _finds_columns(statement: duckdb.Statement) -> bool:
    # DuckDB puts a type of all values before a PIVOT that names none: a statement without a text.
    return statement.type == duckdb.StatementType.CREATE and not statement.query


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, object]:
    found = connection.execute("SELECT json_serialize_sql($sql::VARCHAR)", {"sql": sql}).fetchone()
    return msgspec.json.decode(found[0] if found else "{}", type=dict[str, object])


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
