"""`auto` becomes a choice of the machine, once a run."""

import json

import pytest
import tensorflow as tf

from trainers.config import files
from trainers.training import automatic
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

    def set_flags(flags, vendor="GenuineIntel"):
        file.write_text(
            f"processor\t: 0\nvendor_id\t: {vendor}\n"
            f"flags\t\t: fpu {flags} sse\n\nx: y\n"
        )
        monkeypatch.setattr(automatic, "_CPUINFO", file)

    return set_flags


@pytest.mark.parametrize(
    "flags, vendor, policy",
    [
        ("avx512_bf16", "AuthenticAMD", "mixed_bfloat16"),
        ("avx512_bf16", "GenuineIntel", "float32"),
        ("amx_tile amx_bf16", "GenuineIntel", "mixed_bfloat16"),
        ("avx512f", "AuthenticAMD", "float32"),
        ("avx512_bf16x", "AuthenticAMD", "float32"),
    ],
)
def test_the_cpu_decides(flags, vendor, policy, cpu, tmp_path):
    cpu(flags, vendor)
    config = make_config()
    found = automatic.resolve(config, tmp_path / "run")
    assert found.trainer.dtype_policy == policy
    assert config.trainer.dtype_policy == "auto"
    found.trainer.dtype_policy = found.trainer.jit_compile = "auto"
    assert found == config


@pytest.mark.parametrize("text", [None, "", "processor: 0\n"])
def test_a_cpu_that_says_nothing_gets_float32(text, tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(automatic, "_CPUINFO", file)
    found = automatic.resolve(make_config(), tmp_path / "run")
    assert found.trainer.dtype_policy == "float32"


def test_a_cpu_without_onednn_gets_float32(cpu, tmp_path, monkeypatch):
    cpu("amx_bf16")
    for setting, policy in (("0", "float32"), ("1", "mixed_bfloat16")):
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", setting)
        found = automatic.resolve(make_config(), tmp_path / "run")
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
    found = automatic.resolve(make_config(), tmp_path / "run")
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


@pytest.mark.parametrize(
    ("devices", "settings", "choices"),
    [
        ([], {}, ("never", "many")),
        ([(9, 0)], {}, ("background", "few")),
        ([(9, 0)] * 2, {}, ("background", "few")),
        (
            [(9, 0)],
            {"trainer.deterministic_ops": "always"},
            ("always", "few"),
        ),
        ([(9, 0)], {"trainer.jit_compile": "never"}, ("never", "many")),
        ([], {"trainer.jit_compile": "always"}, ("always", "few")),
        ([(9, 0)], {"data.padded_lengths": "many"}, ("background", "many")),
        ([], {"trainer.strategy": "tpu"}, ("never", "one")),
    ],
)
def test_what_compiles_gets_few_lengths(
    devices, settings, choices, cpu, tmp_path, gpus
):
    cpu("avx2")
    gpus(devices)
    config = files.load("configs/bert_classifier.py").with_overrides(settings)
    found = automatic.resolve(config, tmp_path / "run")
    assert (found.trainer.jit_compile, found.data.padded_lengths) == choices


def test_a_tpu_gets_bfloat16(cpu, tmp_path):
    cpu("avx2")
    config = make_config()
    config.trainer.strategy = "tpu"
    found = automatic.resolve(config, tmp_path / "run")
    assert found.trainer.dtype_policy == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (
            [],
            "computing in mixed_bfloat16, chosen by "
            "--config.trainer.dtype_policy=auto",
        ),
        (
            [(7, 0)],
            "computing in mixed_float16, chosen by "
            "--config.trainer.dtype_policy=auto; compiling the training step "
            "with XLA in the background, chosen by "
            "--config.trainer.jit_compile=auto; padding texts to few lengths, "
            "chosen by --config.data.padded_lengths=auto",
        ),
    ],
    ids=["cpu", "gpu"],
)
def test_the_choices_are_logged_in_a_line(
    devices, words, cpu, tmp_path, caplog, gpus
):
    cpu("amx_bf16")
    gpus(devices)
    config = files.load("configs/bert_classifier.py")
    config.trainer.dtype_policy = "auto"
    with caplog.at_level("INFO", logger="trainers"):
        automatic.resolve(config, tmp_path / "run")
    assert caplog.messages == [words]


class Others:
    """Workers of whom this is one; the others have some fast policies."""

    def __init__(self, fast, has_gpu):
        self._missing = [p not in fast for p in automatic._MIXED]
        self._missing.append(not has_gpu)

    def any(self, is_missing):
        return is_missing or self._missing.pop(0)


@pytest.mark.parametrize(
    ("fast", "has_gpu", "policy", "jit_compile"),
    [
        (automatic._MIXED, True, "mixed_bfloat16", "background"),
        ({"mixed_float16"}, True, "mixed_float16", "background"),
        ({"mixed_bfloat16"}, False, "mixed_bfloat16", "never"),
        (set(), False, "float32", "never"),
    ],
)
def test_all_workers_have_the_same_choices(
    fast, has_gpu, policy, jit_compile, cpu, tmp_path, gpus
):
    cpu("avx2")
    gpus([(9, 0)])
    others = Others(fast, has_gpu)
    found = automatic.resolve(make_config(), tmp_path / "run", others)
    assert found.trainer.dtype_policy == policy
    assert found.trainer.jit_compile == jit_compile


def test_what_is_said_is_taken(cpu, tmp_path):
    cpu("amx_bf16")
    config = make_config("float32")
    config.trainer.jit_compile = "never"
    assert automatic.resolve(config, tmp_path / "run") is config


def test_a_run_keeps_what_it_began_with(cpu, tmp_path, monkeypatch, gpus):
    cpu("amx_bf16")
    trainer.train_and_evaluate(make_config(), tmp_path / "run")
    tree = json.loads((tmp_path / "run" / "config.json").read_text())
    assert tree["trainer"]["dtype_policy"] == "mixed_bfloat16"
    assert tree["trainer"]["jit_compile"] == "never"
    cpu("avx2")
    gpus([(9, 0)])
    found = automatic.resolve(make_config(), tmp_path / "run")
    assert found.trainer.dtype_policy == "mixed_bfloat16"
    assert found.trainer.jit_compile == "never"
    monkeypatch.undo()
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


@pytest.mark.parametrize(
    "flags, capabilities, policy",
    [
        ("avx2", [], "float32"),
        ("amx_bf16", [], "mixed_bfloat16"),
        ("avx2", [(7, 5)], "mixed_float16"),
        ("amx_bf16", [(6, 1)], "float32"),
    ],
)
def test_evaluation_has_the_policy_of_the_machine(
    flags, capabilities, policy, cpu, gpus, caplog
):
    cpu(flags)
    gpus(capabilities)
    with caplog.at_level("INFO", logger="trainers"):
        assert automatic.choose_policy() == policy
    assert caplog.messages == [
        f"computing in {policy}, chosen by --dtype_policy=auto"
    ]
