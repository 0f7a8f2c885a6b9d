"""4: SIGTERM and SIGINT whenever they come."""

import random
import signal
import subprocess
import sys

import fault_runs
import pytest
from fault_runs import AT_STEP
from fault_runs import NO_EXPORT


def signals(first, second):
    """Tests the first signal always, the other with `-m torture`."""
    return pytest.mark.parametrize(
        "number",
        [
            pytest.param(first, id=first.name),
            pytest.param(second, id=second.name, marks=pytest.mark.torture),
        ],
    )


TERM_FIRST = signals(signal.SIGTERM, signal.SIGINT)
INT_FIRST = signals(signal.SIGINT, signal.SIGTERM)
_RNG = random.Random(20)


def stopped_line(number, step):
    return (
        f"Stopped by {number.name} after step {step:,}; the same command "
        "resumes from there."
    )


def check_resumes(all_words, workdir, reference, caplog, step):
    """Resumes in this process and compares the result."""
    caplog.clear()
    with caplog.at_level("INFO", logger="trainers"):
        fault_runs.train(all_words)
    lines = [r.getMessage() for r in caplog.records]
    assert [x for x in lines if x.startswith("continuing")] == [
        f"continuing from step {step} of 40: "
        f"epoch {step // 10 + 1} of 4, step {step % 10} of 10"
    ]
    assert fault_runs.outcome(workdir) == reference
    assert fault_runs.leftovers(workdir) == []


@INT_FIRST
@pytest.mark.parametrize(
    "turn",
    [0, *(pytest.param(n, marks=pytest.mark.torture) for n in (1, 2, 3, 4))],
)
def test_a_signal_at_a_random_moment_stops_with_a_checkpoint(
    number, turn, tmp_path, data_file, user_env
):
    """Tests the unchanged command at an unknown step."""
    workdir = tmp_path / "run"
    more = ("--config.trainer.epochs=100000", "--config.model.dropout=0.1")
    all_words = fault_runs.words(data_file, workdir, *more)
    after, delay = _RNG.randrange(1, 4), _RNG.random()
    with subprocess.Popen(
        [sys.executable, "-m", "trainers.train", *all_words],
        env=user_env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=fault_runs.heed_interrupts,
    ) as process:
        try:
            for _ in range(after):
                assert process.stderr.readline().startswith("epoch ")
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(delay * 0.3)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=120)
        finally:
            process.kill()
    assert (process.returncode, stdout) == (75, ""), stderr
    step = fault_runs.steps(workdir)[0]
    assert stderr.splitlines()[-1] == stopped_line(number, step)
    assert "Traceback" not in stderr
    assert fault_runs.whole_steps(workdir)[0] == step
    assert fault_runs.leftovers(workdir) == []


# The last step of an epoch, and the first and the last of the run, too.
@pytest.mark.parametrize(
    "number, step",
    [
        (signal.SIGTERM, 1),
        (signal.SIGINT, 10),
        pytest.param(
            signal.SIGTERM, _RNG.randrange(11, 29), marks=pytest.mark.torture
        ),
        pytest.param(signal.SIGINT, 39, marks=pytest.mark.torture),
    ],
    ids=["first", "last_of_epoch", "chance", "last_but_one"],
)
def test_a_run_stopped_after_a_step_resumes_from_that_step(
    number, step, tmp_path, run_words, user_env, reference, caplog
):
    code = AT_STEP + f"at_step({step}, lambda: send({int(number)}))"
    run = fault_runs.run(user_env, code, run_words)
    assert (run.returncode, run.stdout) == (75, ""), run.stderr
    assert run.stderr.splitlines()[-1] == stopped_line(number, step)
    workdir = tmp_path / "run"
    assert fault_runs.steps(workdir)[0] == step
    assert fault_runs.whole_steps(workdir)[0] == step
    assert not (workdir / "export").exists()
    if step == 10:
        caplog.clear()
        with caplog.at_level("INFO", logger="trainers"):
            fault_runs.train(run_words)
        # Its validation is still to come.
        assert (
            "continuing from step 10 of 40: epoch 1 of 4, step 10 of 10"
            in caplog.messages
        )
        assert fault_runs.outcome(workdir) == reference
    else:
        check_resumes(run_words, workdir, reference, caplog, step)


