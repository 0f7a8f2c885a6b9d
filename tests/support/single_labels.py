"""The objective of one label for each example, and texts read with it."""

from trainers.config.data import TextDataConfig
from trainers.data.texts import reading
from trainers.objectives.single_label import SingleLabelConfig


def unfitted():
    """Returns the objective before its classes are known."""
    return SingleLabelConfig().make_objective()


def of(class_names):
    """Returns the objective of a run with these classes."""
    return unfitted().restored(list(class_names))


def read_splits(data):
    """Returns a dict by split of texts with their labels as words."""
    return reading.read_splits(data, unfitted())[0]


def labelled(name, **settings):
    """Returns `(text, label)` of each row of a file."""
    data = TextDataConfig(
        train=name, validation="none", test="none", **settings
    )
    examples = read_splits(data)["train"]
    texts = [text.decode() for text in examples.features["text"]]
    return list(zip(texts, examples.targets, strict=True))


def predicted(name, **settings):
    """Returns the texts of a file without labels."""
    texts = read_texts(name, TextDataConfig(**settings))
    return [text.decode() for _, text in texts]


def list_files(data):
    """Returns the paths of all files of the splits."""
    return reading.list_files(data)


def read_one(data, split, run_data=None):
    """Returns one split of texts with their labels as words."""
    return reading.read_one(data, split, unfitted(), run_data)


def read_texts(*args, **kwargs):
    """Yields `(place, text)` of `reading.read_texts`, for single texts."""
    for place, texts in reading.read_texts(*args, **kwargs):
        (text,) = texts.values()
        yield place, text
