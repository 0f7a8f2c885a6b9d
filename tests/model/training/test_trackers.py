"""The trackers of a run: what each gets, failures, resuming."""

import csv
import io
import json
import logging
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_runs
from repository import ROOT
from tensorboard.backend.event_processing import event_accumulator

from trainers import tasks
from trainers.config import files as files_lib
from trainers.errors import ConfigError
from trainers.objectives.objective import Objective
from trainers.objectives.single_label import SingleLabel
from trainers.runtime.columns import Ragged
from trainers.training import trainer as trainer_lib
from trainers.training.trackers import loading
from trainers.training.trackers.tracker import Tracker

EVENTS = []


class Recorder(Tracker):
    """Records the calls; its state is the number of steps that it saw."""

    def begin(self, config, splits, state):
        self.seen = state["seen"] if state else 0
        EVENTS.append(("begin", config.seed, splits, state))

    def graph(self, graph):
        EVENTS.append(("graph", len(graph.get_operations()) > 0))

    def examples(self, pixels, labels):
        EVENTS.append(("examples", pixels.shape, pixels.dtype.name, labels))

    def numbers(self, step, split, values):
        assert all(type(value) is float for value in values.values())
        EVENTS.append(("numbers", step, split, sorted(values)[:3]))

    def picture(self, step, name, pixels):
        assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
        EVENTS.append(("picture", step, name))

    def text(self, step, name, text):
        EVENTS.append(("text", step, name, text))

    def flush(self, step):
        self.seen += 1
        EVENTS.append(("flush", step))

    def get_state(self):
        return {"seen": self.seen}

    def end(self, step, metrics, export):
        EVENTS.append(("end", step, sorted(metrics), export))

    def stop(self, error):
        EVENTS.append(("stop", type(error).__name__))


class OnlyNumbers(Tracker):
    """Needs no graph, images and pictures."""

    def numbers(self, step, split, values):
        EVENTS.append((step, split))


class Failing(Tracker):
    """Raises an error in a method."""

    def __init__(self, workdir):
        super().__init__(workdir)
        setattr(self, self.method, self._fail)

    def _fail(self, *args):
        EVENTS.append(self.method)
        raise OSError("no space:\nnowhere")


class FailsToBegin(Failing):
    method = "begin"


class FailsToFlush(Failing):
    method = "flush"


class FailsAtNumbers(Failing):
    method = "numbers"


class FailsToSave(Failing):
    method = "get_state"


class FailsToEnd(Failing):
    method = "end"


class Rows(Objective):
    """Learns rows of two numbers; its words are those of `Objective`."""

    num_outputs = 2

    def state(self):
        return None

    def example_losses(self, targets, logits):
        return tf.reduce_mean((logits - targets) ** 2, axis=-1)

    def measure(self, batches):
        count = sum(len(batch["target"]) for batch in batches)
        return {"loss": 0.0, "num_examples": count}

    def describe(self, target):
        assert type(target) is np.ndarray
        return super().describe(target)


NOT_A_TRACKER = 7
RECORDER = f"{__name__}:Recorder"


@pytest.fixture(autouse=True)
def events():
    EVENTS.clear()
    return EVENTS


def live(workdir, *trackers, **kwargs):
    config = tiny_runs.make_config(
        trainer__trackers=trackers,
        trainer__save_every_steps=3,
        trainer__keep_checkpoints=100,
    )
    return tiny_runs.live(config, workdir, trackers=True, **kwargs)


