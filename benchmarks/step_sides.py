"""The sides of `step.py`: each loads in a process and returns a timed function.

The timed function takes a number of steps, runs them, waits for the last one,
and returns the peak of the memory in bytes: of the process on the CPU, of the
tensors on a GPU.
"""

import dataclasses

# Beside this file.
import numpy as np
import processes

from trainers.runtime import startup

NUM_CLASSES = 8
VOCABULARY_SIZE = 30_522
# Rows of the matrices whose product is the peak. On a GPU, smaller ones do not
# use all of it.
PRODUCT = {"cpu": 2048, "gpu": 8192}


@dataclasses.dataclass(frozen=True)
class Size:
    """The sizes of a BERT encoder, as in its configuration."""

    num_layers: int
    hidden_dim: int
    num_heads: int
    intermediate_dim: int

    def flops(self, batch, length):
        """Returns the operations of a step's matrix products.

        The backward pass has twice the products of the forward pass.

        Args:
            batch: int. Texts.
            length: int. Tokens of a text.
        """
        dim, inner = self.hidden_dim, self.intermediate_dim
        layer = 4 * dim**2 + 2 * dim * inner + 2 * length * dim
        return 3 * 2 * batch * length * self.num_layers * layer


MODELS = {
    "minilm": Size(6, 384, 12, 1536),
    "base": Size(12, 768, 12, 3072),
}
# Sides of this project: XLA, and settings that differ from the defaults.
OURS = {
    "fast": ("never", {}),
    "compiled": ("always", {}),
    "recomputed": ("never", {"recompute_activations": True}),
    "keras_nlp": ("never", {"implementation": "keras_nlp"}),
}
THEIRS = ("PyTorch", "torch.compile")


def load_product(device, dtype):
    """Returns a function that multiplies two matrices."""
    startup.import_tensorflow()
    import tensorflow as tf

    matrix = tf.random.normal([PRODUCT[device]] * 2)
    matrix = tf.cast(matrix, dtype.removeprefix("mixed_"))
    multiply = tf.function(lambda: tf.matmul(matrix, matrix))

    def products(number):
        for _ in range(number):
            product = multiply()
        # Waits for the product and copies only one number.
        float(product[0, 0])
        return 0

    return products


def load_ours(name, device, model_name, dtype, shape):
    """Returns a function that runs training steps of this project."""
    startup.import_tensorflow()
    import tensorflow as tf
    import training_model

    from trainers.config import files

    config = files.load("configs/bert_classifier.py:minilm")
    encoder = config.model.encoder
    encoder.preset = ""
    encoder.vocabulary_size = VOCABULARY_SIZE
    for setting, value in dataclasses.asdict(MODELS[model_name]).items():
        setattr(encoder, setting, value)
    compiles, settings = OURS[name]
    for setting, value in settings.items():
        setattr(encoder, setting, value)
    config.trainer.jit_compile = compiles
    config.trainer.dtype_policy = dtype
    config.data.global_batch_size = shape[0]
    config.data.sequence_length = shape[1]
    model = training_model.make_without_data(config, NUM_CLASSES)
    ids, labels = _examples(shape)
    features = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    weights = np.ones(shape[0], np.float32)

    def with_unknown_shape(features, labels, weights):
        # As in training: the graph serves all shapes.
        return (
            {
                name: tf.compat.v1.placeholder_with_default(x, (None, None))
                for name, x in features.items()
            },
            labels,
            weights,
        )

    dataset = tf.data.Dataset.from_tensors((features, labels, weights))
    dataset = dataset.map(with_unknown_shape).repeat().prefetch(2)
    batches = iter(dataset)

    def steps(number):
        if device == "gpu":
            tf.config.experimental.reset_memory_stats("GPU:0")
        for _ in range(number):
            logs = model.train_function(batches)
        float(logs["loss"])
        if device == "cpu":
            return processes.most_memory()
        # The loss is ready before the weights are.
        tf.test.experimental.sync_devices()
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]

    return steps


def load_theirs(name, device, model_name, dtype, shape):
    """Returns a function that runs training steps of Hugging Face's model."""
    import torch
    import transformers

    # As TensorFlow: products of float32 on a GPU are in TF32.
    torch.set_float32_matmul_precision("high")
    size = MODELS[model_name]
    config = transformers.BertConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=size.hidden_dim,
        num_hidden_layers=size.num_layers,
        num_attention_heads=size.num_heads,
        intermediate_size=size.intermediate_dim,
        num_labels=NUM_CLASSES,
        attn_implementation="sdpa",
    )
    kind = {"cpu": "cpu", "gpu": "cuda"}[device]
    model = transformers.BertForSequenceClassification(config).train().to(kind)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    forward = model
    if name == "torch.compile":
        forward = torch.compile(model, dynamic=False)
    ids, labels = map(torch.from_numpy, _examples(shape))
    inputs = {
        "input_ids": ids.long(),
        "attention_mask": torch.ones_like(ids),
        "labels": labels.long(),
    }
    if device == "gpu":
        inputs = {key: value.pin_memory() for key, value in inputs.items()}
    is_bfloat16 = dtype == "mixed_bfloat16"

    def step():
        batch = {k: v.to(kind, non_blocking=True) for k, v in inputs.items()}
        with torch.autocast(kind, torch.bfloat16, enabled=is_bfloat16):
            loss = forward(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    def steps(number):
        if device == "gpu":
            torch.cuda.reset_peak_memory_stats()
        for _ in range(number):
            loss = step()
        loss.item()
        if device == "cpu":
            return processes.most_memory()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()

    return steps


def _examples(shape):
    """Returns random token ids int32[batch, length] and labels int32[batch]."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 30_000, shape, np.int32)
    return ids, rng.integers(0, NUM_CLASSES, shape[0], np.int32)
