"""Decides which requests run together, and when.

As in TensorFlow Serving, each signature of each version has a queue of
batches, and all queues share the threads. Only the run of a batch happens in a
thread. Everything else happens on the event loop and needs no locks.
"""

import asyncio
import collections
import concurrent.futures

from trainers.server import batches
from trainers.server import statuses


class _Batch:
    """Requests that will run together; more can join until it is full."""

    def __init__(self, deadline):
        self.deadline = deadline
        self.size = 0
        self.requests = []
        self.futures = []

    def add(self, inputs, size):
        self.size += size
        self.requests.append(inputs)
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]


class Queue:
    """The batches of one signature that wait for a thread."""

    def __init__(self, scheduler, call):
        """Creates an empty queue.

        Args:
            scheduler: `Scheduler`.
            call: Callable with a dict of inputs. It runs the model and returns
                a dict of outputs.
        """
        self.call = call
        self._scheduler = scheduler
        self._batches = collections.deque()

    async def __call__(self, inputs):
        """Runs a request in a batch and returns its outputs.

        Args:
            inputs: dict of arrays by input name, all with the same number of
                rows.

        Returns:
            dict of arrays by output name.

        Raises:
            StatusError: The request has too many rows, or the queue is full.
        """
        parameters = self._scheduler.parameters
        size = batches.num_rows(inputs)
        parameters.check_size(size)
        sizes = self._sizes(size)
        missing = len(sizes) - self._fits(sizes[0])
        is_full = len(self._batches) + missing > parameters.max_enqueued_batches
        if missing and is_full and parameters.max_batch_size is not None:
            raise statuses.StatusError(
                "UNAVAILABLE",
                "The batch scheduling queue to which this task was submitted "
                "is full",
            )
        futures, begin = [], 0
        for part in sizes:
            batch = self._batches[-1] if self._fits(part) else self._open()
            rows = {k: v[begin : begin + part] for k, v in inputs.items()}
            futures.append(batch.add(rows, part))
            begin += part
        self._scheduler.wake_soon()
        return batches.joined(await asyncio.gather(*futures))

    def _fits(self, size):
        """Returns whether the last batch has room for this number of rows."""
        most = self._scheduler.parameters.batch_limit
        return bool(
            most is not None
            and self._batches
            and self._batches[-1].size + size <= most
        )

    def _sizes(self, size):
        """Returns the number of rows of each part of a request.

        As in TensorFlow Serving, the first part fills the last batch.
        """
        parameters = self._scheduler.parameters
        if parameters.max_execution_batch_size is None or self._fits(size):
            return [size]
        most = parameters.batch_limit
        room = most - self._batches[-1].size if self._batches else 0
        full, rest = divmod(size - room, most)
        # A request without rows is a part, too.
        return [n for n in (room, *[most] * full, rest) if n] or [size]

    def _open(self):
        """Returns a new batch at the end of the queue."""
        parameters = self._scheduler.parameters
        runs_alone = parameters.max_batch_size is None
        timeout_seconds = 0.0 if runs_alone else parameters.timeout_seconds
        now = asyncio.get_running_loop().time()
        batch = _Batch(now + timeout_seconds)
        self._batches.append(batch)
        if len(self._batches) == 1:
            self._scheduler.add(self)
        return batch

    @property
    def due(self):
        """Loop time from which the first batch can run; 0.0 for at once."""
        first = self._batches[0]
        most = self._scheduler.parameters.batch_limit
        if len(self._batches) > 1 or first.size >= (most or 0):
            return 0.0
        return first.deadline

    def pop(self):
        """Removes the first batch.

        Returns:
            Tuple of the batch, and whether the queue contains more batches.
        """
        return self._batches.popleft(), bool(self._batches)


class Scheduler:
    """Gives batches to threads."""

    def __init__(self, parameters, observe):
        """Creates the threads.

        Args:
            parameters: `batches.Parameters`.
            observe: Callable with the rows of each run, before and after
                padding. It is called in the threads.
        """
        self.parameters = parameters
        self._observe = observe
        self._threads = concurrent.futures.ThreadPoolExecutor(
            parameters.num_threads, thread_name_prefix="batch"
        )
        self._num_idle = parameters.num_threads
        # Queues with batches. A queue moves to the end after its turn.
        self._queues = collections.deque()
        self._timer = None
        self._is_waking = False

    def add(self, queue):
        """Adds a queue that has got its first batch.

        Args:
            queue: `Queue`.
        """
        self._queues.append(queue)

    def wake_soon(self):
        """Calls `wake` after the requests that have already arrived are queued.

        Requests that arrive at the same time therefore run together, also if a
        thread is idle and does not wait.
        """
        if not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_soon(self.wake)

    def wake(self):
        """Starts every batch that is due and for which a thread is idle."""
        self._is_waking = False
        loop = asyncio.get_running_loop()
        while self._num_idle and (queue := self._due_queue(loop.time())):
            self._queues.remove(queue)
            batch, more = queue.pop()
            if more:
                self._queues.append(queue)
            self._num_idle -= 1
            loop.run_in_executor(
                self._threads,
                batches.run,
                queue.call,
                batch.requests,
                self.parameters,
                self._observe,
            ).add_done_callback(
                lambda done, batch=batch: self._finish(batch, done)
            )
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._num_idle and self._queues:
            due = min(queue.due for queue in self._queues)
            self._timer = loop.call_at(due, self.wake)

    def _due_queue(self, now):
        return next((q for q in self._queues if q.due <= now), None)

    def _finish(self, batch, done):
        self._num_idle += 1
        if done.cancelled():  # The server stops.
            return
        for future, result in zip(batch.futures, done.result(), strict=True):
            if future.done():  # The request was cancelled.
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        self.wake()

    def close(self):
        """Waits for running batches and starts no further ones."""
        self._threads.shutdown(cancel_futures=True)
