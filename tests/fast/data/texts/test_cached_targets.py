"""Cached targets are used only for the same objective and the same source."""

import pathlib
import sys

import pytest

import tfmodels
from trainers import config as c
from trainers import tasks

pytestmark = pytest.mark.usefixtures("eagerly")
OBJECTIVE = """
import dataclasses
import numpy as np
from tfmodels.settings import setting
from trainers.objectives.objective import Objective, ObjectiveConfig

@dataclasses.dataclass(slots=True)
class NumberConfig(ObjectiveConfig):
    scale: float = setting(1.0, "Divisor of the targets.", above=0)
    weight: float = setting(1.0, "Factor of the loss.", above=0)
    def make_objective(self):
        return Number(self)

class Number(Objective):
    OPTIONS = None
    num_outputs = 1
    def __init__(self, config):
        self._config = config
    def parse(self, values):
        return float(values["label"])
    def fitted(self, splits, source_names=None):
        return self, {
            name: np.array(list(e.targets), np.float32) / self._config.scale
            for name, e in splits.items()
        }
    def state(self):
        return {}
    def restored(self, state):
        return self
"""
FORMAT = """
from trainers.data.texts.text_format import TextFormat

def read_rows(file, data, columns, report):
    for number, line in enumerate(file.read_text().splitlines(), 1):
        label, text = line.split(" ", 1)
        yield number, {"text": text.encode(), "label": label}

LINES = TextFormat(read_rows, place=", line ")
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a module of the user and forgets what was imported before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name, code):
        pathlib.Path(f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)

    write("my_lines", FORMAT)
    write("my_number", OBJECTIVE)
    texts = ["red sea", "blue sky", "red", "sky and sea", "blue sea", "and"]
    lines = [f"{number} {text}\n" for number, text in enumerate(texts, 1)]
    pathlib.Path("train.txt").write_text("".join(lines))
    return write


def load(**settings):
    """Returns the targets of train, as a command would load them."""
    import my_number

    config = c.ExperimentConfig(
        data=c.TextDataConfig(
            source="my_lines:LINES",
            train="train.txt",
            validation="none",
            test="none",
            cache_dir="cache",
        ),
        task=my_number.NumberConfig(**settings),
        model=tfmodels.BertClassifierConfig(
            encoder=tfmodels.EncoderConfig(vocabulary_size=100)
        ),
    )
    _, splits = tasks.make_task(config).load(config.data)
    return splits.train.targets.tolist()


def num_entries():
    return len(list(pathlib.Path("cache").iterdir()))


def test_a_setting_of_the_objective_changes_cached_targets(write):
    assert load() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert load(scale=2.0) == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert num_entries() == 2
    assert load() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    # Whatever it does: only the objective could say that it changes nothing.
    load(weight=2.0)
    assert num_entries() == 3


def test_an_objective_can_name_the_settings_that_change_targets(write):
    options = 'settings_of_targets = ("scale",)'
    write("my_number", OBJECTIVE.replace("OPTIONS = None", options))
    load()
    load(weight=2.0)
    assert num_entries() == 1
    assert load(scale=2.0)[0] == 0.5
    assert num_entries() == 2


def test_another_code_of_the_objective_changes_cached_targets(write):
    load()
    write("my_number", OBJECTIVE.replace("/ self", "* 10 / self"))
    assert load()[:2] == [10.0, 20.0]


def test_another_code_of_the_source_changes_cached_rows(write):
    load()
    write("my_lines", FORMAT.replace('"label": label', '"label": "7"'))
    assert load() == [7.0] * 6
