"""The runs that are killed: small, with everything on that has a state."""

import csv
import dataclasses
import random

_DIGITS = (
    "--config=configs/mnist_mlp.py:smoke",
    "--config.model.dropout=0.3",
    "--config.data.random_shift=0.1",
    "--config.data.random_rotation=10",
    "--config.optimizer.name=adamw",
    "--config.optimizer.learning_rate=0.01",
    "--config.optimizer.global_clipnorm=1",
    "--config.optimizer.accumulation_steps=2",
    "--config.optimizer.ema_momentum=0.9",
    "--config.optimizer.plateau_patience=1",
    "--config.trainer.best_metric=accuracy",
    "--config.trainer.early_stopping_patience=2",
    "--config.trainer.epochs=12",
)
_TEXTS = (
    "--config=configs/bert_classifier.py:smoke",
    "--config.model.encoder.hidden_dim=16",
    "--config.model.encoder.intermediate_dim=32",
    "--config.model.encoder.num_layers=1",
    "--config.model.encoder.vocabulary_size=200",
    # Batches of two lengths: XLA compiles for each.
    "--config.data.sequence_length=16",
    "--config.data.global_batch_size=8",
    "--config.data.validation_fraction=0.2",
    "--config.trainer.epochs=4",
)
_MIRRORED = (
    "--config.trainer.strategy=mirrored",
    "--config.trainer.num_logical_cpus=2",
)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A run that is killed.

    Attributes:
        name: For people.
        flags: All but `--workdir` and, for texts, `--config.data.train`.
        texts: CSV file, or `None`.
        by_time: Whether time decides when it saves.
    """

    name: str
    flags: tuple
    texts: str | None = None
    by_time: bool = False

    def words(self, workdir):
        """Returns the command line."""
        words = [*self.flags, f"--workdir={workdir}"]
        if self.texts:
            words.append(f"--config.data.train={self.texts}")
        return words


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "digits",
            (*_DIGITS, "--config.trainer.save_every_steps=7"),
        ),
        Scenario(
            "digits_mirrored_float16",
            (
                *_DIGITS,
                *_MIRRORED,
                "--config.trainer.dtype_policy=mixed_float16",
                "--config.trainer.save_every_steps=7",
            ),
        ),
        Scenario(
            "texts_bfloat16",
            (
                *_TEXTS,
                "--config.trainer.dtype_policy=mixed_bfloat16",
                "--config.trainer.save_every_steps=3",
            ),
            texts="short",
        ),
        Scenario(
            "texts_mirrored",
            (
                *_TEXTS,
                *_MIRRORED,
                "--config.task.class_weights=balanced",
                "--config.task.label_smoothing=0.1",
                "--config.trainer.save_every_steps=3",
            ),
            texts="short",
        ),
        Scenario(
            "numbers_of_pairs",
            (
                "--config=configs/bert_pairs.py:smoke",
                *_TEXTS[1:],
                "--config.task.objective=regression",
                "--config.task.loss=huber",
                "--config.data.text_pair_column=other",
                "--config.data.label_column=score",
                "--config.trainer.save_every_steps=3",
            ),
            texts="short",
        ),
        Scenario(
            "labels_of_texts",
            (
                "--config=configs/bert_multi_label.py:smoke",
                *_TEXTS[1:],
                "--config.task.label_columns=seed,water",
                "--config.task.positive_weights=balanced",
                "--config.trainer.save_every_steps=3",
            ),
            texts="short",
        ),
        Scenario(
            "digits_saved_by_time",
            (
                *_DIGITS,
                "--config.data.global_batch_size=4",  # 5 x 25 steps
                "--config.trainer.epochs=4",
                "--config.trainer.save_every_seconds=0.01",
            ),
            by_time=True,
        ),
        Scenario(
            "digits_one_checkpoint",
            (
                *_DIGITS,
                "--config.trainer.keep_checkpoints=1",
                # An epoch is one call: a stop comes at its end.
                "--config.trainer.steps_per_execution=16",
            ),
        ),
        # 140 MB a checkpoint.
        Scenario(
            "wide",
            (
                "--config=configs/mnist_mlp.py:smoke",
                "--config.model.hidden_dims=2048,2048",
                "--config.model.dropout=0.2",
                "--config.optimizer.ema_momentum=0.9",
                "--config.trainer.epochs=2",
                "--config.trainer.save_every_steps=4",
                "--config.trainer.steps_per_execution=1",
            ),
        ),
        Scenario(
            "minilm",
            (
                "--config=configs/bert_classifier.py:minilm",
                "--config.data.sequence_length=32",
                "--config.data.validation_fraction=0.2",
                "--config.trainer.epochs=3",
                "--config.trainer.save_every_steps=2",
            ),
            texts="short",
        ),
    )
}
_WORDS = {
    "invoice": ("invoice", "payment", "amount", "due", "account", "tax"),
    "travel": ("flight", "hotel", "ticket", "station", "luggage", "map"),
    "garden": ("rose", "soil", "seed", "water", "spade", "hedge"),
}
_LABELS = ("seed", "water")
_COMMON = ("the", "and", "of", "for", "a", "with", "please", "today")


def write_texts(path, num_texts=96):
    """Writes labelled texts of 2 to 40 words, always the same.

    They also have a second text, a number and two columns of labels.
    """
    generator, others = random.Random(7), random.Random(8)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("text", "label", "other", "score", *_LABELS))
        for row in range(num_texts):
            label = sorted(_WORDS)[row % 3]
            words = generator.choices(
                _WORDS[label] + _COMMON, k=generator.randint(2, 40)
            )
            text = " ".join((*words, str(row)))
            other = " ".join(others.choices(_COMMON, k=others.randint(0, 9)))
            score = round(others.gauss(0, 3), 2)
            has = [int(label in words) for label in _LABELS]
            writer.writerow((text, label, other, score, *has))
