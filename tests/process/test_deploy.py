"""The shell scripts in deploy/, without a cluster.

They run unchanged, with fake commands of SLURM and a fake Python.
"""

import fnmatch
import json
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from email import parser

import pytest
from deploy_files import SBATCH
from deploy_files import TRAIN
from deploy_files import copied
from deploy_files import instructions
from deploy_files import pod
from packaging.requirements import Requirement
from repository import ROOT

# Notes how it was called, and ends with the code that the test has chosen for
# its worker, or with the trainer's 75 at SIGTERM.
PYTHON = """
import json, os, pathlib, signal, sys, time
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
note = {
    "words": sys.argv[1:],
    "tf_config": os.environ["TF_CONFIG"],
    "pid": os.getpid(),
}
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
path = pathlib.Path(os.environ["NOTES"], f"worker-{index}")
path.with_suffix(".new").write_text(json.dumps(note))
path.with_suffix(".new").rename(path)
code = os.environ["CODES"].split(",")[index]
if code == "wait":
    time.sleep(60)
    sys.exit("SIGTERM did not come")
sys.exit(int(code))
"""


# Starts all tasks, with their numbers. Where the test wants it, sends SIGTERM
# to all processes of each, as SLURM does, or to the batch script, as `scancel`
# does. Ends with the highest code.
SRUN = """
import json, os, pathlib, signal, subprocess, sys, time
notes = pathlib.Path(os.environ["NOTES"])
start = sys.argv.index("bash")
(notes / "srun").write_text(json.dumps(sys.argv[1:start]))
tasks = [
    subprocess.Popen(
        sys.argv[start:],
        env=os.environ | {"SLURM_PROCID": str(index)},
        start_new_session=True,
    )
    for index in range(int(os.environ["SLURM_NTASKS"]))
]
if "STOP" in os.environ:
    while len(list(notes.glob("worker-?"))) < len(tasks):
        time.sleep(0.01)
    if os.environ["STOP"] == "scancel":
        os.kill(os.getppid(), signal.SIGTERM)
    for task in tasks:
        os.killpg(task.pid, signal.SIGTERM)
codes = [task.wait() for task in tasks]
(notes / "codes").write_text(json.dumps(codes))
sys.exit(max(codes))
"""


SCONTROL = """
import json, os, pathlib, sys
if sys.argv[1:3] == ["show", "hostnames"]:
    # Real names, of what the test put in brackets.
    name, numbers = sys.argv[3].rstrip("]").split("[")
    print(*(name + number for number in numbers.split(",")), sep="\\n")
else:
    note = pathlib.Path(os.environ["NOTES"], "scontrol")
    note.write_text(json.dumps(sys.argv[1:]))
"""