@pytest.mark.torture
def test_every_step_is_one_to_stop_at(tmp_path, run_words, reference):
    """In this process, one stop after the other."""
    fault_runs.stopped(run_words, *range(1, 41, 3))
    fault_runs.train(run_words)
    assert fault_runs.outcome(tmp_path / "run") == reference


def test_at_most_the_execution_under_way_is_finished(
    tmp_path, data_file, caplog
):
    """Five steps in one call of the graph; the stop is at its end."""
    five = "--config.trainer.steps_per_execution=5"
    whole = fault_runs.words(data_file, tmp_path / "whole", five)
    cut = fault_runs.words(data_file, tmp_path / "run", five)
    fault_runs.train(whole)
    fault_runs.stopped(cut, 15)
    assert fault_runs.steps(tmp_path / "run")[0] == 15
    check_resumes(
        cut,
        tmp_path / "run",
        fault_runs.outcome(tmp_path / "whole"),
        caplog,
        15,
    )


@TERM_FIRST
def test_a_signal_during_validation_stops_in_the_middle_of_it(
    number, tmp_path, user_env, caplog
):
    """8 examples to learn from, 6,000 to validate on, in 24 batches."""
    file = tmp_path / "data.npz"
    fault_runs.write_data(file, sizes=(8, 6000, 10))
    code = (
        AT_STEP
        + f"""
from trainers.evaluation import evaluator
original, calls = evaluator.Evaluator.batches, []
def batches(self, on_batch=None):
    if on_batch is None:
        return original(self)
    def counted():
        calls.append(1)
        if len(calls) == 28:
            send({int(number)})
        on_batch()
    return original(self, counted)
evaluator.Evaluator.batches = batches
import atexit
atexit.register(lambda: print("validated", len(calls)))
"""
    )
    workdir = tmp_path / "run"
    all_words = fault_runs.words(file, workdir)
    run = fault_runs.run(user_env, code, all_words)
    assert run.returncode == 75, run.stderr
    # The first epoch took 24 batches; of the second, 4 were done.
    lines = run.stderr.splitlines()
    assert lines[-1] == stopped_line(number, 2)
    assert len([x for x in lines if x.startswith("epoch ")]) == 1
    assert int(run.stdout.split()[1]) == 28
    assert fault_runs.whole_steps(workdir) == [2, 1]
    with caplog.at_level("INFO", logger="trainers"):
        fault_runs.train(all_words)
    assert (
        "continuing from step 2 of 4: epoch 2 of 4, step 1 of 1"
        in caplog.messages
    )
    whole = fault_runs.words(file, tmp_path / "whole")
    fault_runs.train(whole)
    assert fault_runs.outcome(workdir) == fault_runs.outcome(tmp_path / "whole")


_BEFORE = {
    "import": ("", "send({number})"),
    "loading": (
        "",
        """
from trainers import tasks
original = tasks.load_splits
def load_splits(*args):
    send({number})
    return original(*args)
tasks.load_splits = load_splits
""",
    ),
    "building": (
        "",
        """
import tfmodels
original = tfmodels.make_network
def make_network(*args, **kwargs):
    send({number})
    return original(*args, **kwargs)
tfmodels.make_network = make_network
""",
    ),
}


@pytest.mark.parametrize(
    "moment",
    [
        "loading",
        *(
            pytest.param(name, marks=pytest.mark.torture)
            for name in ("import", "building")
        ),
    ],
)
def test_before_the_first_step_nothing_is_lost(
    moment, tmp_path, run_words, user_env, reference
):
    number = random.Random(moment).choice([signal.SIGTERM, signal.SIGINT])
    code = AT_STEP + _BEFORE[moment][1].format(number=int(number))
    run = fault_runs.run(user_env, code, run_words)
    assert (run.returncode, run.stdout) == (75, ""), run.stderr
    assert run.stderr.splitlines()[-1].startswith(f"Stopped by {number.name}")
    assert fault_runs.leftovers(tmp_path / "run") == []
    fault_runs.train(run_words)
    assert fault_runs.outcome(tmp_path / "run") == reference


