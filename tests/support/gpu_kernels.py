"""Finds the ops of a graph that a GPU cannot run where its data is.

TensorFlow's packages for Linux contain the list of its kernels for GPUs, so no
GPU is needed. An op without such a kernel runs on the CPU. Some kernels have
arguments in the memory of the CPU: those for int32 do so, because most int32
arrays are shapes. With large arrays, each step then copies them and waits.
"""

from tensorflow.python.framework import kernels

# They have no data of their own; what they call is looked at.
_CALLS = {
    *("PartitionedCall", "StatefulPartitionedCall"),
    *("If", "StatelessIf", "While", "StatelessWhile"),
}
# A kernel of the device type DEFAULT runs on each device.
_DEVICES = ("GPU", "DEFAULT")


def misplaced(function, large):
    """Returns what a step copies between a GPU and the CPU, sorted.

    Args:
        function: `tf.types.experimental.ConcreteFunction`.
        large: int. Smallest number of elements of an array that counts.

    Returns:
        List of str, such as "GreaterEqual x int32[16, 2, 8, 8]".
    """
    found = set()
    for graph in _graphs(function.graph, set()):
        for op in graph.get_operations():
            if op.type not in _CALLS:
                found.update(_on_the_host(op, large))
    return sorted(found)


def _graphs(graph, seen):
    """Yields a graph, and those of the functions that it calls."""
    yield graph
    for name, function in graph._functions.items():
        if name not in seen:
            seen.add(name)
            yield from _graphs(function.graph, seen)


def _on_the_host(op, large):
    """Yields what is in the memory of the CPU, of an op."""
    kernel = _kernel(op)
    for name, tensor in _arguments(op):
        is_on_host = kernel is None or name in kernel.host_memory_arg
        # A size that is not known counts, unless it is that of a shape.
        size = tensor.shape.num_elements()
        is_large = tensor.shape.rank != 1 if size is None else size >= large
        if is_on_host and is_large and tensor.dtype.name != "resource":
            yield f"{op.type} {name} {tensor.dtype.name}{tensor.shape}"


def _kernel(op):
    """Returns the kernel that runs an op on a GPU; `None` if there is none."""
    found = [
        kernel
        for kernel in kernels.get_registered_kernels_for_op(op.type).kernel
        if kernel.device_type in _DEVICES
        and all(
            _types(op, c.name) <= set(c.allowed_values.list.type)
            for c in kernel.constraint
        )
    ]
    return max(found, key=lambda kernel: kernel.priority, default=None)


def _types(op, name):
    """Returns the type, or the types, of an attribute as numbers."""
    value = op.get_attr(name)
    types = value if isinstance(value, list) else [value]
    return {item.as_datatype_enum for item in types}


def _arguments(op):
    """Yields the name and the tensor of each input and output of an op."""
    for arguments, tensors in (
        (op.op_def.input_arg, op.inputs),
        (op.op_def.output_arg, op.outputs),
    ):
        left = iter(tensors)
        for argument in arguments:
            if argument.number_attr:
                count = op.get_attr(argument.number_attr)
            elif argument.type_list_attr:
                count = len(op.get_attr(argument.type_list_attr))
            else:
                count = 1
            for _ in range(count):
                yield argument.name, next(left)
