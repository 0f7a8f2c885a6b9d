"""Several worker processes: started, told of each other, restarted, ended.

All processes are real; most workers are a few lines instead of a training.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import commands
import pytest
from processes import is_gone

from trainers.config import files
from trainers.distribution import worker_process
from trainers.run.workdir import Workdir

# The tests can inherit an ignored SIGINT from a shell, and an ignored SIGHUP
# from `nohup`.
LAUNCHER = """
import json, signal, sys
from trainers.distribution import launcher

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
settings = json.loads(sys.argv[1])
sys.exit(launcher.run(sys.argv[2:], stopped_code=75, **settings))
"""
# `note` tells the test that the worker runs, and all that it sees.
WORKER = """
import json, os, pathlib, signal, socket, subprocess, sys, time

folder, again = pathlib.Path(sys.argv[1]), "--again" in sys.argv
config = json.loads(os.environ["TF_CONFIG"])
index = config["task"]["index"]

def note(**more):
    file = folder / f"{os.getpid()}.part"
    file.write_text(json.dumps({
        "pid": os.getpid(), "index": index, "again": again, "config": config,
        "session": os.getsid(0), "stdin": sys.stdin.read(),
        "threads": os.environ["TF_NUM_INTRAOP_THREADS"], **more,
    }))
    file.rename(folder / f"{os.getpid()}.json")

def other():
    # The number of the other process, once it has noted what it sees.
    while True:
        for file in folder.glob("*.json"):
            facts = json.loads(file.read_text())
            if facts["config"]["cluster"] == config["cluster"]:
                if facts["index"] != index:
                    return facts["pid"]
        time.sleep(0.01)

def has_ended(pid):
    return not pathlib.Path(f"/proc/{pid}").exists()

def on_sigterm(code):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(code))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def sleep():
    time.sleep(600)
