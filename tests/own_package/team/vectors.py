"""Rows of numbers as inputs, from a CSV file, and a network for them."""

import csv
import dataclasses
import json
import pathlib
import typing

import numpy as np

from tfmodels.model_config import ModelConfig
from tfmodels.settings import setting
from trainers.config.data import DataConfig
from trainers.data import report
from trainers.data import targets
from trainers.data.examples import Examples
from trainers.data.examples import Splits
from trainers.data.places import Places
from trainers.errors import ConfigError
from trainers.tasks.inputs.inputs import Inputs


@dataclasses.dataclass(slots=True)
class VectorDataConfig(DataConfig):
    """Numbers in CSV files without a header; the last column is the label."""

    inputs: typing.ClassVar[str] = "team.vectors:Vectors"
    check_files: typing.ClassVar[str] = "team.vectors:check_files"
    model_part: typing.ClassVar[str] = "num_features"

    train: str = setting("", "File to train on.", is_path=True)
    validation: str = setting(
        "none", "File that selects the best epoch.", is_path=True
    )
    test: str = setting("none", "File that measures the result.", is_path=True)
    global_batch_size: int = setting(32, "Rows in a step.", at_least=1)


@dataclasses.dataclass(slots=True)
class LinearConfig(ModelConfig):
    """One dense layer."""

    num_features: int = setting(2, "Numbers in a row.", at_least=1)

    def build(self, num_outputs):
        """Builds the network.

        Args:
            num_outputs: int. Number of logits.
        """
        import keras

        vector = keras.Input((self.num_features,), name="vector")
        logits = keras.layers.Dense(num_outputs, dtype="float32")(vector)
        return keras.Model({"vector": vector}, logits, name="linear")


def check_files(data):
    """Checks that the files exist.

    Args:
        data: `VectorDataConfig`.
    """
    for name in ("train", "validation", "test"):
        path = getattr(data, name)
        if path != "none" and not pathlib.Path(path).is_file():
            raise ConfigError(
                f"`--config.data.{name}` must be a file. Received: {path!r}."
            )


class Vectors(Inputs):
    """Rows of numbers. A served row is a JSON list."""

    example_features = ("numbers",)

    def load(self, data, objective):
        """Loads the splits; see `Inputs.load`."""
        raw = {
            name: _read(getattr(data, name), objective)
            for name in ("train", "validation", "test")
            if getattr(data, name) != "none"
        }
        objective, splits = targets.fit(objective, raw)
        keys = {
            name: report.content_keys(examples.features["vector"])
            for name, examples in splits.items()
        }
        found = targets.check(objective, splits, keys=keys)
        return self, objective, Splits(report=found, **splits)

    def load_raw(self, data, split, objective, run_data=None):
        """Loads one split or another file; see `Inputs.load_raw`."""
        examples = _read(getattr(data, split, split), objective)
        _, splits = targets.fit(objective, {split: examples})
        return splits[split]

    def preprocess(self, features):
        """Returns the numbers themselves; see `Inputs.preprocess`."""
        return features

    def signatures(self):
        """Returns `serving_default`; see `Inputs.signatures`."""
        import tensorflow as tf

        spec = tf.TensorSpec((None,), tf.string, name="numbers")
        return {"serving_default": ([spec], self.from_example)}

    def from_example(self, rows):
        """Returns the numbers of rows such as `[1, 2.5]`.

        Args:
            rows: string[batch].
        """
        import tensorflow as tf

        size = self.model_config.num_features
        inside = tf.strings.regex_replace(rows, r"[\[\] ]", "")
        words = tf.strings.split(inside, ",").to_tensor("0", shape=(None, size))
        return {"vector": tf.strings.to_number(words)}

    def make_check_inputs(self, seed):
        """Returns rows of random numbers; see `Inputs.make_check_inputs`."""
        from trainers.tasks import example_signatures

        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(100, self.model_config.num_features)).round(3)
        rows = [json.dumps(row).encode() for row in rows.tolist()]
        return {
            "serving_default": {"numbers": np.array(rows, dtype=object)},
            "examples": example_signatures.check_inputs(numbers=rows),
        }

    @classmethod
    def read_rows(cls, file, data):
        """Yields a row for each line of a file; see `Inputs.read_rows`."""
        lines = pathlib.Path(file).read_bytes().splitlines()
        for number, line in enumerate(lines, 1):
            place = {"example": f"{file}, line {number}"}
            yield place, {"numbers": b"[%s]" % line}

    def request_of(self, features):
        """Returns the request for a batch; see `Inputs.request_of`."""
        rows = [json.dumps(row).encode() for row in features["vector"].tolist()]
        return "serving_default", {"numbers": rows}

    def describe(self):
        """Returns the inputs in words."""
        return f"rows of {self.model_config.num_features} numbers"


def _read(path, objective):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    raw = np.empty(len(rows), object)
    raw[:] = [objective.parse({"label": row[-1]}) for row in rows]
    vectors = np.array([row[:-1] for row in rows], np.float32)
    places = Places.numbered(f"{path}, line ", range(1, len(rows) + 1))
    return Examples({"vector": vectors}, raw, places)
