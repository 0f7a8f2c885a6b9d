"""Files of `torch.save`: the tensors of PyTorch, and no code of strangers.

PyTorch 2.14 wrote the two files in torch_files/, with the same dict of tensors:
the state of a `Linear(3, 2)` with a buffer, and one tensor for each sibling.
The second file is of `_use_new_zipfile_serialization=False`.
"""

import collections
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest

from tfmodels.bert import torch_files

FILES = pathlib.Path(__file__).with_name("torch_files")
EXPECTED = {
    "position_ids": ("int64", [[0, 1, 2, 3]]),
    "dense.weight": ("float32", [[0, 1, 2], [3, 4, 5]]),
    "dense.bias": ("float32", [-1, 2]),
    "half": ("float16", [1.5, -2]),
    "bf16": ("bfloat16", [1.5, -2]),
    "double": ("float64", [0.1]),
    "transposed": ("float32", [[0, 3], [1, 4], [2, 5]]),
    "part": ("float32", [3, 4, 5]),
    "parameter": ("float32", [7]),
    "scalar": ("float32", 3),
    "empty": ("float32", []),
    "bool": ("bool", [True, False]),
}


@pytest.mark.parametrize("name", ["since_1_6.bin", "before_1_6.bin"])
def test_tensors_are_those_that_pytorch_wrote(name):
    tensors = torch_files.open_file(FILES / name)
    assert tensors.keys() == EXPECTED.keys()
    for key, (dtype, values) in EXPECTED.items():
        found = tensors[key].read()
        assert found.dtype.name == dtype, key
        assert found.tolist() == values, key
        assert found.shape == tensors[key].shape, key
    assert tensors["empty"].shape == (0, 2)


class Stranger:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def write_zip(file, pickled, storage=b"\0" * 16, **kwargs):
    with zipfile.ZipFile(file, "w", **kwargs) as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/byteorder", "little")
        archive.writestr("x/data/0", storage)


def refusal(file):
    with pytest.raises(ValueError) as error:
        torch_files.open_file(file)
    return str(error.value)


@pytest.mark.parametrize(
    "function, name",
    [
        (os.system, "posix.system"),
        # Protocol 2 has the names of Python 2.
        (eval, "__builtin__.eval"),
        (getattr, "__builtin__.getattr"),
        # Another module in other versions of Python.
        (open, f"{open.__module__}.open"),
        (collections.Counter, "collections.Counter"),
    ],
)
def test_a_file_cannot_call_a_function(function, name, tmp_path):
    file, trace = tmp_path / "x.bin", tmp_path / "trace"
    pickled = pickle.dumps(
        {"a": Stranger(function, f"touch {trace}")}, protocol=2
    )
    expected = (
        f"x.bin cannot be read: it contains {name}, and only tensors are safe"
    )
    write_zip(file, pickled)
    assert refusal(file) == expected
    file.write_bytes(pickled)
    assert refusal(file) == expected
    assert not trace.exists()


def tensor_program(key, offset, shape, strides):
    """Returns a pickle of a tensor, in the ops that torch.save writes."""
    numbers = [offset, *shape, *strides]
    assert all(0 <= number < 2**31 for number in numbers)

    def number(value):
        return b"J" + value.to_bytes(4, "little")

    def text(value):
        return b"X" + len(value).to_bytes(4, "little") + value.encode()

    def many(values):
        return b"(" + b"".join(number(v) for v in values) + b"t"

    storage = (
        b"("
        + text("storage")
        + b"ctorch\nFloatStorage\n"
        + text(key)
        + text("cpu")
        + number(4)
        + b"tQ"
    )
    return (
        b"\x80\x02}"
        + text("w")
        + b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(offset)
        + many(shape)
        + many(strides)
        + b"\x89}tRs."
    )


