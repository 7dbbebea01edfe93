"""Columns as Arrow arrays, which DuckDB takes in as they are: JSON text costs it three times as much."""

import array
import sys
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import nanoarrow

Column = Any  # a nanoarrow.CArray, which has no types


def texts(values: Sequence[str | None]) -> Column:
    """Return a column of texts."""
    return nanoarrow.c_array(values, nanoarrow.string())


def integers(values: Sequence[int]) -> Column:
    """Return a column of integers of 64 bits."""
    numbers = array.array("q", values)  # nanoarrow takes three times as long to make one
    return nanoarrow.c_array_from_buffers(nanoarrow.int64(), len(numbers), [None, numbers])


def float_lists(data: bytes, widths: Sequence[int]) -> Column:
    """Return a column of lists of floats.

    Args:
        data: 32-bit floats, little-endian, one list behind the other.
        widths: How many floats each list has.
    """
    floats = array.array("f", data)
    if sys.byteorder == "big":
        floats.byteswap()
    offsets = array.array("i", accumulate(widths, initial=0))
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
