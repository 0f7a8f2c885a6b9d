"""Stores directories that a training step names: `step-00002500`.

Each directory appears complete, with a manifest of SHA-256 sums that shows
damage. Best weights and checkpoints are such directories.
"""

import contextlib
import dataclasses
import datetime
import os
import pathlib
import re

from trainers.errors import RunError
from trainers.runtime import atomic
from trainers.runtime import decimals

_LOSSES = ("loss", "val_loss")
# The table shows these, if a run has them, and otherwise its first two.
_FIRST = ("val_accuracy", "val_macro_f1")
_REPLACED = atomic.REPLACED
_NAME = re.compile(r"step-(\d{8}|[1-9]\d{8,})")


@dataclasses.dataclass(frozen=True)
class Row:
    """What is known about one step directory.

    Attributes:
        step: int. Training steps done.
        path: pathlib.Path. The directory.
        facts: dict. From the manifest; `{}` if it cannot be read.
        size: int. Bytes of all files.
        problem: str. What is damaged; `None` if nothing is.
    """

    step: int
    path: pathlib.Path
    facts: dict
    size: int
    problem: str | None


class StepDirectories:
    """The step directories in one directory.

    Attributes:
        directory: pathlib.Path. It does not need to exist.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     steps = StepDirectories(pathlib.Path(directory))
    ...     for step in (4, 8):
    ...         steps.publish(step, lambda path: None, facts={"epochs": 1})
    ...     [path.name for path in steps.paths().values()]
    ['step-00000008', 'step-00000004']
    """

    def __init__(self, directory):
        self.directory = directory

    def paths(self):
        """Returns paths by step, highest step first."""
        if not self.directory.is_dir():
            return {}
        steps = {}
        # `step-00000008` comes after `step-00000008.replaced` and wins.
        for path in sorted(self.directory.iterdir(), reverse=True):
            if found := _NAME.fullmatch(path.name.removesuffix(_REPLACED)):
                steps[int(found[1])] = path
        return dict(sorted(steps.items(), reverse=True))

    def tidy(self):
        """Finishes or removes what a killed process left unfinished."""
        atomic.remove_abandoned(self.directory)
        for path in self.directory.glob(f"step-*{_REPLACED}"):
            final = path.with_name(path.name.removesuffix(_REPLACED))
            if final.exists():
                atomic.remove(path)
            else:
                path.rename(final)

    def publish(self, step, write_fn, facts):
        """Writes the directory of a step; replaces one that exists.

        A run that was killed can reach the same step again.

        Args:
            step: int. Training steps done.
            write_fn: Called with the directory to fill.
            facts: dict. Written into the manifest.
        """
        final = self.directory / f"step-{step:08d}"
        with atomic.temporary_dir(self.directory, final.name) as path:
            write_fn(path)
            now = datetime.datetime.now(datetime.UTC)
            time = now.isoformat(timespec="seconds")
            facts = {"step": step, "time": time} | facts
            atomic.publish(path, final, facts, replace=True)

    def remove_older(self, keep):
        """Removes all directories except those of the highest steps.

        Args:
            keep: int. How many to keep.
        """
        for path in list(self.paths().values())[keep:]:
            atomic.remove(path)

    def set_aside(self, path):
        """Renames a damaged directory to `damaged-step-...`.

        The user can then still look at it. Under its old name it would take the
        place of a whole directory of a lower step in `remove_older`.

        Args:
            path: pathlib.Path. The damaged directory.
        """
        new = path.with_name(f"damaged-{path.name}")
        if new.exists():
            atomic.remove(new)
        path.rename(new)

    def verified(self):
        """Yields a `Row` for each step, highest first; reads all files."""
        for step, path in self.paths().items():
            facts, problem = {}, None
            try:
                facts, _ = atomic.read_manifest(path)
                atomic.verify(path)
            except (RunError, OSError) as error:
                problem = str(error)
            if os.path.lexists(path):  # A running training can remove it.
                yield Row(step, path, facts, _size(path), problem)


def _size(path):
    """Returns the bytes of all files in a directory."""
    size = 0
    for file in path.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size if file.is_file() else 0
    return size


def _numbers(metrics):
    """Returns the numbers in the metrics of a manifest of any content."""
    if not isinstance(metrics, dict):
        return {}
    return {n: x for n, x in metrics.items() if isinstance(x, (int, float))}


def _shown(metrics):
    """Returns the names of at most four metrics: losses, then validation."""
    found = [n for n in metrics if n.startswith("val_") and n not in _LOSSES]
    found = [n for n in found if n in _FIRST] or found[: len(_FIRST)]
    found = [n for n in metrics if n in _LOSSES] + found
    return found or list(metrics)[:3]


def table(rows, root):
    """Yields lines that show place, time, size, state and metrics.

    Args:
        rows: List of `Row`.
        root: pathlib.Path. Paths are shown relative to it.
    """
    cells = [("checkpoint", "written (UTC)", "MB", "state", "last metrics")]
    for row in rows:
        metrics = _numbers(row.facts.get("metrics"))
        shown = _shown(metrics)
        cells.append(
            (
                row.path.relative_to(root).as_posix(),
                str(row.facts.get("time", "?")).removesuffix("+00:00"),
                f"{row.size / 1e6:.1f}",
                "damaged" if row.problem else "whole",
                " ".join(f"{n} {decimals.short(metrics[n])}" for n in shown),
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        texts = [
            text.ljust(width) for text, width in zip(line, widths, strict=True)
        ]
        yield "  ".join(texts).rstrip()
    for row in rows:
        if row.problem:
            yield f"damaged: {row.problem}"
