"""MLflow and Weights & Biases: a real run that is killed, stopped, resumed."""

import collections
import json
import pathlib
import signal

import commands
import mlflow
import pytest
import worker_runs
from wandb.proto import wandb_internal_pb2

from trainers.config import experiment
from trainers.config import tree
from trainers.training.trackers import mlflow_store
from trainers.training.trackers import wandb_run

STEPS = [16, 32, 48, 64]
# Ends the process after the numbers of an epoch, before its checkpoint.
SEND = """
import os
from trainers.training.tracking import Tracking
original = Tracking.on_epoch_end
def on_epoch_end(self, epoch, logs=None):
    original(self, epoch, logs)
    if epoch == {epoch}:
        os.kill(os.getpid(), {signal:d})
Tracking.on_epoch_end = on_epoch_end
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory, user_env):
    """Directory of a user with a run, and its MLflow status after each life."""
    directory = tmp_path_factory.mktemp("user")
    env = {
        name: value
        for name, value in user_env.items()
        if not name.startswith(("MLFLOW_", "WANDB_"))
    } | {"NETRC": str(directory / "netrc")}
    statuses = []
    for code, expected in (
        (SEND.format(epoch=1, signal=signal.SIGKILL), -signal.SIGKILL),
        (SEND.format(epoch=2, signal=signal.SIGTERM), 75),
        ("", 0),
    ):
        ended = commands.run(
            "trainers.train",
            "--config=configs/mnist_mlp.py:smoke",
            "--workdir=digits",
            "--config.trainer.epochs=4",
            "--config.trainer.trackers=mlflow,wandb",
            "--config.model.dropout=0.2",
            env=env,
            cwd=directory,
            code=worker_runs.QUICK_EXPORT + code,
        )
        assert ended.returncode == expected, ended.stderr
        lines = ended.stderr.splitlines()
        assert [line for line in lines if line.startswith("warning")] == []
        assert (
            f"wandb is offline: send the run with `cd {directory}/digits && "
            "wandb sync`" in lines
        )
        statuses.append(mlflow_run(directory)[1].info.status)
    assert ended.stdout == "digits/export/mnist_mlp/1\n"
    return directory, statuses


def mlflow_run(directory):
    """Returns the client, and the only run of the only experiment."""
    client = mlflow.MlflowClient(f"sqlite:///{directory}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist_mlp")
    (found,) = client.search_runs([experiment.experiment_id])
    return client, found


def history(directory):
    return json.loads((directory / "digits" / "history.json").read_text())


def test_mlflow_has_each_point_once_in_one_run(run):
    directory, statuses = run
    assert statuses == ["RUNNING", "KILLED", "FINISHED"]
    client, found = mlflow_run(directory)
    assert found.info.run_name == "digits"
    for name, key in (
        ("train/loss", "loss"),
        ("validation/accuracy", "val_accuracy"),
        ("validation/macro_f1", "val_macro_f1"),
        ("train/learning_rate", None),
    ):
        points = client.get_metric_history(found.info.run_id, name)
        assert [point.step for point in points] == STEPS, name
        if key:
            values = [epoch[key] for epoch in history(directory)]
            assert [point.value for point in points] == values
    metrics = json.loads((directory / "digits" / "metrics.json").read_text())
    (point,) = client.get_metric_history(found.info.run_id, "test/accuracy")
    assert point.value == metrics["test"]["accuracy"]
    assert point.step == 16 * metrics["train"]["best_epoch"]


def test_mlflow_has_settings_pictures_and_files(run):
    directory, _ = run
    client, found = mlflow_run(directory)
    config = experiment.from_json(
        (directory / "digits" / "config.json").read_text()
    )
    assert found.data.params.keys() == {
        name.removeprefix("config.") for name, _, _ in tree.leaves(config)
    }
    assert found.data.params["model.hidden_dims"] == "64,64"
    assert found.data.params["model.dropout"] == "0.2"
    version = directory / "digits" / "export" / "mnist_mlp" / "1"
    assert found.data.tags["export"] == str(version)
    run_id = found.info.run_id
    files = {file.path for file in client.list_artifacts(run_id)}
    assert files == {
        *("MODEL_CARD.md", "manifest.json", "config.json", "metrics.json"),
        *("data_report.json", "first_batch.png", "images"),
    }
    card = version.parent / "MODEL_CARD.md"
    logged = client.download_artifacts(run_id, card.name, directory)
    assert pathlib.Path(logged).read_text() == card.read_text()
    pictures = [
        mlflow_store._PICTURE.search(file.path)
        for file in client.list_artifacts(run_id, "images")
    ]
    assert sorted(int(found[2]) for found in pictures if found) == STEPS


def offline_records(directory):
    """Yields the records of all offline files, in their order."""
    for file in sorted(directory.glob("digits/wandb/offline-run-*/*.wandb")):
        for data in wandb_run._records(file.read_bytes()):
            yield wandb_internal_pb2.Record.FromString(data)


def texts(items):
    """Returns JSON by name."""
    return {i.key or "/".join(i.nested_key): i.value_json for i in items}


def test_wandb_has_each_point_once_in_one_run(run):
    directory, _ = run
    rows, runs, summary = collections.defaultdict(list), set(), {}
    for record in offline_records(directory):
        if record.HasField("run"):
            names = record.run.project, record.run.display_name
            runs.add((record.run.run_id, *names))
            config = {item.key for item in record.run.config.update}
            assert "model.dropout" in config
        if record.HasField("history"):
            row = texts(record.history.item)
            rows[record.history.step.num].append(row)
        summary |= texts(record.summary.update)
    facts = json.loads((directory / "digits/tracking/wandb.json").read_text())
    assert runs == {(facts["run_id"], "mnist_mlp", "digits")}
    # The images of step 0 were still in the memory of wandb when it was killed.
    assert list(rows) == STEPS
    for step, epoch in zip(STEPS, history(directory), strict=True):
        (row,) = rows[step]
        assert json.loads(row["train/loss"]) == epoch["loss"]
        assert json.loads(row["validation/loss"]) == epoch["val_loss"]
    assert "validation/confusion_matrix/path" in rows[64][0]
    metrics = json.loads((directory / "digits" / "metrics.json").read_text())
    assert json.loads(summary["test/loss"]) == metrics["test"]["loss"]
    assert summary["export"].endswith('/digits/export/mnist_mlp/1"')


def test_mlflow_takes_every_name_and_length(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    # Paths of artifacts are beside the current directory.
    monkeypatch.chdir(tmp_path)
    config = experiment.ExperimentConfig()
    config.data.path = "p" * 7000
    names = [
        *(
            "C#",
            "a:b",
            "a:3a:b",
            "..",
            "a/../b",
            "/",
            "per_class//f1",
            "日本語",
            "x\ny",
        ),
        *("n" * 300, "n" * 301, "100 %", "per_class/ham & spam/f1"),
    ]
    values = {name: float(i) for i, name in enumerate(names)}
    for step in (4, 8):
        tracker = mlflow_store.Mlflow(tmp_path)
        tracker.begin(config, ("train",), None)
        for repeated in (4, step):
            tracker.numbers(repeated, "train", values)
            tracker.flush(repeated)
            tracker.numbers(repeated, "train", {"rare": float("nan")})
            tracker.text(repeated, "class_numbers", f"| #{step} | 猫 |")
            tracker.flush(repeated)
    client = mlflow.MlflowClient()
    (found,) = client.search_runs(
        [client.get_experiment_by_name("mine").experiment_id]
    )
    text = client.download_artifacts(
        found.info.run_id, "class_numbers.md", tmp_path
    )
    assert pathlib.Path(text).read_text(encoding="utf-8") == "| #8 | 猫 |"
    assert found.data.params["data.path"] == "p" * 497 + "..."
    assert len(found.data.metrics) == len(names) + 1
    for name, value in values.items():
        key = mlflow_store.metric_name("train", name)
        points = client.get_metric_history(found.info.run_id, key)
        assert [(p.step, p.value) for p in points] == [(4, value), (8, value)]
    facts = json.loads((tmp_path / "tracking" / "mlflow.json").read_text())
    # The address of a server can contain a password.
    assert facts == {"run_id": found.info.run_id}


def test_two_runs_can_create_the_store_of_mlflow_together(tmp_path, user_env):
    code = (
        "import pathlib, sys\n"
        "from trainers.config import experiment\n"
        "from trainers.training.trackers import mlflow_store\n"
        "for name in sys.argv[1:]:\n"
        "    tracker = mlflow_store.Mlflow(pathlib.Path(name))\n"
        "    tracker.workdir.mkdir()\n"
        "    tracker.begin(experiment.ExperimentConfig(), ('train',), None)\n"
        "    for step in range(20):\n"
        "        tracker.numbers(step, 'train', {'loss': 1.0})\n"
        "        tracker.flush(step)\n"
    )
    env = {n: v for n, v in user_env.items() if not n.startswith("MLFLOW_")}
    processes = [
        commands.start("", name, env=env, cwd=tmp_path, code=code)
        for name in ("a", "b")
    ]
    for process in processes:
        with process:
            _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = [
        e for e in client.search_experiments() if e.name != "Default"
    ]
    found = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in found) == ["a", "b"]
    for run in found:
        assert (
            len(client.get_metric_history(run.info.run_id, "train/loss")) == 20
        )


def test_a_class_with_a_strange_name_stays_readable():
    name = mlflow_store.metric_name("validation", "per_class/C#/recall")
    assert name == "validation/per_class/C:23:/recall"
    name = mlflow_store.metric_name("validation", "per_class/a b-c.d/f1")
    assert name == "validation/per_class/a b-c.d/f1"


def test_wandb_never_asks_at_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert wandb_run._mode() == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_run._mode() == "disabled"
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(RuntimeError, match="needs WANDB_API_KEY or `wandb log"):
        wandb_run._mode()
