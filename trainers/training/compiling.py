"""Compiles with XLA what a training step computes.

XLA compiles a function for each shape of its inputs, when it is first called
with that shape. For a transformer on a GPU, this takes about a minute.
`InBackground` calls the function with each shape ahead, on stand-ins for its
variables. Until a shape is compiled, steps of this shape run uncompiled.
"""

import contextlib
import logging
import os
import queue
import re
import threading
import time

import numpy as np
import tensorflow as tf

from trainers.errors import RunError
from trainers.runtime import background
from trainers.runtime import startup
from trainers.runtime import xla_cache
from trainers.training import stand_ins

# Each shape in work has its own stand-ins for the variables in memory.
_MOST_THREADS = 2


def plain(function, *args):
    """Calls a function and compiles nothing.

    Args:
        function: Function of tensors.
        *args: Its arguments, structures of tensors.
    """
    return function(*args)


def at_once(function, *args):
    """Calls a function that XLA compiles; each new shape waits for XLA.

    Call it where another function is traced.

    Args:
        function, *args: As for `plain`.
    """
    return _compiled(function, args)(*args)


def _compiled(function, args):
    """Returns a `ConcreteFunction` that XLA compiles."""
    compiled = tf.function(function, jit_compile=True, autograph=False)
    with xla_cache.stable_names():
        return compiled.get_concrete_function(*args)


