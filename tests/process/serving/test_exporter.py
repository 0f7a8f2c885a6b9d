"""Exports: proved servable, published whole or not at all."""

import json
import shutil
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers import tasks
from trainers.config import experiment
from trainers.errors import RunError
from trainers.evaluation import evaluator
from trainers.run import best_weights
from trainers.run.workdir import Workdir
from trainers.runtime import atomic
from trainers.serving import exporter
from trainers.serving.proof import checker
from trainers.serving.proof import rules
from trainers.serving.proof.fresh_process import SessionModel
from trainers.serving.proof.fresh_process import problems_of
from trainers.tasks.inputs import images


def load_config(workdir):
    return experiment.from_json((workdir / "config.json").read_text())


@pytest.fixture
def workdir(smoke_workdir, tmp_path):
    """A copy of the smoke run, to write to."""
    return shutil.copytree(smoke_workdir, tmp_path / "run")


@pytest.fixture(scope="module")
def version(smoke_workdir):
    return smoke_workdir / "export" / "mnist_mlp" / "1"


@pytest.fixture(scope="module")
def network(smoke_workdir):
    paths = Workdir(smoke_workdir)
    task = tasks.restore_task(load_config(smoke_workdir), paths)
    return evaluator.load_best(task, paths)[0]


def test_session_answers_are_those_of_the_model_in_memory(version, network):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7, 28, 28), np.uint8)
    logits = network({"image": images.astype(np.float32) / 255}).numpy()
    probabilities = tf.nn.softmax(logits).numpy()
    session = SessionModel(version)
    encoded = [tf.io.encode_png(image[..., None]).numpy() for image in images]
    for answer in (
        session("serving_default", {"image": images.astype(np.float32)}),
        session("image_bytes", {"image_bytes": encoded}),
    ):
        assert sorted(answer) == [
            "class_id",
            "label",
            "logits",
            "probabilities",
        ]
        np.testing.assert_allclose(answer["logits"], logits, atol=1e-5)
        np.testing.assert_allclose(
            answer["probabilities"], probabilities, atol=1e-5
        )
        np.testing.assert_array_equal(answer["class_id"], logits.argmax(1))
        assert [label.decode() for label in answer["label"]] == [
            str(i) for i in logits.argmax(1)
        ]


def test_signatures_have_the_names_types_and_shapes_of_the_contract(version):
    signatures = SessionModel(version).signatures
    tensors = {
        name: {
            key: (tf.dtypes.as_dtype(info.dtype).name, tensor_shape(info))
            for key, info in (*s.inputs.items(), *s.outputs.items())
        }
        for name, s in signatures.items()
        if not name.startswith("__")
    }
    outputs = {
        "logits": ("float32", [-1, 10]),
        "probabilities": ("float32", [-1, 10]),
        "class_id": ("int64", [-1]),
        "label": ("string", [-1]),
    }
    assert tensors == {
        "serving_default": {"image": ("float32", [-1, 28, 28])} | outputs,
        "image_bytes": {"image_bytes": ("string", [-1])} | outputs,
        "classify": {
            "inputs": ("string", [-1]),
            "classes": ("string", [-1, 10]),
            "scores": ("float32", [-1, 10]),
        },
    }


def tensor_shape(info):
    return [dim.size for dim in info.tensor_shape.dim]


def test_weights_are_written_once(version, network):
    (data,) = (version / "variables").glob("*.data-*")
    size = sum(4 * np.prod(w.shape) for w in network.weights)
    # 55,050 parameters; the rest is the object graph, under 5 KB.
    assert size == 4 * (784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10)
    assert size < data.stat().st_size < size + 5_000


def test_manifest_names_model_labels_versions_and_sums(version, smoke_workdir):
    facts = atomic.verify(version, exporter.MANIFEST)
    assert facts["model"] == "mnist_mlp"
    assert facts["weights_of_step"] == 16
    assert facts["weights_sha256"] == Workdir(smoke_workdir).best.sha256()
    assert facts["labels"] == [str(digit) for digit in range(10)]
    assert facts["signatures"] == ["classify", "image_bytes", "serving_default"]
    assert facts["apis"] == {
        "classify": ["predict", "classify"],
        "image_bytes": ["predict"],
        "serving_default": ["predict"],
    }
    assert facts["allowed_batch_sizes"] == [1, 2, 4, 8, 16, 32]
    assert facts["oldest_server"] == "2.18"
    assert facts["parameters"] == 55_050
    assert facts["versions"]["tensorflow"] == tf.__version__
    assert facts["config"] == json.loads(
        (smoke_workdir / "config.json").read_text()
    )
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(version))
    assert facts["fingerprint"] == fingerprint.singleprint()


def test_next_export_gets_the_next_number(workdir, run_command):
    run = run_command("trainers.export", f"--workdir={workdir}")
    assert run.returncode == 0, run.stderr
    base = workdir / "export" / "mnist_mlp"
    assert run.stdout == f"{base / '2'}\n"
    assert sorted(atomic.numbered(base)) == [1, 2]


