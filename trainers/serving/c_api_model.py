"""A SavedModel in a session of TensorFlow's C API, without its Python.

TensorFlow Serving wraps the C++ session that this interface opens. Nothing
here imports TensorFlow: its shared libraries, from the installed wheel, are
all that runs.
"""

import ctypes
import importlib.util
import pathlib

import numpy as np

_STRING = 7
# Numbers of `TF_DataType`.
_DTYPES = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    _STRING: object,
    9: np.int64,
    10: np.bool_,
    17: np.uint16,
    22: np.uint32,
    23: np.uint64,
}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
# Of `TF_TString`, which is opaque but has this size in every buffer.
_STRING_SIZE = 24

_pointer, _int, _size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t


class _Output(ctypes.Structure):
    """An output of an operation, as in `TF_Output`."""

    _fields_ = [("operation", _pointer), ("index", _int)]


# Result and arguments of the functions that are called.
_FUNCTIONS = {
    "TF_Version": (ctypes.c_char_p,),
    "TF_NewStatus": (_pointer,),
    "TF_GetCode": (_int, _pointer),
    "TF_Message": (ctypes.c_char_p, _pointer),
    "TF_DeleteStatus": (None, _pointer),
    "TF_LoadLibrary": (_pointer, ctypes.c_char_p, _pointer),
    "TF_NewGraph": (_pointer,),
    "TF_NewSessionOptions": (_pointer,),
    "TF_DeleteSessionOptions": (None, _pointer),
    "TF_LoadSessionFromSavedModel": (
        *(_pointer, _pointer, _pointer, ctypes.c_char_p),
        *(ctypes.POINTER(ctypes.c_char_p), _int, _pointer, _pointer, _pointer),
    ),
    "TF_GraphOperationByName": (_pointer, _pointer, ctypes.c_char_p),
    "TF_SessionRun": (
        *(None, _pointer, _pointer),
        *(ctypes.POINTER(_Output), ctypes.POINTER(_pointer), _int),
        *(ctypes.POINTER(_Output), ctypes.POINTER(_pointer), _int),
        *(ctypes.POINTER(_pointer), _int, _pointer, _pointer),
    ),
    "TF_AllocateTensor": (
        *(_pointer, _int, ctypes.POINTER(ctypes.c_int64), _int, _size),
    ),
    "TF_DeleteTensor": (None, _pointer),
    "TF_TensorType": (_int, _pointer),
    "TF_NumDims": (_int, _pointer),
    "TF_Dim": (ctypes.c_int64, _pointer, _int),
    "TF_TensorData": (_pointer, _pointer),
    "TF_TensorByteSize": (_size, _pointer),
    "TF_StringInit": (None, _pointer),
    "TF_StringAssignView": (None, _pointer, ctypes.c_char_p, _size),
    "TF_StringGetDataPointer": (_pointer, _pointer),
    "TF_StringGetSize": (_size, _pointer),
}


