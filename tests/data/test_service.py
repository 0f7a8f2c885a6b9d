"""Batches that a tf.data service makes: each once, in whatever order."""

import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from trainers import config as config_lib
from trainers.data import inputs
from trainers.data import pipeline
from trainers.data.examples import Examples
from trainers.errors import ConfigError


@pytest.fixture
def service():
    """The address of a service with two workers, in this process."""
    lib = tf.data.experimental.service
    dispatcher = lib.DispatchServer(lib.DispatcherConfig(port=0))
    address = dispatcher.target.removeprefix("grpc://")
    workers = [
        lib.WorkerServer(lib.WorkerConfig(dispatcher_address=address))
        for _ in range(2)
    ]
    yield address
    for server in (*workers, dispatcher):
        server._stop()


def make_dataset(service, **settings):
    rows = np.arange(10, dtype=np.int32)
    return pipeline.make_train_dataset(
        Examples({"row": rows}, 10 * rows, str),
        global_batch_size=4,
        seed=1,
        preprocess_fn=lambda features: features,
        # Numbers that no other step has.
        augment_fn=lambda features, draws: features | {"draws": draws},
        num_draws=1,
        service=service,
        **settings,
    )


def take(dataset, count):
    """Returns batches as text."""
    return [
        str((features["row"], features["draws"], labels, weights))
        for features, labels, weights in dataset.take(count).as_numpy_iterator()
    ]


@pytest.mark.parametrize("start_step", [0, 7])
def test_each_step_is_made_once(service, start_step):
    # Two workers are at most their buffers apart.
    all_steps = take(make_dataset("", start_step=start_step), 120)
    assert len(set(all_steps)) == 120
    found = take(make_dataset(service, start_step=start_step), 60)
    assert len(set(found)) == 60
    assert set(found) < set(all_steps)


def test_it_says_that_it_has_no_end(service):
    infinite = tf.data.experimental.INFINITE_CARDINALITY
    assert make_dataset(service).cardinality().numpy() == infinite


def test_an_address_where_nothing_runs_is_refused():
    with socket.socket() as taken:
        # Bound, so that no other program gets it, but nobody listens.
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = config_lib.ExperimentConfig()
        config.data.service = address
        with pytest.raises(ConfigError) as error:
            inputs.check(config)
    assert str(error.value) == (
        "`--config.data.service` must be the address of a tf.data service that "
        f"runs. Received: {address!r}: [Errno 111] Connection refused. python "
        "-m trainers.data_service starts one."
    )


@pytest.mark.parametrize("value", ["host", "host:", ":5050", "host:x"])
def test_what_is_no_address_is_refused(value):
    config = config_lib.ExperimentConfig()
    config.data.path = "digits"
    config.data.service = value
    with pytest.raises(ConfigError) as error:
        config_lib.validate(config)
    assert str(error.value) == (
        f"`--config.data.service` must be HOST:PORT. Received: {value!r}."
    )


def test_the_commands_serve_a_run(tmp_path, user_env, run_command):
    processes = []

    def start(*words, **kwargs):
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "trainers.data_service", *words],
                env=user_env,
                text=True,
                **kwargs,
            )
        )
        return processes[-1]

    try:
        dispatcher = start("--host=127.0.0.1", stdout=subprocess.PIPE)
        flag = dispatcher.stdout.readline().rstrip("\n")
        address = flag.removeprefix("--config.data.service=")
        worker = start(f"--dispatcher={address}", stderr=subprocess.PIPE)
        assert worker.stderr.readline() == f"working for {address}\n"
        run = run_command(
            "trainers.train",
            "--config=configs/mnist_mlp.py:smoke",
            f"--workdir={tmp_path}/run",
            "--config.task.random_shift=0.1",
            flag,
        )
        assert run.returncode == 0, run.stderr
        assert (
            "warning: with `--config.data.service` the order of the batches is "
            "one of chance: the result cannot be repeated, nor the end of a "
            "run that is interrupted."
        ) in run.stderr.splitlines()
        worker.send_signal(signal.SIGTERM)
        dispatcher.send_signal(signal.SIGINT)
        assert (worker.wait(60), dispatcher.wait(60)) == (0, 0)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