def export_once(workdir, **changes):
    config = load_config(workdir)
    for name, value in changes.items():
        setattr(config, name, value)
    return exporter.export_once(config, workdir)


def test_what_is_exported_already_is_not_exported_again(workdir):
    base = workdir / "export" / "mnist_mlp"
    files = {p: p.read_bytes() for p in base.rglob("*") if p.is_file()}
    for _ in range(2):
        assert export_once(workdir) == base / "1"
    assert files == {p: p.read_bytes() for p in base.rglob("*") if p.is_file()}
    # The newest of several.
    shutil.copytree(base / "1", base / "3")
    assert export_once(workdir) == base / "3"


@pytest.fixture
def unchecked(monkeypatch):
    """Exports without a check, for tests that export several times."""
    monkeypatch.setattr(checker, "check", lambda *args, **kwargs: None)


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_damaged_version_is_exported_again(how, workdir, unchecked):
    """A file that is cut: `test_export_crashes`."""
    base = workdir / "export" / "mnist_mlp"
    (data,) = (base / "1" / "variables").glob("*.data-*")
    if how == "gone":
        data.unlink()
    else:
        shutil.rmtree(base / "1")
        (base / "1").mkdir()
    assert export_once(workdir) == base / "2"
    atomic.verify(base / "2", exporter.MANIFEST)
    assert export_once(workdir) == base / "2"


def test_other_weights_or_settings_are_exported(workdir, network, unchecked):
    base = workdir / "export" / "mnist_mlp"
    # A setting that no answer depends on is in the manifest as well.
    assert export_once(workdir, seed=7) == base / "2"
    assert export_once(workdir, seed=7) == base / "2"
    assert export_once(workdir) == base / "1"
    arrays = best_weights.arrays_of(network)
    arrays["logits/bias"] = arrays["logits/bias"] + 1
    Workdir(workdir).best.save(arrays, step=32, facts={})
    assert export_once(workdir) == base / "3"
    facts = atomic.verify(base / "3", exporter.MANIFEST)
    assert facts["weights_of_step"] == 32
    assert facts["weights_sha256"] == Workdir(workdir).best.sha256()
    # The same numbers in the same file again.
    Workdir(workdir).best.save(arrays, step=48, facts={})
    assert export_once(workdir) == base / "3"


def test_two_exporters_at_once_publish_two_whole_versions(tmp_path):
    # Both have found the number 1 free before either renames.
    barrier = threading.Barrier(2)

    class Base(type(tmp_path)):
        def iterdir(self):
            found = list(super().iterdir())
            if not any(p.name.isdigit() for p in found):
                barrier.wait()
            return iter(found)

    def publish(name):
        with atomic.temporary_dir(tmp_path, name) as path:
            (path / "assets.extra").mkdir()
            (path / "saved_model.pb").write_text(name)
            exporter._publish(path, Base(tmp_path), {})

    threads = [threading.Thread(target=publish, args=(n,)) for n in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]
    contents = {
        (tmp_path / number / "saved_model.pb").read_text() for number in "12"
    }
    assert contents == {"a", "b"}
    for number in "12":
        atomic.verify(tmp_path / number, exporter.MANIFEST)


def test_failing_check_leaves_no_version_directory(workdir, monkeypatch):
    config = load_config(workdir)

    # A real defect: weights that move on after they were written.
    def written_too_early(path, functions):
        original(path, functions)
        for function in functions.values():
            for variable in function.get_concrete_function().variables:
                variable.assign(variable + 1.0)

    original = exporter.write_saved_model
    monkeypatch.setattr(exporter, "write_saved_model", written_too_early)
    with pytest.raises(RunError) as error:
        exporter.export_best(config, workdir)
    lines = str(error.value).splitlines()
    assert lines[0] == "the export would not serve; no version was published:"
    assert lines[1].startswith(
        "  signature `serving_default` at batch 1: `logits` differs by "
    )
    base = workdir / "export" / "mnist_mlp"
    assert [p.name for p in base.iterdir() if p.is_dir()] == ["1"]


def test_what_answers_must_be_what_was_trained(workdir, monkeypatch):
    config = load_config(workdir)

    def make_inference(task, network):
        return lambda *args, **kwargs: network(*args, **kwargs) + 1e-3

    monkeypatch.setattr(images.Images, "make_inference", make_inference)
    with pytest.raises(RunError) as error:
        exporter.export_best(config, workdir)
    assert (
        str(error.value)
        .splitlines()[1]
        .startswith(
            "  signature `serving_default` at batch 1: `logits` differs by 0.00"
        )
    )
    base = workdir / "export" / "mnist_mlp"
    assert [p.name for p in base.iterdir() if p.is_dir()] == ["1"]


def test_model_that_loads_in_python_but_not_in_a_session_is_found(tmp_path):
    """PITFALL of `tf.saved_model.save` around a Keras model."""
    inputs = keras.Input((3,), name="x")
    model = keras.Model({"x": inputs}, keras.layers.Dense(2)(inputs))
    module = tf.Module()
    module.model = model

    @tf.function(input_signature=[tf.TensorSpec((None, 3), name="x")])
    def serve(x):
        return {"y": model({"x": x})}

    tf.saved_model.save(
        module, str(tmp_path / "m"), signatures={"serving_default": serve}
    )
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    assert loaded.signatures["serving_default"](x=tf.ones((1, 3)))
    rows = np.ones((100, 3), np.float32)
    with pytest.raises(RunError, match="failed its check in a fresh process"):
        checker.check(
            tmp_path / "m",
            {"serving_default": serve},
            {"serving_default": {"x": rows}},
        )


