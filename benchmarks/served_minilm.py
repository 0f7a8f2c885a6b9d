"""Makes an export, its rows and a server for the benchmarks of serving."""

import contextlib
import dataclasses
import subprocess
import sys

import numpy as np

from trainers.runtime import startup

SEQUENCE_LENGTH = 128


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows to send to an export.

    Attributes:
        signature: str. Name of the signature.
        key: str. Name of its input.
        values: list of bytes.
    """

    signature: str
    key: str
    values: list

    def take(self, number, size):
        """Returns the rows of a call; starts again after the last row."""
        first = number * size
        return [
            self.values[i % len(self.values)]
            for i in range(first, first + size)
        ]

    def fed(self, values):
        """Returns a dict with the inputs of the signature."""
        return {self.key: np.array(values, dtype=object)}


def make_export(scratch):
    """Exports MiniLM with a random head.

    Args:
        scratch: `pathlib.Path`. Directory for the run. Its new file
            `head.npz` contains the weights of the head.

    Returns:
        `pathlib.Path` of the directory of versions.
    """
    startup.import_tensorflow()
    import keras

    import tfmodels
    from trainers import tasks
    from trainers.config import files
    from trainers.run import best_weights
    from trainers.run.workdir import Workdir
    from trainers.serving import exporter

    config = files.load("configs/bert_classifier.py:minilm")
    config.trainer.dtype_policy = "float32"
    config.data.sequence_length = SEQUENCE_LENGTH
    task = tasks.make_task(config)
    task, _ = task.load(config.data)
    keras.utils.set_random_seed(config.seed)
    network = tfmodels.make_network(
        task.inputs.model_config, task.objective.num_outputs
    )
    task.inputs.model_config.load_pretrained(network)
    kernel, bias = network.get_layer("logits").weights
    kernel.assign(kernel * 10)  # Gives texts clearly different probabilities.
    np.savez(scratch / "head.npz", kernel=kernel, bias=bias)
    paths = Workdir(scratch / "run")
    paths.path.mkdir()
    paths.create(config, task.objective.state(), task.inputs.assets())
    paths.best.save(best_weights.arrays_of(network), step=0, facts={})
    return exporter.export_best(config, paths.path).parent


def read_rows(base):
    """Returns the `Rows` for an export: its warm-up images, or texts."""
    startup.import_tensorflow()
    from trainers.config.data import TextDataConfig
    from trainers.data.texts import reading
    from trainers.objectives.single_label import SingleLabelConfig
    from trainers.prediction import saved_model
    from trainers.serving import warmup

    requests = warmup.requests(saved_model.find_version(base))
    images = [fed[name] for name, fed in requests if name == "image_bytes"]
    if images:
        return Rows("image_bytes", "image_bytes", list(images[-1]))
    data = TextDataConfig(
        train="package://trainers.data.debian_packages/packages.csv.gz",
        validation="none",
        test="none",
    )
    objective = SingleLabelConfig().make_objective()
    splits, _ = reading.read_splits(data, objective)
    texts = splits["train"].features["text"]
    return Rows(
        "serving_default",
        "text",
        np.random.default_rng(0).permutation(texts).tolist(),
    )


def load_export(base, rows):
    """Returns a function from rows to probabilities, in this process."""
    startup.import_tensorflow()
    from trainers.prediction import saved_model

    model = saved_model.Predictor(base)
    return lambda values: model(rows.signature, rows.fed(values))[
        "probabilities"
    ]


@contextlib.contextmanager
def serving(base):
    """Yields the process of a local server and the URL of its model."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "trainers.serve"),
            f"--model_base_path={base}",
            "--port=0",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = server.stdout.readline().strip()
        if not url:
            sys.exit("error: the server did not start; see above.")
        yield server, url
    finally:
        server.terminate()
        server.communicate()
    if server.returncode:
        sys.exit(f"error: the server exited with code {server.returncode}.")
