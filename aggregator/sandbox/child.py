"""Runs one statement of an analyst: started for it alone, with nothing in reach that it may not have.

The process is handed a Job on standard input, answers on standard output, and says on standard error
what became of it. Its limits are the kernel's: whatever a statement makes DuckDB do, there is no
file to write, no memory beyond the limit, and an end in time.
"""

import resource
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial

import duckdb
import msgspec
from nanoarrow import ipc

from aggregator.sandbox.columns import FOR_ALL, FOR_JSON, converted
from aggregator.sandbox.job import Job, Outcome
from aggregator.sandbox.statements import refusal_of, relations
from aggregator.sandbox.values import encode_rows

HERE = "/proc/self/cwd/"  # tells no path of this machine to whoever looks at a view
OUT = "/dev/stdout"
MAX_MESSAGE_CHARACTERS = 500
RESULT = "answer.result"  # in a schema of its own, which SHOW TABLES does not list
ROWS_AT_ONCE = 1000
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
    "max_expression_depth": 250,
}


class Refused(Exception):  # noqa: N818  the caller's mistake, not ours
    """The statement is not run, or its result not given."""


def main() -> None:
    """Run the job on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    _limit(job)
    try:
        outcome = _run(job)
    except (MemoryError, duckdb.OutOfMemoryException):
        outcome = Outcome(refusal=_too_much_memory(job))
    except (Refused, duckdb.Error) as error:
        outcome = Outcome(refusal=_shortened(str(error)))
    sys.stderr.buffer.write(b"\n" + msgspec.json.encode(outcome))


def _limit(job: Job) -> None:
    seconds = int(job.limits.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (job.limits.memory_bytes,) * 2)
    signal.alarm(seconds + 1)  # for the case that nobody is left to end us


def _run(job: Job) -> Outcome:
    connection = duckdb.connect(":memory:", config=SETTINGS)
    connection.execute("SET memory_limit = '" + str(job.limits.memory_bytes // 2) + "B'")
    refusal = refusal_of(connection, job.sql)
    if refusal is not None:
        raise Refused(refusal)
    _lay_out(connection, job, relations(connection, job.sql))
    connection.execute("CREATE SCHEMA answer")
    connection.execute("SET lock_configuration = true")
    connection.sql(job.sql).limit(job.limit + 1).create(RESULT)
    return _give(connection, job)


def _lay_out(connection: duckdb.DuckDBPyConnection, job: Job, named: set[str]) -> None:
    connection.execute(f"SET allowed_directories = ['{HERE}']")
    connection.execute(f"SET allowed_paths = ['{OUT}']")
    connection.execute("SET enable_external_access = false")
    makers = {view: partial(_open_files, connection, view) for view in job.files} | {
        view.name: partial(connection.execute, view.sql) for view in job.derived
    }
    there = {name for name, make in makers.items() if _is_made(make, needed=name in named)}
    for comment in job.comments:
        if comment.view not in there:
            continue
        what = "VIEW" if comment.column is None else "COLUMN"
        name = comment.view if comment.column is None else f"{comment.view}.{comment.column}"
        text = comment.text.replace("'", "''")
        connection.execute(f"COMMENT ON {what} {name} IS '{text}'")


def _is_made(make: Callable[[], object], *, needed: bool) -> bool:
    # A damaged file is no matter of statements that do not look into it.
    try:
        make()
    except duckdb.Error:
        if needed:
            raise
        return False
    return True


def _open_files(connection: duckdb.DuckDBPyConnection, view: str) -> None:
    connection.read_parquet(f"{HERE}{view}/*.parquet", union_by_name=True).create_view(view)


def _give(connection: duckdb.DuckDBPyConnection, job: Job) -> Outcome:
    found = connection.table(RESULT).count("*").fetchone()
    rows = found[0] if found else 0
    result = converted(connection.table(RESULT).limit(job.limit), FOR_ALL)
    truncated = rows > job.limit
    match job.format:
        case "json":
            _write_json(result, job, truncated=truncated)
        case "csv":
            result.write_csv(OUT, header=True, timestamp_format="%Y-%m-%dT%H:%M:%S.%fZ")
        case "parquet":
            result.write_parquet(OUT, compression="zstd")
        case "arrow":
            _write_arrow(result)
    sys.stdout.flush()
    return Outcome(rows=min(rows, job.limit), truncated=truncated)


def _write_json(result: duckdb.DuckDBPyRelation, job: Job, *, truncated: bool) -> None:
    columns = [
        {"name": name, "type": str(kind)}
        for name, kind in zip(result.columns, result.types, strict=True)
    ]
    head = {"as_of": job.as_of, "truncated": truncated, "columns": columns}
    out = sys.stdout.buffer
    out.write(msgspec.json.encode(head)[:-1] + b',"rows":[')
    for number, rows in enumerate(_fetched(converted(result, FOR_JSON))):
        out.write((b"," if number else b"") + encode_rows(rows)[1:-1])
    out.write(b"]}")


def _write_arrow(result: duckdb.DuckDBPyRelation) -> None:
    try:
        with ipc.StreamWriter.from_writable(sys.stdout.buffer) as writer:
            writer.write_stream(result)
    except RuntimeError as error:  # nanoarrow's own class of it is private
        message = f"the result cannot be given as arrow: {error}"
        raise Refused(message) from error


def _fetched(result: duckdb.DuckDBPyRelation) -> Iterator[list[tuple[object, ...]]]:
    while rows := result.fetchmany(ROWS_AT_ONCE):
        yield rows


def _too_much_memory(job: Job) -> str:
    most = job.limits.memory_bytes // 2**20
    return f"the statement needs more than the {most} MB of memory that it may have"


def _shortened(text: str) -> str:
    # DuckDB shows the place of a mistake below an empty line; what comes before it is enough.
    first = text.partition("\n\n")[0].strip()
    return first.replace(HERE, "")[:MAX_MESSAGE_CHARACTERS]


if __name__ == "__main__":
    main()
