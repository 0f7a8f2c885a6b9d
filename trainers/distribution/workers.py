"""Exchanges values between the workers of a run, outside of training steps.

All workers run the same program and make these calls in the same order. A
missing call makes the other workers wait until the worker ends. With one worker
nothing is sent.
"""

import contextlib
import hashlib
import json
import re

import numpy as np
import tensorflow as tf

from trainers.distribution import tf_config
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.runtime import signals

# TensorFlow aborted a collective operation, or lost its coordination service.
_LOST = re.compile("Collective ops|[Cc]oordination|GRPC error information")


@contextlib.contextmanager
def worker_loss_as_run_error(cluster):
    """Raises `RunError` in place of TensorFlow's error for a lost worker.

    Args:
        cluster: `Cluster`.

    Raises:
        RunError: Another worker was lost during the `with` block.
    """
    try:
        yield
    except tf.errors.OpError as error:
        text = str(error)
        if cluster.num_workers == 1 or not _LOST.search(text):
            raise
        # Include the next line only if a list follows.
        reason = re.search(r"aborted by: (.*:\n.*|.*)", text)
        detail = reason[1] if reason else error.message.splitlines()[0]
        detail = " ".join(detail.split())[:300]
        raise RunError(
            f"worker {cluster.index} lost another of the "
            f"{cluster.num_workers} workers. The output of that worker says "
            f"why: {detail} The same command on all workers resumes from the "
            "last checkpoint."
        ) from None


class Workers:
    """The processes that train one model together.

    Attributes:
        index: int. Which of the workers this process is.
        is_chief: bool. Whether this process writes the files of the run.
    """

    def __init__(self, strategy=None, cluster=tf_config.ALONE):
        """Makes the group.

        Args:
            strategy: `tf.distribute.Strategy` from `make_strategy`. `None` is
                enough for one worker.
            cluster: `Cluster`.
        """
        self._strategy = strategy
        self._num_workers = cluster.num_workers
        self.index = cluster.index
        self.is_chief = cluster.is_chief

        # Functions by shape. TensorFlow warns of one function with many traces.
        self._totals = {}

    def any(self, value):
        """Returns whether a value is true on any worker.

        Args:
            value: bool, or a list of bool, which takes no longer.

        Returns:
            bool, or a list of bool.
        """
        if self._num_workers == 1:
            return value
        return (self._total(np.asarray(value, np.float32)) > 0).tolist()

    def gather(self, array):
        """Gathers an array of each worker.

        Args:
            array: float32[...]. The same shape on each worker.

        Returns:
            float32[num_workers, ...].
        """
        array = np.asarray(array)
        assert array.dtype == np.float32, array.dtype
        if self._num_workers == 1:
            return array[np.newaxis]
        # Adding zeros changes no bit, except the sign of a zero.
        mine = np.zeros((self._num_workers, *array.shape), np.float32)
        mine[self.index] = array
        return self._total(mine)

    def check_same(self, values, what):
        """Checks that a value is the same on all workers.

        Args:
            values: Value that `json.dumps` accepts.
            what: str. Name of the value for the error.

        Raises:
            ConfigError: The value differs on a worker.
            Stopped: A signal arrived.
        """
        text = json.dumps(values, sort_keys=True)
        digest = hashlib.sha256(text.encode()).digest()
        with signals.deferred() as request:
            digests = self.gather(
                np.frombuffer(digest, np.uint8) * np.float32(1)
            )
        request()
        others = [
            str(index)
            for index, of_worker in enumerate(digests)
            if not np.array_equal(of_worker, digests[0])
        ]
        if others:
            raise ConfigError(
                f"`TF_CONFIG`: all workers must have the same {what}. "
                f"Received: another on worker {', '.join(others)} than on "
                "worker 0. Give all workers the same flags, and put --workdir "
                "and the data on a file system that all workers see."
            )

    def wait(self):
        """Waits until all workers make this call; no signal ends it."""
        with signals.deferred():
            self.any(False)

    def leave(self):
        """Waits until all workers make this call, before they end.

        In a sum, one worker can have its result while another still receives
        it. If the first one ended then, the other would fail, although both
        have finished. So each stays for a second wait, whose failure means
        only that another worker has already ended.
        """
        self.wait()
        if self._num_workers > 1:
            with contextlib.suppress(tf.errors.OpError):
                self.wait()

    def _total(self, array):
        devices = len(self._strategy.extended.worker_devices)

        def of_replica(context):
            is_first = context.replica_id_in_sync_group % devices == 0
            return tf.constant(array if is_first else np.zeros_like(array))

        values = self._strategy.experimental_distribute_values_from_function(
            of_replica
        )
        if array.shape not in self._totals:
            self._totals[array.shape] = self._make_total()
        results = self._strategy.experimental_local_results(
            self._totals[array.shape](values)
        )
        return results[0].numpy()

    def _make_total(self):
        """Returns a function that sums values over the workers.

        One replica of each worker has the value, and the others have zeros.
        """

        @tf.function(autograph=False)
        def total(values):
            def on_replica(value):
                replicas = tf.distribute.get_replica_context()
                return replicas.all_reduce("SUM", tf.identity(value))

            return self._strategy.run(on_replica, args=(values,))

        return total


ALONE = Workers()