"""
ASKED = "asked the workers to end; a second signal kills them"


def command(folder, program):
    return [sys.executable, "-S", "-c", WORKER + program, str(folder)]


def launcher(folder, program, **settings):
    settings = {"num_workers": 2, "restart_words": ["--again"]} | settings
    settings = json.dumps(settings)
    words = command(folder, program)
    return [sys.executable, "-c", LAUNCHER, settings, *words]


def run(folder, program, **settings):
    """Returns the exit code, the lines of stderr, and stdout."""
    done = subprocess.run(
        launcher(folder, program, **settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert all(is_gone(worker["pid"]) for worker in notes(folder))
    return done.returncode, done.stderr.splitlines(), done.stdout


def notes(folder):
    """Returns what workers noted, by start and index."""
    facts = [json.loads(file.read_text()) for file in folder.glob("*.json")]
    return sorted(facts, key=lambda worker: (worker["again"], worker["index"]))


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path):
    """Starts a launcher, and ends what a failed test leaves."""
    started = []

    def start(program, **settings):
        process = subprocess.Popen(
            launcher(tmp_path, program, **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        wait_until(lambda: len(notes(tmp_path)) == 2)
        return process

    yield start
    for process in started:
        with process:
            process.kill()
    pids = [worker["pid"] for worker in notes(tmp_path)]
    wait_until(lambda: all(map(is_gone, pids)))


# What workers see, and what is seen of them.


def test_each_worker_is_told_of_all(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    program = (
        "place = config['cluster']['worker'][index].split(':')\n"
        "with socket.create_server((place[0], int(place[1]))):\n"
        "    note()\n"
    )
    assert run(tmp_path, program, num_workers=3) == (0, [], "")
    workers = notes(tmp_path)
    places = workers[0]["config"]["cluster"]["worker"]
    assert len(set(places)) == len(places) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+", place) for place in places)
    num_threads = max(1, len(os.sched_getaffinity(0)) // 3)
    for index, worker in enumerate(workers):
        assert worker["config"] == {
            "cluster": {"worker": places},
            "task": {"type": "worker", "index": index},
        }
        assert worker["session"] == worker["pid"]
        assert (worker["stdin"], worker["again"]) == ("", False)
        assert worker["threads"] == str(num_threads)


def test_the_user_chooses_the_number_of_threads(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    assert run(tmp_path, "note()") == (0, [], "")
    assert [worker["threads"] for worker in notes(tmp_path)] == ["7", "7"]


def test_ports_are_distinct_and_not_those_to_avoid():
    ports = worker_process.free_ports(300)
    others = worker_process.free_ports(300, avoid=ports)
    assert len({*ports, *others}) == 600


def test_lines_begin_with_the_worker_and_stdout_is_as_it_was(tmp_path):
    program = (
        "sys.stderr.write('one\\n\\n  two\\nprogress')\n"
        "sys.stdout.write('result\\n' * (index == 0))\n"
    )
    code, lines, stdout = run(tmp_path, program)
    assert (code, stdout) == (0, "result\n")
    for index in (0, 1):
        prefix = f"[worker {index}] "
        texts = [x.removeprefix(prefix) for x in lines if x.startswith(prefix)]
        assert texts == ["one", "", "  two", "progress"]
    assert len(lines) == 8


def test_lines_of_two_workers_do_not_mix(tmp_path):
    program = (
        "for line in range(2000):\n"
        "    for part in (f'{line} ', 'x' * 50, '\\n'):\n"
        "        os.write(2, part.encode())\n"
        "os.write(2, b'y' * 300_000)\n"
    )
    code, lines, _ = run(tmp_path, program)
    assert code == 0
    for index in (0, 1):
        prefix = f"[worker {index}] "
        assert [line for line in lines if line.startswith(prefix)] == [
            *(f"{prefix}{number} {'x' * 50}" for number in range(2000)),
            prefix + "y" * 300_000,
        ]
    assert len(lines) == 4002


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(closed, tmp_path):
    program = "os.write(1, b'text\\n'); os.write(2, b'text\\n'); note()"
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *launcher(tmp_path, program)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    stdout = "" if ">&- 2" in closed else "text\n" * 2
    assert (done.returncode, done.stdout, done.stderr) == (0, stdout, "")
    assert len(notes(tmp_path)) == 2


def test_workers_continue_when_stderr_is_closed(tmp_path):
    read, write = os.pipe()
    os.close(read)
    program = "os.write(2, b'x\\n' * 999_999); os.write(1, b'end\\n')"
    with open(write, "w") as closed:
        done = subprocess.run(
            launcher(tmp_path, program),
            stdout=subprocess.PIPE,
            stderr=closed,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (0, "end\n" * 2)


def test_what_a_worker_leaves_behind_is_ended(tmp_path):
    """It keeps stderr open, too."""
    program = (
        "left = subprocess.Popen(['sleep', '600']) if index else None\n"
        "note(left=left and left.pid)\n"
        "os._exit(0)\n"
    )
    assert run(tmp_path, program) == (0, [], "")
    wait_until(lambda: is_gone(notes(tmp_path)[1]["left"]))


def test_a_process_in_another_session_does_not_delay_the_launcher(tmp_path):
    program = (
        "left = subprocess.Popen(\n"
        "    ['sleep', '600'], stdout=2, start_new_session=True\n"
        ")\n"
        "note(left=left.pid)\n"
        "print('end', file=sys.stderr)\n"
        "os._exit(0)\n"
    )
    try:
        code, lines, _ = run(tmp_path, program)
    finally:
        for worker in notes(tmp_path):
            os.kill(worker["left"], signal.SIGKILL)
    assert (code, sorted(lines)) == (0, ["[worker 0] end", "[worker 1] end"])


# Failures and restarts.


def test_after_one_was_killed_all_start_again(tmp_path):
    program = (
        "if again and index:\n"
        "    assert sys.argv[2:] == ['--again']\n"
        "note()\n"
        "other()\n"
        "if not again:\n"
        "    die() if index else sleep()\n"
    )
    assert run(tmp_path, program, grace_seconds=0.2) == (
        0,
        ["worker 1 was ended by SIGKILL; restarting all, 1 of 3"],
        "",
    )
    workers = notes(tmp_path)
    assert [(worker["again"], worker["index"]) for worker in workers] == [
        (False, 0),
        (False, 1),
        (True, 0),
        (True, 1),
    ]
    before, after = (
        set(worker["config"]["cluster"]["worker"]) for worker in workers[::3]
    )
    assert len(before | after) == 4


def test_the_others_have_time_to_say_what_they_see(tmp_path):
    program = (
        "note()\n"
        "if index:\n"
        "    die()\n"
        "while not has_ended(other()):\n"
        "    time.sleep(0.01)\n"
        "time.sleep(0.5)\n"
        "sys.exit('the other is gone')\n"
    )
    assert run(tmp_path, program, max_restarts=0, grace_seconds=60) == (
        1,
        [
            "[worker 0] the other is gone",
            "error: worker 1 was ended by SIGKILL.",
        ],
        "",
    )


@pytest.mark.parametrize(
    "end, code, what",
    [
        ("die()", 1, "was ended by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGTERM)", 1, "was ended by SIGTERM"),
        ("os.kill(os.getpid(), 40)", 1, "was ended by the signal 40"),
        ("sys.exit(1)", 1, "ended with the code 1"),
        ("sys.exit(143)", 143, "ended with the code 143"),
    ],
)
def test_a_failure_that_stays_ends_the_restarts(end, code, what, tmp_path):
    program = f"note()\nother()\nif index:\n    {end}\nsleep()"
    settings = {"max_restarts": 2, "grace_seconds": 0.1}
    assert run(tmp_path, program, **settings) == (
        code,
        [
            f"worker 1 {what}; restarting all, 1 of 2",
            f"worker 1 {what}; restarting all, 2 of 2",
            f"error: worker 1 {what}, after 2 restarts.",
        ],
        "",
    )
    assert len(notes(tmp_path)) == 6


@pytest.mark.parametrize(
    "code, lines",
    [
        (2, ["error: worker 1 ended with the code 2."]),
        (130, ["error: worker 1 ended with the code 130."]),
        (75, []),
    ],
)
def test_after_some_codes_a_restart_is_no_use(code, lines, tmp_path):
    program = f"note()\nother()\nif index:\n    sys.exit({code})\nsleep()"
    settings = {"grace_seconds": 0.1, "stop_seconds": 0.1}
    assert run(tmp_path, program, final_codes=[2, 130], **settings) == (
        code,
        lines,
        "",
    )
    assert len(notes(tmp_path)) == 2


def test_one_that_stopped_gives_the_others_time_for_a_checkpoint(tmp_path):
    program = (
        "note()\n"
        "if index:\n"
        "    sys.exit(75)\n"
        "while not has_ended(other()):\n"
        "    time.sleep(0.01)\n"
        "time.sleep(0.5)\n"
        "print('saved')\n"
        "sys.exit(75)\n"
    )
    settings = {"grace_seconds": 0.01, "stop_seconds": 60}
    assert run(tmp_path, program, **settings) == (75, [], "saved\n")


def test_one_that_is_done_waits_for_the_others(tmp_path):
    program = (
        "note()\n"
        "if not index:\n"
        "    while not has_ended(other()):\n"
        "        time.sleep(0.01)\n"
        "    time.sleep(0.5)\n"
        "    print('exported')\n"
    )
    settings = {"grace_seconds": 0.01, "stop_seconds": 0.01}
    assert run(tmp_path, program, **settings) == (0, [], "exported\n")


def test_a_command_that_does_not_exist_leaves_nothing(tmp_path):
    words = launcher(tmp_path, "")
    done = subprocess.run(
        [*words[:4], "/nowhere"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'"
    )


# Stops on request.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_handed_on_and_ends_all(number, start, tmp_path):
    process = start(
        "def save(*_):\n"
        "    print('saved', file=sys.stderr)\n"
        "    sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "note()\n"
        "sleep()\n"
    )
    # `timeout` sends it to the process and to its group: that is one request.
    process.send_signal(number)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert sorted(stderr.splitlines()) == [
        f"{number.name}: {ASKED}",
        "[worker 0] saved",
        "[worker 1] saved",
    ]
    assert process.returncode == 75
    assert all(is_gone(worker["pid"]) for worker in notes(tmp_path))
    assert len(notes(tmp_path)) == 2


@pytest.mark.parametrize(
    "code, expected", [(0, 0), (1, 75), (75, 75), (-15, 75)]
)
def test_after_a_request_nothing_is_restarted(code, expected, start, tmp_path):
    """It is no stop only if all work was done."""
    end = f"on_sigterm({code})\n" if code >= 0 else ""
    process = start(end + "note()\nsleep()")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert stderr == f"SIGTERM: {ASKED}\n"
    assert process.returncode == expected
    assert len(notes(tmp_path)) == 2


def test_one_that_does_not_end_is_killed(start, tmp_path):
    process = start(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "note()\n"
        "if index:\n"
        "    sleep()\n",
        stop_seconds=0.2,
    )
    wait_until(lambda: is_gone(notes(tmp_path)[0]["pid"]))
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert stderr.splitlines() == [
        f"SIGTERM: {ASKED}",
        "worker 1 did not end in time and gets SIGKILL",
    ]
    assert process.returncode == 75
    assert all(is_gone(worker["pid"]) for worker in notes(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_all_at_once(number, start, tmp_path):
    process = start(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nnote()\nsleep()"
    )
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == f"SIGINT: {ASKED}\n"
    time.sleep(0.7)  # Sooner it would be the same request.
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    pids = [worker["pid"] for worker in notes(tmp_path)]
    wait_until(lambda: all(map(is_gone, pids)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_no_worker_outlives_the_launcher(number, start, tmp_path):
    process = start(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nnote()\nsleep()"
    )
    process.send_signal(number)
    assert process.wait(timeout=60) == -number
    pids = [worker["pid"] for worker in notes(tmp_path)]
    wait_until(lambda: all(map(is_gone, pids)))


# The command.

CONFIG = "--config=configs/mnist_mlp.py:smoke"


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--num_workers=2", CONFIG, "--workdir=run"],
            "`--` must appear once, between the flags of the launcher and "
            "those of trainers.train. Received: 0 times. "
            "Example: --num_workers=2 -- --config=FILE --workdir=DIR",
        ),
        (
            ["--num_workers=2", CONFIG, "--", "--workdir=run"],
            f"`{CONFIG}` must come after `--`.",
        ),
        (
            ["--", CONFIG, "--workdir=run", "--num_workers=2"],
            "`--num_workers=2` must come before `--`.",
        ),
        (
            ["--", CONFIG, "--workdir=run"],
            "`--num_workers` must be at least 1. Received: nothing.",
        ),
        (
            ["--num_workers=0", "--", CONFIG, "--workdir=run"],
            "`--num_workers` must be at least 1. Received: 0.",
        ),
        (
            ["--num_workers=1", "--max_restarts=-1", "--", CONFIG],
            "`--max_restarts` must be at least 0. Received: -1.",
        ),
        (
            ["--num_worker=2", "--", CONFIG, "--workdir=run"],
            "`--num_worker` is not a flag. Choices: --num_workers.",
        ),
        (
            ["two", "--num_workers=2", "--", CONFIG, "--workdir=run"],
            "`two` is not a flag, and this command takes only flags. Choices: "
            "--num_workers, --max_restarts.",
        ),
        (
            ["--num_workers=2", "--", "--workdir=run"],
            "`--config` must name an experiment. Received: nothing. Choices: "
            f"{', '.join(files.shipped())}, or a file of yours.",
        ),
        (
            ["--num_workers=2", "--", CONFIG],
            "`--workdir` must name the directory of the run. Received: "
            "nothing. Example: --workdir=/tmp/mnist",
        ),
        (
            [
                *("--num_workers=2", "--", CONFIG, "--workdir=run"),
                "--config.seed=x",
            ],
            "`--config.seed` must be a whole number. Received: 'x'.",
        ),
        (
            [
                *("--num_workers=2", "--", CONFIG, "--workdir=run"),
                "--config.data.path=/nowhere",
            ],
            "`--config.data.path` must exist. Received: '/nowhere'.",
        ),
    ],
)
def test_wrong_words_start_nothing(words, message, run_command, tmp_path):
    done = run_command("trainers.launch", *words, cwd=tmp_path)
    assert done.stderr == f"error: {message}\n"
    assert (done.returncode, done.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


def test_an_answer_about_words_does_not_wait_for_tensorflow(tmp_path):
    words = ["--num_workers=2", "--", CONFIG, "--config.seed=-1"]
    words = ["-X", "importtime", "-m", "trainers.launch", *words]
    done = subprocess.run(
        [sys.executable, *words, "--workdir=run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = done.stderr.splitlines()
    modules = {line.split()[-1] for line in lines if "import time:" in line}
    assert {"absl.flags", "trainers.train"} <= modules
    # NumPy takes 0.1 s, and the objectives need it.
    assert not {"tensorflow", "keras", "matplotlib", "sklearn"} & modules
    assert [line for line in lines if "import time:" not in line] == [
        "error: `--config.seed` must be at least 0 and below 2147483648. "
        "Received: -1."
    ]
    assert done.returncode == 2


def test_a_launcher_inside_a_cluster_is_refused(monkeypatch):
    monkeypatch.setitem(os.environ, "TF_CONFIG", '{"cluster": {}}')
    words = ["-m", "trainers.launch", "--num_workers=2", "--", CONFIG]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == (
        "error: `TF_CONFIG` must not be set, as the launcher sets it for each "
        "worker. Received: '{\"cluster\": {}}'. Unset it, or start "
        "trainers.train if this machine is one of a cluster.\n"
    )
    assert (done.returncode, done.stdout) == (2, "")


def test_help_names_the_flags(run_command):
    done = run_command("trainers.launch", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "python -m trainers.launch --num_workers=2 -- " in done.stdout
    named = re.findall(r"^  --([\w.]+)", done.stdout, re.MULTILINE)
    assert named[:5] == [
        *("config", "workdir", "num_workers", "max_restarts"),
        "config.seed",
    ]


def test_training_resumes_after_its_worker_was_killed(user_env, tmp_path):
    """Although the flag says never to resume."""
    workdir = tmp_path / "run"
    words = ["--num_workers=1", "--max_restarts=1", "--", CONFIG]
    process = commands.start(
        *("trainers.launch", *words, f"--workdir={workdir}"),
        "--config.trainer.resume=never",
        "--config.trainer.epochs=4",
        "--config.trainer.save_every_steps=1",
        env=user_env,
        code="import forked; forked.fork_workers()",
    )
    with process:
        try:
            paths = Workdir(workdir).checkpoints.paths
            wait_until(lambda: paths() or process.poll() is not None)
            assert process.poll() is None, process.stderr.read()
            children = f"/proc/{process.pid}/task/{process.pid}/children"
            [pid] = map(int, pathlib.Path(children).read_text().split())
            os.kill(pid, signal.SIGKILL)
            stdout, stderr = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, stderr
    assert stdout == f"{workdir}/export/mnist_mlp/1\n"
    assert "worker 0 was ended by SIGKILL; restarting all, 1 of 1\n" in stderr
    assert "[worker 0] continuing from step " in stderr
    assert "[worker 0] epoch 4/4: " in stderr
