"""What an objective decides at the end of a run, in `decisions.json`."""

import json

import pytest

from trainers.errors import ConfigError
from trainers.objectives import objective as objective_lib
from trainers.objectives.objective import Objective
from trainers.run.workdir import Workdir


class Threshold(Objective):
    """Answers with a threshold."""

    decides = True
    threshold = None

    def restored(self, state):
        return self

    def decide(self, metrics):
        return {"threshold": metrics["best"]}

    def decided(self, decisions):
        found = type(self)()
        if decisions is not None:
            found.threshold = float(decisions["threshold"])
        return found


def save(paths, weight):
    """Saves best weights and returns the text of `labels.json`."""
    paths.best.save({"w": weight}, step=weight, facts={})
    paths.best.keep_only(weight)
    paths.path.joinpath("labels.json").write_text("[]")


def test_a_run_is_restored_with_its_decisions(tmp_path):
    paths = Workdir(tmp_path)
    save(paths, 1)
    decisions = objective_lib.json_decisions(Threshold(), {"best": 0.25})
    paths.write_decisions(decisions)
    assert json.loads((tmp_path / "decisions.json").read_text()) == {
        "weights_sha256": paths.best.sha256(),
        "decisions": {"threshold": 0.25},
    }
    assert paths.read_decisions() == {"threshold": 0.25}
    assert paths.restored(Threshold()).threshold == 0.25


def test_without_a_validation_split_nothing_is_decided(tmp_path):
    paths = Workdir(tmp_path)
    save(paths, 1)
    paths.write_decisions(objective_lib.json_decisions(Threshold(), None))
    assert paths.restored(Threshold()).threshold is None


def test_decisions_belong_to_their_weights(tmp_path):
    paths = Workdir(tmp_path)
    save(paths, 1)
    paths.write_decisions({"threshold": 0.25})
    save(paths, 2)
    with pytest.raises(ConfigError) as caught:
        paths.restored(Threshold())
    assert str(caught.value) == (
        "`--workdir` must be the directory of a finished run. Received: "
        f"{str(tmp_path)!r}: decisions.json: it belongs to other weights. The "
        "end of training writes it: run `python -m trainers.train` with the "
        "flags of the run."
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory."),
        ("[]", "it has another form."),
        ('{"weights_sha256": "SUM", "decisions": {}}', "'threshold'"),
    ],
)
def test_missing_or_changed_decisions_are_named(tmp_path, content, words):
    paths = Workdir(tmp_path)
    save(paths, 1)
    if content is not None:
        content = content.replace("SUM", paths.best.sha256())
        (tmp_path / "decisions.json").write_text(content)
    with pytest.raises(ConfigError) as caught:
        paths.restored(Threshold())
    message = str(caught.value)
    assert message.endswith(f"decisions.json: {words}"), message


def test_json_must_be_able_to_contain_them():
    with pytest.raises(ConfigError) as caught:
        objective_lib.json_decisions(Threshold(), {"best": float("nan")})
    assert str(caught.value).startswith(
        "`config.task`: `Threshold.decide` must return what JSON can contain"
    )


def test_another_objective_needs_no_file(tmp_path):
    class Other(Threshold):
        decides = False

    paths = Workdir(tmp_path)
    save(paths, 1)
    assert paths.restored(Other()).threshold is None
