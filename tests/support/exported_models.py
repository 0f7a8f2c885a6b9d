"""Small models, exported to a directory and still in memory."""

import dataclasses
import json
import pathlib

import keras

import tfmodels
from trainers import tasks
from trainers.config import experiment
from trainers.config.data import ImageDataConfig
from trainers.config.data import TextDataConfig
from trainers.config.text_pairs import TextPairDataConfig
from trainers.objectives.regression import RegressionConfig
from trainers.serving import exporter

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghi", "##x", "!"]


@dataclasses.dataclass
class Exported:
    """A SavedModel, what it was made from, and what to ask it."""

    path: pathlib.Path
    functions: dict
    inputs: dict

    def cases(self, sizes=(1, 7)):
        """Returns questions, and the answers of the model in memory."""
        return [
            (name, rows, self.answer(name, rows))
            for name, fed in self.inputs.items()
            for rows in (
                {k: x[:size] for k, x in fed.items()} for size in sizes
            )
        ]

    def answer(self, name, fed):
        """Returns what the model in memory answers."""
        answer = self.functions[name](**fed)
        return {key: tensor.numpy() for key, tensor in answer.items()}


def save(directory, functions, inputs):
    """Exports functions."""
    path = directory / "model"
    path.mkdir()
    exporter.write_saved_model(path, functions)
    return Exported(path, functions, inputs)


def text_classifier(directory):
    """Exports a classifier with a tokenizer of 16 words and 3 classes."""
    encoder = tfmodels.EncoderConfig(
        num_layers=1, hidden_dim=8, intermediate_dim=16
    )
    config = experiment.ExperimentConfig(
        data=TextDataConfig(
            train="unused.csv", sequence_length=16, max_bytes=1000
        ),
        model=tfmodels.BertClassifierConfig(encoder=encoder, pooling="mean"),
    )
    (directory / "vocabulary.txt").write_text("\n".join(WORDS) + "\n")
    (directory / "encoder.json").write_text(
        json.dumps(dataclasses.asdict(encoder))
    )
    return _export(directory, config, ["ham", "spam", "猫"])


def image_classifier(directory):
    """Exports a classifier of images of 28x28 pixels and 3 classes."""
    config = experiment.ExperimentConfig(
        data=ImageDataConfig(),
        model=tfmodels.MnistMlpConfig(hidden_dims=(8,)),
    )
    return _export(directory, config, ["cat", "dog", "猫"])


def _export(directory, config, class_names):
    task = tasks.make_task(config)
    task = tasks.Task(
        task.inputs.restored(directory), task.objective.restored(class_names)
    )
    keras.utils.set_random_seed(1)
    network = task.inputs.model_config.build(len(class_names))
    # Larger than those at the start, that rows get different answers.
    for variable in network.trainable_variables:
        variable.assign(variable * 20)
    functions = task.make_signatures(network)
    return save(directory, functions, task.make_check_inputs(0))


def pair_regressor(directory):
    """Returns the functions of a model of pairs with numbers, and its task."""
    encoder = tfmodels.EncoderConfig(
        num_layers=1, hidden_dim=8, intermediate_dim=16
    )
    config = experiment.ExperimentConfig(
        data=TextPairDataConfig(
            train="unused.csv", sequence_length=16, max_bytes=1000
        ),
        task=RegressionConfig(),
        model=tfmodels.BertClassifierConfig(encoder=encoder, pooling="mean"),
    )
    (directory / "vocabulary.txt").write_text("\n".join(WORDS) + "\n")
    (directory / "encoder.json").write_text(
        json.dumps(dataclasses.asdict(encoder))
    )
    state = {"mean": 50, "deviation": 20, "minimum": 0, "maximum": 100}
    task = tasks.make_task(config)
    task = tasks.Task(
        task.inputs.restored(directory), task.objective.restored(state)
    )
    keras.utils.set_random_seed(1)
    network = task.inputs.model_config.build(1)
    for variable in network.trainable_variables:
        variable.assign(variable * 20)
    return task.make_signatures(network), task