class CApiModel:
    """Calls signatures through `TF_LoadSessionFromSavedModel`.

    The session lives as long as the process.

    Attributes:
        version: Version of the TensorFlow that runs, `2.20.0`.
        signatures: As given.
    """

    def __init__(self, path, signatures):
        """Loads the MetaGraph with the tag `serve`.

        Args:
            path: Version directory.
            signatures: Dict by signature name of `{"inputs": {input name:
                tensor name}, "outputs": {output name: tensor name}}`.

        Raises:
            ValueError: TensorFlow's message: what could not be loaded.
        """
        self.signatures = signatures
        self._api = _load_libraries()
        self.version = self._api.TF_Version().decode()
        self._graph = self._api.TF_NewGraph()
        options = self._api.TF_NewSessionOptions()
        tags = (ctypes.c_char_p * 1)(b"serve")
        with _Status(self._api) as status:
            self._session = self._api.TF_LoadSessionFromSavedModel(
                *(options, None, str(path).encode(), tags, 1),
                *(self._graph, None, status),
            )
        self._api.TF_DeleteSessionOptions(options)

    def __call__(self, signature, inputs):
        """Returns outputs by name, as NumPy arrays; strings are bytes.

        Args:
            signature: Name of a signature.
            inputs: Arrays by input name, exactly the signature's; their types
                are those of the signature.

        Raises:
            ValueError: TensorFlow's message: what the call failed with.
        """
        names = self.signatures[signature]
        keys = list(names["outputs"])
        fed = (_pointer * len(inputs))(
            *(self._to_tensor(np.asarray(x)) for x in inputs.values())
        )
        got = (_pointer * len(keys))()
        try:
            with _Status(self._api) as status:
                self._api.TF_SessionRun(
                    *(self._session, None),
                    *(self._outputs(names["inputs"], inputs), fed, len(fed)),
                    *(self._outputs(names["outputs"], keys), got, len(got)),
                    *(None, 0, None, status),
                )
            return {
                key: self._to_array(tensor)
                for key, tensor in zip(keys, got, strict=True)
            }
        finally:
            for tensor in (*fed, *filter(None, got)):
                self._api.TF_DeleteTensor(tensor)

    def _outputs(self, names, keys):
        """Returns an array of `TF_Output` for the tensors of some names."""
        places = []
        for key in keys:
            operation, _, index = names[key].partition(":")
            found = self._api.TF_GraphOperationByName(
                self._graph, operation.encode()
            )
            assert found, f"no operation {operation} in the graph"
            places.append(_Output(found, int(index)))
        return (_Output * len(places))(*places)

    def _to_tensor(self, array):
        """Returns a new tensor; strings stay in the memory of the array."""
        code = _CODES[array.dtype]
        is_text = code == _STRING
        size = array.size * _STRING_SIZE if is_text else array.nbytes
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        tensor = self._api.TF_AllocateTensor(code, shape, array.ndim, size)
        data = self._api.TF_TensorData(tensor)
        if not is_text:
            ctypes.memmove(data, np.ascontiguousarray(array).ctypes.data, size)
            return tensor
        for i, value in enumerate(array.flat):
            place = data + i * _STRING_SIZE
            self._api.TF_StringInit(place)
            self._api.TF_StringAssignView(place, value, len(value))
        return tensor

    def _to_array(self, tensor):
        """Returns a copy of a tensor's values."""
        api = self._api
        dtype = _DTYPES[api.TF_TensorType(tensor)]
        shape = [api.TF_Dim(tensor, i) for i in range(api.TF_NumDims(tensor))]
        data = api.TF_TensorData(tensor)
        if dtype is not object:
            size = api.TF_TensorByteSize(tensor)
            flat = np.frombuffer(ctypes.string_at(data, size), dtype)
            return flat.reshape(shape)
        array = np.empty(shape, object)
        for i in range(array.size):
            place = data + i * _STRING_SIZE
            array.flat[i] = ctypes.string_at(
                api.TF_StringGetDataPointer(place), api.TF_StringGetSize(place)
            )
        return array


class _Status:
    """A `TF_Status` whose error is raised at the end of the block."""

    def __init__(self, api):
        self._api = api

    def __enter__(self):
        self._status = self._api.TF_NewStatus()
        return self._status

    def __exit__(self, kind, error, trace):
        code = self._api.TF_GetCode(self._status)
        message = self._api.TF_Message(self._status).decode(errors="replace")
        self._api.TF_DeleteStatus(self._status)
        if code and error is None:
            raise ValueError(message)


def _load_libraries():
    """Loads TensorFlow's libraries and the ops of a tokenizer."""
    tensorflow = _directory_of("tensorflow")
    # What is loaded next needs it by name and does not know where it is. Were
    # they not global, the ops of a tokenizer would have their own copies of
    # inline functions and end the process ("key not found").
    names = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
    _, api = (
        ctypes.CDLL(str(tensorflow / name), ctypes.RTLD_GLOBAL)
        for name in names
    )
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(api, name)
        function.restype, function.argtypes = result, arguments
    ops = _directory_of("tensorflow_text") / "python" / "ops"
    for file in sorted(ops.glob("*.so")):
        with _Status(api) as status:
            api.TF_LoadLibrary(str(file).encode(), status)
    return api


def _directory_of(package):
    """Returns where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    return pathlib.Path(spec.submodule_search_locations[0])