def save(path, function):
    archive = keras.export.ExportArchive()
    function.get_concrete_function()
    archive.add_endpoint("serving_default", function)
    archive.write_out(str(path), verbose=False)
    return rules.lint(path)


def spec(shape, dtype=tf.float32, name="x"):
    return [tf.TensorSpec(shape, dtype, name=name)]


def test_linter_passes_a_good_export(version):
    assert rules.lint(version) == []


def test_linter_finds_each_broken_rule(tmp_path):
    @tf.function(input_signature=spec((None, 3)))
    def scalar(x):
        return {"y": tf.reduce_sum(x)}

    assert save(tmp_path / "scalar", scalar) == [
        "output `y` of signature `serving_default` must have the batch as "
        "first dimension"
    ]

    @tf.function(input_signature=spec((5, 3)))
    def fixed(x):
        return {"y": x}

    assert save(tmp_path / "fixed", fixed) == [
        f"{kind} of signature `serving_default` must have the batch as first "
        "dimension"
        for kind in ("input `x`", "output `y`")
    ]

    @tf.function(input_signature=spec((None, 3)))
    def half(x):
        return {"y": tf.cast(x, tf.bfloat16)}

    assert save(tmp_path / "half", half) == [
        "output `y` of signature `serving_default` has the type DT_BFLOAT16, "
        "which REST cannot write"
    ]

    @tf.function(input_signature=spec((None, 3)))
    def named_bytes(x):
        return {"y_bytes": tf.strings.as_string(x)}

    assert save(tmp_path / "bytes", named_bytes) == [
        "output `y_bytes` of signature `serving_default` would come back as "
        "base64: another name is needed"
    ]

    @tf.function(input_signature=spec((None, 3)))
    def python(x):
        y = tf.numpy_function(lambda v: v, [x], tf.float32, stateful=False)
        return {"y": tf.ensure_shape(y, (None, 3))}

    assert save(tmp_path / "python", python) == [
        "op PyFuncStateless needs this process or this machine's files"
    ]

    @tf.function(jit_compile=True)
    def compiled(x):
        return x * 2.0

    @tf.function(input_signature=spec((None, 3)))
    def with_xla(x):
        return {"y": compiled(x)}

    assert save(tmp_path / "xla", with_xla) == [
        "a function is compiled with `jit_compile`: servers lack XLA"
    ]


def test_linter_wants_serving_default_and_the_tag(tmp_path):
    assert rules.lint(tmp_path) == ["saved_model.pb is missing"]
    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path / "m"))
    assert rules.lint(tmp_path / "m") == [
        "the signature `serving_default` is missing"
    ]


def test_check_process_names_what_differs(version):
    rows = np.zeros((2, 28, 28), np.float32)
    right = SessionModel(version)("serving_default", {"image": rows})
    case = ("serving_default", {"image": rows})
    assert problems_of(version, [(*case, right)]) == []
    for name, wrong, problem in (
        ("logits", right["logits"] + 1e-3, "differs by 0.001"),
        ("logits", right["logits"] * np.nan, "differs by nan"),
        ("logits", right["logits"][:, :9], "has the shape (2, 10), not (2, 9)"),
        ("class_id", right["class_id"] + 1, "differs from the model"),
        ("label", np.array([b"x", b"y"], object), "differs from the model"),
    ):
        (found,) = problems_of(version, [(*case, right | {name: wrong})])
        start = f"signature `serving_default` at batch 2: `{name}` {problem}"
        assert found.startswith(start)
    (found,) = problems_of(version, [(*case, {"logits": right["logits"]})])
    assert found.endswith("not ['logits']")


@pytest.mark.parametrize("command", ["show", "run"])
def test_saved_model_cli_works_on_the_export(
    version, command, tmp_path, run_command
):
    """The program calls the `main` of this module."""
    cli = "tensorflow.python.tools.saved_model_cli"
    np.save(tmp_path / "image.npy", np.zeros((3, 28, 28), np.float32))
    words = {
        "show": ["show", "--dir", version, "--all"],
        "run": [
            *("run", "--dir", version, "--tag_set", "serve"),
            *("--signature_def", "serving_default"),
            *("--inputs", f"image={tmp_path / 'image.npy'}"),
        ],
    }[command]
    run = run_command(cli, *map(str, words))
    assert run.returncode == 0, run.stderr
    expected = {
        "show": [
            "signature_def['serving_default']",
            "signature_def['image_bytes']",
            "inputs['image'] tensor_info:",
            "shape: (-1, 28, 28)",
        ],
        "run": [
            "Result for output key probabilities:",
            "Result for output key label:",
        ],
    }[command]
    for text in expected:
        assert text in run.stdout
