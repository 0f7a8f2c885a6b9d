"""What is learned: a dataclass for each task."""

import dataclasses

from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class ImageClassificationConfig:
    """What is learned: one label an image. Augmentation acts in training."""

    random_shift: float = setting(
        0.0,
        "Largest shift, as a share of height and width.",
        at_least=0,
        at_most=1,
    )
    random_rotation: float = setting(
        0.0, "Largest rotation in degrees, both ways.", at_least=0, at_most=180
    )
    random_zoom: float = setting(
        0.0,
        "Largest zoom, as a share of the size, in and out.",
        at_least=0,
        below=1,
    )


@dataclasses.dataclass(slots=True)
class TextClassificationConfig:
    """What is learned: one label a text."""

    label_smoothing: float = setting(
        0.0,
        "Share of the target that is spread over all classes, in training.",
        at_least=0,
        below=1,
    )
    class_weights: str = setting(
        "none",
        "Factors of the training loss by class: `none`, `balanced` "
        "(all classes weigh the same in sum), or NAME=FACTOR,NAME=FACTOR "
        "with 1 for classes that are left out.",
    )
