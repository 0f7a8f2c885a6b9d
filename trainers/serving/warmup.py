"""Writes and replays the warm-up requests of a version.

TensorFlow Serving replays `assets.extra/tf_serving_warmup_requests` while it
loads a version. The first run of a graph is slow; users do not have to wait
for it. A server refuses a version with one bad record. `problems_of` therefore
replays all records before a version is published.

The replay needs only TensorFlow, NumPy and the messages of TensorFlow Serving.
It also runs in the environment of `proof/runtime_2_20.py`.
"""

import itertools

import numpy as np
import tensorflow as tf
from google.protobuf import message
from tensorflow_serving.apis import classification_pb2
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.apis import regression_pb2

from trainers.errors import ConfigError

FILE = "assets.extra/tf_serving_warmup_requests"
# The server refuses a version with more records.
MOST_RECORDS = 1000
# Largest bytes of an ordinary row and of a long one. Batches of ordinary rows
# need little padding, batches with a long row the full length. The file stays
# near 100 kB.
_ORDINARY_BYTES = 512
_LONG_BYTES = 16_384
# Name of the input that takes serialized `tf.Example`s.
EXAMPLES = "inputs"
# Records of the signatures that take them.
_OF_EXAMPLES = {
    "classify": ("classify_log", classification_pb2.ClassificationRequest),
    "regress": ("regress_log", regression_pb2.RegressionRequest),
}


def write(path, inputs, batch_sizes, *, model_name):
    """Writes the warm-up file of a SavedModel.

    The file contains, for each signature and batch size, a request of ordinary
    rows. If the rows are bytes and one of them is long, it also contains a
    request that starts with the long row.

    Args:
        path: `pathlib.Path`. The version directory.
        inputs: dict of dicts. Synthetic rows, by signature name and input
            name.
        batch_sizes: list of int. Rows of the requests.
        model_name: str. Name of the served model.

    Raises:
        ConfigError: The file would contain more records than a server
            accepts.
    """
    records = [
        _log(
            {"name": model_name, "signature_name": name},
            {key: values[rows] for key, values in fed.items()},
        )
        for name, fed in inputs.items()
        for size in batch_sizes
        for rows in _choices(fed, size)
    ]
    if len(records) > MOST_RECORDS:
        raise ConfigError(
            "`--config.export.allowed_batch_sizes` must be few enough for at "
            f"most {MOST_RECORDS:,} requests of warm-up. Received: "
            f"{len(batch_sizes)} sizes, which make {len(records):,}."
        )
    file = path / FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record.SerializeToString(deterministic=True))


def _choices(fed, size):
    """Yields the row numbers of each request of `size` rows."""
    columns = list(fed.values())
    if any(values.dtype != object for values in columns):
        # All rows of numbers have the same length: any row will do.
        yield np.zeros(size, int)
        return
    rows = zip(*columns, strict=True)
    lengths = np.array([sum(map(len, row)) for row in rows])
    small = np.flatnonzero(lengths <= _ORDINARY_BYTES)
    # Repeats rows if there are fewer than `size`.
    small = np.resize(small if len(small) else lengths.argmin(), size)
    yield small
    long = np.where(lengths <= _LONG_BYTES, lengths, 0).argmax()
    if lengths[long] > _ORDINARY_BYTES:
        yield np.append(long, small[1:])


def _log(model_spec, fed):
    """Returns the `PredictionLog` of a request."""
    if list(fed) == [EXAMPLES]:
        kind, request_class = _OF_EXAMPLES[model_spec["signature_name"]]
        request = request_class(model_spec=model_spec)
        for serialized in fed[EXAMPLES]:
            example = request.input.example_list.examples.add()
            example.ParseFromString(serialized)
        return prediction_log_pb2.PredictionLog(**{kind: {"request": request}})
    request = predict_pb2.PredictRequest(model_spec=model_spec)
    for key, values in fed.items():
        request.inputs[key].CopyFrom(_tensor(values))
    return prediction_log_pb2.PredictionLog(predict_log={"request": request})


