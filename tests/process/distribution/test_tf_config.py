"""Reading `TF_CONFIG` does not import TensorFlow."""

import subprocess
import sys


def test_reading_does_not_import_tensorflow():
    code = (
        "import sys; from trainers.distribution import tf_config; "
        "tf_config.read({}); "
        "print({'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "set()\n", "")
