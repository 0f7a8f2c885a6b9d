"""What is around the process of a run decides nothing."""

import dataclasses
import os

import comparison
import processes
import pytest
from repository import ROOT


@pytest.fixture
def run(scenario_of, user_env, tmp_path):
    """Runs the command in a new process; returns its work directory."""

    def start(name, env=None, **around):
        scenario = scenario_of(name)
        first, *others = scenario.flags
        config = first.replace("=", f"={ROOT}/")
        scenario = dataclasses.replace(scenario, flags=(config, *others))
        workdir = tmp_path / "run"
        done = processes.command(
            scenario, workdir, user_env | (env or {}), **around
        )
        assert done.returncode == 0, done.stdout
        return workdir

    return start


@pytest.mark.parametrize(
    ("name", "env", "umask"),
    [
        (
            "digits",
            {
                "LC_ALL": "C",
                "LANG": "C",
                "TZ": "Asia/Kathmandu",
                "PYTHONHASHSEED": "1",
                "COLUMNS": "40",
                "OMP_NUM_THREADS": "1",
            },
            0o077,
        ),
        pytest.param(
            "texts_mirrored",
            {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "77"},
            0o002,
            marks=pytest.mark.torture,
        ),
        pytest.param(
            "digits_mirrored_float16",
            {"LC_ALL": "POSIX", "PYTHONHASHSEED": "0"},
            0o027,
            marks=pytest.mark.torture,
        ),
    ],
    ids=["digits", "texts_mirrored", "digits_mirrored_float16"],
)
def test_what_is_around_a_process_changes_nothing(
    run, reference_of, tmp_path, name, env, umask
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    workdir = run(name, env=env, umask=umask, cwd=elsewhere)
    comparison.check_same(reference_of(name), workdir)
    assert not os.listdir(elsewhere)


@pytest.mark.torture
@pytest.mark.parametrize("name", ["digits", "texts_bfloat16", "wide"])
def test_a_seed_gives_the_same_bits_in_two_processes(run, reference_of, name):
    comparison.check_same(reference_of(name), run(name))
