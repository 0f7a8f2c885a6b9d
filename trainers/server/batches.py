"""Several requests in one run of the model: merged, padded, split again.

As TensorFlow Serving's `batching_session.cc` does it, but for one thing: there,
all requests of a batch fail if one of them makes the run fail; here, each is
then run alone.
"""

import dataclasses
import os

import numpy as np

from trainers.errors import ConfigError
from trainers.server import statuses
from trainers.serving import config_protos


@dataclasses.dataclass(frozen=True)
class Parameters:
    """A `batching.config`; the defaults are those of TensorFlow Serving.

    Attributes:
        max_batch_size: Rows; a request of more is refused. `None` means that
            every request is run alone, whatever its size.
        timeout_seconds: For which an idle thread waits for more requests.
        max_enqueued_batches: That wait for a thread, for one signature.
        num_threads: Batches that run at the same time.
        allowed_batch_sizes: To the next of which a batch is filled up.
        pad_variable_length_inputs: Whether tensors of unequal shapes go
            together, filled up with their first element.
    """

    max_batch_size: int | None = None
    timeout_seconds: float = 0.0
    max_enqueued_batches: int = 10
    num_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False

    @classmethod
    def read(cls, path):
        """Returns the parameters in a file.

        Raises:
            ConfigError: It is no `BatchingParameters`, or a rule is broken.
        """
        message = config_protos.read(path, config_protos.BatchingParameters)

        def value(field, default):
            is_given = message.HasField(field)
            return getattr(message, field).value if is_given else default

        parameters = cls(
            max_batch_size=value("max_batch_size", 1000),
            timeout_seconds=value("batch_timeout_micros", 0) / 1e6,
            max_enqueued_batches=value("max_enqueued_batches", 10),
            num_threads=value("num_batch_threads", cls.num_threads),
            allowed_batch_sizes=tuple(message.allowed_batch_sizes),
            pad_variable_length_inputs=message.pad_variable_length_inputs,
        )
        for field in ("max_batch_size", "max_enqueued_batches", "num_threads"):
            if getattr(parameters, field) < 1:
                name = field.replace("num_", "num_batch_")
                raise ConfigError(
                    f"{path}: `{name}` must be at least 1. "
                    f"Received: {getattr(parameters, field)}."
                )
        if parameters.timeout_seconds < 0:
            raise ConfigError(
                f"{path}: `batch_timeout_micros` must be at least 0. "
                f"Received: {message.batch_timeout_micros.value}."
            )
        sizes = parameters.allowed_batch_sizes
        if sizes and (
            list(sizes) != sorted(set(sizes))
            or sizes[0] < 1
            or sizes[-1] != parameters.max_batch_size
        ):
            raise ConfigError(
                f"{path}: `allowed_batch_sizes` must increase, and the last "
                "must be `max_batch_size`. "
                f"Received: {', '.join(map(str, sizes))}, and "
                f"{parameters.max_batch_size}."
            )
        return parameters

    def check_size(self, size):
        """Refuses a request of more rows than a batch may have."""
        if self.max_batch_size is not None and size > self.max_batch_size:
            # TensorFlow Serving splits it, if its configuration says so.
            raise statuses.invalid(
                f"Task size {size} is larger than maximum input batch size "
                f"{self.max_batch_size}"
            )

    def padded_size(self, size):
        """Returns the rows with which a batch of so many is run."""
        return next((a for a in self.allowed_batch_sizes if a >= size), size)


def run(call, requests, parameters, observe):
    """Runs the model for several requests.

    Args:
        call: Inputs by name in, outputs by name out.
        requests: List of inputs by name.
        parameters: `Parameters`.
        observe: Called with the rows of each run, before and after padding.

    Returns:
        List of outputs by name, or of an exception, for each request.
    """
    try:
        sizes = [num_rows(request) for request in requests]
        total = sum(sizes)
        size = total
        # A run of no rows has none that padding could repeat.
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
    """Returns the number of rows of a request."""
    return len(next(iter(inputs.values())))


def _merge(arrays, size, parameters):
    """Returns one array of so many rows."""
    if parameters.pad_variable_length_inputs and len(arrays) > 1:
        shape = np.max([array.shape for array in arrays], axis=0)
        arrays = [_pad(array, shape) for array in arrays]
    missing = size - sum(map(len, arrays))
    if missing:
        arrays = [*arrays, np.repeat(arrays[-1][:1], missing, axis=0)]
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]


def _pad(array, shape):
    """Fills an array up to a shape, but for the rows."""
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
