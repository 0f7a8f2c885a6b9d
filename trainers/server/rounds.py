"""Lets a few tasks work at the same time, and none from time to time."""

import asyncio


class Rounds:
    """A semaphore that is free from time to time, however many tasks wait.

    After some tasks have entered, further ones wait until all have left.

    >>> async def work(rounds):
    ...     async with rounds:
    ...         print("works")
    >>> asyncio.run(work(Rounds(at_a_time=2, in_a_round=16)))
    works
    """

    def __init__(self, at_a_time, in_a_round):
        """Creates the semaphore.

        Args:
            at_a_time: int. Most tasks that are inside at the same time.
            in_a_round: int. Most tasks that enter before all must have left.
        """
        self._at_a_time = at_a_time
        self._in_a_round = in_a_round
        self._num_inside = 0
        self._num_entered = 0
        self._changed = asyncio.Condition()

    async def __aenter__(self):
        """Waits for room."""
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            self._num_inside += 1
            self._num_entered += 1

    async def __aexit__(self, *exception):
        """Makes room for others."""
        self._num_inside -= 1
        if not self._num_inside:
            self._num_entered = 0
        async with self._changed:
            self._changed.notify_all()

    def _has_room(self):
        return (
            self._num_inside < self._at_a_time
            and self._num_entered < self._in_a_round
        )