def test_a_tensor_ends_with_its_storage(tmp_path):
    file = tmp_path / "x.bin"
    values = np.arange(4, dtype="<f4")
    write_zip(file, tensor_program("0", 1, (3,), (1,)), values.tobytes())
    assert torch_files.open_file(file)["w"].read().tolist() == [1, 2, 3]
    for offset, shape, strides in (
        (2, (3,), (1,)),
        (0, (5,), (1,)),
        (0, (2, 2), (3, 1)),
        (1 << 30, (1,), (1,)),
    ):
        program = tensor_program("0", offset, shape, strides)
        write_zip(file, program, values.tobytes())
        with pytest.raises(ValueError, match=r"^unreadable \(.+\)$"):
            torch_files.open_file(file)["w"].read()
    write_zip(file, tensor_program("1", 0, (4,), (1,)))
    with pytest.raises(ValueError, match="There is no item named 'x/data/1'"):
        torch_files.open_file(file)["w"].read()


def test_a_small_file_does_not_fill_the_memory(tmp_path):
    file = tmp_path / "x.bin"
    for number in (2, 3, 2**25):  # 2**25 * 16 bytes.
        pickled = b"\x80\x02}r" + number.to_bytes(4, "little") + b"."
        for write in (write_zip, pathlib.Path.write_bytes):
            write(file, pickled)
            if number == 2 and write is write_zip:
                assert torch_files.open_file(file) == {}
            elif number > 2:
                words = "it does not number its objects"
                assert refusal(file) == f"x.bin cannot be read: {words}"


def test_a_damaged_storage_is_found(tmp_path):
    file = tmp_path / "x.bin"
    whole = (FILES / "since_1_6.bin").read_bytes()
    values = np.array([-1, 2], "<f4").tobytes()
    assert whole.count(values) == 1
    file.write_bytes(whole.replace(values, np.array([1, 2], "<f4").tobytes()))
    tensors = torch_files.open_file(file)
    with pytest.raises(ValueError, match=r"^unreadable \(Bad CRC-32"):
        tensors["dense.bias"].read()


def test_any_damage_of_a_storage_is_an_error_in_words(tmp_path):
    file = tmp_path / "x.bin"
    write_zip(file, tensor_program("0", 0, (4,), (1,)))
    content = bytearray(file.read_bytes())
    # The last entry of the list says that it needs a password.
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"^unreadable \(.* is encrypted"):
        torch_files.open_file(file)["w"].read()
    # A size that is more than the memory.
    content = bytearray((FILES / "before_1_6.bin").read_bytes())
    values = np.array([-1, 2], "<f4").tobytes()
    begin = content.index(values) - 8
    assert int.from_bytes(content[begin : begin + 8], "little") == 2
    content[begin : begin + 8] = (2**40).to_bytes(8, "little")
    file.write_bytes(content)
    tensors = torch_files.open_file(file)
    with pytest.raises(ValueError, match=r"^unreadable \(.+\)$"):
        tensors["dense.bias"].read()


def test_a_file_cannot_change_a_function(tmp_path):
    changes = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\0\0\0aK\x01sb."
    )
    write_zip(tmp_path / "x.bin", changes)
    assert refusal(tmp_path / "x.bin") == (
        "x.bin cannot be read: it changes a function"
    )


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "x.bin"
    start = "x.bin cannot be read: "
    whole = (FILES / "since_1_6.bin").read_bytes()
    file.write_bytes(whole[:3000])
    assert refusal(file) == f"{start}it is a zip file without its end"
    file.write_bytes((FILES / "before_1_6.bin").read_bytes()[:900])
    assert refusal(file).startswith(start)
    file.write_bytes(b"")
    words = "pickle exhausted before seeing STOP"
    assert refusal(file) == f"{start}{words}"
    file.write_bytes(pickle.dumps({"a": 1}))
    assert refusal(file) == f"{start}it is no file of torch.save"
    write_zip(file, pickle.dumps([1]))
    assert refusal(file) == f"{start}it is no dict of names"
    write_zip(file, pickle.dumps({}), compression=zipfile.ZIP_DEFLATED)
    assert refusal(file) == f"{start}its parts are compressed"
    # Values that are no tensors are no weights.
    write_zip(file, pickle.dumps({"epoch": 3}))
    assert torch_files.open_file(file) == {}
