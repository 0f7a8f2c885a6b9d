"""Writes the best accuracy so far into a file that a status page shows."""

from trainers.runtime import atomic
from trainers.training.trackers.tracker import Tracker


class BestSoFar(Tracker):
    """Writes `best_so_far.txt` into the work directory."""

    def begin(self, config, splits, state):
        """Starts with nothing, or with the best of an interrupted run."""
        self._best = state["best"] if state else 0.0

    def numbers(self, step, split, values):
        """Remembers the best accuracy."""
        if split == "validation":
            self._best = max(self._best, values["accuracy"])

    def flush(self, step):
        """Writes it; a resumed run repeats a step with the same number."""
        text = f"step {step}: {self._best:.3f}\n"
        atomic.write_text(self.workdir / "best_so_far.txt", text)

    def get_state(self):
        """Returns the best accuracy for the checkpoint."""
        return {"best": self._best}
