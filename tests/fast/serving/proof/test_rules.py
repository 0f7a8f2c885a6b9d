"""Rules of the APIs, and the ops that servers link."""

import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from trainers.serving.proof import rules as rules_lib

STRING, FLOAT = types_pb2.DT_STRING, types_pb2.DT_FLOAT


INPUT_RULE = "its one input must be `inputs: string[batch]`, of tf.Examples"


def save(path, function, name="serving_default"):
    tf.saved_model.save(tf.Module(), str(path), signatures={name: function})
    return path


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """A real version, with one string as input."""
    spec = tf.TensorSpec((None,), tf.string, name="inputs")

    @tf.function(input_signature=[spec])
    def serve(inputs):
        scores = tf.cast(tf.strings.length(inputs), tf.float32)[:, tf.newaxis]
        return {"classes": inputs[:, tf.newaxis], "scores": scores}

    return save(tmp_path_factory.mktemp("version") / "1", serve)


def changed(version, path, change_fn):
    """Writes a version whose MetaGraph is changed; returns its directory."""
    data = (version / "saved_model.pb").read_bytes()
    saved_model = saved_model_pb2.SavedModel.FromString(data)
    change_fn(saved_model.meta_graphs[0])
    (path / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    return path


def fill(tensors, **types_and_shapes):
    """Makes tensors of a signature: `name=(dtype, *sizes)`."""
    for key in list(tensors):
        del tensors[key]
    for key, (dtype, *sizes) in types_and_shapes.items():
        tensors[key].dtype = dtype
        for size in sizes:
            tensors[key].tensor_shape.dim.add(size=size)


def lint_signature(version, path, name, inputs, outputs):
    """Returns problems, and APIs, of one signature more."""

    def change(graph):
        signature = graph.signature_def[name]
        fill(signature.inputs, **inputs)
        fill(signature.outputs, **outputs)

    changed(version, path, change)
    signature = rules_lib.signatures(rules_lib.read(path))[name]
    return rules_lib.lint(path), rules_lib.apis(signature)


EXAMPLES = {"inputs": (STRING, -1)}


@pytest.mark.parametrize(
    "inputs, outputs, apis",
    [
        (EXAMPLES, {"classes": (STRING, -1, 3)}, ["classify"]),
        (EXAMPLES, {"scores": (FLOAT, -1, -1)}, ["classify"]),
        (
            EXAMPLES,
            {"classes": (STRING, -1, 3), "scores": (FLOAT, -1, 3)},
            ["classify"],
        ),
        (
            EXAMPLES,
            {"classes": (STRING, -1, -1), "scores": (FLOAT, -1, 3)},
            ["classify"],
        ),
        (EXAMPLES, {"outputs": (FLOAT, -1)}, ["regress"]),
        (EXAMPLES, {"outputs": (FLOAT, -1, 1)}, ["regress"]),
        # Of no other shape than Predict's, and of no other's business.
        ({"text": (STRING, -1)}, {"classes": (STRING, -1)}, []),
        ({"inputs": (FLOAT, -1)}, {"outputs": (STRING, -1)}, []),
        ({"inputs": (STRING, -1, 2)}, {"y": (FLOAT, -1)}, []),
        (
            {"inputs": (STRING, -1), "more": (STRING, -1)},
            {"outputs": (FLOAT, -1)},
            [],
        ),
    ],
)
def test_a_signature_has_the_apis_whose_rules_it_keeps(
    version, tmp_path, inputs, outputs, apis
):
    found = lint_signature(version, tmp_path, "other", inputs, outputs)
    assert found == ([], ["predict", *apis])


@pytest.mark.parametrize(
    "inputs, outputs, problems",
    [
        ({"text": (STRING, -1)}, {"scores": (FLOAT, -1, 2)}, [INPUT_RULE]),
        ({"inputs": (FLOAT, -1)}, {"scores": (FLOAT, -1, 2)}, [INPUT_RULE]),
        ({"inputs": (STRING, -1, 1)}, {"scores": (FLOAT, -1, 2)}, [INPUT_RULE]),
        (
            {"inputs": (STRING, -1), "more": (STRING, -1)},
            {"scores": (FLOAT, -1, 2)},
            [INPUT_RULE],
        ),
        (
            EXAMPLES,
            {"classes": (STRING, -1, 2), "logits": (FLOAT, -1, 2)},
            [
                "its outputs must be `classes`, `scores` or both, not "
                "['classes', 'logits']"
            ],
        ),
        (
            EXAMPLES,
            {"label": (STRING, -1)},
            ["its outputs must be `classes`, `scores` or both, not ['label']"],
        ),
        (
            EXAMPLES,
            {"classes": (types_pb2.DT_INT64, -1, 2)},
            ["`classes` must be string[batch, num_classes]"],
        ),
        (
            EXAMPLES,
            {"classes": (STRING, -1)},
            ["`classes` must be string[batch, num_classes]"],
        ),
        (
            EXAMPLES,
            {"scores": (types_pb2.DT_DOUBLE, -1, 2)},
            ["`scores` must be float32[batch, num_classes]"],
        ),
        (
            EXAMPLES,
            {"scores": (FLOAT, -1, 2, 2)},
            ["`scores` must be float32[batch, num_classes]"],
        ),
        (
            EXAMPLES,
            {"classes": (STRING, -1, 3), "scores": (FLOAT, -1, 4)},
            ["`classes` and `scores` must be equal in num_classes"],
        ),
    ],
)
@pytest.mark.parametrize("name", ["classify", "like_it"])
def test_rules_of_classify(version, tmp_path, name, inputs, outputs, problems):
    found, apis = lint_signature(version, tmp_path, name, inputs, outputs)
    assert apis == ["predict"]
    if name == "like_it" and problems == [INPUT_RULE]:
        problems = []  # It looks like any other signature.
    start = f"signature `{name}` is for the classify API: "
    assert found == [start + problem for problem in problems]


@pytest.mark.parametrize(
    "inputs, outputs, problems",
    [
        ({"x": (STRING, -1)}, {"outputs": (FLOAT, -1)}, [INPUT_RULE]),
        (
            EXAMPLES,
            {"outputs": (FLOAT, -1), "more": (FLOAT, -1)},
            ["its one output must be `outputs`, not ['more', 'outputs']"],
        ),
        (
            EXAMPLES,
            {"y": (FLOAT, -1)},
            ["its one output must be `outputs`, not ['y']"],
        ),
        *(
            (
                EXAMPLES,
                {"outputs": tensor},
                ["`outputs` must be float32[batch] or float32[batch, 1]"],
            )
            for tensor in (
                (types_pb2.DT_INT32, -1),
                (types_pb2.DT_DOUBLE, -1, 1),
                (FLOAT, -1, 2),
                (FLOAT, -1, -1),
                (FLOAT, -1, 1, 1),
            )
        ),
    ],
)
def test_rules_of_regress(version, tmp_path, inputs, outputs, problems):
    found, apis = lint_signature(version, tmp_path, "regress", inputs, outputs)
    assert apis == ["predict"]
    start = "signature `regress` is for the regress API: "
    assert found == [start + problem for problem in problems]


def test_what_answers_with_outputs_is_meant_for_regress(version, tmp_path):
    outputs = {"outputs": (FLOAT, -1, 7)}
    found, _ = lint_signature(version, tmp_path, "like_it", EXAMPLES, outputs)
    assert found == [
        "signature `like_it` is for the regress API: `outputs` must be "
        "float32[batch] or float32[batch, 1]"
    ]


def test_outputs_of_unknown_rank_are_for_no_api(version, tmp_path):
    def change(graph):
        signature = graph.signature_def["serving_default"]
        fill(signature.outputs, scores=(FLOAT,))
        signature.outputs["scores"].tensor_shape.unknown_rank = True

    changed(version, tmp_path, change)
    signature = rules_lib.read(tmp_path).signature_def["serving_default"]
    assert rules_lib.apis(signature) == ["predict"]
    assert rules_lib.lint(tmp_path) == [
        "output `scores` of signature `serving_default` must have the batch "
        "as first dimension",
        "signature `serving_default` is for the classify API: `scores` must "
        "be float32[batch, num_classes]",
    ]


@pytest.mark.parametrize("name", ["classify", "regress"])
def test_a_signature_without_outputs_is_for_no_api(version, tmp_path, name):
    found, apis = lint_signature(version, tmp_path, name, EXAMPLES, {})
    assert apis == ["predict"]
    rules = {
        "classify": "its outputs must be `classes`, `scores` or both, not []",
        "regress": "its one output must be `outputs`, not []",
    }
    assert found == [
        f"signature `{name}` has no output",
        f"signature `{name}` is for the {name} API: {rules[name]}",
    ]


def test_a_real_classifier_has_both_apis(version):
    graph = rules_lib.read(version)
    assert list(rules_lib.signatures(graph)) == ["serving_default"]
    signature = graph.signature_def["serving_default"]
    assert rules_lib.apis(signature) == ["predict", "classify"]
    assert rules_lib.lint(version) == []


@pytest.mark.parametrize("count", [0, 2])
def test_one_meta_graph_has_the_tag(version, tmp_path, count):
    data = (version / "saved_model.pb").read_bytes()
    saved_model = saved_model_pb2.SavedModel.FromString(data)
    graphs = [saved_model.meta_graphs[0]] * count
    saved_model = saved_model_pb2.SavedModel(meta_graphs=graphs)
    (tmp_path / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    problem = f"one MetaGraph must have the tag `serve`, not {count}"
    assert rules_lib.lint(tmp_path) == [problem]
    with pytest.raises(ValueError) as error:
        rules_lib.oldest_server(tmp_path)
    assert str(error.value) == problem


@pytest.mark.parametrize(
    "dtype, name",
    [
        (types_pb2.DT_HALF, "DT_HALF"),
        (types_pb2.DT_UINT16, "DT_UINT16"),
        (types_pb2.DT_RESOURCE, "DT_RESOURCE"),
        (types_pb2.DT_VARIANT, "DT_VARIANT"),
        (99, "99"),  # Of some newer TensorFlow.
    ],
)
def test_inputs_are_of_types_that_json_has(version, tmp_path, dtype, name):
    tensor = {"x": (dtype, -1)}
    found, _ = lint_signature(version, tmp_path, "other", tensor, tensor)
    expected = [
        f"input `x` of signature `other` has the type {name}, which REST "
        "cannot read",
        f"output `x` of signature `other` has the type {name}, which REST "
        "cannot write",
    ]
    assert found == expected[: 1 if name == "DT_UINT16" else 2]


def bytes_signature(function):
    spec = tf.TensorSpec((None,), tf.string, name="file")
    return tf.function(function, input_signature=[spec])


def split_words(file):
    ids = tf_text.WhitespaceTokenizer().tokenize(file)
    return {"y": ids.to_tensor("")}


def trim(file):
    words = tf.strings.split(file)
    trimmed = tf_text.RoundRobinTrimmer(4).trim([words, words])
    return {"y": trimmed[0].to_tensor("")}


def decode_webp(file):
    image = tf.raw_ops.DecodeWebP(contents=file[0])
    return {"y": tf.zeros_like(file) + tf.strings.as_string(tf.size(image))}


def decode_jxl(file):
    image = tf.raw_ops.DecodeJxl(contents=file[0])
    return {"y": tf.zeros_like(file) + tf.strings.as_string(tf.size(image))}


@pytest.mark.parametrize(
    "function, server",
    [
        (lambda file: {"y": tf.strings.lower(file)}, "2.18"),
        (split_words, "2.18"),
        (trim, "2.20"),
        (decode_webp, "2.20"),
    ],
    ids=["lower", "split_words", "trim", "decode_webp"],
)
def test_the_oldest_server_links_all_ops(tmp_path, function, server):
    path = save(tmp_path / "1", bytes_signature(function))
    assert rules_lib.oldest_server(path) == server
    assert rules_lib.lint(path) == []


def test_an_op_that_no_server_links_is_named(tmp_path):
    path = save(tmp_path / "1", bytes_signature(decode_jxl))
    assert rules_lib.oldest_server(path) is None
    assert rules_lib.lint(path) == [
        "op DecodeJxl is in no TensorFlow Serving: 2.18, 2.19 and 2.20 lack it"
    ]


def test_unknown_ops_are_named_in_order(version, tmp_path):
    def change(graph):
        graph.graph_def.node.add(name="b", op="TFText>Unheard")
        function = graph.graph_def.library.function[0]
        function.node_def.add(name="a", op="Acme>Op")
        # A call of a function of the graph is no op of a server.
        graph.graph_def.node.add(name="c", op=function.signature.name)

    changed(version, tmp_path, change)
    assert rules_lib.oldest_server(tmp_path) is None
    assert rules_lib.lint(tmp_path) == [
        f"op {op} is in no TensorFlow Serving: 2.18, 2.19 and 2.20 lack it"
        for op in ("Acme>Op", "TFText>Unheard")
    ]


@pytest.mark.parametrize(
    "min_consumer, server",
    [(1994, "2.18"), (1995, "2.19"), (2130, "2.20"), (2288, "2.20")],
)
def test_the_oldest_server_reads_the_graph(
    version, tmp_path, min_consumer, server
):
    def change(graph):
        graph.graph_def.versions.min_consumer = min_consumer

    changed(version, tmp_path, change)
    assert rules_lib.oldest_server(tmp_path) == server
    assert rules_lib.lint(tmp_path) == []


def test_a_graph_for_newer_readers_is_refused(version, tmp_path):
    def change(graph):
        graph.graph_def.versions.min_consumer = 2289

    changed(version, tmp_path, change)
    assert rules_lib.oldest_server(tmp_path) is None
    assert rules_lib.lint(tmp_path) == [
        "the graph's `min_consumer` must be at most 2288, the version that "
        "TensorFlow Serving 2.20 reads, not 2289"
    ]


def test_files_of_this_machine_are_refused(tmp_path):
    def read_all(file):
        names = tf.io.matching_files(file)
        reader = tf.raw_ops.WholeFileReaderV2()
        count = tf.raw_ops.ReaderNumRecordsProducedV2(reader_handle=reader)
        return {"y": file + tf.strings.as_string(count) + names[0]}

    path = save(tmp_path / "1", bytes_signature(read_all))
    assert rules_lib.lint(path) == [
        f"op {op} needs this process or this machine's files"
        for op in ("MatchingFiles", "WholeFileReaderV2")
    ]


@pytest.mark.parametrize("op", ["XlaCallModule", "XlaLaunch", "XlaLaunchV2"])
def test_ops_of_xla_are_refused(version, tmp_path, op):
    changed(version, tmp_path, lambda g: g.graph_def.node.add(name="x", op=op))
    assert rules_lib.lint(tmp_path) == [
        f"op {op} needs XLA, which servers lack"
    ]


@pytest.mark.parametrize(
    "nodes_fn",
    [
        lambda graph_def: graph_def.node,
        lambda graph_def: graph_def.library.function[0].node_def,
    ],
    ids=["graph", "function"],
)
def test_a_node_that_must_be_compiled_is_refused(version, tmp_path, nodes_fn):
    def change(graph):
        nodes_fn(graph.graph_def)[0].attr["_XlaMustCompile"].b = True

    changed(version, tmp_path, change)
    assert rules_lib.lint(tmp_path) == [
        "a function is compiled with `jit_compile`: servers lack XLA"
    ]