def _tensor(values):
    # Equal numbers, for example a black image, are stored as one number.
    if values.dtype != object and np.all(values == values.flat[0]):
        return tf.make_tensor_proto(values.flat[0], shape=values.shape)
    return tf.make_tensor_proto(values)


def problems_of(path, model):
    """Replays the warm-up file of a SavedModel and returns its problems.

    Args:
        path: `pathlib.Path`. The version directory.
        model: Callable with a signature name and a dict of inputs. It returns
            a dict of outputs. Its attribute `signatures` has the
            `SignatureDef`s by name.

    Returns:
        List of str, one for each problem; empty if there is none.
    """
    problems = []
    records = _records(path)
    for number in itertools.count(1):
        where = f"warm-up record {number}"
        try:
            record = next(records, None)
        except tf.errors.DataLossError:
            return [*problems, f"{where}: damaged"]
        if record is None:
            return problems
        if number > MOST_RECORDS:
            return [*problems, f"{where}: at most {MOST_RECORDS:,} are allowed"]
        problems += [f"{where}: {line}" for line in _replay(record, model)]


def requests(path):
    """Yields signature name and inputs by name of each warm-up request.

    Args:
        path: `pathlib.Path`. A version directory with a complete warm-up
            file.
    """
    for record in _records(path):
        yield _request(record)


def _records(path):
    return tf.data.TFRecordDataset(str(path / FILE)).as_numpy_iterator()


def _replay(record, model):
    """Yields the problems of a record."""
    try:
        name, fed = _request(record)
        _check_request(name, fed, model.signatures)
    except (message.DecodeError, ValueError, TypeError) as error:
        yield str(error)
        return
    try:
        answer = model(name, fed)
    # Runtimes raise many types of errors for a wrong request.
    except Exception as error:
        yield f"signature `{name}`: {type(error).__name__}: {error}"
        return
    num_rows = len(next(iter(fed.values())))
    for key, values in sorted(answer.items()):
        if np.shape(values)[:1] != (num_rows,):
            yield (
                f"signature `{name}`: `{key}` has the shape "
                f"{np.shape(values)} for {num_rows} rows"
            )
        if values.dtype.kind == "f" and not np.all(np.isfinite(values)):
            yield f"signature `{name}`: `{key}` is not finite"


def _request(record):
    """Returns signature name and inputs by name of a record.

    Raises:
        ValueError, TypeError, DecodeError: The record is not a request as
            `write` writes it.
    """
    log = prediction_log_pb2.PredictionLog.FromString(record)
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        fed = {key: tf.make_ndarray(t) for key, t in request.inputs.items()}
    elif kind in ("classify_log", "regress_log"):
        request = getattr(log, kind).request
        # The server also serializes the examples again, into one tensor.
        rows = [
            example.SerializeToString(deterministic=True)
            for example in request.input.example_list.examples
        ]
        fed = {EXAMPLES: np.array(rows, dtype=object)}
    else:
        raise ValueError(f"requests of the kind {kind} are not checked")
    return request.model_spec.signature_name or "serving_default", fed


def _check_request(name, fed, signatures):
    if name not in signatures:
        raise ValueError(f"the signature `{name}` is not in the model")
    expected = signatures[name].inputs
    if sorted(fed) != sorted(expected):
        raise ValueError(
            f"signature `{name}`: inputs {sorted(fed)}, not {sorted(expected)}"
        )
    for key, values in fed.items():
        dtype = tf.dtypes.as_dtype(expected[key].dtype)
        if tf.dtypes.as_dtype(values.dtype) != dtype:
            raise ValueError(
                f"signature `{name}`: `{key}` must be {dtype.name}, not "
                f"{values.dtype}"
            )
        if not np.size(values):
            raise ValueError(f"signature `{name}`: `{key}` is empty")
