"""Settings of the export for TensorFlow Serving."""

import dataclasses

from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class ExportConfig:
    """What TensorFlow Serving gets.

    >>> ExportConfig(name="mails", allowed_batch_sizes=(1, 8)).check
    'session'
    """

    name: str = setting("model", "Name of the model and of its directory.")
    check: str = setting(
        "session",
        "Check before a version appears. `session`: a fresh process loads it "
        "as TensorFlow Serving does. `serving_2_20`: the same once more with "
        "TensorFlow 2.20.0, which it installs once (1.7 GB).",
        choices=("session", "serving_2_20"),
        may_change=True,
    )
    allowed_batch_sizes: tuple[int, ...] = setting(
        (1, 2, 4, 8, 16, 32),
        "Batch sizes that a server makes from single requests, in increasing "
        "order. A server warms each of them up when it loads a version.",
        at_least=1,
        at_most=1024,
        may_change=True,
    )
    max_entities: int = setting(
        256,
        "Largest number of entities of a text in an answer of a model that "
        "finds entities. All answers have this width. The output "
        "`num_entities` is the number of all entities; the signature `tags` "
        "always answers for the whole text.",
        at_least=1,
        at_most=100_000,
        may_change=True,
    )
