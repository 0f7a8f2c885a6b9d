"""Writes the numbers of a run as a table."""

import csv
import io

from trainers.runtime import atomic
from trainers.training.trackers import tracker


class Csv(tracker.Tracker):
    """Writes `tracking/numbers.csv`, one row for each step.

    A row of all numbers is what a spreadsheet and pandas plot. The columns are
    `step` and names such as `train/loss` and `validation/accuracy`. In the row
    of the best weights, `test/...` are their metrics on the test split.

    The file is replaced in one step. A resumed run keeps the rows up to its
    checkpoint.
    """

    def __init__(self, workdir):
        """Makes the tracker; writes nothing."""
        super().__init__(workdir)
        self._file = workdir / "tracking" / "numbers.csv"
        self._rows = {}  # Texts by column, by step.

    def begin(self, config, splits, state):
        """Reads the rows up to the state."""
        if state is not None and self._file.exists():
            text = self._file.read_text(encoding="utf-8")
            rows = csv.DictReader(io.StringIO(text, newline=""))
            by_step = {int(row["step"]): row for row in rows}
            self._rows = {
                step: {name: text for name, text in row.items() if text}
                for step, row in by_step.items()
                if step <= state["step"]
            }

    def numbers(self, step, split, values):
        """Adds numbers to the row of the step."""
        row = self._rows.setdefault(step, {"step": step})
        for name, value in values.items():
            row[f"{split}/{name}"] = repr(value)

    def flush(self, step):
        """Replaces the file."""
        # Some metrics are missing in some epochs, such as `roc_auc`.
        columns = dict.fromkeys(n for row in self._rows.values() for n in row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(
            text, list({"step": None} | columns), lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(self._rows.values())
        self._file.parent.mkdir(exist_ok=True)
        atomic.write_text(self._file, text.getvalue())

    def get_state(self):
        """Returns the last step."""
        return {"step": max(self._rows, default=0)}

    def end(self, step, metrics, export):
        """Adds the test metrics to the row of the best weights."""
        self.numbers(step, "test", tracker.test_numbers(metrics))
        self.flush(step)
