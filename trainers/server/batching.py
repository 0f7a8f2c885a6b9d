"""Which requests run together, and when.

As in TensorFlow Serving, each signature of each version has its queue of
batches, and all queues share the threads. Everything but the run itself happens
on the event loop, so that there are no locks.
"""

import asyncio
import collections
import concurrent.futures

from trainers.server import batches
from trainers.server import statuses


class _Batch:
    """Requests that will run together; open as long as there is room."""

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
        """Takes a `Scheduler` and the function that runs the model."""
        self.call = call
        self._scheduler = scheduler
        self._batches = collections.deque()

    async def __call__(self, inputs):
        """Returns the outputs for a request.

        Args:
            inputs: Arrays by name, of equal numbers of rows.

        Raises:
            StatusError: It is too large, or too many wait.
        """
        parameters = self._scheduler.parameters
        size = batches.num_rows(inputs)
        most = parameters.max_batch_size
        parameters.check_size(size)
        if most is None:
            batch = self._open(0.0)
        elif self._batches and self._batches[-1].size + size <= most:
            batch = self._batches[-1]
        elif len(self._batches) >= parameters.max_enqueued_batches:
            raise statuses.StatusError(
                "UNAVAILABLE",
                "The batch scheduling queue to which this task was submitted "
                "is full",
            )
        else:
            batch = self._open(parameters.timeout_seconds)
        future = batch.add(inputs, size)
        self._scheduler.wake_soon()
        return await future

    def _open(self, timeout_seconds):
        now = asyncio.get_running_loop().time()
        batch = _Batch(now + timeout_seconds)
        self._batches.append(batch)
        if len(self._batches) == 1:
            self._scheduler.add(self)
        return batch

    @property
    def due(self):
        """Time from which the first batch may run; 0 if nobody waits more."""
        first = self._batches[0]
        most = self._scheduler.parameters.max_batch_size
        if len(self._batches) > 1 or first.size >= (most or 0):
            return 0.0
        return first.deadline

    def pop(self):
        """Removes and returns the first batch, and whether more wait."""
        return self._batches.popleft(), bool(self._batches)


class Scheduler:
    """Gives batches to threads."""

    def __init__(self, parameters, observe):
        """Takes `batches.Parameters`, and who is told the size of a run."""
        self.parameters = parameters
        self._observe = observe
        self._threads = concurrent.futures.ThreadPoolExecutor(
            parameters.num_threads, thread_name_prefix="batch"
        )
        self._num_idle = parameters.num_threads
        # Queues with batches; who was served goes to the end.
        self._queues = collections.deque()
        self._timer = None
        self._is_waking = False

    def add(self, queue):
        """Is told of a queue that was empty."""
        self._queues.append(queue)

    def wake_soon(self):
        """Starts what can start when all that has come by now is queued.

        So requests that come at the same time run together, even where a
        thread is idle and waits for nobody.
        """
        if not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_soon(self.wake)

    def wake(self):
        """Starts what can start now."""
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
            if future.done():  # Nobody waits for it any more.
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        self.wake()

    def close(self):
        """Waits for the runs in the threads, and starts no more."""
        self._threads.shutdown(cancel_futures=True)
