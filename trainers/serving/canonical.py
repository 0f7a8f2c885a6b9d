"""Makes the bytes of a SavedModel depend on the model alone.

TensorFlow writes more than the model: variables in the order of their
addresses, names with the number of functions traced so far, functions in the
order of a hash table, devices and threads of the machine, and a random number.

Call `order_variables` before the model is written, and `rewrite` afterwards.
"""

import copy
import hashlib
import re

from tensorflow.core.protobuf import config_pb2
from tensorflow.core.protobuf import fingerprint_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.saved_model import fingerprinting_utils

# Fields of a `ConfigProto` that describe a machine and not a model.
_OF_MACHINE = (
    "device_count",
    "gpu_options",
    "inter_op_parallelism_threads",
    "intra_op_parallelism_threads",
    "pluggable_device_options",
)
# An attribute of arguments. For captured arguments, it is a number.
_GIVEN_NAME = "_user_specified_name"
# An attribute of nodes: the name of the gradient of the node.
_GRADIENT = "_gradient_op_type"


def order_variables(function):
    """Sorts the variables of a traced function.

    An export numbers variables in the order in which they appear in functions.
    Without sorting, this order depends on their addresses in memory.

    Args:
        function: `ConcreteFunction`.
    """
    captured = [id(outside) for outside, _ in function.graph.captures]
    uses = {identity: use for use, identity in enumerate(captured)}
    function.graph.variables = sorted(
        function.graph.variables,
        # Variables with equal names keep the order of their first use.
        key=lambda v: (v.name, uses.get(id(v.handle), len(uses))),
    )


def rewrite(path):
    """Replaces `saved_model.pb` and `fingerprint.pb` by canonical ones.

    The new graph computes the same results. Only the names of functions and of
    captured arguments change. The new fingerprint matches the new graph; its
    UUID is a hash of the model.

    Args:
        path: `pathlib.Path` of the directory of a SavedModel.
    """
    file = path / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for graph in saved_model.meta_graphs:
        _rename_functions(graph)
        _rename_captures(graph)
        functions = graph.graph_def.library.function
        functions.sort(key=lambda function: function.signature.name)
        for node in _nodes(graph):
            _forget_machine(node)
    file.write_bytes(saved_model.SerializeToString(deterministic=True))
    _write_fingerprint(path)


def _rename_functions(graph):
    """Numbers functions in the order in which the graph refers to them."""
    names = {}
    for name in _functions_in_order(graph):
        # `__inference_serve_text_1234`, `CustomGradient-1234`
        numbered = re.fullmatch("(.+[_-])[0-9]+", name)
        if numbered:
            names[name] = f"{numbered[1]}{len(names)}"
    library = graph.graph_def.library
    for function in library.function:
        _replace(function.signature, "name", names)
    for gradient in library.registered_gradients:
        _replace(gradient, "gradient_func", names)
        _replace(gradient, "registered_op_type", names)
    for node in _nodes(graph):
        for function in _called(node):
            _replace(function, "name", names)
        if _GRADIENT in node.attr:
            name = node.attr[_GRADIENT].s.decode()
            node.attr[_GRADIENT].s = names.get(name, name).encode()
    objects = graph.object_graph_def
    for node in objects.nodes:
        if node.HasField("function"):
            traces = node.function.concrete_functions
            traces[:] = [names.get(trace, trace) for trace in traces]
        _replace(node.bare_concrete_function, "concrete_function_name", names)
        _replace(node.captured_tensor, "concrete_function", names)
    functions = {
        names.get(name, name): copy.deepcopy(function)
        for name, function in objects.concrete_functions.items()
    }
    # All at once: a new name can equal the old name of another function.
    objects.concrete_functions.clear()
    for name, function in functions.items():
        objects.concrete_functions[name].CopyFrom(function)


