"""Rules of TensorFlow Serving's contract that a file can be checked for.

References:
    https://www.tensorflow.org/tfx/serving/api_rest and the sources of
    TensorFlow Serving: row format and batching need a first dimension of
    unknown size in every tensor, and REST cannot write half precision.
"""

from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

# What the session loader and the REST writer take.
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
# Python code, which a server does not have, and files of this machine.
_FORBIDDEN_OPS = {
    "EagerPyFunc",
    "PyFunc",
    "PyFuncStateless",
    "ReadFile",
    "WriteFile",
}
# Ops of tensorflow_text that TensorFlow Serving links: since 2.18, those of
# tensorflow_text 2.12.1, of which these are used.
_TEXT_OPS = {"FastBertNormalize", "FastWordpieceTokenizeWithOffsets"}
# Keras adds it for its own loader; no request names it.
_INTERNAL_SIGNATURES = {"__saved_model_init_op"}


def lint(path):
    """Checks a SavedModel directory against the contract.

    Args:
        path: `pathlib.Path` of a version directory.

    Returns:
        List of broken rules in words; empty if there are none.
    """
    file = path / "saved_model.pb"
    if not file.is_file():
        return [f"{file.name} is missing"]
    saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    graphs = [
        g for g in saved_model.meta_graphs if "serve" in g.meta_info_def.tags
    ]
    if len(graphs) != 1:
        return [f"one MetaGraph must have the tag `serve`, not {len(graphs)}"]
    signatures = {
        name: signature
        for name, signature in graphs[0].signature_def.items()
        if name not in _INTERNAL_SIGNATURES
    }
    problems = []
    if "serving_default" not in signatures:
        problems.append("the signature `serving_default` is missing")
    for name, signature in signatures.items():
        problems += _lint_signature(name, signature)
    return problems + list(_lint_graph(graphs[0]))


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
    for key, info in signature.outputs.items():
        where = f"output `{key}` of signature `{name}`"
        if info.dtype not in _OUTPUT_TYPES:
            kind = types_pb2.DataType.Name(info.dtype)
            yield f"{where} has the type {kind}, which REST cannot write"
        if info.dtype == types_pb2.DT_STRING and key.endswith("_bytes"):
            yield f"{where} would come back as base64: another name is needed"


def _lint_graph(graph):
    functions = graph.graph_def.library.function
    nodes = list(graph.graph_def.node)
    nodes += [node for function in functions for node in function.node_def]
    ops = {node.op for node in nodes}
    for op in sorted(ops & _FORBIDDEN_OPS):
        yield f"op {op} needs this process or this machine's files"
    local = {function.signature.name for function in functions}
    # Registered are, as long as nobody has imported tensorflow_text, those of
    # TensorFlow itself; `check_process` lints before it does.
    for op in sorted(ops - local - _TEXT_OPS):
        if op.startswith("TFText>") or op_def_registry.get(op) is None:
            yield f"op {op} is not in TensorFlow Serving"
    if any(f.attr["_XlaMustCompile"].b for f in functions):
        yield "a function is compiled with `jit_compile`: servers lack XLA"
