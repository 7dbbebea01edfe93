"""Runs a statement in a process of its own: bounded in number, time, memory and what it returns."""

import asyncio
import logging
import sys
from pathlib import Path

import msgspec

from aggregator.config import QueryConfig
from aggregator.errors import InvalidError, StoppingError
from aggregator.sandbox.job import Comment, Format, Job, Outcome, View
from aggregator.shapes import rfc3339
from aggregator.store.archive import CHANGING, DERIVED, GROWING, Archive
from aggregator.store.database import Database
from aggregator.turns import Turns

log = logging.getLogger(__name__)

AT_ONCE = 2
MOST = 8  # that run or wait
MOST_OF_ONE = 4
ENVIRONMENT = {"LANG": "C.UTF-8", "TZ": "UTC"}
CHUNK_BYTES = 64 * 1024
MAX_OUTCOME_BYTES = 64 * 1024


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to know."""

    organization: str
    asker: str = ""  # whose statements wait for each other; "": the command line's
    sql: str
    format: Format = "json"
    limit: int = 1000


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    body: bytes
    rows: int
    truncated: bool  # there are more rows than the limit
    as_of_ns: int


class Sandbox:
    """Answers statements from the archive's files of one organization, and from nothing else."""

    def __init__(self, database: Database, archive: Archive, limits: QueryConfig) -> None:
        self._database = database
        self._archive = archive
        self._limits = limits
        self._turns = Turns("statements", at_once=AT_ONCE, most=MOST, most_of_one=MOST_OF_ONE)
        self._running: set[asyncio.subprocess.Process] = set()
        self._closed = False

    def close(self) -> None:
        """End what runs and begin nothing more, so that nobody who stops the service waits for it."""
        self._closed = True
        for process in self._running:
            process.kill()

    async def run(self, query: Query) -> Result:
        """Run a statement.

        Raises:
            InvalidError: It is refused, fails, or takes more than it may.
            StoppingError: The sandbox was closed before it was done.
            TooManyAttemptsError: They or others are waiting already.
        """
        async with self._turns.turn(query.asker):
            return await self._run(query)

    async def _run(self, query: Query) -> Result:
        self._look_for_end()
        async with self._archive.folder() as folder:
            as_of_ns = await self._archive.give(query.organization, folder)
            body, outcome = await self._start(await self._job(query, as_of_ns), folder)
        if outcome.refusal is not None:
            raise InvalidError(outcome.refusal)
        return Result(body=body, rows=outcome.rows, truncated=outcome.truncated, as_of_ns=as_of_ns)

    async def _job(self, query: Query, as_of_ns: int) -> Job:
        defined = {
            view.name: view for view in await self._database.read("view_definitions", {}, View)
        }
        return Job(
            sql=query.sql,
            format=query.format,
            limit=query.limit,
            limits=self._limits,
            as_of=rfc3339(as_of_ns),
            files=[*GROWING, *CHANGING],
            derived=[defined[name] for name in DERIVED],
            comments=await self._database.read("view_comments", {}, Comment),
        )

    async def _start(self, job: Job, folder: Path) -> tuple[bytes, Outcome]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "aggregator.sandbox.child"),
            cwd=folder,
            env=ENVIRONMENT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._running.add(process)
        try:
            self._look_for_end()  # which may have come while it was started
            async with asyncio.timeout(job.limits.seconds):
                return await self._talk(process, job)
        except TimeoutError:
            refusal = f"stopped after {job.limits.seconds:g} s: select less"
            return b"", Outcome(refusal=refusal)
        finally:
            self._running.discard(process)
            if process.returncode is None:
                process.kill()
            # What nobody reads keeps a pipe open for ever.
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(CHUNK_BYTES):
                    pass
            await process.wait()

    def _look_for_end(self) -> None:
        if self._closed:
            message = "the service stops: ask again when it is back"
            raise StoppingError(message)

    async def _talk(self, process: asyncio.subprocess.Process, job: Job) -> tuple[bytes, Outcome]:
        told, out, err = process.stdin, process.stdout, process.stderr
        if told is None or out is None or err is None:
            message = "a process was started without its pipes"
            raise RuntimeError(message)
        told.write(msgspec.json.encode(job))
        told.close()
        async with asyncio.TaskGroup() as tasks:
            saying = tasks.create_task(_read(err, MAX_OUTCOME_BYTES), name="sandbox.outcome")
            body = await _read(out, job.limits.result_bytes)
            if len(body) > job.limits.result_bytes:
                process.kill()
        if len(body) > job.limits.result_bytes:
            most = job.limits.result_bytes // 2**20
            return b"", Outcome(refusal=f"the result is larger than {most} MB: select less")
        await process.wait()
        self._look_for_end()  # that killed it
        return body, _outcome(saying.result(), process.returncode, job)


async def _read(stream: asyncio.StreamReader, most: int) -> bytes:
    """Return what a stream holds to its end, or one byte more than `most` of a longer one."""
    read = bytearray()
    while len(read) <= most and (chunk := await stream.read(CHUNK_BYTES)):
        read += chunk
    return bytes(read[: most + 1])


def _outcome(said: bytes, code: int | None, job: Job) -> Outcome:
    try:
        return msgspec.json.decode(said.rpartition(b"\n")[2], type=Outcome)
    except msgspec.DecodeError:
        # A crash says nothing that an analyst could use, and memory that is refused looks like one.
        last = said[-400:].decode(errors="replace")
        log.warning("statement_crashed", extra={"code": code, "last_words": last})
        most = job.limits.memory_bytes // 2**20
        refusal = (
            f"the statement failed; it may have needed more than {most} MB,"
            f" or found what cannot be given as {job.format}"
        )
        return Outcome(refusal=refusal)
