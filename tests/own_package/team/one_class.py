"""What usual inputs look like: an objective without targets."""

import dataclasses

import numpy as np

from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig


@dataclasses.dataclass(slots=True)
class OneClassConfig(ObjectiveConfig):
    """Settings of the objective; there are none."""

    def make_objective(self):
        """Returns a `OneClass`."""
        return OneClass()


class OneClass(Objective):
    """The logits of usual inputs are near 1; others are far from it."""

    num_outputs = 4

    def target_columns(self, data):
        """Returns no column.

        Args:
            data: Not used.
        """
        return {}

    def parse(self, values):
        """Returns no target.

        Args:
            values: Empty dict.
        """
        return None

    def fitted(self, splits, source_names=None):
        """Returns the objective, and no targets.

        Args:
            splits: Dict by split of `Examples`.
            source_names: Not used.
        """
        return self, dict.fromkeys(splits)

    def state(self):
        """Returns nothing; the data decides nothing."""
        return {}

    def restored(self, state):
        """Returns the objective of a finished run.

        Args:
            state: Empty dict.
        """
        return self

    def example_losses(self, targets, logits):
        """Returns the squared distance of the logits from 1.

        Args:
            targets: `None`.
            logits: float[batch, num_outputs].
        """
        import tensorflow as tf

        assert targets is None
        distances = (tf.cast(logits, tf.float32) - 1) ** 2
        return tf.reduce_mean(distances, axis=-1)

    def measure(self, batches):
        """Returns the metrics of a split.

        Args:
            batches: Iterable of dicts of `logits: float32[batch,
                num_outputs]`.
        """
        logits = np.concatenate([batch["logits"] for batch in batches])
        loss = ((logits - 1.0) ** 2).mean()
        return {"loss": loss, "num_examples": len(logits)}

    def outputs(self, logits):
        """Returns the outputs of the signatures.

        Args:
            logits: float32[batch, num_outputs].
        """
        return {"distance": self.example_losses(None, logits)}

    def purpose(self, what):
        """Returns what a model does, for the model card.

        Args:
            what: str. The inputs in words.
        """
        return f"Says how unusual {what} are"
