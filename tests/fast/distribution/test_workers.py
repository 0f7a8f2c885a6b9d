"""A single worker, and the messages about a lost worker."""

import numpy as np
import pytest
import tensorflow as tf

from trainers.distribution import workers as workers_lib
from trainers.distribution.tf_config import ALONE
from trainers.distribution.tf_config import Cluster
from trainers.distribution.workers import Workers
from trainers.errors import RunError

TWO = Cluster(("a:1", "b:2"), 1)


class NoStrategy:
    """Fails where something is sent."""

    def __getattr__(self, name):
        raise AssertionError(f"`{name}` of the strategy was used.")


@pytest.fixture(params=["default", "strategy"])
def alone(request):
    if request.param == "default":
        return workers_lib.ALONE
    return Workers(NoStrategy(), ALONE)


def test_one_alone_is_the_chief(alone):
    assert (alone.index, alone.is_chief) == (0, True)


def test_the_second_of_two_is_not_the_chief():
    workers = Workers(NoStrategy(), TWO)
    assert (workers.index, workers.is_chief) == (1, False)


def test_one_alone_asks_itself(alone):
    assert alone.any(True) is True
    assert alone.any(False) is False


def test_one_alone_gathers_its_own(alone):
    array = np.array([[1.5, -0.0], [np.nan, 3e38]], np.float32)
    found = alone.gather(array)
    assert (found.dtype, found.shape) == (np.float32, (1, 2, 2))
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8])
def test_what_would_not_keep_its_bits_is_not_gathered(alone, dtype):
    with pytest.raises(AssertionError) as error:
        alone.gather(np.zeros(3, dtype))
    assert str(error.value).startswith(np.dtype(dtype).name)


def test_one_alone_has_the_same_as_all(alone):
    assert alone.check_same({"b": [1, None], "a": "ä"}, "words") is None


def test_a_single_worker_does_not_wait(alone):
    assert alone.wait() is None


# Messages of TensorFlow about a lost worker.

ABORTED = (
    "Collective ops is aborted by: Connection reset by peer\n"
    "The error could be from a previous operation. Restart your program to "
    "reset.\n\t [[{{node CollectiveReduceV2}}]] [Op:__inference_steps_812]"
)


def lost(worker, detail):
    return (
        f"worker {worker} lost another of the 2 workers. The output of that "
        f"worker says why: {detail} The same command on all workers resumes "
        "from the last checkpoint."
    )


@pytest.mark.parametrize(
    ("kind", "text", "detail"),
    [
        (tf.errors.InternalError, ABORTED, "Connection reset by peer"),
        (tf.errors.UnavailableError, ABORTED, "Connection reset by peer"),
        (
            tf.errors.UnavailableError,
            "Coordination service agent is not connected.\nmore",
            "Coordination service agent is not connected.",
        ),
        (
            tf.errors.UnavailableError,
            "failed to connect\nAdditional GRPC error information from remote "
            "target",
            "failed to connect",
        ),
        (
            tf.errors.CancelledError,
            f"Collective ops is aborted by: {'x' * 400}",
            "x" * 300,
        ),
    ],
)
def test_a_worker_that_is_lost_is_an_error_of_the_run(kind, text, detail):
    with pytest.raises(RunError) as error:
        with workers_lib.worker_loss_as_run_error(TWO):
            raise kind(None, None, text)
    assert str(error.value) == lost(1, detail)
    assert error.value.__suppress_context__


@pytest.mark.parametrize(
    ("cluster", "error"),
    [
        (ALONE, tf.errors.InternalError(None, None, ABORTED)),
        (Cluster(("a:1",), 0), tf.errors.InternalError(None, None, ABORTED)),
        (TWO, tf.errors.ResourceExhaustedError(None, None, "OOM")),
        (TWO, tf.errors.InvalidArgumentError(None, None, "shapes differ")),
        (TWO, RuntimeError(ABORTED)),
        (TWO, RunError("`loss` became nan")),
        (TWO, KeyboardInterrupt()),
    ],
)
def test_other_errors_stay_what_they_are(cluster, error):
    with pytest.raises(type(error)) as caught:
        with workers_lib.worker_loss_as_run_error(cluster):
            raise error
    assert caught.value is error


def test_without_an_error_nothing_happens():
    with workers_lib.worker_loss_as_run_error(TWO):
        done = True
    assert done
