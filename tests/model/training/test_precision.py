"""`auto` becomes a policy of the machine, once a run."""

import json

import pytest
import tensorflow as tf

from trainers.config import files
from trainers.training import precision
from trainers.training import trainer


def make_config(policy="auto"):
    config = files.load("configs/mnist_mlp.py:smoke")
    config.trainer.dtype_policy = policy
    config.trainer.trackers = ()
    config.data.train = "train[:100]"
    config.data.validation = config.data.test = "none"
    return config


@pytest.fixture
def cpu(tmp_path, monkeypatch):
    """Returns a function that sets the flags of the CPU."""
    file = tmp_path / "cpuinfo"

    def set_flags(flags):
        file.write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse\n\nx: y\n")
        monkeypatch.setattr(precision, "_CPUINFO", file)

    return set_flags


@pytest.mark.parametrize(
    "flags, policy",
    [
        ("avx512_bf16", "mixed_bfloat16"),
        ("amx_tile amx_bf16", "mixed_bfloat16"),
        ("avx512f", "float32"),
        ("avx512_bf16x", "float32"),
    ],
)
def test_the_cpu_decides(flags, policy, cpu, tmp_path):
    cpu(flags)
    config = make_config()
    found = precision.resolve(config, tmp_path / "run")
    assert found.trainer.dtype_policy == policy
    assert config.trainer.dtype_policy == "auto"
    found.trainer.dtype_policy = "auto"
    assert found == config


@pytest.mark.parametrize("text", [None, "", "processor: 0\n"])
def test_a_cpu_that_says_nothing_gets_float32(text, tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(precision, "_CPUINFO", file)
    found = precision.resolve(make_config(), tmp_path / "run")
    assert found.trainer.dtype_policy == "float32"


def test_a_cpu_without_onednn_gets_float32(cpu, tmp_path, monkeypatch):
    cpu("amx_bf16")
    for setting, policy in (("0", "float32"), ("1", "mixed_bfloat16")):
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", setting)
        found = precision.resolve(make_config(), tmp_path / "run")
        assert found.trainer.dtype_policy == policy


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [
        ([(9, 0)], "mixed_bfloat16"),  # H100
        ([(8, 0), (12, 0)], "mixed_bfloat16"),  # A100, RTX 5090
        ([(8, 6), (7, 5)], "mixed_float16"),  # RTX 3090, T4
        ([(7, 0)], "mixed_float16"),  # V100
        ([(6, 1)], "float32"),  # GTX 1080
        ([None], "float32"),  # Not of NVIDIA.
    ],
)
def test_the_oldest_gpu_decides(capabilities, policy, cpu, tmp_path, gpus):
    cpu("amx_bf16")
    gpus(capabilities)
    found = precision.resolve(make_config(), tmp_path / "run")
    assert found.trainer.dtype_policy == policy


@pytest.fixture
def gpus(monkeypatch):
    """Returns a function that sets the compute capabilities of the GPUs."""

    def set_capabilities(capabilities):
        devices = {
            tf.config.PhysicalDevice(f"/physical_device:GPU:{i}", "GPU"): (
                {"compute_capability": c} if c else {}
            )
            for i, c in enumerate(capabilities)
        }
        monkeypatch.setattr(
            tf.config, "list_physical_devices", lambda kind: list(devices)
        )
        monkeypatch.setattr(
            tf.config.experimental, "get_device_details", devices.get
        )

    return set_capabilities


def test_a_tpu_gets_bfloat16(cpu, tmp_path):
    cpu("avx2")
    config = make_config()
    config.trainer.strategy = "tpu"
    found = precision.resolve(config, tmp_path / "run")
    assert found.trainer.dtype_policy == "mixed_bfloat16"


def test_the_choice_is_logged(cpu, tmp_path, caplog):
    cpu("amx_bf16")
    with caplog.at_level("INFO", logger="trainers"):
        precision.resolve(make_config(), tmp_path / "run")
    assert caplog.messages == [
        "computing in mixed_bfloat16, chosen by "
        "--config.trainer.dtype_policy=auto"
    ]


class Others:
    """Workers of whom this is one; the others have some fast policies."""

    def __init__(self, fast):
        self._answers = [p not in fast for p in precision._MIXED]

    def any(self, is_so):
        return is_so or self._answers.pop(0)


@pytest.mark.parametrize(
    ("fast", "policy"),
    [
        ({"mixed_bfloat16", "mixed_float16"}, "mixed_bfloat16"),
        ({"mixed_float16"}, "mixed_float16"),
        (set(), "float32"),
    ],
)
def test_all_workers_have_the_same_policy(fast, policy, cpu, tmp_path, gpus):
    cpu("avx2")
    gpus([(9, 0)])
    found = precision.resolve(make_config(), tmp_path / "run", Others(fast))
    assert found.trainer.dtype_policy == policy


def test_what_is_said_is_taken(cpu, tmp_path):
    cpu("amx_bf16")
    config = make_config("float32")
    assert precision.resolve(config, tmp_path / "run") is config


def test_a_run_keeps_what_it_began_with(cpu, tmp_path):
    cpu("amx_bf16")
    trainer.train_and_evaluate(make_config(), tmp_path / "run")
    tree = json.loads((tmp_path / "run" / "config.json").read_text())
    assert tree["trainer"]["dtype_policy"] == "mixed_bfloat16"
    cpu("avx2")
    found = precision.resolve(make_config(), tmp_path / "run")
    assert found.trainer.dtype_policy == "mixed_bfloat16"
    # It is finished, and is not refused.
    trainer.train_and_evaluate(make_config(), tmp_path / "run")


def test_the_recipes_for_pretrained_encoders_leave_it_to_the_machine():
    policies = {
        variant: files.load(
            f"configs/bert_classifier.py:{variant}"
        ).trainer.dtype_policy
        for variant in ("", "minilm", "scratch", "smoke")
    }
    assert policies == {
        "": "auto",
        "minilm": "auto",
        "scratch": "float32",
        "smoke": "float32",
    }