@INT_FIRST
def test_a_signal_to_a_command_that_imports_tensorflow_ends_with_75(
    number, tmp_path, run_words, user_env
):
    """From outside, while the C++ code of TensorFlow is loaded."""
    code = (
        "import sys; from trainers.runtime import startup; "
        "o=startup.import_tensorflow"
        "\ndef f(): print('now', flush=True); o()\nstartup.import_tensorflow=f"
        "\nimport runpy; runpy.run_module("
        "'trainers.train', run_name='__main__', alter_sys=True)"
    )
    made = fault_runs.command(user_env, "", "", run_words)
    made["args"] = [sys.executable, "-c", code, *run_words]
    with subprocess.Popen(**made) as process:
        try:
            assert process.stdout.readline() == "now\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=120)
        finally:
            process.kill()
    assert stderr.splitlines() == [
        f"Stopped by {number.name}; the same command resumes the run."
    ]
    assert (process.returncode, stdout) == (75, "")


@pytest.mark.torture
def test_a_signal_during_evaluation_and_one_during_export_lose_nothing(
    tmp_path, run_words, user_env, reference
):
    """Twice stopped after training; the third ends with one version."""
    workdir = tmp_path / "run"
    evaluating = (
        AT_STEP
        + """
from trainers.evaluation import evaluator
original = evaluator.evaluate_examples
def evaluate_examples(*args, **kwargs):
    send(signal.SIGTERM)
    return original(*args, **kwargs)
evaluator.evaluate_examples = evaluate_examples
"""
    )
    exporting = (
        AT_STEP
        + """
from trainers.serving.proof import checker
def check(*args, **kwargs):
    send(signal.SIGINT)
    time.sleep(60)
checker.check = check
"""
    )
    for code, name in ((evaluating, "SIGTERM"), (exporting, "SIGINT")):
        run = fault_runs.run(user_env, code, run_words)
        assert (run.returncode, run.stdout) == (75, ""), run.stderr
        assert run.stderr.splitlines()[-1] == (
            f"Stopped by {name}; the same command resumes the run."
        )
        assert fault_runs.leftovers(workdir) == []
    run = fault_runs.run(user_env, "", run_words)
    assert run.returncode == 0, run.stderr
    export = workdir / "export" / "mnist_mlp"
    assert run.stdout == f"{export}/1\n"
    assert [p.name for p in export.iterdir() if p.is_dir()] == ["1"]
    assert fault_runs.outcome(workdir) == reference


@TERM_FIRST
def test_a_second_signal_ends_at_once_and_leaves_all_whole(
    number, tmp_path, run_words, user_env, reference
):
    """The step never ends, like a step that compiles for an hour."""
    code = (
        AT_STEP
        + f"""
def hang():
    send({int(number)})
    time.sleep(1)
    send({int(number)})
    while True:
        time.sleep(60)
at_step(14, hang)
"""
    )
    run = fault_runs.run(user_env, code, run_words)
    assert run.returncode == 128 + number, run.stderr
    workdir = tmp_path / "run"
    assert fault_runs.whole_steps(workdir) == [10, 0]
    fault_runs.train(run_words)
    assert fault_runs.outcome(workdir) == reference


@pytest.mark.torture
def test_a_signal_during_compilation_stops_after_the_first_step(
    tmp_path, data_file, user_env
):
    """XLA cannot be interrupted; the stop comes when it is done."""
    compiled = "--config.trainer.jit_compile=always"
    all_words = fault_runs.words(data_file, tmp_path / "run", compiled)
    code = (
        AT_STEP
        + NO_EXPORT
        + """
from trainers.training import model
original = model.TrainingModel.train_step
def train_step(self, data):
    send(signal.SIGTERM)
    return original(self, data)
model.TrainingModel.train_step = train_step
"""
    )
    run = fault_runs.run(user_env, code, all_words)
    assert run.returncode == 75, run.stderr
    assert run.stderr.splitlines()[-1] == stopped_line(signal.SIGTERM, 1)
    run = fault_runs.run(user_env, NO_EXPORT, all_words)
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines()[0] == (
        "continuing from step 1 of 40: epoch 1 of 4, step 1 of 10"
    )


def test_the_real_command_resumes_a_stopped_run(
    tmp_path, run_words, user_env, run_command, reference
):
    code = AT_STEP + "at_step(23, lambda: send(signal.SIGTERM))" + NO_EXPORT
    run = fault_runs.run(user_env, code, run_words)
    assert run.returncode == 75, run.stderr
    run = run_command("trainers.train", *run_words)
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines()[0] == (
        "continuing from step 23 of 40: epoch 3 of 4, step 3 of 10"
    )
    assert fault_runs.outcome(tmp_path / "run") == reference
    assert run.stdout == f"{tmp_path}/run/export/mnist_mlp/1\n"
