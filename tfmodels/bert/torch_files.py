"""Tensors in files of `torch.save`, read without PyTorch.

Such a file is a pickle, and a pickle can call any function. `_Unpickler` knows
only those that a tensor needs, and replaces them by its own.
"""

import math
import pickle
import pickletools
import typing
import zipfile

# The types of storage, in the notation of NumPy. ml_dtypes adds bfloat16.
_DTYPES = {
    "BFloat16Storage": "bfloat16",
    "BoolStorage": "?",
    "ByteStorage": "<u1",
    "CharStorage": "<i1",
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
    "ShortStorage": "<i2",
}
# They store an object for later use, by a number.
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
# First object of files of PyTorch before 1.6.
_MAGIC = 0x1950A86A20F9469CFC6C


class Tensor(typing.NamedTuple):
    """A tensor whose values are still in their file.

    Attributes:
        shape: Tuple of int.
        read: Function without arguments that returns the array, or raises a
            `ValueError`.
    """

    shape: tuple
    read: typing.Callable


def open_file(file):
    """Returns the tensors of a file of `torch.save`.

    Args:
        file: `pathlib.Path`. Contains a dict of tensors.

    Returns:
        Dict of `Tensor` by name.

    Raises:
        ValueError: The file contains something else, or is damaged.
    """
    try:
        if zipfile.is_zipfile(file):
            found = _open_zip(file)
        else:
            found = _open_stream(file)
    except Exception as error:
        # A damaged pickle raises errors of any type.
        raise ValueError(
            f"{file.name} cannot be read: {str(error) or type(error).__name__}"
        ) from error
    if not isinstance(found, dict):
        raise ValueError(f"{file.name} cannot be read: it is no dict of names")
    return {k: v for k, v in found.items() if isinstance(v, Tensor)}


def _open_zip(file):
    """Reads the format since PyTorch 1.6: a zip file with a file a storage."""
    with zipfile.ZipFile(file) as archive:
        places = {entry.filename: entry for entry in archive.infolist()}
        if any(e.compress_type != zipfile.ZIP_STORED for e in places.values()):
            raise ValueError("its parts are compressed")
        (main,) = (name for name in places if name.endswith("/data.pkl"))
        root = main.removesuffix("data.pkl")
        if places.get(f"{root}byteorder"):
            if archive.read(f"{root}byteorder") != b"little":
                raise ValueError("its numbers are not little-endian")

        def make_storage(dtype, key):
            def read():
                with zipfile.ZipFile(file) as archive:
                    return archive.read(f"{root}data/{key}")

            return dtype, read

        with archive.open(main) as stream:
            return _load(stream, make_storage)


def _open_stream(file):
    """Reads the format before PyTorch 1.6: pickles, then all storages."""
    places = {}
    dtypes = {}

    def make_storage(dtype, key):
        dtypes[key] = dtype

        def read():
            place, size = places[key]
            with open(file, "rb") as stream:
                stream.seek(place)
                return stream.read(size)

        return dtype, read

    with open(file, "rb") as stream:
        if stream.read(2) == b"PK":
            raise ValueError("it is a zip file without its end")
        stream.seek(0)

        def load():
            return _load(stream, make_storage)

        if load() != _MAGIC:
            raise ValueError("it is no file of torch.save")
        load()  # Version of the format.
        if not load().get("little_endian"):
            raise ValueError("its numbers are not little-endian")
        found = load()
        for key in load():
            count = int.from_bytes(stream.read(8), "little")
            size = count * _numpy_dtype(dtypes[key]).itemsize
            places[key] = stream.tell(), size
            stream.seek(size, 1)
    return found


def _load(stream, make_storage):
    """Returns the object of the pickle that begins here."""
    begin = stream.tell()
    for count, (step, number, _) in enumerate(pickletools.genops(stream)):
        # `pickle` takes memory for all numbers up to this one, at once.
        if step.name in _PUTS and number > count:
            raise pickle.UnpicklingError("it does not number its objects")
    stream.seek(begin)
    return _Unpickler(stream, make_storage).load()


def _numpy_dtype(name):
    import ml_dtypes
    import numpy as np

    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


class _Unpickler(pickle.Unpickler):
    """Makes tensors, dicts and plain values, and calls nothing of the file."""

    def __init__(self, stream, make_storage):
        super().__init__(stream, encoding="utf-8")
        self._make_storage = make_storage

    def find_class(self, module, name):
        """Returns a replacement for a class or function that the file names."""
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        found = _REPLACED.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(
                f"it contains {module}.{name}, and only tensors are safe"
            )
        return found

    def persistent_load(self, pid):
        """Returns `(dtype, read)` of the storage that the file names."""
        kind, dtype, key = pid[:3]
        # Parts of another storage are `pid[5]`, which torch no longer writes.
        if kind != "storage" or pid[5:] not in ((), (None,)):
            raise pickle.UnpicklingError("it contains parts of storages")
        return self._make_storage(dtype, key)


class _Dict(dict):
    """Replaces `OrderedDict`; drops its attributes, the `_metadata`."""

    __slots__ = ()

    def __setstate__(self, state):
        pass


class _Call:
    """A function that a file can call but not change."""

    __slots__ = ("_function",)

    def __init__(self, function):
        self._function = function

    def __call__(self, *args):
        return self._function(*args)

    def __setstate__(self, state):
        raise pickle.UnpicklingError("it changes a function")


def _make_tensor(storage, offset, shape, strides, *ignored):
    """Replaces `torch._utils._rebuild_tensor_v2`."""
    name, read = storage
    shape, strides = tuple(shape), tuple(strides)

    def read_array():
        try:
            return _array(_numpy_dtype(name), read(), offset, shape, strides)
        except Exception as error:
            # A damaged zip file raises errors of any type.
            words = str(error) or type(error).__name__
            raise ValueError(f"unreadable ({words})") from None

    return Tensor(shape, read_array)


def _array(dtype, content, offset, shape, strides):
    """Returns the array of a tensor in the bytes of its storage."""
    import numpy as np

    if math.prod(shape) == 0:
        return np.zeros(shape, dtype)
    # NumPy checks that nothing is outside of the buffer.
    return np.ndarray(
        shape,
        dtype,
        buffer=content,
        offset=offset * dtype.itemsize,
        strides=[step * dtype.itemsize for step in strides],
    )


_REPLACED = {
    ("collections", "OrderedDict"): _Dict,
    ("torch._utils", "_rebuild_tensor_v2"): _Call(_make_tensor),
    ("torch._utils", "_rebuild_parameter"): _Call(
        lambda tensor, *ignored: tensor
    ),
}