def read_csv(workdir):
    text = (workdir / "tracking" / "numbers.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        row.pop("train/examples_per_second")
        row.pop("train/input_wait_share")
    return rows


# What a tracker gets.


def test_a_tracker_of_a_user_gets_everything_in_order(tmp_path, events):
    live(tmp_path, RECORDER)
    (examples,) = [event for event in events if event[0] == "examples"]
    assert examples[1:3] == ((4, 4, 4, 1), "uint8")
    assert set(examples[3]) <= {"a", "b", "c"} and len(examples[3]) == 4
    events.remove(examples)
    epochs = [
        event
        for step in (4, 8, 12)
        for event in (
            (
                "numbers",
                step,
                "train",
                [
                    "accuracy",
                    "examples_per_second",
                    "input_wait_share",
                ],
            ),
            ("numbers", step, "validation", ["accuracy", "loss", "macro_f1"]),
            ("picture", step, "confusion_matrix"),
            ("flush", step),
        )
    ]
    assert events == [
        ("begin", 42, ("train", "validation"), None),
        ("graph", True),
        ("flush", 0),
        *epochs,
        ("end", 12, ["test"], None),
    ]


def test_the_end_has_metrics_and_the_path_of_the_export(tmp_path, events):
    config = files_lib.load("configs/mnist_mlp.py:smoke")
    config.trainer.trackers = (RECORDER,)
    metrics = trainer_lib.train_and_evaluate(
        config, tmp_path, export_fn=lambda: tmp_path / "export" / "1"
    )
    assert metrics["train"]["best_epoch"] == 1
    assert events[-1] == (
        "end",
        16,
        ["test", "train", "validation"],
        tmp_path / "export" / "1",
    )


def test_nobody_draws_pictures_that_no_tracker_takes(
    tmp_path, events, monkeypatch
):
    from trainers.metrics import pictures
    from trainers.training import tracking

    for owner, name in (
        (pictures, "confusion_matrix"),
        (tracking.Tracking, "_graph"),
        (tracking.Tracking, "_examples"),
    ):
        monkeypatch.setattr(owner, name, None)
    live(tmp_path, f"{__name__}:OnlyNumbers", "csv")
    assert events == [
        (step, split)
        for step in (4, 8, 12)
        for split in ("train", "validation")
    ]


def test_no_tracker_writes_nothing(tmp_path):
    live(tmp_path)
    assert not (tmp_path / "tensorboard").exists()
    assert not (tmp_path / "tracking").exists()


# Failures.


def test_a_tracker_that_fails_is_a_warning_and_no_other_stops(
    tmp_path, events, caplog
):
    kinds = (
        FailsToBegin,
        FailsToFlush,
        FailsAtNumbers,
        FailsToSave,
        FailsToEnd,
    )
    names = [f"{__name__}:{kind.__name__}" for kind in kinds]
    life = live(tmp_path, *names, "csv", RECORDER)
    assert life.ended == "done"
    for kind in kinds:
        assert events.count(kind.method) == 1  # It is off after that.
    warnings = [
        r.message for r in caplog.records if r.levelno >= logging.WARNING
    ]
    assert sorted(warnings) == sorted(
        f"the tracker {name} failed and is off in this process: "
        "OSError: no space: nowhere"
        for name in names
    )
    assert [row["step"] for row in read_csv(tmp_path)] == ["4", "8", "12"]
    assert events[-1][0] == "end"


@pytest.mark.parametrize(
    "methods, named",
    [
        (("describe", "texts"), ("examples", "texts")),
        (("pictures",), ("pictures",)),
    ],
    ids=["describe_and_texts", "pictures"],
)
def test_what_an_objective_cannot_make_is_a_warning(
    methods, named, tmp_path, events, monkeypatch, caplog
):
    """Once; the run and its trackers continue without it."""

    def failing(method):
        def fail(self, value):
            raise KeyError(f"no {method}")

        return fail

    for method in methods:
        monkeypatch.setattr(SingleLabel, method, failing(method))
    assert live(tmp_path, RECORDER).ended == "done"
    assert caplog.messages == [
        f"the trackers get no {what} in this process: KeyError: 'no {method}'"
        for method, what in zip(methods, named, strict=True)
    ]
    seen = {event[0] for event in events}
    assert seen >= {"graph", "numbers", "flush", "end"}
    assert ("examples" in seen) == ("describe" not in methods)
    assert ("picture" in seen) == ("pictures" not in methods)


def test_names_that_no_font_has_are_a_text_beside_the_picture(
    tmp_path, events, caplog
):
    """Once in the log, and in each epoch where the numbers are."""
    config = tiny_runs.make_config(trainer__trackers=(RECORDER, "tensorboard"))
    task, splits = tiny_runs.make_loaded(config, 6)
    # Never a character.
    names = ["a", "b", "\U0010fffe"]
    loaded = (tasks.Task(task.inputs, task.objective.restored(names)), splits)
    life = tiny_runs.live(config, tmp_path, trackers=True, loaded=loaded)
    assert life.ended == "done"
    table = "| number | class |\n|---|---|\n| #2 | `\U0010fffe` |\n"
    assert [event for event in events if event[0] == "text"] == [
        ("text", 4 * epoch, "class_numbers", table)
        for epoch in range(1, config.trainer.epochs + 1)
    ]
    (message,) = caplog.messages
    assert message.startswith("pictures show numbers in place of 1 of 3 class")
    file = tmp_path / "tensorboard" / "validation"
    accumulator = event_accumulator.EventAccumulator(str(file)).Reload()
    for event in accumulator.Tensors("class_numbers"):
        assert event.tensor_proto.string_val == [table.encode()]


@pytest.mark.parametrize("kind", ["ragged", "rows", "none"])
def test_trackers_get_the_words_of_targets_of_any_kind(
    kind, tmp_path, events, monkeypatch
):
    """`describe` gets a row as NumPy has it."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "own_package")
    from team.one_class import OneClass
    from team.tag_counts import TagCounts

    names = ["a", "b", "c"]
    config = tiny_runs.make_config(trainer__trackers=(RECORDER,))
    (task, splits) = tiny_runs.make_loaded(config, 6)
    config.trainer.epochs = 1
    objective = OneClass() if kind == "none" else TagCounts(names)
    for examples in (splits.train, splits.validation):
        numbers = np.arange(len(examples)) % 3
        targets = None
        if kind == "ragged":
            ids = np.concatenate([np.arange(n) for n in numbers])
            targets = Ragged.from_lengths(ids.astype(np.int32), numbers)
        elif kind == "rows":
            targets = np.stack([numbers, numbers], axis=1).astype(np.float32)
        examples.targets = targets
    if kind == "rows":
        objective = Rows()
    loaded = (tasks.Task(task.inputs, objective), splits)
    assert tiny_runs.live(
        config, tmp_path, trackers=True, loaded=loaded
    ).ended == ("done")
    (words,) = [event[3] for event in events if event[0] == "examples"]
    allowed = {
        "ragged": {"none", "a", "a b"},
        "rows": {"[0.0, 0.0]", "[1.0, 1.0]", "[2.0, 2.0]"},
        "none": {""},
    }
    assert len(words) == 4 and {*words} <= allowed[kind]


def test_a_state_that_json_cannot_represent_is_a_warning(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(Recorder, "get_state", lambda self: {1, 2})
    assert live(tmp_path, RECORDER).ended == "done"
    (message,) = caplog.messages
    assert message.endswith(
        "TypeError: Object of type set is not JSON serializable"
    )


def test_a_tracker_that_failed_resumes_from_its_last_state(
    tmp_path, events, monkeypatch
):
    def fail(self, step, split, values):
        if step == 8:
            raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "numbers", fail)
        live(tmp_path, RECORDER, stop_at=10)
    events.clear()
    live(tmp_path, RECORDER)
    # Flushed at steps 0 and 4.
    assert events[0] == ("begin", 42, ("train", "validation"), {"seen": 2})
    assert events[1][:2] == ("numbers", 12)


# Resuming.


def test_a_tracker_can_be_added_and_removed(tmp_path, events):
    live(tmp_path, "csv", stop_at=6)
    live(tmp_path, RECORDER, "tensorboard", stop_at=10)
    assert events[0] == ("begin", 42, ("train", "validation"), None)
    assert "graph" in [event[0] for event in events]
    assert events[-1] == ("stop", "Stopped")
    events.clear()
    live(tmp_path, "csv", RECORDER)
    assert events[0][3] == {"seen": 2}
    assert "graph" not in [event[0] for event in events]
    # The removed one kept its rows.
    assert [row["step"] for row in read_csv(tmp_path)] == ["4", "12"]


def test_an_empty_default_state_is_not_new(tmp_path, events):
    live(tmp_path, RECORDER, f"{__name__}:OnlyNumbers", stop_at=6)
    events.clear()
    live(tmp_path, f"{__name__}:OnlyNumbers", RECORDER)
    assert [event for event in events if event[0] == "graph"] == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The work directory of an uninterrupted run. Read-only."""
    workdir = tmp_path_factory.mktemp("whole")
    live(workdir, "csv")
    return workdir


def test_csv_has_one_row_a_step_and_the_test_metrics(whole):
    rows = read_csv(whole)
    assert [row["step"] for row in rows] == ["4", "8", "12"]
    history = json.loads((whole / "history.json").read_text())
    for row, epoch in zip(rows, history, strict=True):
        assert float(row["train/loss"]) == epoch["loss"]
        assert float(row["validation/macro_f1"]) == epoch["val_macro_f1"]
    assert [row["test/accuracy"] for row in rows] == ["", "", "0.75"]
    assert "test/num_examples" not in rows[0]


@pytest.mark.parametrize(
    "lives",
    [
        [{"stop_at": 4}, {"stop_at": 7}, {}],
        [{"kill_at": 6}, {"kill_at": 12}],
        [{"request": tiny_runs.InValidation(4)}],
    ],
    ids=["stopped_and_finished", "killed", "stopped_in_validation"],
)
def test_csv_of_an_interrupted_run_is_the_same(lives, whole, tmp_path):
    for how in lives:
        live(tmp_path, "csv", **how)
    live(tmp_path, "csv")
    assert read_csv(tmp_path) == read_csv(whole)


def test_csv_rows_after_the_checkpoint_are_removed(whole, tmp_path):
    """A process that wrote the row of an epoch, and not its checkpoint."""
    live(tmp_path, "csv", stop_at=3)
    live(tmp_path, "csv", stop_at=5)
    for path in (tmp_path / "checkpoints").iterdir():
        if path.name not in ("step-00000000", "step-00000003"):
            path.rename(tmp_path / path.name)
    (tmp_path / "tracking" / "numbers.csv.tmp-7").write_text("half a fi")
    live(tmp_path, "csv", kill_at=4)
    live(tmp_path, "csv")
    assert read_csv(tmp_path) == read_csv(whole)
    assert [p.name for p in (tmp_path / "tracking").iterdir()] == [
        "numbers.csv"
    ]


# Wrong names.


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_extra_is_refused_with_its_command(
    name, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, name, None)
    for module in ("mlflow_store", "wandb_run"):
        path = f"trainers.training.trackers.{module}"
        monkeypatch.delitem(sys.modules, path, raising=False)
    config = files_lib.load("configs/mnist_mlp.py:smoke")
    config.trainer.trackers = ("csv", name)
    with pytest.raises(ConfigError) as error:
        trainer_lib.train_and_evaluate(config, tmp_path / "run")
    assert str(error.value) == (
        f"`--config.trainer.trackers`: '{name}' needs the package '{name}'. "
        f"Run: pip install 'tfmodels-trainers[{name}]'"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "no_such_module:Mine",
            "must be importable. Received: 'no_such_module:Mine': "
            "ModuleNotFoundError: No module named 'no_such_module'. Python "
            "imports from the current directory and from those in PYTHONPATH.",
        ),
        (
            f"{__name__}:Mine",
            f"must be importable. Received: '{__name__}:Mine': "
            f"AttributeError: module '{__name__}' has no attribute 'Mine'. "
            "Python imports from the current directory and from those in "
            "PYTHONPATH.",
        ),
        (
            f"{__name__}:NOT_A_TRACKER",
            "must name subclasses of "
            "trainers.training.trackers.tracker.Tracker. Received: "
            f"'{__name__}:NOT_A_TRACKER', which is 7.",
        ),
    ],
)
def test_what_is_no_tracker_is_refused(name, message):
    with pytest.raises(ConfigError) as error:
        loading.load(("csv", name))
    assert str(error.value) == f"`--config.trainer.trackers` {message}"
