"""22: files of an attacker run no code and reach no other files."""

import io
import json
import pickle
import shutil
import tarfile
import zipfile

import fault_runs
import hf_presets
import keras
import numpy as np
import pytest
from absl.testing import flagsaver

from trainers.config import files
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.errors import RunError
from trainers.evaluation import evaluator
from trainers.prediction import rows as rows_lib
from trainers.run.workdir import Workdir
from trainers.runtime import atomic
from trainers.serving import exporter
from trainers.training import checkpointing

# What may change, as `halfway` had it, so that config.json stays equal.
SAVED_AS_HALFWAY = (
    "--config.trainer.save_every_steps=8",
    "--config.trainer.keep_checkpoints=3",
)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.fixture
def marker(tmp_path):
    """A file that is made by code that must not run."""
    return tmp_path / "code_ran"


@pytest.fixture
def workdir(halfway, tmp_path):
    return shutil.copytree(halfway, tmp_path / "run")


@pytest.fixture
def finished(reference_workdir, tmp_path):
    return shutil.copytree(reference_workdir, tmp_path / "run")


def seal(path):
    """Writes the manifest that fits what is in a directory now."""
    facts, _ = atomic.read_manifest(path)
    moved = path.rename(path.with_name("being-sealed"))
    atomic.publish(moved, path, facts)
    atomic.verify(path)


def with_pickle(file, marker):
    with np.load(file) as archive:
        arrays = dict(archive)
    arrays[next(iter(arrays))] = np.array(Bomb(marker), dtype=object)
    np.savez(file, **arrays)


def test_a_bomb_goes_off_where_it_is_let(tmp_path, marker):
    """Else the tests below would show nothing."""
    np.savez(tmp_path / "a.npz", x=np.zeros(1))
    with_pickle(tmp_path / "a.npz", marker)
    with np.load(tmp_path / "a.npz", allow_pickle=True) as archive:
        archive["x"].item().close()
    assert marker.exists()


def test_a_checkpoint_with_a_pickle_is_damaged(
    workdir, run_words, reference, marker, caplog
):
    path = workdir / "checkpoints" / "step-00000027"
    with_pickle(path / "arrays.npz", marker)
    seal(path)
    fault_runs.train(run_words)
    assert not marker.exists()
    assert caplog.messages[0] == (
        f"checkpoint step-00000027 is damaged and not used: {path}/arrays.npz: "
        "not an archive of arrays: Object arrays cannot be loaded when "
        "allow_pickle=False"
    )
    assert fault_runs.outcome(workdir) == reference


def test_best_weights_with_a_pickle_are_refused(finished, marker):
    (path,) = Workdir(finished).best.steps.paths().values()
    with_pickle(path / "weights.npz", marker)
    seal(path)
    config = files.load(str(finished / "config.json"))
    for call in (evaluator.evaluate, exporter.export_best):
        with pytest.raises(RunError) as error:
            call(config, finished)
        assert str(error.value) == (
            f"{path}/weights.npz: not an archive of arrays: Object arrays "
            "cannot be loaded when allow_pickle=False"
        )
    assert not marker.exists()


def test_names_that_lead_out_of_an_archive_are_but_names(
    workdir, run_words, tmp_path, caplog
):
    path = workdir / "checkpoints" / "step-00000027"
    with zipfile.ZipFile(path / "arrays.npz", "a") as archive:
        data = io.BytesIO()
        np.save(data, np.zeros(3))
        archive.writestr("../../../evil.npy", data.getvalue())
    seal(path)
    before = fault_runs.tree(tmp_path)
    with pytest.raises(RunError) as error:
        fault_runs.train([*run_words, *SAVED_AS_HALFWAY])
    assert str(error.value) == (
        "the checkpoint does not fit the model: ../../../evil (3,) float64, "
        "the model has none."
    )
    assert fault_runs.tree(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["../../../outside", "/etc/hostname", "../step-00000024/run.json"]
)
def test_a_manifest_that_names_other_files_is_damage(
    name, workdir, tmp_path, caplog
):
    (tmp_path / "outside").write_text("secret")
    path = workdir / "checkpoints" / "step-00000027"
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"][name] = manifest["files"]["run.json"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    found = checkpointing.restore_latest(Workdir(workdir), manifest["run"])
    assert found.step == 24
    (line,) = caplog.messages
    assert line.startswith("checkpoint step-00000027 is damaged and not used: ")
    assert "secret" not in line


