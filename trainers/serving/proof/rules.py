"""Checks a SavedModel file against the rules of TensorFlow Serving.

References:
    https://www.tensorflow.org/tfx/serving/api_rest and the source code of
    TensorFlow Serving: the row format and batching need a first dimension of
    unknown size in every tensor. REST cannot write half precision.
    classifier.cc and regressor.cc in tensorflow_serving/servables/tensorflow:
    names, types and shapes in signatures for Classify and Regress.
"""

from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from trainers.serving.proof import server_ops

# Types that the session loader and the REST writer accept.
_OUTPUT_TYPES = {
    types_pb2.DT_FLOAT,
    types_pb2.DT_DOUBLE,
    types_pb2.DT_INT8,
    types_pb2.DT_INT16,
    types_pb2.DT_INT32,
    types_pb2.DT_INT64,
    types_pb2.DT_UINT8,
    types_pb2.DT_UINT16,
    types_pb2.DT_UINT32,
    types_pb2.DT_UINT64,
    types_pb2.DT_BOOL,
    types_pb2.DT_STRING,
}
# Types that the JSON reader accepts.
_INPUT_TYPES = _OUTPUT_TYPES - {types_pb2.DT_UINT16}
# These ops need Python, which a server does not have, or files of this
# machine. Ops of the loader, such as RestoreV2, are allowed: they read the
# files of the version.
_FORBIDDEN_OPS = {
    "EagerPyFunc",
    "MatchingFiles",
    "PyFunc",
    "PyFuncStateless",
    "ReadFile",
    "WholeFileReader",
    "WholeFileReaderV2",
    "WriteFile",
}
_XLA_OPS = {"XlaCallModule", "XlaLaunch", "XlaLaunchV2"}
# Keras adds this one for its own loader. Requests do not name it.
_INTERNAL_SIGNATURES = {"__saved_model_init_op"}


def lint(path):
    """Returns the rules that a SavedModel directory breaks.

    Args:
        path: `pathlib.Path`. A version directory.

    Returns:
        List of str, one for each broken rule; empty if there is none.
    """
    try:
        graph = read(path)
    except ValueError as error:
        return [str(error)]
    found = signatures(graph)
    problems = []
    if "serving_default" not in found:
        problems.append("the signature `serving_default` is missing")
    for name, signature in found.items():
        problems += _lint_signature(name, signature)
        problems += _lint_api(name, signature)
    return problems + list(_lint_graph(graph))


def read(path):
    """Returns the `MetaGraphDef` that a server loads.

    Args:
        path: `pathlib.Path`. A version directory.

    Raises:
        ValueError: The directory has no such graph, or several.
    """
    file = path / "saved_model.pb"
    if not file.is_file():
        raise ValueError(f"{file.name} is missing")
    saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    graphs = [
        g for g in saved_model.meta_graphs if "serve" in g.meta_info_def.tags
    ]
    if len(graphs) != 1:
        raise ValueError(
            f"one MetaGraph must have the tag `serve`, not {len(graphs)}"
        )
    return graphs[0]


def signatures(graph):
    """Returns the signatures of a graph without TensorFlow's internal ones.

    Args:
        graph: `MetaGraphDef`.

    Returns:
        Dict of `SignatureDef` by name.
    """
    return {
        name: signature
        for name, signature in graph.signature_def.items()
        if name not in _INTERNAL_SIGNATURES
    }


def apis(signature):
    """Returns the APIs that can call a signature.

    Args:
        signature: `SignatureDef`.

    Returns:
        List of str: always `predict`, and `classify` or `regress` if the
        signature follows their rules.
    """
    return ["predict"] + [
        api for api, rule in _API_RULES.items() if not any(rule(signature))
    ]


def oldest_server(path):
    """Returns the oldest TensorFlow Serving that has all ops of a version.

    Args:
        path: `pathlib.Path`. A version directory.

    Returns:
        str from `server_ops.SERVERS`, for example `2.18`. `None` if no server
        has all ops.

    Raises:
        ValueError: The directory has no graph for a server, or several.
    """
    return server_ops.oldest(read(path).graph_def)


