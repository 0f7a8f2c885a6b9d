"""A wheel built from the checkout works without it."""

import os
import shutil
import subprocess
import sys
import zipfile

from repository import ROOT


def run(*words, **options):
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_trains_outside_the_checkout(tmp_path):
    # A copy, since building leaves a directory behind.
    source = shutil.copytree(
        ROOT, tmp_path / "source", ignore=shutil.ignore_patterns(".*", "build")
    )
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "--no-deps", "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("tfmodels_trainers-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    data = "trainers/data/mnist_subset"
    assert {
        "trainers/configs/mnist_mlp.py",
        f"{data}/README.md",
        f"{data}/1.0.0/mnist_subset-train.tfrecord-00000-of-00001",
    } <= names
    assert not [
        n for n in names if n.startswith(("tests", "benchmarks", "tools"))
    ]

    site = tmp_path / "site"
    run(*pip, "install", "--no-deps", "--no-index", "--target", site, wheel)
    shutil.rmtree(source)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    options = {
        "cwd": elsewhere,
        "env": os.environ | {"PYTHONPATH": str(site)},
    }
    where = "import trainers; print(trainers.__file__)"
    printed = run(sys.executable, "-c", where, **options)
    assert printed.strip() == str(site / "trainers" / "__init__.py")
    printed = run(
        *(sys.executable, "-m", "trainers.train"),
        *("--config=configs/mnist_mlp.py:smoke", "--workdir=run"),
        **options,
    )
    assert printed == "run/export/mnist_mlp/1\n"
