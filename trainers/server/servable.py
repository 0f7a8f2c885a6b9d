"""One version of the model: loaded, warmed, used, and given up."""

import asyncio
import contextlib
import gc
import pathlib

from trainers.errors import RunError
from trainers.prediction import saved_model
from trainers.server import batching
from trainers.server import statuses
from trainers.serving import warmup


class Servable:
    """A version; every method is called on the event loop.

    Attributes:
        number: Of the version.
        state: "START", "LOADING", "AVAILABLE", "UNLOADING" or "END".
        error: `StatusError`, if it could not be loaded.
        signatures: `SignatureDef`s by name, while it is available.
    """

    def __init__(self, number, path, scheduler):
        """Takes the version's number, `pathlib.Path` and `Scheduler`."""
        self.number = number
        self.path = pathlib.Path(path)
        self.state = "START"
        self.error = None
        self.signatures = {}
        self._scheduler = scheduler
        self._queues = {}
        self._num_requests = 0
        self._unused = asyncio.Event()
        self._unused.set()

    async def load(self):
        """Loads and warms the model in another thread.

        Returns:
            Whether it is available now.
        """
        self.state, self.error = "LOADING", None
        try:
            model = await asyncio.to_thread(_load, self.path)
        # Whatever is wrong with the files: other versions go on.
        except Exception as error:
            words = " ".join(str(error).split()) or type(error).__name__
            self.error = statuses.StatusError("UNKNOWN", words)
            self.state = "END"
            return False
        self.signatures = dict(model.signatures)
        self._queues = {
            name: batching.Queue(self._scheduler, _bind(model, name))
            for name in self.signatures
        }
        self.state = "AVAILABLE"
        return True

    @contextlib.contextmanager
    def in_use(self):
        """Keeps the version loaded for the time of a request."""
        self._num_requests += 1
        self._unused.clear()
        try:
            yield self
        finally:
            self._num_requests -= 1
            if not self._num_requests:
                self._unused.set()

    def check_size(self, size):
        """Refuses a request of too many rows before they are converted."""
        self._scheduler.parameters.check_size(size)

    async def run(self, signature, inputs):
        """Returns the outputs of a signature by name."""
        return await self._queues[signature](inputs)

    async def unload(self):
        """Waits for the requests that use it, and frees its memory."""
        self.state = "UNLOADING"
        await self._unused.wait()
        self._queues.clear()
        self.signatures = {}
        # What TensorFlow builds refers to itself in circles.
        await asyncio.to_thread(gc.collect)
        self.state = "END"

    def status(self):
        """Returns a `ModelVersionStatus` as a dict for JSON."""
        return {
            "version": str(self.number),
            "state": self.state,
            "status": {
                "error_code": self.error.code if self.error else "OK",
                "error_message": str(self.error) if self.error else "",
            },
        }


def _load(path):
    model = saved_model.Predictor(path)
    if (path / warmup.FILE).is_file():
        problems = warmup.problems_of(path, model)
        if problems:
            raise RunError("; ".join(problems))
    return model


def _bind(model, name):
    return lambda inputs: model(name, inputs)
