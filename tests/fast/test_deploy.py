"""The manifests in deploy/, against Kubernetes' published schemas.

`tests/process/test_deploy.py` runs the shell scripts.
"""

import copy
import json
import os
import pathlib
import re

import kubernetes_validate
import pytest
from deploy_files import DEPLOY
from deploy_files import SBATCH
from deploy_files import TRAIN
from deploy_files import copied
from deploy_files import documents
from deploy_files import instructions
from deploy_files import pod
from repository import ROOT

from trainers.config import files as files_lib

# What train.yaml says that it needs, and the newest that the validator has.
KUBERNETES = ("1.31", "1.37")


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


CLAIM = documents("storage.yaml")["PersistentVolumeClaim"]


SERVING = documents("serving.yaml")


ALL = [CLAIM, *TRAIN.values(), *SERVING.values()]


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


def test_kubernetes_leaves_the_command_as_it_is():
    # It replaces $(NAME), and makes one $ of two.
    _, container = pod(TRAIN["Job"])
    for word in [*container["command"], *container["args"]]:
        assert "$(" not in word and "$$" not in word


def flags(container):
    """Returns `{name: value}` of a container's `--name=value` words.

    A value that is not there is empty.
    """
    words = [word[2:].partition("=") for word in container["args"]]
    return {name: value for name, _, value in words}


def test_flags_of_the_job_exist():
    from trainers.config import tree

    given = flags(pod(TRAIN["Job"])[1])
    config = files_lib.load(given.pop("config"))
    known = {name for name, _, _ in tree.leaves(config)} | {"workdir"}
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
    name = files_lib.load(flags(trainer)["config"]).export.name
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
