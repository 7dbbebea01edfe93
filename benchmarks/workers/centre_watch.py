"""Watchers on the live feed: how many events reach them, and how old the oldest of each array is.

Usage: python -m benchmarks.workers.centre_watch PORT TOKEN WATCHERS STUCK SECONDS
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.delays import Delays, delays

_EVENT, _DROPPED, _AT = b'"cursor":', b'"dropped"', b'"detected_at":"'
_WARM_UP_S: Final = 2.0
_AT_ONCE: Final = 20  # that open at the same time


class Watched(msgspec.Struct):
    """What reached the watchers in the time that counts."""

    events: int
    seconds: float
    delays: Delays
    notices: int  # that somebody was too slow


class Watcher:
    """Reads one feed; while it counts, it counts."""

    def __init__(self) -> None:
        self.counts = False
        self.events = self.notices = 0
        self.found: list[float] = []

    async def read(self, socket: ClientConnection) -> None:
        while True:
            data = await socket.recv(decode=False)
            if not self.counts:
                continue
            self.events += data.count(_EVENT)
            self.notices += data.count(_DROPPED)
            at = data.find(_AT)
            if at >= 0:
                begin = at + len(_AT)
                text = data[begin : data.index(b'"', begin)].decode()
                self.found.append(time.time_ns() / 1e9 - datetime.fromisoformat(text).timestamp())


async def watch(port: int, token: str, count: int, stuck: int, seconds: float) -> Watched:
    """Watch for a time, after a while that does not count."""
    url = f"ws://127.0.0.1:{port}/api/v1/ws?types=new_alert"
    headers = {"Authorization": f"Bearer {token}"}
    watchers = [Watcher() for _ in range(count)]
    async with AsyncExitStack() as stack:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def opened(address: str) -> ClientConnection:
            async with gate:
                made = connect(address, additional_headers=headers, compression=None, max_queue=4)
                return await stack.enter_async_context(made)

        for _ in range(stuck):  # they never read
            await opened(url)
        sockets = [await opened(f"{url}&batch=1") for _ in watchers]
        print("watching", flush=True)
        async with asyncio.TaskGroup() as tasks:
            reading = [
                tasks.create_task(watcher.read(socket), name="read")
                for watcher, socket in zip(watchers, sockets, strict=True)
            ]
            await asyncio.sleep(_WARM_UP_S)
            for watcher in watchers:
                watcher.counts = True
            begin_ns = time.time_ns()
            await asyncio.sleep(seconds)
            lasted_s = (time.time_ns() - begin_ns) / 1e9
            for task in reading:
                task.cancel()
    found = [each for watcher in watchers for each in watcher.found]
    return Watched(
        sum(watcher.events for watcher in watchers),
        lasted_s,
        delays(found),
        sum(watcher.notices for watcher in watchers),
    )


def main() -> None:
    port, token, count, stuck, seconds = sys.argv[1:]
    watched = asyncio.run(watch(int(port), token, int(count), int(stuck), float(seconds)))
    print(msgspec.json.encode(watched).decode())


if __name__ == "__main__":
    main()
