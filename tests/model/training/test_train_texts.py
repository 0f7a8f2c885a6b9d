"""Whole runs on texts in this process, with a tiny encoder from scratch."""

import functools
import json
import re
import shutil

import hf_presets
import numpy as np
import pytest
import tagged_runs
from absl.testing import flagsaver
from safetensors import numpy as safetensors

import tfmodels
from trainers import flags
from trainers import tasks
from trainers.config import experiment
from trainers.config.data import TextDataConfig
from trainers.config.optimizer import OptimizerConfig
from trainers.config.trainer import TrainerConfig
from trainers.data import buckets
from trainers.distribution import strategies
from trainers.errors import ConfigError
from trainers.evaluation import evaluator
from trainers.run.workdir import Workdir
from trainers.serving import exporter
from trainers.serving.proof.fresh_process import SessionModel
from trainers.training import compiling
from trainers.training import fitting
from trainers.training import steps
from trainers.training import trainer

WORDS = {
    "ham": "meeting lunch report tomorrow thanks project".split(),
    "spam": "winner prize free click money offer".split(),
}


@pytest.fixture(scope="module")
def csv_file(tmp_path_factory):
    """200 rows: three of four are ham, 2 to 14 words long."""
    rng = np.random.default_rng(0)
    lines = ["text,label"]
    for row in range(200):
        label = "ham" if row % 4 else "spam"
        words = rng.choice(WORDS[label], rng.integers(2, 15))
        lines.append(f"{' '.join(words)} {row},{label}")
    file = tmp_path_factory.mktemp("data") / "mails.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def with_changes(config, **changes):
    """Returns a config after leaves of it are changed."""
    for name, value in changes.items():
        *parts, leaf = name.split("__")
        part = config
        for branch in parts:
            part = getattr(part, branch)
        setattr(part, leaf, value)
    return config


@pytest.fixture(scope="module")
def make_config(csv_file):
    """Makes a valid config with leaves changed: `optimizer__name="sgd"`."""

    def make(**changes):
        config = experiment.ExperimentConfig(
            seed=7,
            data=TextDataConfig(
                train=str(csv_file),
                sequence_length=16,
                global_batch_size=8,
                cache_dir=str(csv_file.parent / "cache"),
            ),
            model=tfmodels.BertClassifierConfig(
                encoder=tfmodels.EncoderConfig(
                    vocabulary_size=200,
                    num_layers=1,
                    hidden_dim=16,
                    intermediate_dim=32,
                    max_sequence_length=16,
                ),
                pooling="mean",
            ),
            optimizer=OptimizerConfig(
                name="adamw",
                learning_rate=0.01,
                schedule="linear",
                warmup_fraction=0.1,
                global_clipnorm=1.0,
            ),
            trainer=TrainerConfig(epochs=1, trackers=()),
        )
        return with_changes(config, **changes)

    return make


@pytest.fixture(scope="module")
def run(make_config, tmp_path_factory):
    """Config, directory and metrics of one finished run. Read-only."""
    workdir = tmp_path_factory.mktemp("run")
    config = make_config(trainer__epochs=3)
    return config, workdir, trainer.train_and_evaluate(config, workdir)


def weights_of(workdir):
    (path,) = (workdir / "best").iterdir()
    with np.load(path / "weights.npz") as archive:
        return {name: archive[name] for name in archive.files}


def assert_equal_weights(a, b, atol):
    assert a.keys() == b.keys()
    for path, array in a.items():
        np.testing.assert_allclose(
            array, b[path], rtol=0, atol=atol, err_msg=path
        )


