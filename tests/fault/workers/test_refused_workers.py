"""18: what is refused, and what workers that stay away lead to."""

import shutil
import socket
import subprocess
import sys

import pytest
import worker_runs

from trainers.distribution import rendezvous
from trainers.distribution import tf_config as tf_config_lib
from trainers.distribution import worker_process

EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@pytest.fixture
def all_words(data_file, tmp_path):
    return worker_runs.words(data_file, tmp_path / "run")


def error_of(ended, code):
    """Returns the last line of stderr, after a look at the exit code."""
    assert (ended.code, ended.stdout) == (code, ""), ended
    return ended.lines[-1]


def test_a_port_that_is_in_use_is_named(workers, all_words):
    """It may be free again when a launcher starts all once more."""
    ports = worker_process.free_ports(2)
    with socket.create_server(("127.0.0.1", ports[0])):
        pid = workers.start(all_words, worker_runs.environ_of(ports, 0))
        ended = workers.wait(pid)
    assert error_of(ended, 1) == (
        "error: `TF_CONFIG` must give this worker a port that is free. "
        f"Received: 127.0.0.1:{ports[0]}: Address already in use."
    )


def test_workers_that_stay_away_are_named(workers, data_file, tmp_path):
    """Once the chief, and once the other; both wait at the same time."""
    found, expected = [], []
    for present, missing in ((0, 1), (1, 0)):
        ports = worker_process.free_ports(2)
        words = worker_runs.words(
            data_file,
            tmp_path / f"run{present}",
            "--config.trainer.start_timeout_seconds=8",
        )
        environ = worker_runs.environ_of(ports, present)
        found.append(workers.start(words, environ))
        expected.append(
            "error: not all 2 workers of `TF_CONFIG` started within "
            "--config.trainer.start_timeout_seconds=8. No answer from: "
            f"worker {missing} at 127.0.0.1:{ports[missing]}."
        )
    ended = [workers.wait(pid, seconds=60) for pid in found]
    assert [error_of(worker, 1) for worker in ended] == expected


def test_a_worker_that_ends_while_all_connect_is_named(
    workers, data_file, tmp_path
):
    """This process is the other worker, until all have started."""
    ports = worker_process.free_ports(2)
    words = worker_runs.words(
        data_file,
        tmp_path / "run",
        "--config.trainer.start_timeout_seconds=3",
    )
    pid = workers.start(words, worker_runs.environ_of(ports, 0))
    other = tf_config_lib.read(worker_runs.environ_of(ports, 1))
    rendezvous.meet(other, 60)
    # Another process writes the sentence.
    stderr = workers.stderr_of(pid)
    worker_runs.wait_until(lambda: "error: " in stderr.read_text(), 60)
    assert error_of(workers.wait(pid, seconds=60), 1) == (
        "error: worker 0 was not connected with the other workers within "
        "--config.trainer.start_timeout_seconds=3, although all had started. "
        "The output of a worker that has ended says why."
    )


@pytest.mark.parametrize(
    ("tf_config", "words", "message"),
    [
        (
            "{",
            (),
            "`TF_CONFIG` must have JSON. Received: '{': Expecting property "
            "name enclosed in double quotes: line 1 column 2 (char 1). "
            f"Example: {EXAMPLE}",
        ),
        (
            '{"cluster": {"worker": ["a:1", "b:1"]}}',
            (),
            "`TF_CONFIG` must have an object at `task`. Received: None. "
            f"Example: {EXAMPLE}",
        ),
        (
            "",
            ("--config.trainer.strategy=parameter_server",),
            "`--config.trainer.strategy` must be one of auto, one_device, "
            "mirrored, multi_worker, tpu: Keras 3 cannot train under "
            "ParameterServerStrategy. Received: 'parameter_server'.",
        ),
    ],
    ids=["no_json", "no_task", "parameter_server"],
)
def test_what_is_wrong_is_said_before_tensorflow_is_imported(
    tf_config, words, message, user_env, all_words, tmp_path
):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "trainers.train"]
        + [*all_words, *words],
        env=user_env | {"TF_CONFIG": tf_config},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = done.stderr.splitlines()
    modules = {line.split()[-1] for line in lines if "import time:" in line}
    assert "trainers.flags" in modules
    assert not {"tensorflow", "keras"} & modules
    assert [line for line in lines if "import time:" not in line] == [
        f"error: {message}"
    ]
    assert (done.returncode, done.stdout) == (2, "")
    assert not (tmp_path / "run").exists()


def test_a_strategy_of_one_process_is_refused_with_several(workers, all_words):
    """Each worker would train alone, without waiting for the other."""
    mirrored = "--config.trainer.strategy=mirrored"
    for ended in workers.run([*all_words, mirrored]):
        assert error_of(ended, 2) == (
            "error: `--config.trainer.strategy` must be auto or multi_worker "
            "with the 2 workers of TF_CONFIG: with another strategy, each "
            "would train alone. Received: mirrored."
        )


def test_multi_worker_needs_tf_config(workers, all_words):
    ended = workers.run_alone(
        [*all_words, "--config.trainer.strategy=multi_worker"]
    )
    assert error_of(ended, 2) == (
        "error: `--config.trainer.strategy=multi_worker` needs the environment "
        "variable TF_CONFIG, with the addresses of the workers. Received: "
        "none. `python -m trainers.launch --num_workers=2 -- FLAGS` sets it "
        "for workers on this machine, with the FLAGS of trainers.train."
    )


NOT_THE_SAME = (
    "error: `TF_CONFIG`: all workers must have the same settings, data and "
    "checkpoints. Received: another on worker 1 than on worker 0. Give all "
    "workers the same flags, and put --workdir and the data on a file system "
    "that all workers see."
)


def check_refused(ended):
    assert [error_of(worker, 2) for worker in ended] == [NOT_THE_SAME] * 2
    assert ended[1].operations == []


def test_workers_with_other_data_are_refused(workers, tmp_path):
    """The same flags, in directories with another `data.npz`."""
    for index in (0, 1):
        (tmp_path / str(index)).mkdir()
        worker_runs.write_data(tmp_path / str(index) / "data.npz", seed=index)
    words = worker_runs.words("data.npz", tmp_path / "run")
    ended = start_in(workers, words, tmp_path, tmp_path / "run")
    check_refused(ended)
    run = tmp_path / "run"
    assert sorted(p.name for p in run.iterdir()) == ["data_report.json", "lock"]


def test_workers_that_see_another_work_directory_are_refused(
    whole, workers, data_file, tmp_path
):
    """The second worker has none, as on a separate disk."""
    for index in (0, 1):
        (tmp_path / str(index)).mkdir()
    workdir = shutil.copytree(whole[0], tmp_path / "0" / "run")
    words = worker_runs.words(data_file, "run")
    ended = start_in(workers, words, tmp_path, tmp_path / "1" / "run")
    check_refused(ended)
    assert list((tmp_path / "1").iterdir()) == []
    before, after = map(worker_runs.fault_runs.tree, (whole[0], workdir))
    assert after == before


def start_in(workers, words, folder, workdir):
    """Runs two workers in separate directories."""
    ports = worker_process.free_ports(2)
    pids = [
        workers.start(
            words,
            worker_runs.environ_of(ports, index),
            cwd=folder / str(index),
            workdir=workdir,
        )
        for index in (0, 1)
    ]
    return [workers.wait(pid, seconds=60) for pid in pids]
