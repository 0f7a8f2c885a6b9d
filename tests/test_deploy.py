"""What stands in deploy/, as far as a machine without a cluster can tell.

The shell texts run as they are, with stand-ins for SLURM's commands and for
Python. The manifests are checked against Kubernetes' published schemas.
"""

import copy
import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from email import parser

import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement

from trainers import config_files

ROOT = pathlib.Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SBATCH = DEPLOY / "slurm" / "train.sbatch"
# What train.yaml says that it needs, and the newest that the validator has.
KUBERNETES = ("1.31", "1.37")


# Stand-ins, each the source of an executable.

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
def stand_ins(tmp_path):
    """The environment in which the stand-ins are found first."""
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
    """Returns what a stand-in has noted, or `None`."""
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


# SLURM


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
    stand_ins, nodes, tasks_per_node, workers
):
    words = ["--config=configs/x.py", "--split=a b[:3]"]
    codes = ",".join("0" * len(workers))
    run = submit(stand_ins, nodes, codes, *words, tasks_per_node=tasks_per_node)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    for index in range(len(workers)):
        worker = note(stand_ins, f"worker-{index}")
        assert json.loads(worker["tf_config"]) == {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": index},
        }
        assert worker["words"] == ["-m", "trainers.train", *words]
    assert note(stand_ins, f"worker-{len(workers)}") is None
    assert note(stand_ins, "srun") == [
        "--kill-on-bad-exit=1",
        "--wait=0",
        "--distribution=block",
        "--label",
        "--cpus-per-task=8",
    ]
    assert note(stand_ins, "scontrol") is None


def test_slurm_stops_with_sigterm_and_queues_again(stand_ins):
    run = submit(stand_ins, "1,2", "wait,wait", stop="time limit")
    assert run.returncode == 75
    assert run.stdout == ("Stopped with a checkpoint: job 4321 queues again.\n")
    assert note(stand_ins, "scontrol") == ["requeue", "4321"]
    # Or srun would kill the one that still saves.
    assert note(stand_ins, "codes") == [0, 0]


def test_slurm_does_not_queue_again_what_was_cancelled(stand_ins):
    run = submit(stand_ins, "1,2", "wait,wait", stop="scancel")
    assert run.returncode == 75
    assert note(stand_ins, "scontrol") is None


@pytest.mark.parametrize(
    "codes, expected",
    [("1,0", 1), ("0,2", 2), ("137,1", 137), ("75,1", 1), ("0,75", 0)],
)
def test_slurm_passes_other_codes_on(stand_ins, codes, expected):
    run = submit(stand_ins, "1,2", codes)
    assert run.returncode == expected
    assert note(stand_ins, "scontrol") is None


def test_slurm_header():
    header = re.findall(r"^#SBATCH --(\S+)$", SBATCH.read_text(), re.M)
    assert header == [
        "job-name=train",
        "nodes=2",
        "ntasks-per-node=1",
        "cpus-per-task=8",
        "time=12:00:00",
        "signal=TERM@120",
        "requeue",
        "open-mode=append",
        "output=%x-%j.log",
    ]


# Kubernetes


def documents(name):
    text = (DEPLOY / "kubernetes" / name).read_text(encoding="utf-8")
    return {item["kind"]: item for item in yaml.safe_load_all(text)}


CLAIM = documents("storage.yaml")["PersistentVolumeClaim"]
TRAIN = documents("train.yaml")
SERVING = documents("serving.yaml")
ALL = [CLAIM, *TRAIN.values(), *SERVING.values()]


