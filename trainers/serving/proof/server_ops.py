"""Lists the ops in releases of TensorFlow Serving.

A server contains the ops of one release of TensorFlow and of one release of
tensorflow_text. It refuses a graph with any other op.

References:
    tensorflow_serving/workspace.bzl names tensorflow_text 2.12.1 in the servers
    2.18 and 2.19, and 2.20.0 in the server 2.20. The lists contain the ops
    that these packages register, and tensorflow-cpu 2.18.1, 2.19.1 and 2.20.0.
"""

from tensorflow.python.framework import op_def_registry

# Newest version of the graph format that each server reads, oldest server
# first. A graph names the lowest version that it needs.
_GRAPH_VERSIONS = {"2.18": 1994, "2.19": 2129, "2.20": 2288}
SERVERS = tuple(_GRAPH_VERSIONS)
# Ops of tensorflow_text by the first server that has them.
_TEXT_OPS = {
    "2.18": {
        "CaseFoldUTF8",
        "ConstrainedSequence",
        "FastBertNormalize",
        "FastWordpieceTokenizeWithOffsets",
        "FindSourceOffsets",
        "MaxSpanningTree",
        "NormalizeUTF8",
        "NormalizeUTF8WithOffsetsMap",
        "PhraseTokenize",
        "RegexSplitWithOffsets",
        "RougeL",
        "SentenceFragments",
        "SentenceFragmentsV2",
        "SentencepieceDetokenizeOp",
        "SentencepieceIdToStringOp",
        "SentencepieceOp",
        "SentencepieceStringToIdOp",
        "SentencepieceTokenizeOp",
        "SentencepieceTokenizeWithOffsetsOp",
        "SentencepieceVocabSizeOp",
        "SplitMergeTokenizeWithOffsets",
        "TFText>BoiseTagsToOffsets",
        "TFText>ByteSplitByOffsets",
        "TFText>ByteSplitWithOffsets",
        "TFText>FastSentencepieceDetokenize",
        "TFText>FastSentencepieceTokenize",
        "TFText>FastWordpieceDetokenize",
        "TFText>NgramsStringJoin",
        "TFText>OffsetsToBoiseTags",
        "TFText>PhraseDetokenize",
        "TFText>WhitespaceTokenizeWithOffsetsV2",
        "TokenizerFromLogits",
        "UnicodeScriptTokenizeWithOffsets",
        "WhitespaceTokenizeWithOffsets",
        "WordpieceTokenizeWithOffsets",
    },
    "2.20": {
        "TFText>RoundRobinGenerateMasks",
        "TFText>RoundRobinTrim",
        "TFText>Utf8Binarize",
    },
}
# Ops by the release of TensorFlow that added them. All servers have the other
# ops of TensorFlow. There is no server with TensorFlow 2.21.
_NEW_OPS = {
    "2.20": {
        "DecodeWebP",
        "TPUDummyInput",
        "XlaSparseActivationsUnstack",
        "XlaSparseDenseMatmulCustomCombinerOnTcGradWithAdagradAndCsrInput",
        "XlaSparseDenseMatmulCustomCombinerOnTcGradWithAdagradMomentumAndCsrInput",
        "XlaSparseDenseMatmulCustomCombinerOnTcGradWithAdamAndCsrInput",
        "XlaSparseDenseMatmulCustomCombinerOnTcGradWithCsrInput",
        "XlaSparseDenseMatmulCustomCombinerOnTcGradWithFtrlAndCsrInput",
        "XlaSparseDenseMatmulCustomCombinerOnTcGradWithSgdAndCsrInput",
        "XlaSparseDenseMatmulCustomCombinerOnTcWithCsrInput",
        "XlaSparseGradientsStack",
    },
    "2.21": {
        "DecodeJxl",
    },
}


def oldest(graph_def):
    """Returns the oldest server that accepts a graph.

    Args:
        graph_def: `GraphDef`.

    Returns:
        str from `SERVERS`; `None` if no server accepts the graph.
    """
    servers = {_first_server(op) for op in used_ops(graph_def)}
    servers.add(_first_reader(graph_def))
    return None if None in servers else max(servers, key=SERVERS.index)


def problems_of(graph_def):
    """Yields a line for each need of a graph that no server meets.

    Args:
        graph_def: `GraphDef`.
    """
    servers = f"{', '.join(SERVERS[:-1])} and {SERVERS[-1]}"
    for op in sorted(used_ops(graph_def)):
        if _first_server(op) is None:
            yield f"op {op} is in no TensorFlow Serving: {servers} lack it"
    if _first_reader(graph_def) is None:
        yield (
            "the graph's `min_consumer` must be at most "
            f"{_GRAPH_VERSIONS[SERVERS[-1]]}, the version that TensorFlow "
            f"Serving {SERVERS[-1]} reads, not "
            f"{graph_def.versions.min_consumer}"
        )


def used_ops(graph_def):
    """Returns the names of the ops in a graph, without its own functions.

    Args:
        graph_def: `GraphDef`.

    Returns:
        set of str.
    """
    functions = graph_def.library.function
    nodes = list(graph_def.node)
    nodes += [node for function in functions for node in function.node_def]
    return {n.op for n in nodes} - {f.signature.name for f in functions}


def needs_tensorflow_text(graph_def):
    """Returns whether Python needs `tensorflow_text` to load a graph.

    Args:
        graph_def: `GraphDef`.
    """
    ops = used_ops(graph_def)
    return any(ops & names for names in _TEXT_OPS.values())


def _first_server(op):
    for ops in (_TEXT_OPS, _NEW_OPS):
        for release, names in ops.items():
            if op in names:
                return release if release in SERVERS else None
    return SERVERS[0] if op_def_registry.get(op) else None


def _first_reader(graph_def):
    for server, version in _GRAPH_VERSIONS.items():
        if graph_def.versions.min_consumer <= version:
            return server
    return None
