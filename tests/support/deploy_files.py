"""The files in deploy/, parsed."""

import re

import yaml
from repository import ROOT

DEPLOY = ROOT / "deploy"
SBATCH = DEPLOY / "slurm" / "train.sbatch"


def documents(name):
    text = (DEPLOY / "kubernetes" / name).read_text(encoding="utf-8")
    return {item["kind"]: item for item in yaml.safe_load_all(text)}


TRAIN = documents("train.yaml")


def pod(workload):
    """Returns the pod specification of a workload, and its container."""
    spec = workload["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, container


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
