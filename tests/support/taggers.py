"""A tiny tagger with random weights, and texts that are hard to cut."""

import dataclasses

import keras
import numpy as np

import tfmodels
from trainers import config as c
from trainers import tasks
from trainers.tasks.inputs.tagged_texts import TaggedTexts

CHARACTERS = (
    "aäßẞ½㎏가나北京👩\u200d\u00ad\0\ufeff é\u0301\u0323İ.,-' \t\n"
    "ﬁन्ΩΣσςxyzZIı，。！ＡＢ"
)
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *"abefinsuxyzω北京.,-'，。！",
    *("##a", "##x", "##z", "##i", "##ss"),
]
NAMES = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def make_texts(count, seed=0):
    """Returns texts of random characters, some of them longer than a window."""
    rng = np.random.default_rng(seed)
    pool = list(CHARACTERS)
    return [
        "".join(rng.choice(pool, rng.integers(0, 60))) for _ in range(count)
    ]


@dataclasses.dataclass(frozen=True)
class Tagger:
    """Inputs, objective and network of a tagger.

    Attributes:
        task: `Task`.
        network: `keras.Model`.
    """

    task: tasks.Task
    network: keras.Model

    def functions(self):
        """Returns the serving functions."""
        return self.task.make_signatures(self.network)


def make_config(sequence_length=12, **export):
    """Returns the experiment of a tiny tagger."""
    return c.ExperimentConfig(
        data=c.TaggedTextDataConfig(
            train="unused.conll", sequence_length=sequence_length
        ),
        task=c.TagsConfig(),
        model=tfmodels.BertTaggerConfig(
            encoder=tfmodels.EncoderConfig(
                num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=16
            )
        ),
        export=c.ExportConfig(**export),
    )


def make(config=None, names=tuple(NAMES), is_plain=False):
    """Returns a `Tagger` whose tags differ from token to token."""
    config = config or make_config()
    inputs = TaggedTexts(config, config.model.encoder, VOCABULARY)
    objective = config.task.make_objective().restored(
        {"names": list(names), "is_plain": is_plain}
    )
    keras.utils.set_random_seed(1)
    network = inputs.model_config.build(len(names))
    for variable in network.trainable_variables:
        variable.assign(variable * 20)
    return Tagger(tasks.Task(inputs, objective), network)


def check_entities(texts, outputs, names=tuple(NAMES)):
    """Checks the places of all entities, and returns their number.

    Args:
        texts: List of str.
        outputs: Dict of arrays or lists by name: `serving_default` for texts.
        names: Tags of the model.
    """
    types = {name[2:] for name in names if name != "O"}
    count = 0
    columns = [
        outputs[f"entity_{name}"]
        for name in ("label", "text", "start", "end", "score")
    ]
    for number, text in enumerate(texts):
        rows = zip(*(column[number] for column in columns), strict=True)
        found = outputs["num_entities"][number]
        before = 0
        for place, (label, words, start, end, score) in enumerate(rows):
            label, words = (
                x.decode() if isinstance(x, bytes) else x
                for x in (label, words)
            )
            if place >= found:
                assert (label, words, start, end, score) == ("", "", -1, -1, 0)
                continue
            assert before <= start < end <= len(text)
            assert text[start:end] == words
            assert label in types and 0 < score <= 1
            before = end
            count += 1
    return count
