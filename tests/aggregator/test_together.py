"""Questions that many ask at about the same time: one for all, and nobody is given an older answer."""

import asyncio
from collections.abc import Collection

from aggregator.together import Together


class Slow:
    """Answers once for each word it is given, with how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.words = asyncio.Semaphore(0)
        self.fails = False

    async def find(self, keys: Collection[str]) -> dict[str, int]:
        self.asked.append(set(keys))
        answer = dict.fromkeys(set(keys) - {"nobody"}, len(self.asked))
        await self.words.acquire()
        if self.fails:
            raise OSError
        return answer


async def asked(slow: Slow, times: int) -> None:
    async with asyncio.timeout(20):
        while len(slow.asked) < times:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def failure_of(together: Together[str, int]) -> bool:
    try:
        await together.get("a")
    except OSError:
        return True
    return False


async def test_who_asks_while_a_question_is_under_way_waits_and_asks_as_one_with_the_others():
    slow = Slow()
    together = Together(slow.find)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(together.get("a"))
        await asked(slow, 1)
        others = [tasks.create_task(together.get(key)) for key in ("a", "b", "c", "nobody", "c")]
        slow.words.release()
        await asked(slow, 2)
        slow.words.release()
    assert slow.asked == [{"a"}, {"a", "b", "c", "nobody"}]
    assert first.result() == 1
    assert [task.result() for task in others] == [2, 2, 2, None, 2]


async def test_each_who_asks_alone_is_answered_anew():
    slow = Slow()
    together = Together(slow.find)
    for answer in (1, 2):
        slow.words.release()
        assert await together.get("a") == answer


async def test_who_asks_for_many_and_leaves_takes_nobody_along():
    slow = Slow()
    together = Together(slow.find)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(together.get("a"))
        await asked(slow, 1)
        leaver, other = (tasks.create_task(together.get(key)) for key in "bc")
        slow.words.release()
        await asked(slow, 2)
        leaver.cancel()
        await asked(slow, 3)
        slow.words.release()
        assert await other == 3
    assert slow.asked[1] == slow.asked[2] == {"b", "c"}


async def test_a_question_that_fails_is_asked_again_for_who_asked_with_it():
    slow = Slow()
    together = Together(slow.find)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(together.get("first"))
        await asked(slow, 1)
        failed = tasks.create_task(failure_of(together))
        other = tasks.create_task(together.get("b"))
        slow.words.release()
        await asked(slow, 2)
        slow.fails = True
        slow.words.release()
        assert await failed
        slow.fails = False
        slow.words.release()
        assert await other == 3
