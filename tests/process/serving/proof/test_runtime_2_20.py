"""The environment of another TensorFlow: made once, whole or not at all."""

import concurrent.futures
import shutil
import subprocess
import zipfile

import exported_models
import pytest

from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.serving import warmup
from trainers.serving.proof import checker
from trainers.serving.proof import runtime_2_20

INSTALLS = (("tiny==1.0",), ("--no-deps", "tiny"))


WHEEL = "tiny-1.0-py3-none-any.whl"


def write_wheel(file):
    """Writes the smallest package that pip installs."""
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("tiny.py", "ANSWER = 42\n")
        wheel.writestr(
            "tiny-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        )
        wheel.writestr(
            "tiny-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
        )
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache, of a user whose only package index is a directory."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    write_wheel(wheels / WHEEL)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tfmodels-trainers"


def answer(python):
    run = subprocess.run(
        [python, "-I", "-c", "import tiny; print(tiny.ANSWER)"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return run.stdout + run.stderr


def test_two_exporters_at_once_make_it_once(
    cache, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO", "trainers")
    # What the user's processes find there is not taken for installed.
    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile(tmp_path / "wheels" / WHEEL) as wheel:
        wheel.extractall(elsewhere)
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        found = list(threads.map(runtime_2_20.interpreter, [INSTALLS] * 2))
    python = found[0]
    assert found == [python] * 2
    # Both say for what they wait.
    assert set(caplog.messages) == {
        f"installing TensorFlow 2.20.0 for the check, once: {python.parents[1]}"
    }
    caplog.clear()
    assert answer(python) == "42\n"
    directory = python.parents[1]
    assert [path.name for path in cache.iterdir()] == [directory.name]
    assert directory.name.startswith("serving-2.20-")
    assert (directory / "versions.txt").read_text() == "tiny==1.0\n"
    # There is no index any more, and none is needed.
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert runtime_2_20.interpreter(INSTALLS) == python
    assert caplog.messages == []
    # Other packages are another environment.
    with pytest.raises(RunError, match="No matching distribution"):
        runtime_2_20.interpreter((("tiny==2.0",),))
    assert [path.name for path in cache.iterdir()] == [directory.name]


def test_pips_failure_is_shown_and_leaves_nothing(cache, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    with pytest.raises(RunError) as error:
        runtime_2_20.interpreter(INSTALLS)
    start, command, *last = str(error.value).splitlines()
    assert start == (
        "the environment of `--config.export.check=serving_2_20` could not be "
        "made; no version was published. Run the same command again, or "
        "switch this check off: --config.export.check=session."
    )
    assert command == "pip install tiny==1.0:"
    assert "  ERROR: No matching distribution found for tiny==1.0" in last
    assert list(cache.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ConfigError) as error:
        runtime_2_20.interpreter(INSTALLS)
    place = tmp_path / "cache" / "tfmodels-trainers"
    assert str(error.value) == (
        "`--config.export.check=serving_2_20` installs 1.7 GB into the cache, "
        "which must be writable. Set $XDG_CACHE_HOME to use another directory. "
        f"Received: {str(place)!r}: Not a directory."
    )


@pytest.mark.torture
@pytest.mark.parametrize(
    "make",
    [exported_models.image_classifier, exported_models.text_classifier],
)
def test_models_answer_alike_in_tensorflow_2_20(make, tmp_path):
    """Installs it, 300 MB to download; later cases reuse it."""
    exported = make(tmp_path)
    inputs = exported.inputs
    warmup.write(exported.path, inputs, [1, 4], model_name="model")
    checker.check(
        exported.path, exported.functions, inputs, runtime="serving_2_20"
    )
    # In that environment, too, a difference is found.
    python = runtime_2_20.interpreter()
    (name, fed, right) = exported.cases(sizes=(7,))[0]
    wrong = right | {"class_id": right["class_id"] + 1}
    with pytest.raises(RunError) as error:
        checker.ask(exported.path, [(name, fed, wrong)], python)
    assert str(error.value).splitlines() == [
        "the export would not serve with TensorFlow 2.20.0; no version was "
        "published:",
        f"  signature `{name}` at batch 7: `class_id` differs from the "
        "model in memory",
    ]


@pytest.mark.torture
def test_the_command_exports_with_that_proof(
    smoke_workdir, tmp_path, run_command
):
    workdir = shutil.copytree(smoke_workdir, tmp_path / "run")
    run = run_command(
        "trainers.export",
        f"--workdir={workdir}",
        "--config.export.check=serving_2_20",
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"{workdir / 'export' / 'mnist_mlp' / '2'}\n"
