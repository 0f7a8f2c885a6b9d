"""However many large documents wait, garbage is collected between them."""

import asyncio
import gc

from trainers.server import json_pieces
from trainers.server import rounds


def test_nobody_is_inside_from_time_to_time():
    async def scenario():
        some = rounds.Rounds(at_a_time=2, in_a_round=5)
        inside, seen = set(), []

        async def work(number):
            async with some:
                inside.add(number)
                seen.append(len(inside))
                for _ in range(20 + number % 7):
                    await asyncio.sleep(0)
                inside.remove(number)
            if not inside:
                seen.append("nobody")

        async with asyncio.timeout(60):
            await asyncio.gather(*(work(number) for number in range(100)))
        return seen

    *rounds_seen, last = " ".join(map(str, asyncio.run(scenario()))).split(
        "nobody"
    )
    numbers = [list(map(int, each.split())) for each in rounds_seen]
    assert not last
    assert sum(map(len, numbers)) == 100
    assert max(map(len, numbers)) <= 5
    assert max(map(max, numbers)) == 2


def test_a_task_that_fails_or_is_cancelled_makes_room():
    async def scenario():
        some = rounds.Rounds(at_a_time=1, in_a_round=9)

        async def work(seconds):
            async with some:
                await asyncio.sleep(seconds)
                raise LookupError

        running = asyncio.create_task(work(60))
        waiting = [asyncio.create_task(work(0)) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        running.cancel()
        async with asyncio.timeout(60):
            return await asyncio.gather(
                running, *waiting, return_exceptions=True
            )

    assert list(map(type, asyncio.run(scenario()))) == [
        asyncio.CancelledError,
        asyncio.CancelledError,
        LookupError,
        LookupError,
    ]


def test_garbage_is_collected_while_documents_wait():
    """Cycles are garbage that only a collection frees."""

    class Cycle:
        alive = 0

        def __init__(self):
            self.itself = self
            Cycle.alive += 1

        def __del__(self):
            Cycle.alive -= 1

    async def scenario():
        some = rounds.Rounds(at_a_time=2, in_a_round=4)
        most = 0

        async def work(number):
            nonlocal most
            async with some:
                with json_pieces.no_collection():
                    for _ in range(1000):
                        Cycle()
                    most = max(most, Cycle.alive)
                    for _ in range(20 + number % 7):
                        await asyncio.sleep(0)

        await asyncio.gather(*(work(number) for number in range(200)))
        return most

    gc.collect()
    assert asyncio.run(scenario()) < 20_000
    gc.collect()
    assert Cycle.alive == 0
