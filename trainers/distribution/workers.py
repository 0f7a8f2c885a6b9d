"""What the workers of a run tell each other between the steps of the graph.

All workers run the same program, and each of these calls is made by all of
them in the same order: one that is missing leaves the others waiting until it
ends. With one worker nothing is sent.
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

# An operation with others was aborted, or the service that knows of all.
_LOST = re.compile("Collective ops|[Cc]oordination|GRPC error information")


@contextlib.contextmanager
def lost_ones_named(cluster):
    """Turns what TensorFlow says of a worker that is gone into a `RunError`.

    Args:
        cluster: `Cluster`.
    """
    try:
        yield
    except tf.errors.OpError as error:
        text = str(error)
        if cluster.num_workers == 1 or not _LOST.search(text):
            raise
        # The next line only where a list follows.
        reason = re.search(r"aborted by: (.*:\n.*|.*)", text)
        detail = reason[1] if reason else error.message.splitlines()[0]
        detail = " ".join(detail.split())[:300]
        raise RunError(
            f"worker {cluster.index} lost another of the "
            f"{cluster.num_workers} workers, whose own output says why: "
            f"{detail} The same command on all workers goes on from the last "
            "checkpoint."
        ) from None


class Workers:
    """The processes that train one model together.

    Attributes:
        index: Which of them this is.
        is_chief: Whether it is the one that writes files.
    """

    def __init__(self, strategy=None, cluster=tf_config.ALONE):
        """Makes it of `make_strategy`'s result and the `Cluster`."""
        self._strategy = strategy
        self._num_workers = cluster.num_workers
        self.index = cluster.index
        self.is_chief = cluster.is_chief

        # Traced once a shape. The sum over replicas is that over workers, as
        # one replica of each has the value and others have zeros.
        @tf.function(reduce_retracing=False)
        def total(values):
            def on_replica(value):
                replicas = tf.distribute.get_replica_context()
                return replicas.all_reduce("SUM", tf.identity(value))

            return strategy.run(on_replica, args=(values,))

        self._total_of = total

    def any(self, is_so):
        """Returns whether something is so on any worker.

        Args:
            is_so: bool, or a list of them, which takes no longer.

        Returns:
            bool, or a list of them.
        """
        if self._num_workers == 1:
            return is_so
        return (self._total(np.asarray(is_so, np.float32)) > 0).tolist()

    def gather(self, array):
        """Returns the arrays of all workers, `float32[workers, ...]`.

        Args:
            array: float32, of the same shape on each.
        """
        array = np.asarray(array)
        assert array.dtype == np.float32, array.dtype
        if self._num_workers == 1:
            return array[np.newaxis]
        # Adding zeros changes no bit, but for the sign of a zero.
        mine = np.zeros((self._num_workers, *array.shape), np.float32)
        mine[self.index] = array
        return self._total(mine)

    def check_same(self, values, what):
        """Checks that all workers have the same.

        Args:
            values: JSON-like.
            what: What to call it in the error.

        Raises:
            ConfigError: Not all have.
            Stopped: On request.
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
                "worker 0. Give all the same flags, and a --workdir and data "
                "on a file system that all of them see."
            )

    def wait(self):
        """Returns when all workers have come here; no signal ends it."""
        with signals.deferred():
            self.any(False)

    def _total(self, array):
        devices = len(self._strategy.extended.worker_devices)

        def of_replica(context):
            is_first = context.replica_id_in_sync_group % devices == 0
            return tf.constant(array if is_first else np.zeros_like(array))

        values = self._strategy.experimental_distribute_values_from_function(
            of_replica
        )
        results = self._strategy.experimental_local_results(
            self._total_of(values)
        )
        return results[0].numpy()


ALONE = Workers()