def tamper_position(run):
    run["position"]["batch"] = 10**9


def tamper_epoch(run):
    run["position"]["epoch"] = -5


def tamper_types(run):
    run["position"] = {"epoch": "0", "batch": [1], "stopped": None}


def tamper_callbacks(run):
    run["callbacks"] = {}


def tamper_history(run):
    run["callbacks"]["History"] = 7


def tamper_tensorboard(run):
    run["callbacks"]["Tracking"]["tensorboard"] = {"../../config.json": 0}


@pytest.mark.parametrize(
    "tamper",
    [
        *(tamper_position, tamper_epoch, tamper_types),
        *(tamper_callbacks, tamper_history, tamper_tensorboard),
    ],
)
def test_a_tampered_run_json_ends_with_an_error_message(
    tamper, workdir, run_words, tmp_path
):
    """The hashes match; nothing outside changes, and no traceback appears."""
    path = workdir / "checkpoints" / "step-00000027"
    run = json.loads((path / "run.json").read_text())
    tamper(run)
    (path / "run.json").write_text(json.dumps(run))
    seal(path)
    config = (workdir / "config.json").read_bytes()

    def without_end(callback):
        raise AssertionError("the run continues after its end")

    try:
        with fault_runs.at_step(41, without_end):
            fault_runs.train([*run_words, *SAVED_AS_HALFWAY])
    except (ConfigError, DataError, RunError) as error:
        assert str(error)
    assert (workdir / "config.json").read_bytes() == config


@pytest.fixture(scope="module")
def lambda_file(tmp_path_factory):
    """A `.keras` file whose code makes a file when it is loaded."""
    directory = tmp_path_factory.mktemp("lambda")
    marker = str(directory / "code_ran")
    layer = keras.layers.Lambda(lambda x: (open(marker, "w").close(), x)[1])
    model = keras.Sequential([keras.Input((2,)), layer])
    (directory / "code_ran").unlink()  # It ran while the model was built.
    model.save(directory / "model.keras")
    return directory / "model.keras"


def archive_with_dots(file):
    """Writes an archive with `../` names, of the kind of its suffix."""
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("../escaped.txt", "out")
            archive.writestr("../../escaped.txt", "out")
    else:
        with tarfile.open(file, "w:gz") as archive:
            info = tarfile.TarInfo("../escaped.txt")
            info.size = 3
            archive.addfile(info, io.BytesIO(b"out"))
    return file


def as_preset(place):
    return [
        "--config=configs/bert_classifier.py:smoke",
        f"--config.model.encoder.preset={place}",
    ]


@pytest.mark.parametrize("kind", ["keras", "pickle", "zip", "tar"])
def test_a_file_is_no_preset(kind, tmp_path, lambda_file, marker, run_command):
    if kind == "keras":
        file = lambda_file
    elif kind == "pickle":
        file = tmp_path / "pytorch_model.bin"
        file.write_bytes(pickle.dumps(Bomb(marker)))
    else:
        suffix = {"zip": "zip", "tar": "tar.gz"}[kind]
        file = archive_with_dots(tmp_path / f"model.{suffix}")
    run = run_command(
        "trainers.train", *as_preset(file), f"--workdir={tmp_path / 'run'}"
    )
    assert (run.returncode, run.stdout) == (2, "")
    # Before it come warnings about settings that the preset replaces.
    lines = [x for x in run.stderr.splitlines() if not x.startswith("warning")]
    assert lines == [
        "error: `--config.model.encoder.preset` must be a directory. "
        f"Received: '{file}', a file."
    ]
    for place in (tmp_path, tmp_path.parent, lambda_file.parent):
        assert not (place / "code_ran").exists()
        assert not (place / "escaped.txt").exists()