@pytest.fixture
def fake_commands(tmp_path):
    """The environment in which the fake commands are found first."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name, source in {
        "python": PYTHON,
        "srun": SRUN,
        "scontrol": SCONTROL,
    }.items():
        file = directory / name
        file.write_text(f"#!{sys.executable}\n{source}")
        file.chmod(0o755)
    notes = tmp_path / "notes"
    notes.mkdir()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    return {
        "PATH": f"{directory}:/usr/bin:/bin",
        "NOTES": str(notes),
        "TMPDIR": str(temporary),
    }


def note(environment, name):
    """Returns the note of a fake command, or `None`."""
    file = pathlib.Path(environment["NOTES"], name)
    return json.loads(file.read_text()) if file.exists() else None


def submit(environment, nodes, codes, *words, tasks_per_node=1, stop=None):
    """Runs the batch script as the job 4321 on `n<number>` nodes."""
    environment |= {
        "SLURM_JOB_ID": "4321",
        "SLURM_JOB_NODELIST": f"n[{nodes}]",
        "SLURM_NTASKS": str(len(nodes.split(",")) * tasks_per_node),
        "SLURM_NTASKS_PER_NODE": str(tasks_per_node),
        "SLURM_CPUS_PER_TASK": "8",
        "CODES": codes,
    }
    if stop:
        environment["STOP"] = stop
    run = subprocess.run(
        ["bash", SBATCH, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    # Nothing is left behind.
    assert list(pathlib.Path(environment["TMPDIR"]).iterdir()) == []
    return run


@pytest.mark.parametrize(
    "nodes, tasks_per_node, workers",
    [
        # 20000 + 4321 % 1500 * 8
        ("07", 1, ["n07:30568"]),
        ("07,09,11", 1, ["n07:30568", "n09:30568", "n11:30568"]),
        ("1,2", 2, ["n1:30568", "n1:30569", "n2:30568", "n2:30569"]),
    ],
    ids=["one_node", "three_nodes", "two_tasks_a_node"],
)
def test_slurm_gives_each_task_its_tf_config(
    fake_commands, nodes, tasks_per_node, workers
):
    words = ["--config=configs/x.py", "--split=a b[:3]"]
    codes = ",".join("0" * len(workers))
    run = submit(
        fake_commands, nodes, codes, *words, tasks_per_node=tasks_per_node
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    for index in range(len(workers)):
        worker = note(fake_commands, f"worker-{index}")
        assert json.loads(worker["tf_config"]) == {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": index},
        }
        assert worker["words"] == ["-m", "trainers.train", *words]
    assert note(fake_commands, f"worker-{len(workers)}") is None
    assert note(fake_commands, "srun") == [
        "--kill-on-bad-exit=1",
        "--wait=0",
        "--distribution=block",
        "--label",
        "--cpus-per-task=8",
    ]
    assert note(fake_commands, "scontrol") is None


def test_slurm_stops_with_sigterm_and_queues_again(fake_commands):
    run = submit(fake_commands, "1,2", "wait,wait", stop="time limit")
    assert run.returncode == 75
    assert run.stdout == (
        "Stopped with a checkpoint: job 4321 is queued again.\n"
    )
    assert note(fake_commands, "scontrol") == ["requeue", "4321"]
    # Otherwise srun would kill the task that still saves.
    assert note(fake_commands, "codes") == [0, 0]


def test_slurm_does_not_queue_again_what_was_cancelled(fake_commands):
    run = submit(fake_commands, "1,2", "wait,wait", stop="scancel")
    assert run.returncode == 75
    assert note(fake_commands, "scontrol") is None


@pytest.mark.parametrize(
    "codes, expected",
    [("1,0", 1), ("0,2", 2), ("137,1", 137), ("75,1", 1), ("0,75", 0)],
)
def test_slurm_passes_other_codes_on(fake_commands, codes, expected):
    run = submit(fake_commands, "1,2", codes)
    assert run.returncode == expected
    assert note(fake_commands, "scontrol") is None


def start_pod(environment, index, num_workers):
    """Starts the container's command as the pod `index` of the Job `train`."""
    _, container = pod(TRAIN["Job"])
    return subprocess.Popen(
        [*container["command"], *container["args"]],
        env=environment
        | {
            "JOB_NAME": "train",
            "NUM_WORKERS": str(num_workers),
            "JOB_COMPLETION_INDEX": str(index),
        },
    )


@pytest.mark.parametrize("num_workers", [1, 3])
def test_kubernetes_gives_each_pod_its_tf_config(fake_commands, num_workers):
    spec, container = pod(TRAIN["Job"])
    (port,) = [item["containerPort"] for item in container["ports"]]
    fake_commands["CODES"] = "0,0,75"
    for index in range(num_workers):
        process = start_pod(fake_commands, index, num_workers)
        assert process.wait(60) == (75 if index == 2 else 0)
        worker = note(fake_commands, f"worker-{index}")
        assert json.loads(worker["tf_config"]) == {
            "cluster": {
                "worker": [
                    f"train-{i}.{spec['subdomain']}:{port}"
                    for i in range(num_workers)
                ]
            },
            "task": {"type": "worker", "index": index},
        }
        assert worker["words"] == ["-m", "trainers.train", *container["args"]]


def test_sigterm_reaches_python_in_a_pod(fake_commands, tmp_path):
    fake_commands["CODES"] = "wait,wait"
    process = start_pod(fake_commands, 1, 2)
    while not (worker := note(fake_commands, "worker-1")):
        assert process.poll() is None
    # The process that Kubernetes started, and no child of it.
    assert worker["pid"] == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75


def test_image_has_the_whole_package_and_its_dependencies(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name, destination in copied().items():
        if (ROOT / name).is_dir():
            assert destination == f"./{name}"
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            assert destination == "./"
            shutil.copy(ROOT / name, source)

    # The command before the `>`, as the shell of the image reads it.
    (install,) = [r for n, r in instructions() if "configparser" in r]
    words = shlex.split(install.split(" > ")[0])
    assert words[:2] == ["python", "-c"]
    listed = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")

    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps"]
        + ["-w", tmp_path, source],
        capture_output=True,
        check=True,
        timeout=300,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = fnmatch.filter(names, "*/METADATA")
        fields = parser.Parser().parsestr(archive.read(metadata).decode())
    wanted = [Requirement(text) for text in fields.get_all("Requires-Dist")]
    assert {Requirement(line) for line in listed if line} == {
        requirement for requirement in wanted if not requirement.marker
    }
    modules = {
        file.relative_to(ROOT).as_posix()
        for package in ("tfmodels", "trainers", "configs")
        for file in (ROOT / package).rglob("*.py")
    }
    assert (
        modules
        - {
            name.removeprefix("trainers/") if "/configs/" in name else name
            for name in names
        }
        == set()
    )
    assert "trainers/data/debian_packages/packages.csv.gz" in names
