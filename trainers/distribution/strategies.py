"""Selects the devices on which a model is trained."""

import logging
import signal
import threading

import tensorflow as tf

from trainers.distribution import proxies
from trainers.distribution import rendezvous
from trainers.distribution import start_limit
from trainers.distribution import tf_config
from trainers.errors import ConfigError
from trainers.errors import RunError


def make_strategy(config, cluster=tf_config.ALONE):
    """Makes the `tf.distribute.Strategy` that a configuration names.

    With several workers, the call waits until all have started. Call it before
    any other use of TensorFlow.

    Args:
        config: `TrainerConfig`.
        cluster: `Cluster`.

    Returns:
        `tf.distribute.Strategy`.

    Raises:
        ConfigError: The machine or this version does not support it.
        RunError: The port of this worker is in use, or another worker did not
            start in time.
    """
    tf_config.check_strategy(cluster, config.strategy)
    _split_cpu(config.num_logical_cpus)
    gpus = tf.config.list_physical_devices("GPU")
    _choose_kernels(config, gpus)
    if cluster.num_workers > 1:
        return _multi_worker(cluster, config.start_timeout_seconds)
    name = config.strategy
    if name in ("auto", "multi_worker"):
        name = "mirrored" if len(gpus) > 1 else "one_device"
    if name == "one_device":
        # TensorFlow's default strategy: GPU 0 or the CPU, without the cost
        # of distributed values.
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored(tf.config.list_logical_devices("GPU"))
    assert name == "tpu", name
    return _tpu(config.tpu_address)


def _choose_kernels(config, gpus):
    """Switches on kernels that give bit-identical results, where wanted.

    TensorFlow cannot switch them off again in the same process.
    """
    wanted = config.deterministic_ops
    if wanted == "auto":
        is_compiled = config.jit_compile in ("always", "background")
        is_cpu = not gpus and config.strategy != "tpu"
        wanted = "always" if is_cpu and not is_compiled else "never"
    if wanted == "always":
        tf.config.experimental.enable_op_determinism()


def _multi_worker(cluster, timeout_seconds):
    """Connects to the other workers.

    TensorFlow itself notices when a worker is lost: at once if a connection
    breaks, otherwise after 10 s without a sign of life. Collective operations
    then fail on all other workers.
    """
    rendezvous.meet(cluster, timeout_seconds)
    proxies.bypass(cluster)
    # If a worker ends now, TensorFlow waits forever.
    sentence = (
        f"worker {cluster.index} was not connected with the other workers "
        "within --config.trainer.start_timeout_seconds="
        f"{timeout_seconds:g}, although all had started. The output of a "
        "worker that has ended says why."
    )
    try:
        with start_limit.sentence_after(timeout_seconds, sentence):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.UnknownError as error:
        if "Could not start gRPC server" not in str(error):
            raise
        raise RunError(
            "`TF_CONFIG` must give this worker a port that is free. Received: "
            f"{cluster.addresses[cluster.index]}: TensorFlow cannot use it."
        ) from None
    except RuntimeError as error:
        if "at program startup" not in str(error):
            raise
        raise ConfigError(
            "`TF_CONFIG` names several workers, which have to be connected "
            "before TensorFlow does anything else in a process. Received: a "
            "process that has used TensorFlow."
        ) from None
    finally:
        _take_signals_back()


def _take_signals_back():
    """Restores Python's handler of SIGTERM, which TensorFlow replaces."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


def _mirrored(gpus):
    if gpus:
        return tf.distribute.MirroredStrategy([d.name for d in gpus])
    cpus = tf.config.list_logical_devices("CPU")
    if len(cpus) == 1:
        logging.getLogger(__name__).warning(
            "`--config.trainer.strategy=mirrored` has one device here, the "
            "CPU. Split it with --config.trainer.num_logical_cpus=2."
        )
    # The default, collective ops, numbers its reductions from the start in each
    # strategy. A second strategy in a process then sometimes fails ("Shape
    # mismatch in the collective instance").
    return tf.distribute.MirroredStrategy(
        [d.name for d in cpus], tf.distribute.ReductionToOneDevice()
    )


def _split_cpu(num_logical_cpus):
    """Makes logical CPU devices; a process can do that once."""
    if not num_logical_cpus:
        return
    try:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * num_logical_cpus,
        )
    except RuntimeError:
        # TensorFlow already runs. That is fine if it has the right devices.
        found = len(tf.config.list_logical_devices("CPU"))
        if found != num_logical_cpus:
            raise ConfigError(
                "`--config.trainer.num_logical_cpus` must be set before "
                f"TensorFlow first runs. Received: {num_logical_cpus}; this "
                f"process has {found}."
            ) from None


def _tpu(address):
    """Connects to a TPU. Untested: this project has no TPU."""
    try:
        # With an empty address, TensorFlow asks Google's cloud for a name and
        # does not look at this machine.
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            address or "local"
        )
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            "`--config.trainer.strategy=tpu` (untested in this version) "
            f"found no TPU at --config.trainer.tpu_address={address!r}: "
            f"{reason}"
        ) from None
    return tf.distribute.TPUStrategy(resolver)
