"""Columns of a result as every format can hold them."""

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

NESTED = {"list", "array", "map", "struct", "union"}
# What Arrow streams cannot hold is text, and the same text in every format.
FOR_ALL = {"enum": "VARCHAR", "variant": "VARCHAR"}
# Python gets moments with a zone only where pytz is installed; ours are UTC anyway.
FOR_JSON = {"timestamp with time zone": "TIMESTAMP"}


def converted(result: duckdb.DuckDBPyRelation, instead: dict[str, str]) -> duckdb.DuckDBPyRelation:
    """Return a result with other types instead of some, also within lists, structs and the like.

    Args:
        result: Its columns have names of their own.
        instead: The types by the names of those that they take the place of.
    """
    casts = []
    for name, kind in zip(result.columns, result.types, strict=True):
        wanted = _written(kind, instead)
        if wanted != _written(kind, {}):
            casts.append(f"CAST({_quoted(name)} AS {wanted}) AS {_quoted(name)}")
    return result.project(f"* REPLACE ({', '.join(casts)})") if casts else result


def _written(kind: "DuckDBPyType", instead: dict[str, str]) -> str:
    if kind.id not in NESTED:
        return instead.get(kind.id, str(kind))
    # As text: the library makes types only with a second database beside ours.
    sizes = [part for _, part in kind.children if isinstance(part, int)]
    named = [(name, part) for name, part in kind.children if not isinstance(part, int | list)]
    names = [_quoted(name) for name, _ in named]
    types = [_written(part, instead) for _, part in named]
    fields = [f"{name} {written}" for name, written in zip(names, types, strict=True)]
    match kind.id:
        case "list" | "array":
            return f"{types[0]}[{sizes[0] if sizes else ''}]"
        case "map":
            return f"MAP({', '.join(types)})"
        case "union":  # the first is which of the others it is
            return f"UNION({', '.join(fields[1:])})"
        case _:
            return f"STRUCT({', '.join(fields)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
