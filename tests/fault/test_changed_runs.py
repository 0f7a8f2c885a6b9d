"""8: a changed run is not resumed."""

import dataclasses
import json
import pathlib
import shutil

import fault_runs
import numpy as np
import pytest
import tensorflow as tf
from repository import ROOT

import tfmodels
from trainers.distribution import strategies
from trainers.errors import ConfigError
from trainers.errors import RunError

_HEAD = (
    "`--workdir` {!r} contains a run that differs, and a run can only resume "
    "unchanged. Undo the differences, or choose another --workdir:\n"
)


@pytest.fixture(scope="module")
def stopped_run(data_file, tmp_path_factory):
    """A directory with a file of data and its run, stopped after step 13."""
    directory = tmp_path_factory.mktemp("own")
    file = pathlib.Path(shutil.copy(data_file, directory / "data.npz"))
    fault_runs.stopped(fault_runs.words(file, directory / "run"), 13)
    return directory


@pytest.fixture
def own_file(stopped_run):
    """The file of the run, which a test may change."""
    yield from restored(stopped_run / "data.npz")


@pytest.fixture
def workdir(stopped_run):
    """The work directory of the run. Read-only."""
    return stopped_run / "run"


def restored(file):
    """Yields a file, and writes its content again afterwards."""
    content = file.read_bytes()
    yield file
    file.write_bytes(content)


def refused(all_words, workdir, lines):
    before = fault_runs.tree(workdir)
    with pytest.raises(ConfigError) as error:
        fault_runs.train(all_words)
    assert str(error.value) == _HEAD.format(str(workdir)) + lines
    assert fault_runs.tree(workdir) == before


@pytest.mark.parametrize(
    "word, was, received",
    [
        ("config.seed=43", "42", "43"),
        ("config.model.hidden_dims=9", "(8,)", "(9,)"),
        ("config.model.dropout=0.3", "0.2", "0.3"),
        ("config.model.activation=tanh", "'relu'", "'tanh'"),
        ("config.optimizer.name=sgd", "'adam'", "'sgd'"),
        ("config.optimizer.learning_rate=0.1", "0.001", "0.1"),
        ("config.trainer.epochs=5", "4", "5"),
        ("config.trainer.dtype_policy=mixed_bfloat16", "'float32'", None),
        ("config.trainer.strategy=mirrored", "'auto'", "'mirrored'"),
        ("config.data.global_batch_size=16", "8", "16"),
        ("config.data.train=train[:70]", "'train'", "'train[:70]'"),
        ("config.data.random_shift=0.2", "0.1", "0.2"),
        ("config.export.name=other", "'mnist_mlp'", "'other'"),
    ],
)
def test_another_setting_is_refused_by_its_name(
    word, was, received, halfway, data_file
):
    name, _, value = word.partition("=")
    refused(
        fault_runs.words(data_file, halfway, f"--{word}"),
        halfway,
        f"`--{name}` was {was}. Received: {received or repr(value)}.",
    )


def change(file, **arrays):
    with np.load(file) as archive:
        np.savez(file, **(dict(archive) | arrays))


def a_pixel(file, arrays):
    images = arrays["x_train"]
    images[17, 3, 3] ^= 1
    change(file, x_train=images)
    return "the split train had 80 examples. Received: 80 examples, other ones."


def a_label(file, arrays):
    labels = arrays["y_validation"]
    labels[5] = (labels[5] + 1) % 3
    change(file, y_validation=labels)
    return (
        "the split validation had 20 examples. Received: 20 examples, other "
        "ones."
    )


def a_row_more(file, arrays):
    change(
        file,
        x_train=np.concatenate([arrays["x_train"], arrays["x_train"][:1]]),
        y_train=np.concatenate([arrays["y_train"], arrays["y_train"][:1]]),
    )
    return (
        "the split train had 80 examples. Received: 81 examples, not the same."
    )


def other_order(file, arrays):
    change(file, x_test=arrays["x_test"][::-1], y_test=arrays["y_test"][::-1])
    return "the split test had 20 examples. Received: 20 examples, other ones."


def other_content(file, arrays):
    fault_runs.write_data(file, seed=1)
    return "\n".join(
        f"the split {name} had {n} examples. Received: {n} examples, other "
        "ones."
        for name, n in (("train", 80), ("validation", 20), ("test", 20))
    )


def class_names(file, arrays):
    change(file, class_names=np.array(["a", "b", "c"]))
    return "the classes were 0, 1, 2. Received: a, b, c."


@pytest.mark.parametrize(
    "change_fn",
    [a_pixel, a_label, a_row_more, other_order, other_content, class_names],
)
def test_other_data_under_the_same_name_is_refused(
    change_fn, workdir, own_file
):
    with np.load(own_file) as archive:
        lines = change_fn(own_file, dict(archive))
    refused(fault_runs.words(own_file, workdir), workdir, lines)


