"""Loads, warms up, runs and unloads one version of the model."""

import asyncio
import contextlib
import gc
import pathlib

from trainers.errors import RunError
from trainers.prediction import saved_model
from trainers.server import queues
from trainers.server import statuses
from trainers.serving import warmup


class Servable:
    """A version of the model. Call its methods on the event loop.

    Attributes:
        number: int. Version number.
        path: `pathlib.Path`. The version directory.
        state: str. "START", "LOADING", "AVAILABLE", "UNLOADING" or "END".
        error: `StatusError` if the version could not be loaded, else `None`.
        signatures: dict of `SignatureDef`s by name; empty unless the version
            is available.
    """

    def __init__(self, number, path, scheduler):
        """Creates a version that is not loaded yet.

        Args:
            number: int. Version number.
            path: str or `pathlib.Path`. The version directory.
            scheduler: `queues.Scheduler`.
        """
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
        """Loads the model and warms it up in another thread.

        Returns:
            bool. Whether the version is available.
        """
        self.state, self.error = "LOADING", None
        try:
            model = await asyncio.to_thread(_load, self.path)
        # Every error ends only this version. Other versions keep answering.
        except Exception as error:
            words = " ".join(str(error).split()) or type(error).__name__
            self.error = statuses.StatusError("UNKNOWN", words)
            self.state = "END"
            return False
        self.signatures = dict(model.signatures)
        self._queues = {
            name: queues.Queue(self._scheduler, _bind(model, name))
            for name in self.signatures
        }
        self.state = "AVAILABLE"
        return True

    @contextlib.contextmanager
    def in_use(self):
        """Keeps the version loaded during a request."""
        self._num_requests += 1
        self._unused.clear()
        try:
            yield self
        finally:
            self._num_requests -= 1
            if not self._num_requests:
                self._unused.set()

    def check_size(self, size):
        """Refuses a request with too many rows, before they are converted.

        Args:
            size: int. Rows of the request.

        Raises:
            StatusError: The request has too many rows.
        """
        self._scheduler.parameters.check_size(size)

    async def run(self, signature, inputs):
        """Runs a signature and returns its outputs.

        Args:
            signature: str. Name of a signature.
            inputs: dict of arrays by input name, all with the same number of
                rows.

        Returns:
            dict of arrays by output name.

        Raises:
            StatusError: The request has too many rows, or the queue is full.
        """
        return await self._queues[signature](inputs)

    async def unload(self):
        """Waits for requests that use the version, then frees its memory."""
        self.state = "UNLOADING"
        await self._unused.wait()
        self._queues.clear()
        self.signatures = {}
        await asyncio.to_thread(_collect_garbage)
        self.state = "END"

    def status(self):
        """Returns the state of the version for JSON.

        Returns:
            dict in the form of a `ModelVersionStatus`.
        """
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


def _collect_garbage():
    # Objects of TensorFlow contain reference cycles. The process of a server
    # has frozen them.
    is_frozen = gc.get_freeze_count()
    gc.unfreeze()
    gc.collect()
    if is_frozen:
        gc.freeze()


def _bind(model, name):
    return lambda inputs: model(name, inputs)
