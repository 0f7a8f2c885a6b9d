"""Whole runs in this process, small ones."""

import io
import json
import logging
import os
import shutil
import signal

import keras
import numpy as np
import own_kinds
import pytest
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from trainers import tasks
from trainers.config import experiment
from trainers.config import files as files_lib
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.run.best_weights import BestWeights
from trainers.runtime.signals import Stopped
from trainers.training import fitting
from trainers.training import steps
from trainers.training import trainer as trainer_lib


def smoke(**trainer):
    config = files_lib.load("configs/mnist_mlp.py:smoke")
    for name, value in trainer.items():
        setattr(config.trainer, name, value)
    return config


def quick(**trainer):
    """Four steps an epoch, and nothing that only shows or measures them."""
    config = smoke(trackers=(), **trainer)
    config.data.train = "train[:100]"
    config.data.validation = config.data.test = "none"
    return config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Config, directory and metrics of one finished run. Read-only."""
    config = smoke(epochs=3, best_metric="roc_auc")
    workdir = tmp_path_factory.mktemp("run")
    return config, workdir, trainer_lib.train_and_evaluate(config, workdir)


def test_a_home_is_found_in_the_paths_of_a_config(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = smoke()
    config.data.path = "~/none"
    with pytest.raises(ConfigError) as error:
        trainer_lib.train_and_evaluate(config, "~/run")
    assert str(error.value) == (
        f"`--config.data.path` must exist. Received: '{tmp_path}/none'."
    )
    assert (tmp_path / "run").is_dir()
    assert config.data.path == "~/none"


def weights_of(workdir):
    (path,) = (workdir / "best").iterdir()
    with np.load(path / "weights.npz") as archive:
        return {name: archive[name] for name in archive.files}


def test_smoke_learns_and_fills_the_work_directory(run):
    config, workdir, metrics = run
    assert json.loads((workdir / "metrics.json").read_text()) == metrics
    assert sorted(metrics) == ["test", "train", "validation"]
    assert metrics["train"]["steps"] == 3 * 16  # 500 / 32 = 15.6
    assert metrics["train"]["epochs"] == metrics["train"]["best_epoch"] == 3
    assert metrics["test"]["num_examples"] == 100
    assert metrics["test"]["accuracy"] > 0.7  # One in ten by guessing.
    assert metrics["test"]["loss"] < 1.5 < np.log(10)
    cells = metrics["test"]["confusion_matrix"]
    assert list(cells) == [str(digit) for digit in range(10)]
    assert sum(sum(row.values()) for row in cells.values()) == 100
    right = sum(row.get(digit, 0) for digit, row in cells.items())
    assert right / 100 == metrics["test"]["accuracy"]
    saved = experiment.from_json((workdir / "config.json").read_text())
    # The choice of the machine is in the place of `auto`.
    assert saved == config.with_overrides({"trainer.jit_compile": "never"})
    labels = json.loads((workdir / "labels.json").read_text())
    assert labels == [str(digit) for digit in range(10)]


def test_one_seed_gives_equal_bits_and_another_seed_others(tmp_path):
    runs = {}
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        config = quick()
        config.seed = seed
        config.model.dropout = 0.2
        config.data.random_shift = 0.1
        config.data.random_rotation = 10.0
        trainer_lib.train_and_evaluate(config, tmp_path / name)
        runs[name] = weights_of(tmp_path / name)
    for path, array in runs["a"].items():
        assert array.tobytes() == runs["b"][path].tobytes(), path
        assert array.tobytes() != runs["c"][path].tobytes(), path


@pytest.mark.parametrize(
    "settings",
    [
        {
            "trainer.dtype_policy": "mixed_bfloat16",
            "data.global_batch_size": 1000,
            "data.test": "none",
        },
        {"data.validation": "none", "data.test": "test[:1]"},
        {
            "trainer.strategy": "mirrored",
            "trainer.dtype_policy": "mixed_float16",
            "optimizer.name": "adamw",
            "optimizer.schedule": "cosine",
            "optimizer.warmup_steps": 5,
            "model.l2": 1e-4,
        },
    ],
    ids=lambda settings: ",".join(f"{k}={v}" for k, v in settings.items()),
)
def test_setting_trains_to_a_lower_loss(settings, tmp_path):
    config = smoke(epochs=2, trackers=())
    for name, value in settings.items():
        part, _, leaf = name.partition(".")
        setattr(getattr(config, part), leaf, value)
    metrics = trainer_lib.train_and_evaluate(config, tmp_path)
    splits = {"train"} | {
        name
        for name in ("validation", "test")
        if getattr(config.data, name) != "none"
    }
    assert set(metrics) == splits
    measured = metrics[min(splits - {"train"})]
    assert np.isfinite(measured["loss"])
    # ln 10 = 2.30 is the loss of a guess; a single step, of the batch that
    # is larger than the data, gets below it too.
    assert measured["loss"] < 2.25


def test_nan_stops_the_run_and_keeps_the_last_good_weights(tmp_path):
    config = smoke(epochs=5, trackers=())
    config.optimizer.name = "sgd"
    # Explodes after some epochs and not at once.
    config.optimizer.learning_rate = 1e12
    with pytest.raises(RunError) as error:
        trainer_lib.train_and_evaluate(config, tmp_path)
    message = str(error.value)
    assert message.startswith("`loss` became nan by step 16 of the epoch.")
    assert "Lower --config.optimizer.learning_rate" in message
    assert not (tmp_path / "metrics.json").exists()
    assert not (tmp_path / "export").exists()


def test_early_stopping_ends_the_run_and_the_best_epoch_is_kept(
    smoke_workdir, tmp_path
):
    """With the bits of a run of that epoch alone, in another process."""
    config = smoke(
        epochs=30,
        early_stopping_patience=2,
        best_metric="accuracy",
        # Nothing is better than the first epoch by so much.
        early_stopping_min_delta=0.9,
        trackers=(),
    )
    metrics = trainer_lib.train_and_evaluate(config, tmp_path)
    assert metrics["train"]["epochs"] == 3
    assert metrics["train"]["best_epoch"] == 1
    assert [p.name for p in (tmp_path / "best").iterdir()] == ["step-00000016"]
    once = json.loads((smoke_workdir / "metrics.json").read_text())
    assert metrics["test"] == once["test"]
    here, there = weights_of(tmp_path), weights_of(smoke_workdir)
    assert here.keys() == there.keys()
    for path, array in here.items():
        assert array.tobytes() == there[path].tobytes(), path


def test_a_second_run_in_a_work_directory_is_refused_where_that_is_wanted(
    smoke_workdir,
):
    with pytest.raises(ConfigError) as error:
        trainer_lib.train_and_evaluate(smoke(resume="never"), smoke_workdir)
    assert str(error.value) == (
        "`--workdir` must not contain a run with "
        "--config.trainer.resume=never. Received: "
        f"'{smoke_workdir}', which does. Choose another name, delete "
        "it, or resume the run with --config.trainer.resume=auto."
    )


def test_a_run_that_has_to_go_on_is_refused_where_there_is_none(tmp_path):
    with pytest.raises(ConfigError) as error:
        trainer_lib.train_and_evaluate(smoke(resume="must"), tmp_path)
    assert str(error.value) == (
        "`--workdir` must contain a run with a checkpoint for "
        f"--config.trainer.resume=must. Received: '{tmp_path}', which "
        "does not."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_again_trains_nothing_and_has_the_same_results(
    run, tmp_path, caplog
):
    config, workdir, first = run
    shutil.copytree(workdir, tmp_path, dirs_exist_ok=True)
    files = ("history.json", "labels.json", "config.json")
    before = {name: (tmp_path / name).read_bytes() for name in files}
    weights = weights_of(tmp_path)
    with caplog.at_level(logging.INFO, "trainers.training.beginning"):
        again = trainer_lib.train_and_evaluate(config, tmp_path)
    # That of both processes.
    seconds = {"seconds": again["train"]["seconds"]}
    assert again == first | {"train": first["train"] | seconds}
    assert caplog.messages == [
        "continuing from step 48 of 48: the end of training"
    ]
    assert {name: (tmp_path / name).read_bytes() for name in files} == before
    for path, array in weights_of(tmp_path).items():
        assert array.tobytes() == weights[path].tobytes(), path


class SignalAt(io.StringIO):
    """A stderr that sends this process SIGTERM at a line."""

    def __init__(self, words):
        super().__init__()
        self._words = words

    def write(self, text):
        if self._words in text:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().write(text)


def without_times(metrics):
    times = ("seconds", "epoch_seconds", "examples_per_second")
    train = {n: v for n, v in metrics["train"].items() if n not in times}
    return metrics | {"train": train}


def test_a_signal_stops_a_run_and_the_same_call_resumes_it(
    tmp_path, monkeypatch, caplog
):
    config = quick(epochs=3, save_every_steps=5)
    # The plateau and the best epoch are found there.
    config.data.validation = "validation[:100]"
    config.model.dropout = 0.2
    config.optimizer.ema_momentum = 0.9
    config.optimizer.plateau_patience = 1
    whole = trainer_lib.train_and_evaluate(config, tmp_path / "whole")
    run = tmp_path / "run"
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", SignalAt("epoch 2/3: "))
        with pytest.raises(Stopped) as error:
            trainer_lib.train_and_evaluate(config, run)
    assert str(error.value) == (
        "Stopped by SIGTERM after step 8; the same command resumes from there."
    )
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (run / "metrics.json").exists()
    with caplog.at_level(logging.INFO, "trainers.training.beginning"):
        metrics = trainer_lib.train_and_evaluate(config, run)
    assert "continuing from step 8 of 12: epoch 3 of 3, step 0 of 4" in (
        caplog.messages
    )
    assert without_times(metrics) == without_times(whole)
    expected = weights_of(tmp_path / "whole")
    for path, array in weights_of(run).items():
        assert array.tobytes() == expected[path].tobytes(), path


def test_a_run_resumes_with_a_state_that_json_changes(tmp_path):
    config = quick()
    config.data.test = "test[:100]"
    config.task = own_kinds.KeyedLabelsConfig()
    metrics = trainer_lib.train_and_evaluate(config, tmp_path)
    labels = json.loads((tmp_path / "labels.json").read_text())
    assert labels == {str(digit): [str(digit)] for digit in range(10)}
    again = trainer_lib.train_and_evaluate(config, tmp_path)
    assert without_times(again) == without_times(metrics)


def test_another_setting_is_refused_and_the_run_stays_as_it_is(
    smoke_workdir, tmp_path
):
    shutil.copytree(smoke_workdir, tmp_path, dirs_exist_ok=True)
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    config = smoke(epochs=2)
    config.seed = 5
    with pytest.raises(ConfigError) as error:
        trainer_lib.train_and_evaluate(config, tmp_path)
    assert str(error.value) == (
        f"`--workdir` '{tmp_path}' contains a run that differs, and a run can "
        "only resume unchanged. Undo the differences, or choose another "
        "--workdir:\n`--config.seed` was 42. Received: 5.\n"
        "`--config.trainer.epochs` was 1. Received: 2."
    )
    for path, time in files.items():
        assert path.is_dir() or path.stat().st_mtime_ns == time, path


def read_events(workdir, run):
    accumulator = event_accumulator.EventAccumulator(
        str(workdir / "tensorboard" / run), {"tensors": 0, "graph": 1}
    )
    accumulator.Reload()
    return accumulator


def scalar(accumulator, tag):
    return [
        (
            event.step,
            float(np.frombuffer(event.tensor_proto.tensor_content, "<f4")[0]),
        )
        if event.tensor_proto.tensor_content
        else (event.step, event.tensor_proto.float_val[0])
        for event in accumulator.Tensors(tag)
    ]


def test_tensorboard_has_curves_graph_images_matrix_and_hparams(run):
    _, workdir, metrics = run
    train = read_events(workdir, "train")
    validation = read_events(workdir, "validation")
    for accumulator, tags in (
        (
            train,
            [
                "loss",
                "accuracy",
                "learning_rate",
                "examples_per_second",
                "input_wait_share",
            ],
        ),
        (validation, ["loss", "accuracy", "macro_f1"]),
    ):
        for tag in tags:
            steps = [step for step, _ in scalar(accumulator, tag)]
            assert steps == [16, 32, 48], tag
    assert scalar(train, "learning_rate")[0][1] == pytest.approx(1e-3)
    # The best epoch is the last here, and so is what it was measured at.
    assert metrics["train"]["best_epoch"] == 3
    assert scalar(validation, "accuracy")[2][1] == pytest.approx(
        metrics["validation"]["accuracy"]
    )
    names = [node.name for node in train.Graph().node]
    assert any("hidden_0" in name for name in names)
    assert any("logits" in name for name in names)
    (images,) = train.Tensors("input")
    # Width, height, then a PNG an image.
    shown = list(images.tensor_proto.string_val)
    assert shown[:2] == [b"28", b"28"] and len(shown) == 2 + 16
    assert all(png.startswith(b"\x89PNG") for png in shown[2:])
    matrices = validation.Tensors("confusion_matrix")
    assert [event.step for event in matrices] == [16, 32, 48]
    assert matrices[0].tensor_proto.string_val[2].startswith(b"\x89PNG")
    start = plugin_data_pb2.HParamsPluginData.FromString(
        validation.SummaryMetadata(
            "_hparams_/session_start_info"
        ).plugin_data.content
    )
    hparams = start.session_start_info.hparams
    assert hparams["optimizer.learning_rate"].number_value == 1e-3
    assert hparams["model.hidden_dims"].string_value == "64,64"
    assert "_hparams_/session_end_info" in validation.Tags()["tensors"]


def test_damaged_weights_are_reported(smoke_workdir, tmp_path):
    shutil.copytree(smoke_workdir / "best", tmp_path / "best")
    (path,) = (tmp_path / "best").iterdir()
    content = bytearray((path / "weights.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (path / "weights.npz").write_bytes(content)
    with pytest.raises(RunError, match="weights.npz: missing or damaged."):
        BestWeights(tmp_path / "best").restore(
            fitting.make_network(smoke(), 10)
        )


def test_model_of_another_shape_than_the_data_is_refused(tmp_path):
    config = smoke(trackers=())
    config.data.source = "npz"
    config.data.path = str(tmp_path / "small.npz")
    np.savez(
        config.data.path,
        x_train=np.zeros((40, 8, 8), np.uint8),
        y_train=np.arange(40) % 2,
    )
    config.data.train = config.data.validation = config.data.test = ""
    with pytest.raises(ValueError) as error:
        trainer_lib.train_and_evaluate(config, tmp_path / "run")
    assert str(error.value) == (
        "split train: images must have the model's shape (28, 28). "
        "Received: (8, 8). Set --config.model.image_shape=8,8"
    )
    config.model.image_shape = (8, 8)
    metrics = trainer_lib.train_and_evaluate(config, tmp_path / "run")
    assert metrics["train"]["steps"] == 1
    assert metrics["test"]["num_examples"] == 4


def test_float16_scales_the_loss(tmp_path):
    config = smoke(dtype_policy="mixed_float16")
    task = tasks.make_task(config)
    model = fitting.make_training_model(
        fitting.make_network(config, 10), config, task, steps.Steps(32, 16, 1)
    )
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.optimizer.iterations == 0
    # 2**15, Keras's first guess.
    assert float(model.optimizer.scale_loss(1.0)) == 32768.0


def test_refused_steps_leave_no_run_in_the_work_directory(tmp_path):
    with pytest.raises(ConfigError, match="steps_per_execution"):
        trainer_lib.train_and_evaluate(quick(steps_per_execution=7), tmp_path)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["data_report.json", "lock"]
    trainer_lib.train_and_evaluate(quick(), tmp_path)


def test_pictures_of_a_padded_batch_are_labelled_without_padding(tmp_path):
    config = smoke()
    config.data.train = "train[:5]"
    config.data.validation = config.data.test = "none"
    trainer_lib.train_and_evaluate(config, tmp_path)
    train = read_events(tmp_path, "train")
    (images,) = train.Tensors("input")
    assert len(images.tensor_proto.string_val) == 2 + 5
    text = train.SummaryMetadata("input").summary_description
    labels = text.removeprefix("First batch, left to right: ").split(", ")
    assert sorted(labels) == ["0", "1", "3", "4", "8"]


@pytest.mark.parametrize(
    "metric, message",
    [
        (
            "per_class/ten/recall",
            "`--config.trainer.best_metric` must be per_class/NAME/METRIC "
            "with a class of the data. Received: 'per_class/ten/recall'. "
            "Choices: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9.",
        ),
        (
            "f1",
            "`--config.trainer.best_metric` must be one of loss, accuracy, "
            "macro_precision, macro_recall, macro_f1, micro_precision, "
            "micro_recall, micro_f1, weighted_precision, weighted_recall, "
            "weighted_f1, roc_auc, pr_auc, or per_class/NAME/METRIC with one "
            "of precision, recall, f1, roc_auc, pr_auc. Received: 'f1'.",
        ),
    ],
)
def test_an_unknown_best_metric_is_refused_before_training(
    metric, message, tmp_path
):
    with pytest.raises(ConfigError) as error:
        trainer_lib.train_and_evaluate(smoke(best_metric=metric), tmp_path)
    assert str(error.value) == message
    assert not (tmp_path / "config.json").exists()


def test_a_metric_that_validation_does_not_define_is_refused_before_training(
    tmp_path,
):
    labels = np.array([0, 1] * 10 + [1] * 5)
    images = np.random.default_rng(0).integers(0, 256, (25, 28, 28), np.uint8)
    np.savez(
        tmp_path / "images.npz",
        x_train=images[:20],
        y_train=labels[:20],
        x_test=images[20:],
        y_test=labels[20:],
    )
    config = smoke(trackers=()).with_overrides(
        {
            "data.source": "npz",
            "data.path": str(tmp_path / "images.npz"),
            "data.train": "train",
            "data.validation": "test",
            "data.test": "none",
        }
    )
    workdir = tmp_path / "run"
    for metric, reason in (
        ("roc_auc", "has only examples of the class '1'"),
        ("pr_auc", "has only examples of the class '1'"),
        ("per_class/0/recall", "has no example of the class '0'"),
    ):
        config.trainer.best_metric = metric
        with pytest.raises(ConfigError) as error:
            trainer_lib.train_and_evaluate(config, workdir)
        assert str(error.value) == (
            "`--config.trainer.best_metric` must be a metric that differs "
            "between models on the validation split. Received: "
            f"{metric!r}, but the split {reason}. Choose another metric, for "
            "example --config.trainer.best_metric=loss, or name another split "
            "with --config.data.validation."
        )
        assert not (workdir / "config.json").exists()
    # The advice helps.
    config.trainer.best_metric = "loss"
    trainer_lib.train_and_evaluate(config, workdir)


def test_a_run_keeps_the_epoch_that_is_best_by_its_metric(run):
    config, workdir, metrics = run
    values = scalar(read_events(workdir, "validation"), "roc_auc")
    by_epoch = [value for _, value in values]
    best = by_epoch.index(max(by_epoch)) + 1
    assert metrics["train"]["best_epoch"] == best
    assert metrics["validation"]["roc_auc"] == pytest.approx(max(by_epoch))