def test_data_that_cannot_be_read_leaves_the_run_as_it_was(workdir, own_file):
    before = fault_runs.tree(workdir)
    content = own_file.read_bytes()
    own_file.write_bytes(content[:-100])
    with pytest.raises(Exception, match="not an .npz archive"):
        fault_runs.train(fault_runs.words(own_file, workdir))
    assert fault_runs.tree(workdir) == before


def test_the_command_ends_with_two_and_what_differs(
    workdir, own_file, user_env
):
    with np.load(own_file) as archive:
        a_row_more(own_file, dict(archive))
    before = fault_runs.tree(workdir)
    run = fault_runs.run(user_env, "", fault_runs.words(own_file, workdir))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines() == [
        *("error: " + x for x in _HEAD.format(str(workdir)).splitlines()),
        "error: the split train had 80 examples. Received: 81 examples, not "
        "the same.",
    ]
    assert fault_runs.tree(workdir) == before


def test_another_number_of_replicas_is_refused(
    data_file, tmp_path, monkeypatch
):
    all_words = fault_runs.words(
        data_file, tmp_path / "run", "--config.trainer.strategy=mirrored"
    )
    with monkeypatch.context() as patch:
        patch.setattr(
            strategies,
            "_mirrored",
            lambda gpus: tf.distribute.MirroredStrategy(
                ["CPU:0"], tf.distribute.ReductionToOneDevice()
            ),
        )
        fault_runs.stopped(all_words, 3)
    refused(
        all_words,
        tmp_path / "run",
        "the run was on 1 replicas. Received: 2. Give it as many: GPUs with "
        "CUDA_VISIBLE_DEVICES, workers with --num_workers or TF_CONFIG.",
    )


def test_what_may_change_does_not_change_the_end(
    halfway, data_file, tmp_path, reference
):
    workdir = shutil.copytree(halfway, tmp_path / "run")
    more = (
        "--config.trainer.save_every_steps=3",
        "--config.trainer.save_every_seconds=1",
        "--config.trainer.keep_checkpoints=5",
        "--config.trainer.resume=must",
    )
    fault_runs.train(fault_runs.words(data_file, workdir, *more))
    assert fault_runs.outcome(workdir) == reference


def test_equal_data_at_another_place_does_not_change_the_end(
    halfway, data_file, tmp_path, reference, monkeypatch
):
    """Moved, named from another directory, and with another file around it."""
    workdir = shutil.copytree(halfway, tmp_path / "run")
    shutil.copy(data_file, tmp_path / "moved.npz")
    config = workdir / "config.json"
    shipped = ROOT / "configs" / "mnist_mlp.py"
    monkeypatch.chdir(tmp_path)
    more = f"--config={shipped}", "--config.trainer.save_every_steps=8"
    words = fault_runs.words("./moved.npz", "run", *more)
    assert json.loads(config.read_text())["data"]["path"] == str(data_file)
    fault_runs.train(words)
    assert fault_runs.outcome(workdir) == reference
    # The file follows, so that evaluation finds the data.
    assert json.loads(config.read_text())["data"]["path"] == "./moved.npz"


class _OutOfMemoryError(Exception):
    """An error that ends a start, such as too little memory."""


def fail(callback):
    raise _OutOfMemoryError


def test_a_start_that_failed_in_its_first_step_blocks_nothing(
    data_file, tmp_path, reference
):
    """Other settings, other data, and no trace of the first start.

    Only a run that must resume does not begin.
    """
    workdir = tmp_path / "run"
    fault_runs.write_data(tmp_path / "other.npz", seed=1)
    more = (
        "--config.data.global_batch_size=16",
        "--config.trainer.trackers=tensorboard,csv",
    )
    first = fault_runs.words(tmp_path / "other.npz", workdir, *more)
    with fault_runs.at_step(1, fail), pytest.raises(_OutOfMemoryError):
        fault_runs.train(first)
    assert fault_runs.steps(workdir) == [0]
    first.append("--config.trainer.resume=never")
    with fault_runs.at_step(1, fail), pytest.raises(_OutOfMemoryError):
        fault_runs.train(first)
    events = list(workdir.glob("tensorboard/*/events*"))
    assert events != []
    words = fault_runs.words(data_file, workdir)
    with pytest.raises(ConfigError) as error:
        fault_runs.train([*words, *more, "--config.trainer.resume=must"])
    assert str(error.value) == (
        "`--workdir` must contain a checkpoint of this run for "
        f"--config.trainer.resume=must. Received: {str(workdir)!r}, with the "
        "start of another run. Start with --config.trainer.resume=auto."
    )
    assert fault_runs.steps(workdir) == [0]
    fault_runs.train([*words, "--config.trainer.resume=auto"])
    assert fault_runs.outcome(workdir) == reference
    assert not any(file.exists() for file in events)
    report = json.loads((workdir / "data_report.json").read_text())
    assert report["splits"]["train"]["examples"] == 80
    assert not (workdir / "tracking").exists()