def _functions_in_order(graph):
    """Returns the names of functions and gradients without duplicates."""
    library = graph.graph_def.library
    functions = {f.signature.name: f for f in library.function}
    gradients = {
        gradient.registered_op_type: gradient.gradient_func
        for gradient in library.registered_gradients
    }
    found = {}  # Used as an ordered set.

    def visit(name):
        if name not in found:
            found[name] = None
            if name in gradients:
                visit(gradients[name])
            if name in functions:
                visit_all(functions[name].node_def)

    def visit_all(nodes):
        for node in nodes:
            for function in _called(node):
                visit(function.name)
            if _GRADIENT in node.attr:
                visit(node.attr[_GRADIENT].s.decode())

    visit_all(graph.graph_def.node)
    for node in graph.object_graph_def.nodes:
        for trace in node.function.concrete_functions:
            visit(trace)
        if node.HasField("bare_concrete_function"):
            visit(node.bare_concrete_function.concrete_function_name)
    # Rename the other functions too, so that no name occurs twice.
    for name in sorted({*functions, *gradients}):
        visit(name)
    return list(found)


def _called(node):
    """Yields the functions that a node calls."""
    for _, value in sorted(node.attr.items()):
        if value.HasField("func"):
            yield value.func
        yield from value.list.func


def _rename_captures(graph):
    """Numbers captured arguments by their position in the function."""
    objects = graph.object_graph_def
    new_names = {}
    for function in graph.graph_def.library.function:
        signature = function.signature
        num_given = 0
        if signature.name in objects.concrete_functions:
            trace = objects.concrete_functions[signature.name]
            num_given = len(signature.input_arg) - len(trace.bound_inputs)
        new_names[signature.name] = _number_arguments(function, num_given)
    for node in objects.nodes:
        tensor = node.captured_tensor
        names = new_names.get(tensor.concrete_function, {})
        if tensor.name:
            tensor.name = _renamed(tensor.name, names)


def _number_arguments(function, first):
    """Renames arguments of a function; returns new names by old names."""
    arguments = function.signature.input_arg
    names = {}
    taken = {node.name for node in function.node_def}
    taken.update(argument.name for argument in arguments[:first])
    for place, argument in enumerate(arguments[first:], first):
        # `while_cond_1234`, `while_cond_1234___redundant_placeholder0`
        name, count = re.subn("_[0-9]+(?=___|$)", "", argument.name)
        if count:
            name = f"{name}_{place}"
            while name in taken:
                name += "_"
            names[argument.name] = name
            argument.name = name
        known = function.arg_attr.get(place)
        if known is not None and _GIVEN_NAME in known.attr:
            known.attr[_GIVEN_NAME].s = argument.name.encode()
    for node in function.node_def:
        node.input[:] = [_renamed(tensor, names) for tensor in node.input]
    for key, tensor in [*function.ret.items()]:
        function.ret[key] = _renamed(tensor, names)
    return names


def _renamed(tensor, names):
    """Renames a tensor such as `x`, `x:0` or `^x`."""
    control, name, output = re.fullmatch("(\\^?)([^:]*)(.*)", tensor).groups()
    return control + names.get(name, name) + output


def _replace(message, field, names):
    """Renames the value of a field of a message if it has a new name."""
    name = getattr(message, field)
    if name in names:
        setattr(message, field, names[name])


def _nodes(graph):
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def _forget_machine(node):
    """Clears the settings of devices and threads in a call of a function."""
    if "config_proto" in node.attr:
        value = node.attr["config_proto"]
        config = config_pb2.ConfigProto.FromString(value.s)
        for name in _OF_MACHINE:
            config.ClearField(name)
        value.s = config.SerializeToString(deterministic=True)


def _write_fingerprint(path):
    fingerprinting_utils.write_fingerprint(str(path))
    file = path / "fingerprint.pb"
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(file.read_bytes())
    model = hashlib.sha256()
    for name in ("saved_model.pb", "variables/variables.index"):
        model.update((path / name).read_bytes())
    # Decimal digits of 128 bits.
    fingerprint.uuid = str(int.from_bytes(model.digest()[:16]))
    file.write_bytes(fingerprint.SerializeToString(deterministic=True))
