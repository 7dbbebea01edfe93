"""Columns as Arrow arrays, which DuckDB takes in as they are: JSON text costs it three times as much."""

import array
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import nanoarrow

Column = Any  # a nanoarrow.CArray, which has no types


def texts(values: Sequence[str | None]) -> Column:
    """Return a column of texts."""
    return nanoarrow.c_array(values, nanoarrow.string())


def integers(values: Sequence[int]) -> Column:
    """Return a column of integers of 64 bits; nanoarrow would take three times as long to make one."""
    numbers = values if isinstance(values, array.array) else array.array("q", values)
    return nanoarrow.c_array_from_buffers(nanoarrow.int64(), len(numbers), [None, numbers])


def repeated(values: Sequence[int], times: Sequence[int]) -> Column:
    """Return a column of integers of 64 bits: each value as often as is said beside it."""
    numbers = array.array("q")
    for value, count in zip(values, times, strict=True):
        numbers.extend(array.array("q", [value]) * count)
    return integers(numbers)


def float_lists(data: bytes, widths: Sequence[int], times: Sequence[int]) -> Column:
    """Return a column of lists of floats.

    Args:
        data: 32-bit floats, little-endian, one list behind the other.
        widths: How many floats lists have.
        times: How many lists of each of these widths follow one another.
    """
    floats = array.array("f", data)
    if sys.byteorder == "big":
        floats.byteswap()
    offsets = array.array("i", [0])
    for width, count in zip(widths, times, strict=True):
        first = offsets[-1] + width
        offsets.extend(
            range(first, first + width * count, width) if width else [offsets[-1]] * count
        )
    values = nanoarrow.c_array_from_buffers(nanoarrow.float32(), len(floats), [None, floats])
    kind = nanoarrow.list_(nanoarrow.float32())
    return nanoarrow.c_array_from_buffers(
        kind, len(offsets) - 1, [None, offsets], children=[values]
    )


def table(columns: Mapping[str, Column]) -> Any:  # noqa: ANN401  nanoarrow has no types
    """Return columns of equal length as what DuckDB can read from, more than once."""
    kind = nanoarrow.struct({name: column.schema for name, column in columns.items()})
    rows = max(column.length for column in columns.values())
    given = nanoarrow.c_array_from_buffers(kind, rows, [None], children=list(columns.values()))
    return nanoarrow.Array(given)