def test_a_run_learns_and_fills_the_work_directory(run):
    config, workdir, metrics = run
    assert json.loads((workdir / "metrics.json").read_text()) == metrics
    assert sorted(metrics) == ["test", "train", "validation"]
    sizes = {n: metrics[n]["num_examples"] for n in ("validation", "test")}
    num_train = 200 - sum(sizes.values())
    assert 15 <= sizes["validation"] <= 25 and 15 <= sizes["test"] <= 25
    # Three of four by guessing.
    assert metrics["test"]["accuracy"] > 0.9
    assert sorted(metrics["test"]["per_class"]) == ["ham", "spam"]
    train = metrics["train"]
    assert train["steps"] == 3 * -(-num_train // 8)
    assert 0 < train["padding_share"] < 0.5
    rate = train["tokens_per_second"] / train["examples_per_second"]
    assert 4 < rate < 16  # Mean length, with the two around a text.
    paths = Workdir(workdir)
    assert paths.read_labels() == ["ham", "spam"]
    # Choices of the machine are in the place of `auto`.
    choices = {"trainer.jit_compile": "never", "data.padded_lengths": "many"}
    assert paths.read_config() == config.with_overrides(choices)
    assert {"vocabulary.txt", "encoder.json", "data_report.json"} <= {
        path.name for path in workdir.iterdir()
    }
    report = json.loads((workdir / "data_report.json").read_text())
    assert report["errors"] == []
    assert report["splits"]["train"]["examples"] == num_train


def test_a_run_needs_its_checkpoint_of_hugging_face_only_to_begin(
    make_config, tmp_path
):
    """The checkpoint has no pooler, and an added token."""
    words = [*hf_presets.VOCABULARY, *WORDS["ham"], *WORDS["spam"]]
    size = len(words)
    added = {size: {"content": "free click", "normalized": True}}
    path = hf_presets.write_hf(
        tmp_path / "bert",
        hf_presets.HF_BERT,
        {"added_tokens_decoder": added},
        [*words, "place"],
    )
    (path / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    tensors = safetensors.load_file(path / "model.safetensors")
    hf_presets.write_weights(
        path, {k: v for k, v in tensors.items() if "pooler" not in k}
    )
    config = make_config(
        model__encoder__preset=str(path),
        model__pooling="pooled",
        data__sequence_length=8,
    )
    run = tmp_path / "run"
    metrics = trainer.train_and_evaluate(config, run)
    shutil.rmtree(path)
    task = tasks.make_task(config)
    inputs = task.inputs.restored(run)
    (ids,) = inputs.tokenizer(["prize FREE  click free click"]).to_list()
    free, click = words.index("free"), words.index("click")
    assert ids == [words.index("prize"), free, click, size]
    found = evaluator.evaluate(config, run, "test")
    assert found == metrics["test"]
    network, _ = evaluator.load_best(
        tasks.restore_task(config, Workdir(run)), Workdir(run)
    )
    token_ids = inputs.tokenizer(["prize free click"])
    features = inputs.preprocess({"token_ids": token_ids})
    served = SessionModel(exporter.export_best(config, run))(
        "serving_default", {"text": [b"prize free click"]}
    )
    expected = network(features, training=False)
    np.testing.assert_allclose(served["logits"], expected, atol=1e-6)


def test_evaluating_a_finished_run_gives_its_metrics(run):
    config, workdir, metrics = run
    found = evaluator.evaluate(config, workdir, "validation")
    assert found == metrics["validation"]


def test_an_evaluation_in_another_type_says_what_it_changes(run, caplog):
    config, workdir, metrics = run
    with caplog.at_level("INFO", logger="trainers"):
        found = evaluator.evaluate(
            config, workdir, "validation", dtype_policy="mixed_bfloat16"
        )
    exact = metrics["validation"]
    assert found.keys() == exact.keys() and found != exact
    assert found["loss"] == pytest.approx(exact["loss"], rel=0.01)
    report, line = caplog.messages
    assert report.startswith("validation:\n")
    words = re.fullmatch(
        r"validation: mixed_bfloat16 against float32, on all (\d+) examples: "
        r"class_id differs in (\d+), label differs in (\d+), logits by up to "
        r"(\S+), probabilities by up to (\S+)",
        line,
    )
    count, *changed, logits, probabilities = map(float, words.groups())
    assert count == exact["num_examples"]
    assert changed[0] == changed[1] <= count / 10
    assert 0 < probabilities < logits < 0.1


@pytest.mark.parametrize("strategy", ["one_device", "mirrored"])
def test_every_example_of_an_evaluation_has_its_line(strategy, run, csv_file):
    """Through the cache, a split by hash, batches by length and replicas."""
    config, workdir, _ = run
    _, splits = tasks.make_task(config).load(config.data)
    paths = Workdir(workdir)
    task = tasks.restore_task(config, paths)
    settings = TrainerConfig(strategy=strategy, num_logical_cpus=2)
    devices = strategies.make_strategy(settings)
    with devices.scope():
        network, _ = evaluator.load_best(task, paths)
    found = evaluator.Evaluator(network, task, splits.train, devices)
    batches = list(found.batches())
    rows = np.concatenate([rows for rows, _ in batches])
    labels = np.concatenate([kept["label"] for _, kept in batches])
    lines = csv_file.read_text().splitlines()
    for row, label in zip(rows, labels, strict=True):
        file, _, line = splits.train.places[row].rpartition(", line ")
        assert file == str(csv_file)
        name = task.objective.describe(label)
        assert lines[int(line) - 1].endswith(f",{name}")
    # By length, and not in the order of the file.
    lengths = task.inputs.lengths(splits.train)[rows]
    assert (np.diff(lengths) >= 0).all() and len(set(lengths)) > 5
    assert sorted(rows) == list(range(len(splits.train)))


# Without dropout, whose masks differ; with momentum, as Adam makes a step of
# full length from the rounding errors of a gradient that is 0.
STEADY = {
    "model__dropout": 0.0,
    "model__encoder__dropout": 0.0,
    "optimizer__name": "momentum",
    "optimizer__learning_rate": 0.1,
}


def test_weights_do_not_depend_on_how_a_step_is_computed(make_config, tmp_path):
    """Several steps in a call, or each alone on two replicas."""
    config = make_config(**STEADY)
    metrics = trainer.train_and_evaluate(config, tmp_path / "one")
    num_steps = metrics["train"]["steps"]
    assert steps.plan(config, num_steps * 8, 1).per_execution > 1
    config = make_config(
        **STEADY,
        trainer__steps_per_execution=1,
        trainer__strategy="mirrored",
    )
    trainer.train_and_evaluate(config, tmp_path / "two")
    assert_equal_weights(
        weights_of(tmp_path / "two"), weights_of(tmp_path / "one"), atol=1e-5
    )


def test_a_frozen_encoder_keeps_its_bits(make_config, tmp_path):
    config = make_config(
        model__encoder__frozen_layers=-1, data__sequence_length=8
    )
    trainer.train_and_evaluate(config, tmp_path)
    task = tasks.restore_task(config, Workdir(tmp_path))
    start = fitting.make_network(config, 2, task.inputs.model_config)
    after = weights_of(tmp_path)
    assert sorted(v.path for v in start.weights) == sorted(after)
    for variable in start.weights:
        is_equal = variable.numpy().tobytes() == after[variable.path].tobytes()
        assert is_equal != variable.path.startswith("logits/"), variable.path


def test_replicas_train_in_half_precision_to_a_good_result(
    make_config, tmp_path, caplog
):
    """With dropout in the encoder, and all that weighs the classes."""
    config = make_config(
        model__dropout=0.0,
        model__pooling="pooled",
        data__sequence_length=8,
        optimizer__accumulation_steps=2,
        task__label_smoothing=0.1,
        task__class_weights="balanced",
        trainer__best_metric="per_class/spam/recall",
        trainer__dtype_policy="mixed_bfloat16",
        trainer__epochs=2,
        trainer__strategy="mirrored",
    )
    metrics = trainer.train_and_evaluate(config, tmp_path)
    assert np.isfinite(metrics["test"]["loss"])
    assert metrics["test"]["roc_auc"] > 0.9
    assert "dropout" not in caplog.text


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"task__class_weights": "eggs=2"},
            "`--config.task.class_weights` must be none, balanced, or "
            "NAME=FACTOR,NAME=FACTOR with factors above 0. Received: "
            "'eggs=2', where 'eggs=2' is wrong. Names: ham, spam.",
        ),
        (
            {"trainer__best_metric": "per_class/eggs/f1"},
            "`--config.trainer.best_metric` must be per_class/NAME/METRIC "
            "with a class of the data. Received: 'per_class/eggs/f1'. "
            "Choices: ham, spam.",
        ),
        (
            {"optimizer__accumulation_steps": 3},
            "`--config.data.global_batch_size` must be a multiple of the 1 "
            "replicas, times the 3 parts of "
            "--config.optimizer.accumulation_steps. Received: 8. "
            "Choices: 6, 9.",
        ),
    ],
)
def test_what_does_not_fit_the_data_is_refused_before_training(
    changes, message, make_config, tmp_path
):
    with pytest.raises(ConfigError) as error:
        trainer.train_and_evaluate(make_config(**changes), tmp_path)
    assert str(error.value) == message
    assert not (tmp_path / "config.json").exists()
    assert not (tmp_path / "checkpoints").exists()


