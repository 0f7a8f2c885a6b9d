"""A small run on tagged words, some of them in texts of several windows."""

import random

from repository import ROOT

_NAMES = {
    "PER": ("Ann Lee", "Bo", "Cy Day"),
    "LOC": ("Ulm", "New Ely", "Ayr"),
}
_WORDS = ("sees", "and", "in", "the", ",", "old", "again")
# 19 windows of at most 14 tokens: the last batch of an epoch has 3.
STEPS_PER_EPOCH = 5
EPOCHS = 3


def write(directory):
    """Writes files for train and validation, always the same."""
    generator = random.Random(5)
    for name, sizes in (
        ("train", [3, 5, 2, 8, 1, 9, 4] * 2 + [17, 24]),
        ("validation", [2, 7, 16, 4, 3]),
    ):
        blocks = []
        for size in sizes:
            lines = []
            while len(lines) < size:
                kind = generator.choice(sorted(_NAMES))
                for number, word in enumerate(
                    generator.choice(_NAMES[kind]).split()
                ):
                    lines.append(f"{word} {'IB'[number == 0]}-{kind}")
                lines.append(f"{generator.choice(_WORDS)} O")
            blocks.append("\n".join(lines))
        text = "\n\n".join(blocks) + "\n"
        (directory / f"{name}.conll").write_text(text)


def words(directory, workdir, *more):
    """Returns the flags of a run on the files of a directory."""
    return [
        f"--config={ROOT}/configs/bert_tagger.py:smoke",
        f"--workdir={workdir}",
        f"--config.data.train={directory / 'train.conll'}",
        f"--config.data.validation={directory / 'validation.conll'}",
        "--config.data.test=none",
        "--config.data.cache_dir=none",
        "--config.data.sequence_length=16",
        "--config.data.global_batch_size=4",
        "--config.model.encoder.hidden_dim=16",
        "--config.model.encoder.intermediate_dim=32",
        "--config.model.encoder.num_layers=1",
        "--config.model.encoder.vocabulary_size=120",
        f"--config.trainer.epochs={EPOCHS}",
        "--config.trainer.save_every_steps=3",
        "--config.trainer.save_every_seconds=0",
        *more,
    ]
