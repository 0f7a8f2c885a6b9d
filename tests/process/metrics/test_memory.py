"""Memory of metrics does not grow with examples times classes."""

import commands
import pytest

CODE = """
import pathlib
import re
import numpy as np
import sklearn.metrics
from trainers.metrics import classification

def peak():
    # Not `getrusage`: its peak contains that of the process of the test.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search("VmHWM:\\s*(\\d+) kB", status)[1]) * 1024

def batches(num_examples, num_classes):
    rng = np.random.default_rng(0)
    for start in range(0, num_examples, 256):
        rows = min(256, num_examples - start)
        yield (
            rng.integers(0, num_classes, rows).astype(np.int32),
            rng.random((rows, num_classes), np.float32),
        )

# A forked process begins with the peak of the process that forked it.
pathlib.Path("/proc/self/clear_refs").write_text("5")
names = [str(i) for i in range({num_classes})]
# What is allocated once.
classification.metrics_of_batches(batches(100, len(names)), names)
before = peak()
metrics = classification.metrics_of_batches(
    batches({num_examples}, len(names)), names, max_bytes=2**20
)
print(metrics["num_examples"], peak() - before)
"""


@pytest.mark.parametrize(
    "num_examples, num_classes, most_mb",
    [
        # In float64, the scores are 80 MB, and there were several such arrays.
        (20_000, 500, 60),
        # Less than 200 bytes for each example, and 30 MB.
        (200_000, 50, 70),
    ],
)
def test_memory_is_bounded(num_examples, num_classes, most_mb, user_env):
    code = CODE.format(num_examples=num_examples, num_classes=num_classes)
    run = commands.run("", code=code, env=user_env)
    assert run.returncode == 0, run.stderr
    counted, grown = map(int, run.stdout.split())
    assert counted == num_examples
    assert grown < most_mb * 10**6