def make_tagged_config(directory, **changes):
    tagged_runs.write(directory)
    with flagsaver.flagsaver():
        words = tagged_runs.words(directory, directory / "run")
        config, _, _ = flags.parse(["trainers.train", *words])
    return with_changes(config, **changes)


@pytest.mark.parametrize("kind", ["texts", "tagged_texts"])
def test_each_length_of_texts_becomes_compiled(
    kind, make_config, tmp_path, monkeypatch
):
    """In the background, which changes nothing but rounding."""
    monkeypatch.setattr(buckets, "_SHORTEST_OF_FEW", 8)
    if kind == "tagged_texts":
        make_config = functools.partial(make_tagged_config, tmp_path)
    config = make_config(
        data__padded_lengths="few",
        trainer__jit_compile="background",
        # XLA can draw other masks.
        model__dropout=0.0,
        model__encoder__dropout=0.0,
        # Adam would make a step of full length from a rounding error.
        optimizer__name="momentum",
    )
    task, splits = tasks.load_splits(tasks.make_task(config), config, None)
    lengths = task.inputs.training_lengths(splits.train)
    assert sorted(lengths) == [8, 16]
    strategy = strategies.make_strategy(config.trainer)
    compiler = compiling.make(config.trainer, strategy, lengths)
    weights = []
    for called in (compiling.plain, compiler):
        network = fitting.make_network(
            config, task.objective.num_outputs, task.inputs.model_config
        )
        model = fitting.make_training_model(
            network, config, task, steps.Steps(8, 20, 2), called
        )
        model.make_train_function()
        batches = iter(fitting.make_dataset(config, task, splits.train, 8))
        for _ in range(10):
            model.train_function(batches)
            if called is compiler:
                compiler.wait()
        weights.append({v.path: v.numpy() for v in network.variables})
    assert compiler.is_compiled(8) and compiler.is_compiled(16)
    assert_equal_weights(*weights, atol=1e-5)