def _lint_signature(name, signature):
    if not signature.inputs:
        yield f"signature `{name}` has no input"
    if not signature.outputs:
        yield f"signature `{name}` has no output"
    for kind, tensors in (
        ("input", signature.inputs),
        ("output", signature.outputs),
    ):
        for key, info in tensors.items():
            where = f"{kind} `{key}` of signature `{name}`"
            shape = info.tensor_shape
            if shape.unknown_rank or not shape.dim or shape.dim[0].size != -1:
                yield f"{where} must have the batch as first dimension"
    for key, info in signature.inputs.items():
        where = f"input `{key}` of signature `{name}`"
        if info.dtype not in _INPUT_TYPES:
            kind = _type_name(info.dtype)
            yield f"{where} has the type {kind}, which REST cannot read"
    for key, info in signature.outputs.items():
        where = f"output `{key}` of signature `{name}`"
        if info.dtype not in _OUTPUT_TYPES:
            kind = _type_name(info.dtype)
            yield f"{where} has the type {kind}, which REST cannot write"
        if info.dtype == types_pb2.DT_STRING and key.endswith("_bytes"):
            yield f"{where} would come back as base64: another name is needed"


def _type_name(number):
    """Returns a name such as DT_HALF; the number if the type is unknown."""
    names = types_pb2.DataType.DESCRIPTOR.values_by_number
    return names[number].name if number in names else str(number)


def _lint_api(name, signature):
    """Yields the broken rules of the API for which a signature is made."""
    if name in _API_RULES:
        api = name
    elif any(_broken_input_rules(signature)):
        return
    else:
        api = "regress" if "outputs" in signature.outputs else "classify"
    for rule in _API_RULES[api](signature):
        yield f"signature `{name}` is for the {api} API: {rule}"


def _broken_classify_rules(signature):
    yield from _broken_input_rules(signature)
    outputs = signature.outputs
    if not outputs or not outputs.keys() <= {"classes", "scores"}:
        yield (
            "its outputs must be `classes`, `scores` or both, not "
            f"{sorted(outputs)}"
        )
    counts = set()
    for key, kind, dtype in (
        ("classes", "string", types_pb2.DT_STRING),
        ("scores", "float32", types_pb2.DT_FLOAT),
    ):
        if key not in outputs:
            continue
        sizes = _sizes(outputs[key])
        if outputs[key].dtype != dtype or len(sizes) != 2:
            yield f"`{key}` must be {kind}[batch, num_classes]"
        counts |= {size for size in sizes[1:2] if size != -1}
    if len(counts) > 1:
        yield "`classes` and `scores` must be equal in num_classes"


def _broken_regress_rules(signature):
    yield from _broken_input_rules(signature)
    outputs = signature.outputs
    if list(outputs) != ["outputs"]:
        yield f"its one output must be `outputs`, not {sorted(outputs)}"
        return
    sizes = _sizes(outputs["outputs"])
    has_shape = len(sizes) == 1 or (len(sizes) == 2 and sizes[1] == 1)
    if outputs["outputs"].dtype != types_pb2.DT_FLOAT or not has_shape:
        yield "`outputs` must be float32[batch] or float32[batch, 1]"


def _broken_input_rules(signature):
    inputs = signature.inputs
    if (
        list(inputs) != ["inputs"]
        or inputs["inputs"].dtype != types_pb2.DT_STRING
        or len(_sizes(inputs["inputs"])) != 1
    ):
        yield "its one input must be `inputs: string[batch]`, of tf.Examples"


def _sizes(info):
    """Returns the sizes of the dimensions; empty if the rank is unknown."""
    return [dim.size for dim in info.tensor_shape.dim]


_API_RULES = {
    "classify": _broken_classify_rules,
    "regress": _broken_regress_rules,
}


def _lint_graph(graph):
    used = server_ops.used_ops(graph.graph_def)
    for op in sorted(used & _FORBIDDEN_OPS):
        yield f"op {op} needs this process or this machine's files"
    for op in sorted(used & _XLA_OPS):
        yield f"op {op} needs XLA, which servers lack"
    yield from server_ops.problems_of(graph.graph_def)
    functions = graph.graph_def.library.function
    compiled = [*functions, *graph.graph_def.node]
    compiled += [node for f in functions for node in f.node_def]
    if any(x.attr["_XlaMustCompile"].b for x in compiled):
        yield "a function is compiled with `jit_compile`: servers lack XLA"