def test_weights_of_pytorch_cannot_run_code(tmp_path, marker, run_command):
    path = hf_presets.write_hf(tmp_path / "bert", hf_presets.HF_BERT)
    (path / "model.safetensors").unlink()
    with zipfile.ZipFile(path / "pytorch_model.bin", "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"a": Bomb(marker)}))
    run = run_command(
        "trainers.train", *as_preset(path), f"--workdir={tmp_path / 'run'}"
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines()[-1] == (
        "error: `--config.model.encoder.preset` cannot be used. Received: "
        f"'{path}': pytorch_model.bin cannot be read: it contains "
        f"{open.__module__}.open, and only tensors are safe."
    )
    assert not marker.exists()
    assert not (tmp_path / "run").exists()


_BERT = {
    "model_type": "bert",
    "vocab_size": 7,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "hidden_size": 4,
    "intermediate_size": 4,
    "max_position_embeddings": 64,
}
_VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n"


def refused_preset(directory, tmp_path):
    from trainers import flags
    from trainers import tasks

    with flagsaver.flagsaver():
        config, _, _ = flags.parse(
            ["trainers.train", *as_preset(directory)], ()
        )
    with pytest.raises(ConfigError) as error:
        task, _ = tasks.make_task(config).load(config.data)
        from trainers.training import fitting

        fitting.make_network(config, 3, task.inputs.model_config)
    return str(error.value)


def test_weights_in_a_pickle_are_not_read(tmp_path, marker):
    directory = tmp_path / "bert"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(_BERT))
    (directory / "vocab.txt").write_text(_VOCABULARY)
    (directory / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    message = refused_preset(directory, tmp_path)
    assert message == (
        "`--config.model.encoder.preset` cannot be used. Received: "
        f"{str(directory)!r}: pytorch_model.bin cannot be read: it contains "
        f"{open.__module__}.open, and only tensors are safe."
    )
    assert not marker.exists()


@pytest.mark.parametrize("place", ["dtype", "config", "class"])
def test_a_keras_preset_with_a_lambda_is_refused(
    place, tmp_path, lambda_file, marker
):
    """In KerasHub's own format, in which layers are in config.json."""
    with zipfile.ZipFile(lambda_file) as archive:
        config = json.loads(archive.read("config.json"))
    layer = config["config"]["layers"][-1]
    assert layer["class_name"] == "Lambda"
    facts = {
        "module": "keras_hub.src.models.bert.bert_backbone",
        "class_name": "BertBackbone",
        "registered_name": "keras_hub>BertBackbone",
        "config": {
            "vocabulary_size": 5,
            "num_layers": 1,
            "num_heads": 2,
            "hidden_dim": 4,
            "intermediate_dim": 4,
            "dropout": 0.1,
            "max_sequence_length": 64,
            "num_segments": 2,
        },
    }
    if place == "dtype":
        facts["config"]["dtype"] = layer
    elif place == "config":
        facts["config"]["layers"] = [layer]
    else:
        facts = layer | {"class_name": "Lambda"}
    directory = tmp_path / "bert"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(facts))
    message = refused_preset(directory, tmp_path)
    assert "--config.model.encoder.preset" in message
    assert not (lambda_file.parent / "code_ran").exists()


@pytest.mark.parametrize("kind", ["npz", "idx", "image_folder"])
@pytest.mark.parametrize("content", ["keras", "pickle", "zip", "tar"])
def test_a_file_of_code_is_no_data(
    kind, content, tmp_path, lambda_file, marker
):
    inside = tmp_path / "inside"
    inside.mkdir()
    file = inside / "data.npz"
    if content == "keras":
        shutil.copy(lambda_file, file)
    elif content == "pickle":
        file.write_bytes(pickle.dumps(Bomb(marker)))
    else:
        suffix = {"zip": "zip", "tar": "tar.gz"}[content]
        archive_with_dots(inside / f"x.{suffix}").rename(file)
    with pytest.raises((ConfigError, DataError)) as error:
        fault_runs.train(
            [
                *fault_runs.words(file, tmp_path / "run"),
                f"--config.data.source={kind}",
            ]
        )
    assert str(file) in str(error.value)
    for place in (tmp_path, inside, lambda_file.parent):
        assert not (place / "code_ran").exists()
        assert not (place / "escaped.txt").exists()


def test_data_with_a_pickle_is_refused(tmp_path, data_file, marker):
    file = shutil.copy(data_file, tmp_path / "data.npz")
    with_pickle(tmp_path / "data.npz", marker)
    with pytest.raises(DataError) as error:
        fault_runs.train(fault_runs.words(file, tmp_path / "run"))
    assert "Object arrays cannot be loaded" in str(error.value)
    assert not marker.exists()


LABELS = {
    "cut": b'["0", "1"',
    "numbers": b"[0, 1, 2]",
    "an_object": b'{"0": "a"}',
    "a_text": b'"abc"',
    "null": b"null",
    "too_few": b'["0", "1"]',
    "too_many": b'["0", "1", "2", "3"]',
    "twice_the_same": b'["0", "0", "1"]',
    "empty": b"",
    "no_utf8": b'["\xff", "1", "2"]',
    "deep": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("name", LABELS)
def test_tampered_labels_end_with_an_error_message(name, finished):
    (finished / "labels.json").write_bytes(LABELS[name])
    config = files.load(str(finished / "config.json"))
    for call in (evaluator.evaluate, exporter.export_best):
        with pytest.raises((ConfigError, RunError)):
            call(config, finished)
    assert list((finished / "export").glob("*/*")) == []


CONFIGS = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "a_list": lambda text: "[]",
    "unknown": lambda text: text.replace('"seed"', '"sead"'),
    "wrong_type": lambda text: text.replace('"seed": 42', '"seed": "x"'),
    "code": lambda text: text.replace('"seed": 42', '"seed": __import__("os")'),
    "huge_network": lambda text: text.replace("[\n      8\n    ]", "[9]"),
    "kind": lambda text: text.replace('"kind": "mnist_mlp"', '"kind": "os"'),
    "deep": lambda text: "[" * 100_000 + "]" * 100_000,
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_tampered_config_json_ends_with_an_error_message(
    name, finished, run_words
):
    file = finished / "config.json"
    text = file.read_text()
    assert CONFIGS[name](text) != text
    file.write_text(CONFIGS[name](text))
    with pytest.raises((ConfigError, RunError)) as error:
        config = files.load(str(file))
        evaluator.evaluate(config, finished)
    assert str(error.value)
    # Resuming the run is refused as well.
    with pytest.raises((ConfigError, RunError)) as error:
        fault_runs.train(run_words)
    assert str(error.value)


@pytest.mark.parametrize("module", ["evaluate", "export", "predict"])
def test_commands_say_it_in_a_line(module, halfway, tmp_path, run_command):
    workdir = shutil.copytree(halfway, tmp_path / "run")
    (workdir / "config.json").write_text('{"seed": 42, "model": 1}')
    more = ["--split=test"] if module == "predict" else []
    run = run_command(f"trainers.{module}", f"--workdir={workdir}", *more)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        f"error: `--config={workdir}/config.json` cannot be loaded: "
        "`config.model` must be an object. Received: 1.\n"
    )


def test_an_export_that_was_tampered_with_gives_no_answers(
    finished, tmp_path, monkeypatch
):
    from trainers.serving.proof import checker

    monkeypatch.setattr(checker, "check", lambda *args, **kwargs: None)
    config = files.load(str(finished / "config.json"))
    version = exporter.export_best(config, finished)
    file = version / "variables" / "variables.data-00000-of-00001"
    data = bytearray(file.read_bytes())
    data[200] ^= 1
    file.write_bytes(data)
    with pytest.raises((ConfigError, RunError)) as error:
        list(rows_lib.predict(version, None, split="test"))
    assert str(version) in str(error.value)


def test_a_vocabulary_that_was_tampered_with_is_not_exported(tmp_path):
    """Other ids of the same size would give other answers in silence."""
    rows = [f"cats {i} dogs,c{i % 2}\n" for i in range(40)]
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.csv").write_text(
            "text,label\n" + "".join(r.replace("cats", name) for r in rows)
        )
    workdir = tmp_path / "run"
    fault_runs.train(
        [
            "--config=configs/bert_classifier.py:smoke",
            f"--workdir={workdir}",
            f"--config.data.train={tmp_path}/train.csv",
            f"--config.data.validation={tmp_path}/validation.csv",
            f"--config.data.test={tmp_path}/test.csv",
            "--config.model.encoder.hidden_dim=8",
            "--config.model.encoder.num_layers=1",
            "--config.data.sequence_length=8",
        ]
    )
    file = workdir / "vocabulary.txt"
    pieces = file.read_text().splitlines()
    config = files.load(str(workdir / "config.json"))
    broken = {
        "empty": [],
        "without_unk": [p for p in pieces if p != "[UNK]"],
        "twice": [*pieces[:-1], pieces[0]],
        "longer": [*pieces, "more"],
        "other_order": [*pieces[:-2], pieces[-1], pieces[-2]],
    }
    let_through = []
    for name, lines in broken.items():
        file.write_text("".join(f"{line}\n" for line in lines))
        try:
            evaluator.evaluate(config, workdir)
            let_through.append(name)
        except (ConfigError, RunError) as error:
            assert str(error)
    assert let_through == []
