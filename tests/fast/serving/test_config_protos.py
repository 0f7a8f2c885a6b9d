"""Configuration files of TensorFlow Serving, by the messages it reads."""

import pytest

from trainers.errors import ConfigError
from trainers.serving import config_protos


def fields(message_class):
    return {
        field.name: field.number for field in message_class.DESCRIPTOR.fields
    }


def test_fields_have_the_published_numbers():
    assert fields(config_protos.BatchingParameters) == {
        "max_batch_size": 1,
        "batch_timeout_micros": 2,
        "max_enqueued_batches": 3,
        "num_batch_threads": 4,
        "thread_pool_name": 5,
        "allowed_batch_sizes": 6,
        "pad_variable_length_inputs": 7,
        "enable_large_batch_splitting": 8,
        "max_execution_batch_size": 9,
    }
    assert fields(config_protos.MonitoringConfig) == {"prometheus_config": 1}
    message = config_protos.MonitoringConfig()
    assert fields(type(message.prometheus_config)) == {"enable": 1, "path": 2}


def test_bytes_are_those_of_the_published_messages():
    message = config_protos.BatchingParameters(
        allowed_batch_sizes=[1, 32], pad_variable_length_inputs=True
    )
    message.max_batch_size.value = 32
    message.thread_pool_name.value = "a"
    # Field and wire type, length, content; repeated numbers are packed.
    assert message.SerializeToString() == bytes.fromhex(
        "0a020820 2a030a0161 32020120 3801"
    )


def test_a_file_is_read_as_the_server_reads_it(tmp_path):
    file = tmp_path / "batching.config"
    file.write_text(
        "# a comment\n"
        "max_batch_size { value: 128 }\n"
        "batch_timeout_micros { value: 0 }\n"
        "allowed_batch_sizes: 64 allowed_batch_sizes: 128\n"
    )
    message = config_protos.read(file, config_protos.BatchingParameters)
    assert message.max_batch_size.value == 128
    assert message.HasField("batch_timeout_micros")
    assert not message.HasField("num_batch_threads")
    assert list(message.allowed_batch_sizes) == [64, 128]


def test_models_are_read_by_the_real_message(tmp_path):
    file = tmp_path / "models.config"
    file.write_text(
        'model_config_list { config { name: "m" base_path: "/m" '
        'version_labels { key: "stable" value: 3 } } }'
    )
    message = config_protos.read(file, config_protos.ModelServerConfig)
    assert type(message).__module__ == (
        "tensorflow_serving.config.model_server_config_pb2"
    )
    (config,) = message.model_config_list.config
    assert dict(config.version_labels) == {"stable": 3}


@pytest.mark.parametrize(
    "content, reason",
    [
        (
            b"# a comment\nmax_size { value: 1 }\n",
            "line 2: Message type "
            '"tensorflow.serving.BatchingParameters" has no field named '
            '"max_size".',
        ),
        (b"max_batch_size: 4", "line 1: 'max_batch_size: 4': Expected \"{\"."),
        (
            b"\n\nallowed_batch_sizes: 1 : 2",
            "line 3: 'allowed_batch_sizes: 1 : 2': Expected identifier or "
            "number, got :.",
        ),
        (b"\xff", "not UTF-8."),
        (None, "No such file or directory."),
    ],
    ids=["unknown", "bare", "colon", "bytes", "missing"],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path, content, reason):
    file = tmp_path / "batching.config"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        config_protos.read(file, config_protos.BatchingParameters)
    assert str(error.value) == (
        f"{file}: {reason} It must be a `BatchingParameters` of TensorFlow "
        "Serving, in protobuf's text format."
    )