def make(config, strategy, lengths):
    """Returns what calls the functions that XLA compiles.

    Call it outside of the scope of the strategy.

    Args:
        config: `TrainerConfig`. Its `jit_compile` is not `auto`.
        strategy: `tf.distribute.Strategy`.
        lengths: Sequence of int, as for `InBackground`.

    Returns:
        `plain`, `at_once` or an `InBackground`.
    """
    if config.jit_compile == "background":
        # XLA itself uses several threads for a shape.
        num_threads = min(max((os.cpu_count() or 1) // 4, 1), _MOST_THREADS)
        num_functions = 1
        # TensorFlow's default strategy does not name its device.
        if strategy is not tf.distribute.get_strategy():
            num_functions = len(strategy.extended.worker_devices)
        return InBackground(lengths, num_functions, num_threads)
    # A TPU compiles all that runs on it.
    is_tpu = config.strategy == "tpu"
    return at_once if config.jit_compile == "always" and not is_tpu else plain


@contextlib.contextmanager
def refusal_as_run_error():
    """Raises `RunError` in a `with` block in place of XLA's error for a step.

    Raises:
        RunError: XLA cannot compile an op of the step.
    """
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as e:
        text = " ".join(str(e).split())
        found = re.search("Detected unsupported operations.*", text)
        found = found or re.search("[^.:]*compile-time constant.*", text)
        if not found:
            raise
        raise RunError(
            "XLA cannot compile the training step. Set "
            "--config.trainer.jit_compile=never. Received: "
            f"{found[0].strip()[:300]}"
        ) from e


def close(compiler):
    """Starts no more compiling in the background.

    Args:
        compiler: Result of `make`.
    """
    if isinstance(compiler, InBackground):
        compiler.close()


class InBackground:
    """Calls functions uncompiled until XLA has compiled them.

    Make it outside of the scope of a strategy. Call it where another function
    is traced; compiling starts then.

    >>> import tensorflow as tf
    >>> compiler = InBackground(lengths=(2, 4), num_functions=1)
    >>> @tf.function(autograph=False)
    ... def step(ids):
    ...     return compiler(tf.reduce_sum, ids)
    >>> spec = tf.TensorSpec([1, None], tf.float32)
    >>> concrete = step.get_concrete_function(spec)
    >>> compiler.wait()
    >>> float(concrete(tf.ones([1, 4])))
    4.0
    >>> compiler.is_compiled(length=2), compiler.is_compiled(length=8)
    (True, False)
    """

    def __init__(self, lengths, num_functions, num_threads=1):
        """Makes the object; compiles nothing yet.

        Args:
            lengths: Sequence of int. All sizes that an unknown dimension of an
                input can have. They are compiled in this order. They do not
                count if the inputs have fixed shapes.
            num_functions: int. How many functions are called with this object,
                one for each replica of this process.
            num_threads: int. Shapes that are compiled at the same time.
        """
        self._lengths = tuple(lengths)
        self._num_functions = num_functions
        self._num_threads = num_threads
        self._num_called = 0
        self._work = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._num_left = 0
        self._has_failed = False
        self._is_done = threading.Event()
        self._started = None
        with tf.device("CPU:0"):
            # [functions, lengths]
            self._ready = tf.Variable(
                np.zeros([num_functions, max(len(lengths), 1)], bool),
                trainable=False,
            )

    def __call__(self, function, *args):
        """Calls a function, compiled if its shape is ready.

        Args:
            function, *args: As for `plain`. All unknown dimensions of the
                arguments are one length.
        """
        index, length = self._num_called, _unknown_length(args)
        if index == self._num_functions:
            # Traced again, for other inputs than those that are compiled.
            return at_once(function, *args)
        lengths = (None,) if length is None else self._lengths
        if problem := _problem(args, lengths):
            logging.getLogger(__name__).warning(
                "XLA does not compile the training step: %s", problem
            )
            self.close()
            return function(*args)
        self._num_called += 1
        compiled = _compiled(function, args)
        with self._lock:
            self._num_left += len(lengths)
        for column, value in enumerate(lengths):
            self._work.put((compiled, index, column, value))
        self._start()
        return tf.cond(
            self._is_ready(index, length),
            lambda: compiled(*args),
            lambda: function(*args),
        )

    def is_compiled(self, length=None):
        """Returns whether all functions are compiled for a length.

        Args:
            length: int; `None` for inputs with fixed shapes.
        """
        if length is not None and length not in self._lengths:
            return False
        column = 0 if length is None else self._lengths.index(length)
        return bool(self._ready.numpy()[:, column].all())

    def wait(self):
        """Waits until all shapes are compiled, have failed or are dropped."""
        self._is_done.wait()

    def close(self):
        """Starts no other shape. Those in work are finished, for later runs."""
        self._is_done.set()
        for _ in range(self._num_threads):
            self._work.put(None)

    def _is_ready(self, index, length):
        """Returns `bool[]`: whether a function is compiled for its inputs."""
        with tf.device("CPU:0"):
            ready = self._ready[index]
            if length is None:
                return ready[0]
            return tf.reduce_any(ready & (length == list(self._lengths)))

    def _start(self):
        """Starts the threads at the first call."""
        if self._started is not None:
            return
        self._started = time.monotonic()
        for _ in range(self._num_threads):
            background.start(self._compile_all)

    def _compile_all(self):
        while (work := self._work.get()) and not self._is_done.is_set():
            compiled, index, column, length = work
            try:
                stand_ins.call(compiled, length)
            except Exception as error:
                self._warn(error, length)
            else:
                self._set_ready(index, column)
            with self._lock:
                self._num_left -= 1
                # The function of another replica may not be traced yet.
                is_all = self._num_called == self._num_functions
                is_done = is_all and not self._num_left
            if is_done:
                self._end()

    def _set_ready(self, index, column):
        with self._lock:
            ready = self._ready.numpy()
            ready[index, column] = True
            self._ready.assign(ready)

    def _end(self):
        if not self._has_failed:
            logging.getLogger(__name__).info(
                "XLA has compiled the training step after %.0f s",
                time.monotonic() - self._started,
            )
        self.close()

    def _warn(self, error, length):
        """Warns once; the reason is often the same for all lengths."""
        if self._has_failed:
            return
        self._has_failed = True
        of_length = "" if length is None else f" for the length {length}"
        reason = startup.tensorflow_reason(error) or (
            f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        )
        logging.getLogger(__name__).warning(
            "XLA could not compile the training step%s. Such steps run "
            "uncompiled, as with --config.trainer.jit_compile=never: %s",
            of_length,
            reason,
        )


def _problem(args, lengths):
    """Returns why shapes cannot be known ahead, or `None`."""
    if any(isinstance(x, tf.RaggedTensor) for x in tf.nest.flatten(args)):
        return "targets are ragged, so that each batch has its own shape"
    if not lengths:
        return (
            "`training_lengths` of the inputs does not name the lengths of "
            "batches"
        )
    return None


def _unknown_length(args):
    """Returns the first dimension that is unknown in the trace, or `None`."""
    for x in tf.nest.flatten(args, expand_composites=True):
        if x is None:
            continue
        for axis, size in enumerate(x.shape):
            if size is None:
                return tf.shape(x)[axis]
    return None
