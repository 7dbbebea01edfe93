"""The program of one lab device: reads what to do, a JSON line each, and does all of it at once."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypedDict

from model_training.lab.behaviours import BEHAVIOURS
from model_training.lab.machines import MACHINES
from model_training.lab.services import SERVICES

WORK: dict[str, Callable[..., Awaitable[None]]] = {**SERVICES, **BEHAVIOURS, **MACHINES}


class Order(TypedDict):
    """One thing to do: the name of a service or behaviour, its own seed, its keywords."""

    do: str
    seed: str
    options: dict[str, object]


async def _carry_out(order: Order) -> None:
    await WORK[order["do"]](Random(order["seed"]), **order["options"])  # noqa: S311


async def main() -> None:
    """Follow the orders on standard input until it closes."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as tasks:
        running = []
        while line := await reader.readline():
            order: Order = json.loads(line)
            running.append(tasks.create_task(_carry_out(order), name=order["do"]))
        for task in running:
            task.cancel()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    asyncio.run(main())