def test_a_start_that_was_refused_blocks_nothing(
    data_file, tmp_path, reference, monkeypatch
):
    """After `config.json` is written, as for the weights of a preset."""

    def refuse(config, network):
        raise ValueError("no such weights")

    workdir = tmp_path / "run"
    with monkeypatch.context() as patch:
        kind = tfmodels.MnistMlpConfig
        patch.setattr(kind, "load_pretrained", refuse)
        with pytest.raises(ConfigError, match="no such weights"):
            fault_runs.train(
                fault_runs.words(data_file, workdir, "--config.seed=43")
            )
    assert (workdir / "config.json").exists()
    fault_runs.train(fault_runs.words(data_file, workdir))
    assert fault_runs.outcome(workdir) == reference


def test_a_network_of_other_code_is_refused_by_its_variables(
    halfway, data_file, monkeypatch
):
    original = tfmodels.MnistMlpConfig.build

    def build(config, num_outputs):
        changed = dataclasses.replace(config, hidden_dims=(9,))
        return original(changed, num_outputs)

    monkeypatch.setattr(tfmodels.MnistMlpConfig, "build", build)
    before = fault_runs.tree(halfway)
    with pytest.raises(RunError) as error:
        fault_runs.train(
            fault_runs.words(
                data_file,
                halfway,
                "--config.trainer.save_every_steps=8",
                "--config.trainer.keep_checkpoints=3",
            )
        )
    text = str(error.value)
    assert text.startswith("the checkpoint does not fit the model: model/")
    assert "(64, 8) float32, the model has (64, 9) float32" in text
    assert fault_runs.tree(halfway) == before


_TEXTS = ("cats purr and sleep", "dogs bark and run", "birds sing and fly")
_PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] and cats dogs birds purr run"


def text_words(directory):
    """Returns the flags of a tiny encoder over a vocabulary in a file."""
    return [
        "--config=configs/bert_classifier.py:smoke",
        f"--workdir={directory / 'run'}",
        f"--config.data.train={directory}/train.csv",
        f"--config.data.validation={directory}/validation.csv",
        f"--config.data.test={directory}/test.csv",
        f"--config.model.encoder.vocabulary={directory}/vocabulary.txt",
        "--config.model.encoder.vocabulary_size=100",
        "--config.model.encoder.hidden_dim=8",
        "--config.model.encoder.num_heads=2",
        "--config.model.encoder.num_layers=1",
        "--config.model.encoder.intermediate_dim=8",
        "--config.data.sequence_length=8",
        "--config.data.global_batch_size=8",
    ]


@pytest.fixture(scope="module")
def stopped_texts(tmp_path_factory):
    """A directory of texts, and a run on them that was stopped."""
    directory = tmp_path_factory.mktemp("texts")
    for name in ("train", "validation", "test"):
        rows = [f"{_TEXTS[i % 3]} {i} {name},c{i % 3}\n" for i in range(24)]
        (directory / f"{name}.csv").write_text("text,label\n" + "".join(rows))
    pieces = _PIECES.replace(" ", "\n") + "\n"
    (directory / "vocabulary.txt").write_text(pieces)
    fault_runs.stopped(text_words(directory), 2)
    return directory


@pytest.fixture
def vocabulary(stopped_texts):
    """The vocabulary of the run, which a test may change."""
    yield from restored(stopped_texts / "vocabulary.txt")


def test_another_vocabulary_in_the_same_file_is_refused(vocabulary):
    file, directory = vocabulary, vocabulary.parent
    # Two tokens swapped: as many ids for each text, but some ids differ.
    file.write_text(file.read_text().replace("cats\ndogs", "dogs\ncats"))
    workdir = directory / "run"
    before = fault_runs.tree(workdir)
    with pytest.raises(ConfigError) as error:
        fault_runs.train(text_words(directory))
    head, *lines = str(error.value).splitlines()
    assert head + "\n" == _HEAD.format(str(workdir))
    assert lines[:2] == [
        f"the content of `--config.model.encoder.vocabulary` {str(file)!r} has "
        "changed.",
        "vocabulary.txt has changed.",
    ]
    assert fault_runs.tree(workdir) == before


def test_other_places_of_vocabulary_and_tokens_do_not_change_the_end(
    stopped_texts, tmp_path
):
    """An equal vocabulary in another file, and another cache of tokens."""
    directory = shutil.copytree(stopped_texts, tmp_path / "texts")
    encoder = (directory / "run" / "encoder.json").read_bytes()
    moved = directory / "vocabulary.txt"
    moved = moved.rename(directory / "moved.txt")
    words = [
        *text_words(directory),
        f"--config.model.encoder.vocabulary={moved}",
    ]
    whole = f"--workdir={tmp_path / 'whole'}"
    fault_runs.train([*words, whole, "--config.data.cache_dir=none"])
    fault_runs.train([*words, f"--config.data.cache_dir={tmp_path / 'cache'}"])
    assert (directory / "run" / "encoder.json").read_bytes() == encoder
    ends = []
    for workdir in (directory / "run", tmp_path / "whole"):
        ends.append(fault_runs.outcome(workdir))
        assert "test" in ends[-1]["metrics"]
    assert ends[0] == ends[1]
