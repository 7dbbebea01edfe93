"""Programs that talk to the kernel for us: an argument list, JSON back, a timeout."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from agent.errors import IsolationError

TIMEOUT_S = 10.0
MAX_WHY_CHARACTERS = 300


async def run(command: Sequence[str]) -> bytes:
    """Run a program and return what it prints.

    Raises:
        IsolationError: It is missing, fails, or does not end in time.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        message = f"{command[0]}: {error.strerror}"
        raise IsolationError(message) from error
    try:
        async with asyncio.timeout(TIMEOUT_S):
            printed, why = await process.communicate()
    except TimeoutError as error:
        message = f"{command[0]}: no answer in {TIMEOUT_S:g} s"
        raise IsolationError(message) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        message = f"{command[0]}: {why.decode(errors='replace').strip()[:MAX_WHY_CHARACTERS]}"
        raise IsolationError(message)
    return printed


def parsed(printed: bytes) -> Any:  # noqa: ANN401
    """Return the JSON that a program printed; nothing printed is an empty list.

    Raises:
        IsolationError: It is no JSON.
    """
    try:
        return msgspec.json.decode(printed or b"[]")
    except msgspec.DecodeError as error:
        message = f"unreadable answer: {error}"
        raise IsolationError(message) from error
