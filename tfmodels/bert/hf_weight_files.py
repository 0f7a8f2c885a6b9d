"""Files with weights in a directory of Hugging Face: one, or several shards."""

import os
import pathlib

from tfmodels.bert import hf_files
from tfmodels.bert import torch_files

_FILES = ("model.safetensors", "pytorch_model.bin")


def find(path):
    """Returns the files with the weights of a directory.

    Args:
        path: `pathlib.Path` of the directory.

    Returns:
        List of `pathlib.Path`.

    Raises:
        ValueError: A file is missing or is not the file itself.
    """
    for file in _candidates(path):
        if hf_files.is_there(file):
            return [file] if file.name in _FILES else _shards(file)
    others = sorted(
        entry.name
        for entry in path.iterdir()
        if entry.suffix in (".bin", ".h5", ".msgpack", ".onnx", ".safetensors")
    )
    but = f", but {', '.join(others[:5])}" if others else ""
    raise ValueError(f"it has no {' or '.join(_FILES)}{but}")


def find_with_index(path):
    """Returns the files of `find`, and the index that names them.

    Args:
        path: `pathlib.Path` of the directory.

    Raises:
        ValueError: See `find`.
    """
    files = find(path)
    first = next(filter(hf_files.is_there, _candidates(path)))
    return files if first in files else [first, *files]


def has_safetensors(path):
    """Returns whether a directory has safe weights, perhaps broken ones.

    Args:
        path: `pathlib.Path` of the directory.
    """
    return any(map(os.path.lexists, _candidates(path, _FILES[:1])))


def _candidates(path, names=_FILES):
    """Yields the files that tell where the weights are, the best first."""
    for name in names:
        yield path / name
        yield path / f"{name}.index.json"


def _shards(index):
    """Returns the files that an index names."""
    places = hf_files.read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f"{index.name} has no weight_map")
    files = []
    for name in sorted(set(map(str, places.values()))):
        inside = pathlib.PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(
                f"{index.name} names {name!r}, which is outside of the "
                "directory"
            )
        files.append(index.parent / name)
    for file in files:
        if not hf_files.is_there(file):
            raise ValueError(f"it has no {file.name}, which {index.name} names")
    return files


def open_file(file):
    """Returns the tensors of a file.

    Args:
        file: `pathlib.Path`.

    Returns:
        Dict of `torch_files.Tensor` by name.

    Raises:
        ValueError: The file is damaged, or is not safe.
    """
    if file.suffix == ".bin":
        return torch_files.open_file(file)
    import safetensors

    def make(name):
        return torch_files.Tensor(
            tuple(opened.get_slice(name).get_shape()),
            lambda: _get(opened, name),
        )

    try:
        opened = safetensors.safe_open(file, framework="np")
        return {name: make(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{file.name} cannot be read: {error}") from None


def _get(opened, name):
    # Tells NumPy of bfloat16.
    import ml_dtypes  # noqa: F401
    import safetensors

    try:
        return opened.get_tensor(name)
    except (TypeError, KeyError, safetensors.SafetensorError) as error:
        raise ValueError(f"unreadable ({error})") from None
