"""Equal weights and settings give equal bytes in any process."""

import hashlib
import re
import shutil
import subprocess

import fault_runs
import keras
import numpy as np
import pytest
import tensorflow as tf
import worker_runs
from tensorflow.core.protobuf import config_pb2
from tensorflow.core.protobuf import fingerprint_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.saved_model import fingerprinting_utils

import tfmodels
from trainers.config import experiment
from trainers.serving import canonical
from trainers.serving import exporter
from trainers.serving.proof.fresh_process import SessionModel

FILES = [
    "assets.extra/manifest.json",
    "assets.extra/tf_serving_warmup_requests",
    "fingerprint.pb",
    "saved_model.pb",
    "variables/variables.data-00000-of-00001",
    "variables/variables.index",
]


def sums(path):
    """Returns SHA-256 by name of all files in a directory."""
    return {
        file.relative_to(path).as_posix(): hashlib.sha256(
            file.read_bytes()
        ).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("run", ["smoke_workdir", "smoke_text_workdir"])
def test_processes_export_equal_bytes(run, request, tmp_path, user_env):
    trained = request.getfixturevalue(run)
    # The path of the work directory does not change the bytes either.
    workdir = shutil.copytree(trained, tmp_path / "elsewhere")
    # Version 1 is by the training process, which built and traced more. The
    # order of sets is another one in the two processes.
    exported = subprocess.run(
        **fault_runs.command(
            user_env | {"PYTHONHASHSEED": "1"},
            "trainers.export",
            worker_runs.QUICK_EXPORT,
            [f"--workdir={workdir}"],
        )
    )
    assert exported.returncode == 0, exported.stderr
    (base,) = (workdir / "export").iterdir()
    by_training, by_export = [sums(base / number) for number in "12"]
    assert list(by_training) == FILES
    assert by_export == by_training


def test_layers_without_a_name_are_counted_from_0(
    smoke_workdir, tmp_path, monkeypatch
):
    def build(config, num_outputs):
        image = keras.Input(config.image_shape, name="image")
        x = keras.layers.Flatten()(image)
        for index, units in enumerate(config.hidden_dims):
            name = f"hidden_{index}"
            x = keras.layers.Dense(units, activation="relu", name=name)(x)
        logits = keras.layers.Dense(num_outputs, name="logits")(x)
        return keras.Model({"image": image}, logits)

    monkeypatch.setattr(tfmodels.MnistMlpConfig, "build", build)
    workdir = shutil.copytree(smoke_workdir, tmp_path / "run")
    text = (workdir / "config.json").read_text()
    config = experiment.from_json(text)
    first = exporter.export_best(config, workdir)
    before = [keras.layers.Flatten().name for _ in range(2)]
    second = exporter.export_best(config, workdir)
    assert sums(first) == sums(second)
    # An export does not change the count of layers outside.
    assert keras.layers.Flatten().name not in before


def make_functions(scale):
    """Returns functions that use what TensorFlow numbers, and a network."""
    # Equal names, and names in another order than their first use.
    a, b, c = [
        tf.Variable(tf.fill((3, 3), scale * number), name=name)
        for number, name in [(1.0, "z"), (2.0, "same"), (3.0, "same")]
    ]
    captured = tf.constant([0.5, 1.0, 2.0])
    table = tf.reshape(tf.range(3000.0), (1000, 3))  # Too large for a node.

    @tf.function
    def inner(x):
        return tf.nn.silu(x @ a) * captured  # Has its own gradient.

    @tf.custom_gradient
    def doubled(x):
        return 2 * x, lambda upstream: upstream @ b

    def body(i, x):
        @tf.custom_gradient
        def scaled(y):
            return y / 100, lambda upstream: upstream * x  # Of the loop.

        y = tf.cond(
            tf.reduce_sum(x) > 0, lambda: inner(x) + captured, lambda: x @ b
        )
        return i + 1, scaled(y)

    spec = tf.TensorSpec((None, 3), tf.float32, name="x_1")

    @tf.function(input_signature=[spec])
    def loop(x_1):
        shapes = tf.TensorShape([]), tf.TensorShape([None, 3])
        _, x = tf.while_loop(
            lambda i, _: i < 3, body, (0, x_1), shape_invariants=shapes
        )
        cases = [lambda: inner(x), lambda: x @ c, lambda: x + table[7]]
        x = tf.switch_case(tf.shape(x)[0] % 3, cases)
        return {"y": x, "sums": tf.map_fn(tf.reduce_sum, x)}

    @tf.function(input_signature=[spec])
    def plain(x_1):
        return {"y": doubled(inner(x_1)) @ c + b[0]}

    return {"serving_default": loop, "plain": plain}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Three SavedModels and their functions; the last has other weights."""
    directory = tmp_path_factory.mktemp("written")
    paths, functions = [], []
    for number, scale in enumerate([0.1, 0.1, 0.2]):
        path = directory / str(number)
        path.mkdir()
        made = make_functions(scale)
        if number == 1:
            # Traced in the other order, with gradients.
            x = tf.ones((2, 3))
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = made["plain"](x)["y"]
            tape.gradient(y, x)
        exporter.write_saved_model(path, made)
        paths.append(path)
        functions.append(made)
    return paths, functions


def test_bytes_do_not_depend_on_earlier_work_of_the_process(written):
    first, second, other = map(sums, written[0])
    assert first == second
    assert [name for name in first if first[name] != other[name]] == [
        "fingerprint.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]


def test_answers_and_gradients_stay_the_same(written):
    path, functions = written[0][0], written[1][0]
    loaded = tf.saved_model.load(str(path))
    session = SessionModel(path)
    rng = np.random.default_rng(0)
    for name, function in functions.items():
        for rows in (3, 4, 5):  # Each is another branch of the `switch_case`.
            x = rng.standard_normal((rows, 3)).astype("float32")
            expected = function(x)
            for answer in (
                loaded.signatures[name](x_1=tf.constant(x)),
                session(name, {"x_1": x}),
            ):
                assert answer.keys() == expected.keys()
                for key, values in expected.items():
                    np.testing.assert_allclose(answer[key], values, rtol=1e-5)
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ys = [f(x)["y"] for f in (functions["plain"], loaded.plain)]
    expected, found = [tape.gradient(y, x) for y in ys]
    assert np.any(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_names_that_users_gave_stay(written):
    path = written[0][0]
    (graph,) = read_saved_model(path).meta_graphs
    traces = graph.object_graph_def.concrete_functions
    functions = [
        function
        for function in graph.graph_def.library.function
        if function.signature.name in traces
        and re.search("_(loop|plain|wrapper)_", function.signature.name)
    ]
    assert len(functions) == 4
    for function in functions:
        assert function.signature.input_arg[0].name == "x_1"
        given = function.arg_attr[0].attr["_user_specified_name"]
        assert given.s == b"x_1"
    loaded = tf.saved_model.load(str(path))
    _, arguments = loaded.signatures["plain"].structured_input_signature
    assert list(arguments) == ["x_1"]


def read_saved_model(path):
    data = (path / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(data)


def read_fingerprint(path):
    data = (path / "fingerprint.pb").read_bytes()
    return fingerprint_pb2.FingerprintDef.FromString(data)


def test_the_fingerprint_matches_the_files(written, tmp_path):
    uuids = []
    for path in written[0]:
        found = read_fingerprint(path)
        uuids.append(found.uuid)
        copy = shutil.copytree(path, tmp_path / path.name)
        fingerprinting_utils.write_fingerprint(str(copy))
        expected = read_fingerprint(copy)
        assert found.uuid != expected.uuid
        found.uuid = expected.uuid  # TensorFlow draws it at random.
        assert found == expected
        singleprint = tf.saved_model.experimental.read_fingerprint(
            str(path)
        ).singleprint()
        assert singleprint == (
            fingerprinting_utils.singleprint_from_saved_model_proto(str(path))
        )
    assert uuids[0] == uuids[1] != uuids[2]
    assert all(0 <= int(uuid) < 2**128 for uuid in uuids)


def test_rewriting_again_changes_nothing(written, tmp_path):
    path = shutil.copytree(written[0][0], tmp_path / "copy")
    canonical.rewrite(path)
    assert sums(path) == sums(written[0][0])


def test_devices_and_threads_are_not_in_the_graph(written):
    (graph,) = read_saved_model(written[0][0]).meta_graphs
    nodes = list(graph.graph_def.node)
    for function in graph.graph_def.library.function:
        nodes += function.node_def
    configs = {
        n.attr["config_proto"].s for n in nodes if "config_proto" in n.attr
    }
    (config,) = map(config_pb2.ConfigProto.FromString, configs)
    assert config.allow_soft_placement
    found = {field.name for field, _ in config.ListFields()}
    assert found <= {"allow_soft_placement", "experimental"}
