"""Runs several requests as one batch: merges, pads and splits them.

The rules are those of TensorFlow Serving's `batching_session.cc`, with one
difference. In TensorFlow Serving, all requests of a batch fail if its run
fails. Here, each request then runs alone.
"""

import dataclasses
import os

import numpy as np

from trainers.errors import ConfigError
from trainers.server import statuses
from trainers.serving import config_protos


@dataclasses.dataclass(frozen=True)
class Parameters:
    """The values of a `batching.config`.

    The defaults are those of TensorFlow Serving.

    >>> parameters = Parameters(max_batch_size=8, allowed_batch_sizes=(1, 4, 8))
    >>> parameters.padded_size(3)
    4

    Attributes:
        max_batch_size: int. Most rows of a request, and of a batch. `None`
            means that every request runs alone, with any number of rows.
        timeout_seconds: float. How long an idle thread waits for more
            requests.
        max_enqueued_batches: int. Most batches of one signature that wait for
            a thread.
        num_threads: int. Batches that run at the same time.
        allowed_batch_sizes: tuple of int. A batch is padded to the next of
            these sizes.
        pad_variable_length_inputs: bool. Whether requests with different
            shapes share a batch. They are padded with their first element.
        max_execution_batch_size: int. Most rows of a batch, if a request can
            be split and run in several batches. `None` means that no request
            is split.
    """

    max_batch_size: int | None = None
    timeout_seconds: float = 0.0
    max_enqueued_batches: int = 10
    num_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    max_execution_batch_size: int | None = None

    @classmethod
    def read(cls, path):
        """Reads parameters from a file.

        Args:
            path: str or `pathlib.Path`. A `batching.config`.

        Returns:
            `Parameters`.

        Raises:
            ConfigError: The file is not a `BatchingParameters`, or a value
                breaks a rule.
        """
        message = config_protos.read(path, config_protos.BatchingParameters)

        def value(field, default):
            is_given = message.HasField(field)
            return getattr(message, field).value if is_given else default

        most_rows = value("max_batch_size", 1000)
        is_splitting = value("enable_large_batch_splitting", False)
        parameters = cls(
            max_batch_size=most_rows,
            timeout_seconds=value("batch_timeout_micros", 0) / 1e6,
            max_enqueued_batches=value("max_enqueued_batches", 10),
            num_threads=value("num_batch_threads", cls.num_threads),
            allowed_batch_sizes=tuple(message.allowed_batch_sizes),
            pad_variable_length_inputs=message.pad_variable_length_inputs,
            max_execution_batch_size=value(
                "max_execution_batch_size", most_rows
            )
            if is_splitting
            else None,
        )
        if problem := parameters.problem():
            raise ConfigError(f"{path}: {problem}")
        return parameters

    def problem(self):
        """Returns which rule a value breaks, or an empty str."""
        numbers = {
            "max_batch_size": self.max_batch_size,
            "max_enqueued_batches": self.max_enqueued_batches,
            "num_batch_threads": self.num_threads,
            "max_execution_batch_size": self.batch_limit,
        }
        for name, number in numbers.items():
            if number < 1:
                return f"`{name}` must be at least 1. Received: {number}."
        if self.timeout_seconds < 0:
            return (
                "`batch_timeout_micros` must be at least 0. "
                f"Received: {round(self.timeout_seconds * 1e6)}."
            )
        if self.batch_limit > self.max_batch_size:
            return (
                "`max_execution_batch_size` must be at most `max_batch_size`. "
                f"Received: {self.batch_limit}, and {self.max_batch_size}."
            )
        sizes = self.allowed_batch_sizes
        if sizes and (
            list(sizes) != sorted(set(sizes))
            or sizes[0] < 1
            or sizes[-1] != self.max_batch_size
        ):
            return (
                "`allowed_batch_sizes` must increase, and the last must be "
                f"`max_batch_size`. Received: {', '.join(map(str, sizes))}, "
                f"and {self.max_batch_size}."
            )
        return ""

    @property
    def batch_limit(self):
        """int. Most rows of a batch; `None` if every request runs alone."""
        most = self.max_execution_batch_size
        return self.max_batch_size if most is None else most

    def check_size(self, size):
        """Refuses a request with more rows than `max_batch_size`.

        Args:
            size: int. Rows of the request.

        Raises:
            StatusError: The request has too many rows.
        """
        if self.max_batch_size is not None and size > self.max_batch_size:
            raise statuses.invalid(
                f"Task size {size} is larger than maximum input batch size "
                f"{self.max_batch_size}"
            )

    def padded_size(self, size):
        """Returns the number of rows after padding.

        Args:
            size: int. Rows of the batch before padding.

        Returns:
            int. The next of `allowed_batch_sizes`; `size` if there is none.
        """
        return next((a for a in self.allowed_batch_sizes if a >= size), size)


