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


def test_accelerators_get_float32(cpu, tmp_path, monkeypatch):
    cpu("amx_bf16")
    devices = [
        tf.config.PhysicalDevice(f"/physical_device:{kind}:0", kind)
        for kind in ("CPU", "GPU")
    ]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda: devices)
    found = precision.resolve(make_config(), tmp_path / "run")
    assert found.trainer.dtype_policy == "float32"


def test_bfloat16_is_for_all_workers_or_none(cpu, tmp_path):
    class Others:
        """Workers of whom this is one."""

        def __init__(self, is_one_slow):
            self.is_one_slow = is_one_slow

        def any(self, is_so):
            return is_so or self.is_one_slow

    cpu("amx_bf16")
    for is_one_slow, policy in ((False, "mixed_bfloat16"), (True, "float32")):
        found = precision.resolve(
            make_config(), tmp_path / "run", Others(is_one_slow)
        )
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
