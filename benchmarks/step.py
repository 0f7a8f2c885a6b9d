"""Compares a training step of BERT encoders with KerasHub and PyTorch.

    pip install -e '.[bench]'
    python benchmarks/step.py
    python benchmarks/step.py --device=gpu --models minilm

The sides are:

    fast            the layers of this project
    compiled        the same, compiled by XLA; by default on GPUs only
    recomputed      the fast layers with recomputed activations
    keras_nlp       KerasHub's layers
    PyTorch         Hugging Face's model with PyTorch, eager, with PyTorch's
                    `scaled_dot_product_attention` and fused AdamW
    torch.compile   the same, compiled; by default on GPUs only

They have the sizes of MiniLM or of BERT base and random weights. They train on
the same number of full texts, each in its own process, in turn.

The share of the peak counts only the matrix products of a step. The peak is the
speed of TensorFlow's product of two matrices in the same type, of 2,048 x 2,048
on a CPU and 8,192 x 8,192 on a GPU. Memory is the peak of the process on a CPU
and of the tensors on a GPU. The first call traces and compiles the step.

A GPU computes a step while Python already starts the next one. There, the
script times blocks of `--steps` and waits only at the end of a block.
"""

import argparse
import contextlib
import itertools
import statistics
import sys

# Beside this file.
import devices
import processes
import step_sides

SHAPES = {
    "cpu": dict.fromkeys(step_sides.MODELS, ("16x128", "32x64", "8x512")),
    "gpu": {
        "minilm": ("16x128", "64x128", "8x512"),
        "base": ("32x128", "64x128", "8x512"),
    },
}
MODELS = {"cpu": ("minilm",), "gpu": ("minilm", "base")}
TYPES = {"cpu": ("float32", "mixed_bfloat16"), "gpu": ("mixed_bfloat16",)}
SIDES = {
    "cpu": ("fast", "recomputed", "keras_nlp", "PyTorch"),
    "gpu": (*step_sides.OURS, *step_sides.THEIRS),
}
STEPS = {"cpu": 1, "gpu": 20}


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    devices.add_flag(parser)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, help="steps of a timed block")
    parser.add_argument("--models", nargs="+", choices=step_sides.MODELS)
    parser.add_argument("--shapes", nargs="+", help="such as 16x128")
    parser.add_argument("--types", nargs="+", choices=TYPES["cpu"])
    parser.add_argument("--sides", nargs="+", choices=SIDES["gpu"])
    options = parser.parse_args()
    device = options.device
    options.sides = options.sides or SIDES[device]
    options.steps = options.steps or STEPS[device]
    has_theirs = bool({*options.sides} & {*step_sides.THEIRS})
    print(devices.choose(device, with_torch=has_theirs))
    print(
        "| | | s/step (min to max) | ratio | of peak | MB |\n"
        "|---|---|---|---:|---:|---:|"
        if device == "cpu"
        else "| | | ms/step (min to max) | ratio | of peak | MB | first call s "
        "|\n|---|---|---|---:|---:|---:|---:|",
        flush=True,
    )
    for model in options.models or MODELS[device]:
        types = options.types or TYPES[device]
        shapes = options.shapes or SHAPES[device][model]
        for dtype, shape in itertools.product(types, shapes):
            compare(model, dtype, tuple(map(int, shape.split("x"))), options)


def compare(model, dtype, shape, options):
    """Prints the rows of one model, type and shape."""
    with contextlib.ExitStack() as stack:

        def start(name, load, *arguments):
            side = processes.Side(name, load, *arguments, waits=False)
            return stack.enter_context(contextlib.closing(side))

        device = options.device
        sides = [start("peak", step_sides.load_product, device, dtype)]
        for name in options.sides:
            load = step_sides.load_ours
            if name in step_sides.THEIRS:
                load = step_sides.load_theirs
            sides.append(start(name, load, name, device, model, dtype, shape))
        first = warm_up(sides, options.steps)
        sides = [side for side in sides if side.name in first]
        seconds = {side.name: [] for side in sides}
        memory = {}
        for _ in range(options.rounds):
            for side in sides:
                taken, memory[side.name] = side(options.steps)
                seconds[side.name].append(taken / options.steps)
    most = 2 * step_sides.PRODUCT[device] ** 3 / min(seconds.pop("peak"))
    if "PyTorch" in seconds:
        theirs = statistics.median(seconds["PyTorch"])
    label = f"{dtype} {shape[0]} x {shape[1]}"
    if device == "gpu" or model != "minilm":
        label = f"{model} {label}"
    for name, measured in seconds.items():
        median = statistics.median(measured)
        ratio = f"{median / theirs:.2f}" if "PyTorch" in seconds else ""
        flops = step_sides.MODELS[model].flops(*shape)
        cells = [
            label,
            name,
            describe(measured, device),
            ratio,
            f"{100 * flops / median / most:.0f} %",
            f"{memory[name] / 1e6:,.0f}",
        ]
        if device == "gpu":
            cells.append(f"{first[name]:.1f}")
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"peak {most / 1e9:,.0f} GFLOP/s", flush=True)


def warm_up(sides, num_steps):
    """Runs the first steps of each side; reports and leaves out a failed side.

    Returns:
        Dict from the name of a side to the seconds of its first call.
    """
    # No side may load while another one is timed.
    for side in sides:
        with contextlib.suppress(Exception):  # The first call raises it again.
            side.wait()
    first = {}
    for side in sides:
        try:
            taken, _ = side(1)
            side(num_steps)
        except Exception as error:
            # An hour of measuring must not end with the first table.
            lines = str(error).strip().splitlines() or [""]
            message = f"{type(error).__name__}: {lines[-1][:300]}"
            print(f"{side.name} failed: {message}", file=sys.stderr)
        else:
            first[side.name] = taken
    return first


def describe(seconds, device):
    """Returns median, minimum and maximum; in milliseconds for a GPU."""
    scale, digits = (1, 3) if device == "cpu" else (1000, 1)
    median, least, most = (
        f"{scale * value:.{digits}f}"
        for value in (statistics.median(seconds), min(seconds), max(seconds))
    )
    return f"{median} ({least} to {most})"


if __name__ == "__main__":
    main()