def run(call, requests, parameters, observe):
    """Runs the model once for several requests.

    If the run fails, each request runs alone.

    Args:
        call: Callable with a dict of inputs. It returns a dict of outputs.
        requests: list of dicts of arrays. The inputs of each request.
        parameters: `Parameters`.
        observe: Callable with the rows of each run, before and after padding.

    Returns:
        List with a dict of outputs, or an exception, for each request.
    """
    try:
        sizes = [num_rows(request) for request in requests]
        total = sum(sizes)
        size = total
        # Padding repeats a row, so it needs at least one.
        if parameters.max_batch_size and total:
            size = parameters.padded_size(total)
        observe(total, size)
        outputs = call(
            {
                name: _merge([r[name] for r in requests], size, parameters)
                for name in requests[0]
            }
        )
        return _split(outputs, sizes, size)
    except Exception as error:
        if len(requests) == 1:
            return [error]
    return [
        result
        for request in requests
        for result in run(call, [request], parameters, observe)
    ]


def num_rows(inputs):
    """Returns the number of rows of a request.

    Args:
        inputs: dict of arrays by input name, all with the same number of rows.
    """
    return len(next(iter(inputs.values())))


def joined(parts):
    """Returns the outputs of a request that was split.

    Args:
        parts: list of dicts of arrays. The outputs of each part.

    Raises:
        StatusError: The parts have outputs of different shapes.
    """
    if len(parts) == 1:
        return parts[0]
    shapes = [{k: v.shape[1:] for k, v in part.items()} for part in parts]
    if any(shape != shapes[0] for shape in shapes):
        raise statuses.StatusError(
            "FAILED_PRECONDITION",
            "The request ran in several batches, and their outputs have "
            "different shapes.",
        )
    return {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}


def _merge(arrays, size, parameters):
    """Returns one array with `size` rows."""
    if parameters.pad_variable_length_inputs and len(arrays) > 1:
        shape = np.max([array.shape for array in arrays], axis=0)
        arrays = [_pad(array, shape) for array in arrays]
    missing = size - sum(map(len, arrays))
    if missing:
        arrays = [*arrays, np.repeat(arrays[-1][:1], missing, axis=0)]
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]


def _pad(array, shape):
    """Pads all dimensions of an array to a shape, except the rows."""
    missing = [0, *(shape[1:] - array.shape[1:])]
    if not any(missing):
        return array
    if not array.size:
        raise statuses.invalid(
            "Got empty tensor in batch of non-empty tensors."
        )
    return np.pad(
        array, [(0, n) for n in missing], constant_values=array.flat[0]
    )


def _split(outputs, sizes, size):
    """Returns the outputs of each request, without the padding."""
    for name, array in outputs.items():
        if array.shape[:1] != (size,):
            raise statuses.StatusError(
                "FAILED_PRECONDITION",
                f"Batched output tensor `{name}` has the shape "
                f"{list(array.shape)}, for {size} rows of input.",
            )
    ends = np.cumsum(sizes)
    return [
        {name: array[end - n : end] for name, array in outputs.items()}
        for end, n in zip(ends, sizes, strict=True)
    ]
