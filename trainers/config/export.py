"""What TensorFlow Serving gets."""

import dataclasses

from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class ExportConfig:
    """What TensorFlow Serving gets."""

    name: str = setting("model", "Name of the model and of its directory.")
    check: str = setting(
        "session",
        "Proof before a version appears: `session` lets a fresh process load "
        "it as TensorFlow Serving does; `serving_2_20` repeats it with the "
        "libraries of TensorFlow Serving 2.20, which it installs once (1.7 "
        "GB).",
        choices=("session", "serving_2_20"),
        may_change=True,
    )
    allowed_batch_sizes: tuple[int, ...] = setting(
        (1, 2, 4, 8, 16, 32),
        "Batch sizes that a server forms of single requests, increasing; the "
        "last is the largest. Each is warmed up when a version is loaded.",
        at_least=1,
        at_most=1024,
        may_change=True,
    )
