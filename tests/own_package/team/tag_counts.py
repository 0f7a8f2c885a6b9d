"""How often each tag occurs, as `red red blue`: rows of different lengths."""

import dataclasses

import numpy as np

from trainers.errors import raise_problems
from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig
from trainers.runtime.columns import Ragged


@dataclasses.dataclass(slots=True)
class TagCountsConfig(ObjectiveConfig):
    """Settings of the objective; there are none."""

    def make_objective(self):
        """Returns a `TagCounts`, before its tags are known."""
        return TagCounts()


class TagCounts(Objective):
    """One logit for each tag, which is its count.

    Attributes:
        names: List of str. The tags; `None` before the data is known.
    """

    metrics = ("loss", "exact")
    shown_metrics = ("loss", "exact")

    def __init__(self, names=None):
        """Makes the objective.

        Args:
            names: List of str, or `None`.
        """
        self.names = names

    def parse(self, values):
        """Returns the tags of a row; there can be none.

        Args:
            values: Dict of str with `label`.
        """
        return tuple(values["label"].split())

    def fitted(self, splits, source_names=None):
        """Returns the objective with its tags, and their numbers.

        Args:
            splits: Dict by split of `Examples` with tuples of str.
            source_names: Not used.

        Returns:
            `TagCounts`, and a dict by split of `Ragged` of int32.
        """
        found = {
            tag for e in splits.values() for tags in e.targets for tag in tags
        }
        names = self.names or sorted(found)
        raise_problems(
            "tags that the model does not know", sorted(found - {*names})
        )
        number_of = {name: number for number, name in enumerate(names)}
        targets = {
            split: Ragged.from_lengths(
                np.array(
                    [number_of[x] for t in e.targets for x in t], np.int32
                ),
                [len(tags) for tags in e.targets],
            )
            for split, e in splits.items()
        }
        return TagCounts(names), targets

    def state(self):
        """Returns the tags."""
        return self.names

    def restored(self, state):
        """Returns the objective of a finished run.

        Args:
            state: List of str.
        """
        return TagCounts(state)

    @property
    def num_outputs(self):
        """Number of logits, one for each tag."""
        return len(self.names)

    def example_losses(self, targets, logits):
        """Returns the squared error of the counts, the mean over the tags.

        Args:
            targets: `tf.RaggedTensor` of int32[batch, (tags)].
            logits: float[batch, num_tags].

        Returns:
            `float32[batch]`.
        """
        import tensorflow as tf

        one_hot = tf.one_hot(targets.values, len(self.names))
        counts = tf.math.segment_sum(one_hot, targets.value_rowids())
        # Rows without tags at the end have no segment.
        missing = targets.nrows() - tf.shape(counts, tf.int64)[0]
        counts = tf.pad(counts, [[0, missing], [0, 0]])
        errors = tf.cast(logits, tf.float32) - counts
        return tf.reduce_mean(errors**2, axis=-1)

    def summarize(self, targets, logits):
        """Returns what evaluation keeps of each example.

        Args:
            targets: `tf.RaggedTensor` of int32[batch, (tags)].
            logits: float32[batch, num_tags].
        """
        import tensorflow as tf

        return {
            "loss": self.example_losses(targets, logits),
            "tags": targets,
            # As wide as the longest row of the batch.
            "dense": targets.to_tensor(-1) + 1,
            "counts": tf.cast(tf.round(logits), tf.int64),
        }

    def measure(self, batches):
        """Returns the metrics of a split.

        Args:
            batches: Iterable of dicts of arrays; `tags` is `Ragged`.
        """
        loss = exact = count = 0
        for batch in batches:
            loss += batch["loss"].sum(dtype=np.float64)
            for tags, answer in zip(
                batch["tags"], batch["counts"], strict=True
            ):
                truth = np.bincount(tags, minlength=len(self.names))
                exact += (truth == answer).all()
            count += len(batch["tags"])
        # Numbers of NumPy, which the evaluator converts.
        return {"loss": loss / count, "exact": exact / count} | {
            "num_examples": np.int64(count)
        }

    def outputs(self, logits):
        """Returns the outputs of the signatures.

        Args:
            logits: float32[batch, num_tags].
        """
        return {"counts": logits}

    def describe(self, target):
        """Returns the tags of an example in words.

        Args:
            target: int32[num_tags].
        """
        return " ".join(self.names[number] for number in target) or "none"

    def counts(self, targets):
        """Returns the number of occurrences of each tag.

        Args:
            targets: `Ragged` of int32.
        """
        counts = np.bincount(targets.values, minlength=len(self.names))
        return {
            "tags": dict(zip(self.names, counts.tolist(), strict=True)),
        }

    def purpose(self, what):
        """Returns what a model does, for the model card.

        Args:
            what: str. The inputs in words.
        """
        return f"Counts {len(self.names)} tags of {what}"
