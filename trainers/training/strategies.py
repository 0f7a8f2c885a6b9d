"""On which devices a model is trained."""

import logging

import tensorflow as tf

from trainers.errors import ConfigError


def make_strategy(config):
    """Returns the `tf.distribute.Strategy` that a configuration names.

    Args:
        config: `TrainerConfig`.

    Raises:
        ConfigError: The machine or this version does not have it.
    """
    _split_cpu(config.num_logical_cpus)
    name = config.strategy
    gpus = tf.config.list_logical_devices("GPU")
    _choose_kernels(config, gpus)
    if name == "auto":
        name = "mirrored" if len(gpus) > 1 else "one_device"
    if name == "mirrored" and config.jit_compile and not gpus:
        raise ConfigError(
            "`--config.trainer.jit_compile` must be false for `mirrored` on "
            "CPUs: XLA cannot reach the other device's weights. Received: "
            "true."
        )
    if name == "one_device":
        # TensorFlow's default strategy: GPU 0 or the CPU, without the cost
        # of distributed values.
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored(gpus)
    assert name == "tpu", name  # `validate` refuses multi_worker.
    return _tpu(config.tpu_address)


def _choose_kernels(config, gpus):
    """Asks for kernels that give equal bits, where they are wanted.

    TensorFlow has no way back: they stay for the life of the process. Keras
    compiles nothing with XLA then.
    """
    wanted = config.deterministic_ops
    if wanted == "auto":
        wanted = "never" if gpus or config.jit_compile else "always"
    if wanted == "always":
        tf.config.experimental.enable_op_determinism()


def _mirrored(gpus):
    if gpus:
        return tf.distribute.MirroredStrategy([d.name for d in gpus])
    cpus = tf.config.list_logical_devices("CPU")
    if len(cpus) == 1:
        logging.getLogger(__name__).warning(
            "`--config.trainer.strategy=mirrored` has one device here, the "
            "CPU. Split it with --config.trainer.num_logical_cpus=2."
        )
    # The default, collective ops, numbers its reductions anew with each
    # strategy, and a second one in the process then fails now and again
    # ("Shape mismatch in the collective instance").
    return tf.distribute.MirroredStrategy(
        [d.name for d in cpus], tf.distribute.ReductionToOneDevice()
    )


def _split_cpu(num_logical_cpus):
    """Makes logical CPU devices, which is possible once in a process."""
    if not num_logical_cpus:
        return
    try:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * num_logical_cpus,
        )
    except RuntimeError:
        # TensorFlow is running already: fine if it has what is wanted.
        found = len(tf.config.list_logical_devices("CPU"))
        if found != num_logical_cpus:
            raise ConfigError(
                "`--config.trainer.num_logical_cpus` must be set before "
                f"TensorFlow first runs. Received: {num_logical_cpus}; this "
                f"process has {found}."
            ) from None


def _tpu(address):
    """Connects to a TPU. Untested: no machine of this project has one."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(address)
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
