"""`import trainers`: public names, imported when they are used."""

import inspect
import json
import subprocess
import sys

import pytest

import trainers

NAMES = [
    "connect",
    "evaluate",
    "export_best",
    "load_config",
    "train_and_evaluate",
]


def test_the_public_names_are_these():
    assert trainers.__all__ == NAMES
    assert set(NAMES) <= set(dir(trainers))
    for name in NAMES:
        function = getattr(trainers, name)
        assert inspect.isfunction(function), name
        assert function.__doc__, name
    with pytest.raises(AttributeError) as error:
        trainers.no_such_name  # noqa: B018
    assert str(error.value) == (
        "module 'trainers' has no attribute 'no_such_name'"
    )


def test_a_configuration_is_loaded_and_changed():
    config = trainers.load_config("configs/mnist_mlp.py:wide")
    changed = config.with_overrides({"optimizer.learning_rate": "3e-4"})
    assert config.optimizer.learning_rate == 0.01
    assert changed.optimizer.learning_rate == 3e-4


def test_the_import_loads_nothing_else(tmp_path):
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import trainers\n"
        "after = set(sys.modules) - before\n"
        "trainers.load_config\n"
        "import json\n"
        "print(json.dumps([sorted(after), 'tensorflow' in sys.modules]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    modules, has_tensorflow = json.loads(run.stdout)
    assert {name.partition(".")[0] for name in modules} <= {
        "trainers",
        *sys.stdlib_module_names,
    }
    assert "trainers" in modules
    assert not has_tensorflow


def test_functions_are_not_hidden_by_commands_of_the_same_name(run_command):
    """`trainers.evaluate` is also the module of a command."""
    script = (
        "import sys\n"
        "assert 'trainers.evaluate' not in sys.modules\n"
        "import trainers.evaluate\n"
        "from trainers import evaluate\n"
        "assert evaluate is trainers.evaluate and callable(evaluate)\n"
        "assert sys.modules['trainers.evaluate'].main.__doc__\n"
    )
    run = run_command("", code=script)
    assert run.returncode == 0, run.stderr


def test_the_package_lists_its_commands():
    run = subprocess.run(
        [sys.executable, "-m", "trainers"], capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert [line.split()[2] for line in run.stdout.splitlines()] == [
        "trainers.check_data",
        "trainers.checkpoints",
        "trainers.evaluate",
        "trainers.export",
        "trainers.launch",
        "trainers.predict",
        "trainers.serve",
        "trainers.train",
    ]
    assert (
        "python -m trainers.export       Exports the best weights of a run "
        "again, as its next version.\n"
    ) in run.stdout
    run = subprocess.run(
        [sys.executable, "-m", "trainers", "train"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert run.stderr == (
        "error: `train` is not an argument of python -m trainers. Run one of "
        "the commands above, each with --help.\n"
    )
