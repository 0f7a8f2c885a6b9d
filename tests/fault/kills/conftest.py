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
def scenario_of(tmp_path_factory):
    """Returns a scenario by name, with its texts in a file."""
    texts = tmp_path_factory.mktemp("texts") / "texts.csv"
    scenarios.write_texts(texts)

    def get(name):
        scenario = scenarios.SCENARIOS[name]
        if scenario.texts:
            scenario = dataclasses.replace(scenario, texts=str(texts))
        return scenario

    return get


@pytest.fixture(scope="session")
def reference_of(tmp_path_factory, scenario_of, user_env):
    """Returns the work directory of an uninterrupted run."""
    finished = {}

    def get(name):
        if name not in finished:
            workdir = tmp_path_factory.mktemp(name) / "reference"
            run = processes.command(scenario_of(name), workdir, user_env)
            assert run.returncode == 0, run.stdout
            finished[name] = workdir
        return finished[name]

    return get
