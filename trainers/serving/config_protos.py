"""Reads the configuration files of TensorFlow Serving.

The package `tensorflow-serving-api` contains the message class of
`models.config`, but not those of `batching.config` and `monitoring.config`.
This module makes the missing classes, with the published names, types and
numbers of all fields.

References:
    tensorflow_serving/servables/tensorflow/session_bundle_config.proto and
    tensorflow_serving/config/monitoring_config.proto of TensorFlow Serving.
"""

import pathlib

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format
from google.protobuf import wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from trainers.errors import ConfigError

ModelServerConfig = model_server_config_pb2.ModelServerConfig

_INT64 = "google.protobuf.Int64Value"
_BOOL = "google.protobuf.BoolValue"
# Fields by message: name, type, whether the field is repeated. Field numbers
# start at 1 and follow this order.
_MESSAGES = {
    "BatchingParameters": (
        ("max_batch_size", _INT64, False),
        ("batch_timeout_micros", _INT64, False),
        ("max_enqueued_batches", _INT64, False),
        ("num_batch_threads", _INT64, False),
        ("thread_pool_name", "google.protobuf.StringValue", False),
        ("allowed_batch_sizes", "int64", True),
        ("pad_variable_length_inputs", "bool", False),
        ("enable_large_batch_splitting", _BOOL, False),
        ("max_execution_batch_size", _INT64, False),
    ),
    "PrometheusConfig": (
        ("enable", "bool", False),
        ("path", "string", False),
    ),
    "MonitoringConfig": (
        ("prometheus_config", "tensorflow.serving.PrometheusConfig", False),
    ),
}


def _make_classes():
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="trainers/serving/config_protos.proto",
        package="tensorflow.serving",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (key, kind, is_repeated) in enumerate(fields, 1):
            field = message.field.add(
                name=key,
                number=number,
                label=kinds.LABEL_REPEATED
                if is_repeated
                else kinds.LABEL_OPTIONAL,
            )
            if "." in kind:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".{kind}"
            else:
                field.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    # A separate pool: another package may register the original messages.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    found = pool.FindFileByName(file.name)
    return {
        name: message_factory.GetMessageClass(message)
        for name, message in found.message_types_by_name.items()
    }


_CLASSES = _make_classes()
BatchingParameters = _CLASSES["BatchingParameters"]
MonitoringConfig = _CLASSES["MonitoringConfig"]


def read(path, message_class):
    """Returns the message in a configuration file.

    Args:
        path: str or `pathlib.Path`. File in protobuf's text format.
        message_class: `ModelServerConfig`, `BatchingParameters` or
            `MonitoringConfig`.

    Returns:
        A `message_class`.

    Raises:
        ConfigError: The file does not exist, or one of its lines is wrong.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        return text_format.Parse(text, message_class())
    except OSError as error:
        reason = f"{error.strerror}."
    except UnicodeDecodeError:
        reason = "not UTF-8."
    except text_format.ParseError as error:
        reason = str(error)
        if error.GetLine():  # The text starts with `LINE:COLUMN : `.
            reason = f"line {error.GetLine()}: {reason.partition(' : ')[2]}"
    raise ConfigError(
        f"{path}: {reason} It must be a `{message_class.DESCRIPTOR.name}` of "
        "TensorFlow Serving, in protobuf's text format."
    )