def pod(workload):
    """Returns the pod specification of a workload, and its container."""
    spec = workload["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, container


def env(container):
    return {item["name"]: item.get("value") for item in container["env"]}


def test_manifests_are_all_there():
    files = {file.name for file in (DEPLOY / "kubernetes").iterdir()}
    assert files == {"storage.yaml", "train.yaml", "serving.yaml"}
    assert list(TRAIN) == ["Service", "Job"]
    assert list(SERVING) == [
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    ]


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("document", ALL, ids=lambda document: document["kind"])
def test_manifest_has_the_published_schema(document, version):
    found = kubernetes_validate.validate(document, version, strict=True)
    assert found == version


@pytest.mark.parametrize(
    "place, value, message",
    [
        (["spec", "completionModus"], "Indexed", "completionModus"),
        (["spec", "completions"], "two", "'two' is not of type"),
        (
            ["spec", "template", "spec", "containers", 0, "volumeMount"],
            [],
            "volumeMount",
        ),
        (
            ["spec", "podFailurePolicy", "rules"],
            [{"action": "FailJob", "onExitCodes": {"values": [2]}}],
            "'operator' is a required property",
        ),
    ],
    ids=["unknown", "type", "deep", "required"],
)
def test_a_broken_manifest_does_not_have_it(place, value, message):
    broken = copy.deepcopy(TRAIN["Job"])
    target = broken
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    with pytest.raises(kubernetes_validate.ValidationError) as error:
        kubernetes_validate.validate(broken, KUBERNETES[0], strict=True)
    assert message in error.value.message


def test_job_restarts_what_can_be_restarted():
    job = TRAIN["Job"]["spec"]
    assert job["completionMode"] == "Indexed"
    assert job["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    spec, container = pod(TRAIN["Job"])
    # The API refuses a podFailurePolicy with any other.
    assert spec["restartPolicy"] == "Never"

    def codes(*values):
        return {
            "containerName": container["name"],
            "operator": "In",
            "values": [*values],
        }

    assert job["podFailurePolicy"]["rules"] == [
        {"action": "FailJob", "onExitCodes": codes(2)},
        {"action": "Ignore", "onExitCodes": codes(75)},
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
    ]
    assert job["podReplacementPolicy"] == "Failed"
    # Each worker's end counts: five failures of the run.
    assert job["backoffLimit"] >= 5 * job["completions"]


def test_job_and_its_service_belong_together():
    job, service = TRAIN["Job"], TRAIN["Service"]
    name = job["metadata"]["name"]
    spec, container = pod(job)
    assert service["metadata"]["name"] == spec["subdomain"] == name
    # The label that the Job controller gives to its pods.
    label = "batch.kubernetes.io/job-name"
    assert service["spec"]["selector"] == {label: name}
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert container["env"][1] == {
        "name": "JOB_NAME",
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{label}']"}},
    }
    ports = [item["port"] for item in service["spec"]["ports"]]
    assert ports == [item["containerPort"] for item in container["ports"]]
    number = int(env(container)["NUM_WORKERS"])
    assert job["spec"]["completions"] == number
    assert job["spec"]["parallelism"] == number


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


def test_kubernetes_leaves_the_command_as_it_is():
    # It replaces $(NAME), and makes one $ of two.
    _, container = pod(TRAIN["Job"])
    for word in [*container["command"], *container["args"]]:
        assert "$(" not in word and "$$" not in word


@pytest.mark.parametrize("num_workers", [1, 3])
def test_kubernetes_gives_each_pod_its_tf_config(stand_ins, num_workers):
    spec, container = pod(TRAIN["Job"])
    (port,) = [item["containerPort"] for item in container["ports"]]
    stand_ins["CODES"] = "0,0,75"
    for index in range(num_workers):
        process = start_pod(stand_ins, index, num_workers)
        assert process.wait(60) == (75 if index == 2 else 0)
        worker = note(stand_ins, f"worker-{index}")
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


def test_sigterm_reaches_python_in_a_pod(stand_ins, tmp_path):
    stand_ins["CODES"] = "wait,wait"
    process = start_pod(stand_ins, 1, 2)
    while not (worker := note(stand_ins, "worker-1")):
        assert process.poll() is None
    # The process that Kubernetes started, and no child of it.
    assert worker["pid"] == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75


def flags(container):
    """Returns `{name: value}` of a container's `--name=value` words.

    A value that is not there is empty.
    """
    words = [word[2:].partition("=") for word in container["args"]]
    return {name: value for name, _, value in words}


def test_flags_of_the_job_exist():
    from trainers import config as config_lib

    given = flags(pod(TRAIN["Job"])[1])
    config = config_files.load(given.pop("config"))
    known = {name for name, _, _ in config_lib.leaves(config)} | {"workdir"}
    assert set(given) == {
        "workdir",
        "config.trainer.strategy",
        "config.trainer.start_timeout_seconds",
    }
    assert set(given) <= known


@pytest.mark.parametrize(
    "workload", [TRAIN["Job"], SERVING["Deployment"]], ids=["train", "serving"]
)
def test_pods_are_confined_and_find_their_volumes(workload):
    spec, container = pod(workload)
    mounted = {item["name"] for item in container["volumeMounts"]}
    volumes = {item["name"]: item for item in spec["volumes"]}
    assert mounted == set(volumes)
    claim = volumes["runs"]["persistentVolumeClaim"]
    assert claim["claimName"] == CLAIM["metadata"]["name"]
    assert CLAIM["spec"]["accessModes"] == ["ReadWriteMany"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    resources = container["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert "memory" in resources["limits"]
    # A tag, so that pods do not change by themselves.
    assert re.search(r":\d[\d.]*$", container["image"])


def test_serving_serves_what_training_exports():
    _, trainer = pod(TRAIN["Job"])
    _, server = pod(SERVING["Deployment"])
    trained = pathlib.PurePosixPath(flags(trainer)["workdir"])
    runs = trainer["volumeMounts"][0]["mountPath"]
    name = config_files.load(flags(trainer)["config"]).export.name
    export = trained.relative_to(runs) / "export" / name
    mount = server["volumeMounts"][0]
    assert mount == {
        "name": "runs",
        "mountPath": f"/models/{name}",
        "subPath": str(export),
        "readOnly": True,
    }
    ports = {item["name"]: item["containerPort"] for item in server["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    # The files of the bundle, which say that it is at /models/<name>.
    assert flags(server) == {
        "port": str(ports["grpc"]),
        "rest_api_port": str(ports["rest"]),
        "model_config_file": f"/models/{name}/models.config",
        "enable_batching": "",
        "batching_parameters_file": f"/models/{name}/batching.config",
        "monitoring_config_file": f"/models/{name}/monitoring.config",
    }
    ready = server["readinessProbe"]["httpGet"]
    assert ready == {"path": f"/v1/models/{name}", "port": "rest"}


def test_serving_parts_belong_together():
    deployment = SERVING["Deployment"]
    name = deployment["metadata"]["name"]
    _, server = pod(deployment)
    template = deployment["spec"]["template"]["metadata"]
    selector = {"app": name}
    assert template["labels"] == selector
    assert deployment["spec"]["selector"] == {"matchLabels": selector}
    budget = SERVING["PodDisruptionBudget"]["spec"]
    assert budget == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector},
    }

    service = SERVING["Service"]["spec"]
    assert service["selector"] == selector
    names = {item["name"]: item["containerPort"] for item in server["ports"]}
    assert {
        item["targetPort"]: item["port"] for item in service["ports"]
    } == names

    scaler = SERVING["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": name,
    }
    assert scaler["metrics"][0]["resource"]["name"] == "cpu"
    assert scaler["minReplicas"] == 2
    # Two that decide on the number would quarrel.
    assert "replicas" not in deployment["spec"]

    path = template["annotations"]["prometheus.io/path"]
    bundle = (ROOT / "trainers" / "serving" / "bundle.py").read_text()
    assert f'path: "{path}"' in bundle
    assert template["annotations"]["prometheus.io/port"] == "8501"


def test_serving_loses_no_request_in_an_update():
    strategy = SERVING["Deployment"]["spec"]["strategy"]
    assert strategy == {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    spec, server = pod(SERVING["Deployment"])
    sleep = server["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 0 < sleep < spec["terminationGracePeriodSeconds"]


# The image


def instructions():
    """Returns `(name, rest)` of the Dockerfile's instructions."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", "")
    return [tuple(line.split(None, 1)) for line in lines.split("\n") if line]


def copied():
    """Returns what the Dockerfile copies, by destination."""
    return {
        source: words[-1]
        for name, rest in instructions()
        if name == "COPY"
        for words in [rest.split()]
        for source in words[:-1]
    }


def test_dockerfile_instructions():
    assert [name for name, _ in instructions()] == [
        *("FROM", "ENV", "WORKDIR"),
        # Dependencies before the code that changes every day.
        *("ARG", "COPY", "RUN"),
        *("COPY", "COPY", "COPY", "COPY", "RUN"),
        *("RUN", "USER", "WORKDIR", "ENTRYPOINT"),
    ]
    rest = dict(instructions())
    assert rest["FROM"] == "python:3.11-slim"
    assert json.loads(rest["ENTRYPOINT"]) == ["python", "-m", "trainers.train"]
    # By number, or Kubernetes cannot tell that it is not root.
    user = pod(TRAIN["Job"])[0]["securityContext"]["runAsUser"]
    assert rest["USER"] == str(user)


def test_dockerignore_lets_through_what_is_copied():
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert allowed == set(copied())
    assert [r for r in rules[1:] if not r.startswith("!")] == ["**/__pycache__"]


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


def test_readme_of_deploy_names_what_exists():
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    assert {os.path.normpath(DEPLOY / target) for target in targets} >= {
        str(file)
        for file in DEPLOY.rglob("*")
        if file.is_file() and file.name not in ("README.md",)
    }
    for target in targets:
        assert (DEPLOY / target).exists(), target
