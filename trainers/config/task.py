"""Settings of what is learned: one dataclass for each task."""

import dataclasses

from tfmodels.settings import setting


def _label_smoothing():
    return setting(
        0.0,
        "Share of the target that is spread over all classes, in training.",
        at_least=0,
        below=1,
    )


def _class_weights():
    return setting(
        "none",
        "Factor of the training loss for each class: `none`, `balanced` (the "
        "examples of each class weigh the same in sum), or "
        "NAME=FACTOR,NAME=FACTOR. Other classes have the factor 1.",
    )


@dataclasses.dataclass(slots=True)
class ImageClassificationConfig:
    """One label for each image. Augmentation changes training images only.

    >>> ImageClassificationConfig(random_rotation=10.0).random_shift
    0.0
    """

    random_shift: float = setting(
        0.0,
        "Largest shift, as a share of height and width.",
        at_least=0,
        at_most=1,
    )
    random_rotation: float = setting(
        0.0,
        "Largest rotation in degrees, in both directions.",
        at_least=0,
        at_most=180,
    )
    random_zoom: float = setting(
        0.0,
        "Largest zoom, as a share of the size, in and out.",
        at_least=0,
        below=1,
    )
    label_smoothing: float = _label_smoothing()
    class_weights: str = _class_weights()


@dataclasses.dataclass(slots=True)
class TextClassificationConfig:
    """One label for each text.

    >>> TextClassificationConfig(class_weights="spam=2").label_smoothing
    0.0
    """

    label_smoothing: float = _label_smoothing()
    class_weights: str = _class_weights()
