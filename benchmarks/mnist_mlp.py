"""Compares an epoch of the MNIST MLP with a plain PyTorch loop.

    pip install -e '.[bench]'
    python benchmarks/mnist_mlp.py
    python benchmarks/mnist_mlp.py --device=gpu

Both sides train a network 784-64-64-10 with Adam and batches of 32 on 60,000
images, in processes that alternate. The first epoch of each process traces and
warms up; it does not count. The images are Fashion-MNIST if Debian's package
`dataset-fashion-mnist` is installed, else random numbers.
"""

import argparse
import gzip
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# Beside this file.
import devices
import numpy as np

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
BATCH_SIZE = 32
NUM_EXAMPLES = 60_000


def main():
    """Runs both sides in turn and prints the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    devices.add_flag(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--role", choices=("torch",), help=argparse.SUPPRESS)
    parser.add_argument("--data", type=pathlib.Path, default=FASHION)
    options = parser.parse_args()
    if options.role == "torch":
        seconds = torch_epochs(options.data, options.epochs, options.device)
        print(json.dumps(seconds))
        return
    machine = devices.choose(options.device, with_torch=True)
    if options.device == "gpu":
        print(machine)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        data = options.data
        if not data.is_dir():
            data = scratch / "random"
            write_random_images(data)
        print(f"data: {'random' if data != options.data else data}")
        ours, theirs, ready = [], [], []
        for number in range(options.rounds):
            seconds, first = our_epochs(data, options.epochs, scratch, number)
            ours += seconds[1:]
            ready.append(first)
            theirs += run_torch(data, options.epochs, options.device)[1:]
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"this project: {describe(ours)}")
    print(f"PyTorch:      {describe(theirs)}")
    print(f"ratio of medians: {ratio:.2f}")
    print(f"from the command to the end of the first epoch: {describe(ready)}")


def describe(seconds):
    """Returns median, minimum and maximum as text."""
    return (
        f"{statistics.median(seconds):.2f} s median of {len(seconds)} "
        f"({min(seconds):.2f} to {max(seconds):.2f})"
    )


def our_epochs(data, epochs, scratch, number):
    """Runs the command.

    Returns:
        Tuple of a list with the seconds of each epoch, and the seconds from
        the command to the end of the first epoch.
    """
    workdir = scratch / f"run{number}"
    start = time.perf_counter()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "trainers.train"),
            "--config=configs/mnist_mlp.py",
            f"--workdir={workdir}",
            "--config.data.source=idx",
            f"--config.data.path={data}",
            "--config.data.train=train",
            "--config.data.validation=none",
            "--config.data.test=none",
            f"--config.data.global_batch_size={BATCH_SIZE}",
            f"--config.trainer.epochs={epochs}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    written = []
    for line in process.stderr:
        written.append(line)
        if line.startswith("epoch 1/"):
            first = time.perf_counter() - start
    if process.wait():
        sys.exit("".join(written))
    metrics = json.loads((workdir / "metrics.json").read_text())
    return metrics["train"]["epoch_seconds"], first


def run_torch(data, epochs, device):
    """Runs the PyTorch loop in a new process."""
    run = subprocess.run(
        [
            *(sys.executable, __file__, "--role=torch"),
            f"--data={data}",
            f"--epochs={epochs}",
            f"--device={device}",
        ],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(run.stdout)


def torch_epochs(data, epochs, device):
    """Trains with a plain DataLoader loop; returns seconds per epoch."""
    import torch

    images = torch.from_numpy(read(data, "images", 16) / np.float32(255))
    labels = torch.from_numpy(read(data, "labels", 8).astype(np.int64))
    is_gpu = device == "gpu"
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images.reshape(-1, 784), labels),
        batch_size=BATCH_SIZE,
        shuffle=True,
        pin_memory=is_gpu,
    )
    network = torch.nn.Sequential(
        torch.nn.Linear(784, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    ).to("cuda" if is_gpu else "cpu")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=is_gpu)
    loss_fn = torch.nn.CrossEntropyLoss()
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        total_loss, hits = 0.0, 0
        for x, y in loader:
            if is_gpu:
                x, y = (part.to("cuda", non_blocking=True) for part in (x, y))
            optimizer.zero_grad()
            logits = network(x)
            loss = loss_fn(logits, y)
            loss.backward()
            optimizer.step()
            # The metrics that this project computes too.
            loss, right = loss.detach(), (logits.argmax(1) == y).sum()
            if not is_gpu:
                # On a GPU, to read a number in each step waits for the step.
                loss, right = loss.item(), right.item()
            total_loss += loss * len(y)
            hits += right
        float(total_loss)  # Waits for a GPU.
        seconds.append(time.perf_counter() - start)
    return seconds


def read(data, what, header):
    """Reads the training images or labels of an IDX directory."""
    dims = 3 if what == "images" else 1
    with gzip.open(data / f"train-{what}-idx{dims}-ubyte.gz") as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header)


def write_random_images(directory):
    """Writes 60,000 random images and labels as IDX files."""
    directory.mkdir()
    rng = np.random.default_rng(0)
    for what, shape in (
        ("images", (NUM_EXAMPLES, 28, 28)),
        ("labels", (NUM_EXAMPLES,)),
    ):
        values = rng.integers(0, 256 if what == "images" else 10, shape)
        header = bytes([0, 0, 8, len(shape)])
        header += np.array(shape, ">u4").tobytes()
        name = f"train-{what}-idx{len(shape)}-ubyte.gz"
        with gzip.open(directory / name, "wb", compresslevel=1) as stream:
            stream.write(header + values.astype(np.uint8).tobytes())


if __name__ == "__main__":
    main()
