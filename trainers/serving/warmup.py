"""Requests that a server sends itself before it takes any from others.

TensorFlow Serving replays `assets.extra/tf_serving_warmup_requests` while it
loads a version, so that no user waits for what the first run of a graph does.
A version with one bad record is not served: `problems_of` replays all of them
before a version is published.

The replay also runs where there are only TensorFlow, NumPy and the messages of
TensorFlow Serving, see `proof/runtime_2_20.py`.
"""

import itertools

import numpy as np
import tensorflow as tf
from google.protobuf import message
from tensorflow_serving.apis import classification_pb2
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_log_pb2

from trainers.errors import ConfigError

FILE = "assets.extra/tf_serving_warmup_requests"
# The server refuses a version with more.
MOST_RECORDS = 1000
# Bytes of the rows that fill batches, and of the long one among them. The file
# stays near 100 kB, and batches are padded a little and to the full length.
_ORDINARY_BYTES = 512
_LONG_BYTES = 16_384
# The input by which a signature takes serialized `tf.Example`s.
EXAMPLES = "inputs"


def write(path, inputs, batch_sizes, *, model_name):
    """Writes the warm-up file of a SavedModel.

    Each signature gets, for each batch size, a request of ordinary rows and,
    where rows are bytes and one is long, a request that begins with that.

    Args:
        path: `pathlib.Path` of the version directory.
        inputs: Synthetic rows by signature name and input name.
        batch_sizes: Rows of requests.
        model_name: Name under which the model is served.

    Raises:
        ConfigError: They would be more records than a server takes.
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
    """Yields the rows of each request of a size."""
    columns = list(fed.values())
    if any(values.dtype != object for values in columns):
        # Numbers are of one length; what they are makes no difference.
        yield np.zeros(size, int)
        return
    rows = zip(*columns, strict=True)
    lengths = np.array([sum(map(len, row)) for row in rows])
    small = np.flatnonzero(lengths <= _ORDINARY_BYTES)
    # Cycles where there are fewer.
    small = np.resize(small if len(small) else lengths.argmin(), size)
    yield small
    long = np.where(lengths <= _LONG_BYTES, lengths, 0).argmax()
    if lengths[long] > _ORDINARY_BYTES:
        yield np.append(long, small[1:])


def _log(model_spec, fed):
    """Returns the `PredictionLog` of a request."""
    if list(fed) == [EXAMPLES]:
        request = classification_pb2.ClassificationRequest(
            model_spec=model_spec
        )
        for serialized in fed[EXAMPLES]:
            example = request.input.example_list.examples.add()
            example.ParseFromString(serialized)
        return prediction_log_pb2.PredictionLog(
            classify_log={"request": request}
        )
    request = predict_pb2.PredictRequest(model_spec=model_spec)
    for key, values in fed.items():
        request.inputs[key].CopyFrom(_tensor(values))
    return prediction_log_pb2.PredictionLog(predict_log={"request": request})


def _tensor(values):
    # Equal numbers, such as black images, are written as one.
    if values.dtype != object and np.all(values == values.flat[0]):
        return tf.make_tensor_proto(values.flat[0], shape=values.shape)
    return tf.make_tensor_proto(values)


def problems_of(path, model):
    """Replays the warm-up file of a SavedModel.

    Args:
        path: `pathlib.Path` of the version directory.
        model: Called with a signature's name and its inputs by name, returns
            outputs by name; `signatures` are its `SignatureDef`s by name.

    Returns:
        List of what is wrong, in words; empty if there is nothing.
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
    """Yields signature name and inputs by name of each request.

    Args:
        path: `pathlib.Path` of a version directory whose file is whole.
    """
    for record in _records(path):
        yield _request(record)


def _records(path):
    return tf.data.TFRecordDataset(str(path / FILE)).as_numpy_iterator()


def _replay(record, model):
    """Yields what is wrong with a record."""
    try:
        name, fed = _request(record)
        _check_request(name, fed, model.signatures)
    except (message.DecodeError, ValueError, TypeError) as error:
        yield str(error)
        return
    try:
        answer = model(name, fed)
    # What a runtime finds wrong with a request has one of many types.
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
        ValueError, TypeError, DecodeError: It is no request of a kind that
            `write` writes.
    """
    log = prediction_log_pb2.PredictionLog.FromString(record)
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        fed = {key: tf.make_ndarray(t) for key, t in request.inputs.items()}
    elif kind == "classify_log":
        request = log.classify_log.request
        # As the server does: serialized again, into one tensor.
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
