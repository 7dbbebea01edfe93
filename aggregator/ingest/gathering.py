"""When messages are taken from the inbox to be stored: alerts soon, others once they are worth a transaction."""

import asyncio
import math
from collections.abc import Sequence
from typing import Final, cast

import aiomqtt

from aggregator.ingest.inbox import Inbox, is_urgent, urgent_first

MAX_BATCH: Final = 1000  # messages
MAX_BYTES: Final = 2_000_000  # of payloads: alerts would wait behind a longer transaction
GATHER_S: Final = 0.1  # at least, between the beginnings of two batches
# So many times what the last batch took, and so long at most: for what is urgent, and for the rest if it is much.
URGENT, MUCH = (3, 0.2), (4, 0.4)
MUCH_BYTES: Final = 200_000
LATE_S: Final = 0.5  # for the rest, however little


class Gatherer:
    """Takes batches from a connection whose messages wait in an Inbox.

    A transaction costs more than what it brings: where one takes long, the next brings more. In a
    quiet hour the first message is taken at once. aiomqtt's own iterator makes a task for each
    message; here only the first has one.
    """

    def __init__(self, client: aiomqtt.Client) -> None:
        self._messages = client.messages
        self._inbox = cast("Inbox", client._queue)  # noqa: SLF001
        self._clock = asyncio.get_running_loop().time
        self._begun_s = self._emptied_s = -math.inf  # the last batch; when all was last taken

    async def take(self) -> list[list[aiomqtt.Message]]:
        """Wait for messages and return them in the parts in which they are to be stored.

        Raises:
            aiomqtt.MqttError: The connection was lost.
        """
        took_s = self._clock() - self._begun_s
        batch = [await anext(self._messages)]
        urgent_s = self._begun_s + _between(URGENT, took_s)
        much_s = max(urgent_s, self._emptied_s + _between(MUCH, took_s))
        late_s = max(urgent_s, self._emptied_s + LATE_S)
        dues = ((much_s, MUCH_BYTES), (late_s, 0))
        for at_s in (urgent_s, much_s, late_s):
            is_due = await self._is_due(batch, at_s, dues)
            self._fill(batch, all_of_it=is_due)
            if is_due or len(batch) > 1 or is_urgent(batch[0]):
                break
        self._begun_s = self._clock()
        if self._inbox.empty():
            self._emptied_s = self._begun_s
        return urgent_first(batch)

    def discarded(self) -> int:
        """Return how many messages were discarded, for want of room, since this was last asked."""
        return self._inbox.discarded()

    async def _is_due(
        self, batch: list[aiomqtt.Message], at_s: float, dues: Sequence[tuple[float, int]]
    ) -> bool:
        """Wait until a moment, unless there is a whole batch; return whether all is to be taken then."""
        if len(batch) + self._inbox.qsize() >= MAX_BATCH:
            return True
        await asyncio.sleep(max(0.0, at_s - self._clock()))
        now_s = max(at_s, self._clock())
        return any(now_s >= due_s and self._inbox.bytes >= least for due_s, least in dues)

    def _fill(self, batch: list[aiomqtt.Message], *, all_of_it: bool) -> None:
        inbox, taken_bytes = self._inbox, sum(len(message.payload) for message in batch)
        while len(batch) < MAX_BATCH and taken_bytes < MAX_BYTES and not inbox.empty():
            if not all_of_it and not inbox.has_urgent:
                break
            batch.append(inbox.get_nowait())
            taken_bytes += len(batch[-1].payload)


def _between(bounds: tuple[int, float], took_s: float) -> float:
    times, most_s = bounds
    return min(max(GATHER_S, times * took_s), most_s)
