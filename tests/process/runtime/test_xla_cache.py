"""A second process loads what XLA compiled in the first."""

import subprocess
import sys

# The environment is set before TensorFlow is imported, so not in a process that
# is forked from one that has imported it.
PROGRAM = """
import pathlib
import sys

from trainers.runtime import xla_cache

xla_cache.keep_in(pathlib.Path(sys.argv[1]), device_types="CPU")
import tensorflow as tf

from trainers.training import compiling

for _ in range(int(sys.argv[2])):
    tf.constant(1) + tf.constant(2)
weights = tf.Variable(tf.ones([4, 4]))


@tf.custom_gradient
def doubled(x):
    return 2 * x, lambda dy: 2 * dy


def step(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(doubled(x @ weights))
    weights.assign_sub(tape.gradient(loss, weights))
    return loss


compiler = compiling.InBackground([3, 5], 1)
called = tf.function(lambda x: compiler(step, x), autograph=False)
called.get_concrete_function(tf.TensorSpec([None, 4]))
compiler.wait()
print(compiler.is_compiled(3), compiler.is_compiled(5))
print(float(called(tf.ones([3, 4]))))
"""


def test_another_process_finds_it_under_the_same_name(user_env, tmp_path):
    """Although it has run other ops before."""
    directory = tmp_path / "xla" / "version"

    def run(num_ops):
        words = [sys.executable, "-c", PROGRAM, str(directory), str(num_ops)]
        done = subprocess.run(
            words, env=user_env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "True True\n96.0\n"
        return {
            file.name: (file.stat().st_ino, file.stat().st_mtime_ns)
            for file in directory.glob("xla_compile_cache__*")
        }

    first = run(0)
    assert len(first) == 2
    damaged = min(first)
    (directory / damaged).write_bytes(b"")
    second = run(7)
    assert second.keys() == first.keys()
    assert second.pop(damaged) != first.pop(damaged)
    assert second == first
