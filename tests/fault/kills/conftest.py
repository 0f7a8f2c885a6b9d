"""Reference runs, training processes, the summary of kills."""

import dataclasses

import processes
import pytest
import scenarios


def pytest_terminal_summary(terminalreporter):
    """Says how many processes were killed, and where."""
    for name, places in processes.RECORD.items():
        terminalreporter.section(f"{places.total()} ended early: {name}")
        for place, count in sorted(places.items()):
            terminalreporter.write_line(f"{count:4} {place}")


@pytest.fixture(scope="session")
def trainers(tmp_path_factory, user_env):
    """Starts training processes."""
    return processes.Trainers(tmp_path_factory.mktemp("trainers"), user_env)


@pytest.fixture(scope="session")
def scenario_of(made_once):
    """Returns a scenario by name, with its texts in a file."""
    texts = made_once("texts.csv", scenarios.write_texts)

    def get(name):
        scenario = scenarios.SCENARIOS[name]
        if scenario.texts:
            scenario = dataclasses.replace(scenario, texts=str(texts))
        return scenario

    return get


@pytest.fixture(scope="session")
def reference_of(made_once, scenario_of, user_env):
    """Returns the work directory of an uninterrupted run. Read-only.

    The run is in a new process, whose order of sets is another one than that
    of the forked processes.
    """

    def get(name):
        def make(workdir):
            run = processes.command(scenario_of(name), workdir, user_env)
            assert run.returncode == 0, run.stdout

        return made_once(f"reference_{name}", make)

    return get
