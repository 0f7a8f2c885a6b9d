"""Chooses the device that a benchmark measures, and describes the machine."""

import importlib.metadata
import os
import pathlib
import platform
import re
import shutil
import subprocess

# Beside this file.
import processes


def add_flag(parser):
    """Adds `--device` to a parser of arguments."""
    parser.add_argument(
        "--device",
        choices=("cpu", "gpu"),
        default="cpu",
        help="cpu hides all GPUs; gpu is the first one, or those of\n"
        "CUDA_VISIBLE_DEVICES",
    )


def choose(device, with_torch=False):
    """Shows only one kind of device to processes that start after this call.

    Call it before this process uses TensorFlow.

    Args:
        device: str. `cpu` or `gpu`.
        with_torch: bool. Whether PyTorch must see the GPU, too.

    Returns:
        str. One line about the machine, for the head of a table.

    Raises:
        SystemExit: A library sees no GPU.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        return f"{os.cpu_count()} cores"
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    # Several processes share the GPU. By default, TensorFlow takes all of its
    # memory for the first one.
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    libraries = [_tensorflow, _torch] if with_torch else [_tensorflow]
    found = [processes.in_process(library) for library in libraries]
    for gpu, version in found:
        if gpu is None:
            visible = os.environ["CUDA_VISIBLE_DEVICES"]
            library, _, _ = version.partition(" (")
            raise SystemExit(
                f"error: `--device=gpu` needs a GPU, but {library} sees none "
                f"with CUDA_VISIBLE_DEVICES={visible!r}."
            )
    versions = [version for _, version in found]
    return (
        f"{found[0][0]}, driver {_driver()}, {os.cpu_count()} CPU cores; "
        f"{', '.join(versions)}, Python {platform.python_version()}"
    )


def _tensorflow():
    """Returns the GPU's name, or `None`, and the versions. In a new process."""
    from trainers.runtime import startup

    startup.import_tensorflow()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    name = None
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        name = details.get("device_name", "GPU of unknown name")
    cuda = tf.sysconfig.get_build_info().get("cuda_version", "none")
    keras = importlib.metadata.version("keras")
    return name, f"TensorFlow {tf.__version__} (CUDA {cuda}), Keras {keras}"


def _torch():
    """Returns the same for PyTorch. In a new process."""
    try:
        import torch
    except ModuleNotFoundError:
        return None, "PyTorch (not installed)"
    name = None
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    version = f"PyTorch {torch.__version__} (CUDA {torch.version.cuda})"
    try:
        transformers = importlib.metadata.version("transformers")
    except importlib.metadata.PackageNotFoundError:
        return name, version
    return name, f"{version}, transformers {transformers}"


def _driver():
    """Returns the version of NVIDIA's driver, or `unknown`."""
    if shutil.which("nvidia-smi"):
        run = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv"],
            capture_output=True,
            text=True,
        )
        # The first line is the name of the column.
        if lines := run.stdout.split("\n")[1:2]:
            return lines[0].strip() or "unknown"
    file = pathlib.Path("/proc/driver/nvidia/version")
    text = file.read_text() if file.exists() else ""
    found = re.search(r"Module.*?\s(\d+\.[\d.]+)\s", text)
    return found[1] if found else "unknown"
