"""The comparison finds everything that a resumed run can lose."""

import shutil

import comparison
import pytest

# Where a run is killed, in the middle of an epoch.
_MIDDLE = {
    "digits": "mkdir checkpoints/step-00000105.tmp",
    "digits_mirrored_float16": "mkdir checkpoints/step-00000077.tmp",
    "texts_mirrored": "mkdir checkpoints/step-00000015.tmp",
}


@pytest.fixture(scope="module")
def interrupted_of(scenario_of, trainers, tmp_path_factory):
    """Returns the work directory of a run that was killed."""
    killed = {}

    def get(name):
        if name not in killed:
            workdir = tmp_path_factory.mktemp(name) / "killed"
            ended = trainers.run(
                scenario_of(name),
                workdir,
                signals=[[_MIDDLE[name], 1, "SIGKILL"]],
            )
            assert ended.was_killed, ended.output
            killed[name] = workdir
        return killed[name]

    return get


@pytest.fixture
def resumed(interrupted_of, scenario_of, trainers, tmp_path):
    """Returns the work directory of a run that lost something."""

    def run(name, patches):
        workdir = shutil.copytree(interrupted_of(name), tmp_path / "run")
        ended = trainers.run(scenario_of(name), workdir, patches=patches)
        assert ended.code == 0, ended.output
        assert "continuing from step" in ended.output
        return workdir

    return run


@pytest.mark.torture
@pytest.mark.parametrize("name", _MIDDLE)
def test_a_run_that_loses_nothing_ends_the_same(resumed, reference_of, name):
    comparison.check_same(reference_of(name), resumed(name, []))


_BEST = "run.json callbacks BestCheckpoint"


def test_a_run_that_loses_metrics_and_the_best_ends_otherwise(
    resumed, reference_of
):
    found = list(
        comparison.differences(
            reference_of("digits"), resumed("digits", ["metrics", "best"])
        )
    )
    for differing in ("history.json ", _BEST):
        assert any(line.startswith(differing) for line in found), found


@pytest.mark.parametrize(
    ("name", "lost", "differing"),
    [
        ("digits", "position", "checkpoint model/"),
        *(
            pytest.param(*values, marks=pytest.mark.torture)
            for values in (
                ("digits", "seeds", "checkpoint model/"),
                ("digits", "metrics", "history.json "),
                ("digits", "best", _BEST),
                ("digits", "slots", "checkpoint optimizer/"),
                ("digits", "averages", "checkpoint optimizer/"),
                ("digits", "iterations", "checkpoint optimizer/"),
                ("digits", "plateau", "history.json "),
                ("digits", "history", "history.json "),
                ("digits", "tensorboard", "tensorboard "),
                (
                    "digits_mirrored_float16",
                    "loss_scale",
                    "checkpoint optimizer/002",
                ),
                ("digits_mirrored_float16", "metrics", "history.json "),
                ("texts_mirrored", "position", "checkpoint model/"),
                ("texts_mirrored", "seeds", "checkpoint model/"),
                ("texts_mirrored", "metrics", "history.json "),
            )
        ),
    ],
)
def test_a_run_that_loses_something_ends_otherwise(
    resumed, reference_of, name, lost, differing
):
    found = list(
        comparison.differences(reference_of(name), resumed(name, [lost]))
    )
    assert any(line.startswith(differing) for line in found), found
