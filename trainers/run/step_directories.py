"""Directories that are named by a training step: `step-00002500`.

Each is published whole, with a manifest of SHA-256 sums, and says so when it
is damaged. Weights of the best epoch and checkpoints of the run are such.
"""

import contextlib
import dataclasses
import datetime
import os
import pathlib
import re

from trainers.errors import RunError
from trainers.runtime import atomic

_SHOWN = ("loss", "val_loss", "val_accuracy", "val_macro_f1")
_REPLACED = atomic.REPLACED
_NAME = re.compile(r"step-(\d{8}|[1-9]\d{8,})")


@dataclasses.dataclass(frozen=True)
class Row:
    """What is known of one step directory.

    Attributes:
        step: Number of training steps done.
        path: The directory.
        facts: Those of its manifest, `{}` if that cannot be read.
        size: Bytes of all its files.
        problem: What is damaged, `None` if it is whole.
    """

    step: int
    path: pathlib.Path
    facts: dict
    size: int
    problem: str | None


class StepDirectories:
    """The step directories in one directory, which may not exist yet.

    Attributes:
        directory: Where they are.
    """

    def __init__(self, directory):
        self.directory = directory

    def paths(self):
        """Returns paths by step, highest step first."""
        if not self.directory.is_dir():
            return {}
        steps = {}
        # `step-00000008` after the `step-00000008.replaced` that it replaces.
        for path in sorted(self.directory.iterdir(), reverse=True):
            if found := _NAME.fullmatch(path.name.removesuffix(_REPLACED)):
                steps[int(found[1])] = path
        return dict(sorted(steps.items(), reverse=True))

    def tidy(self):
        """Does what a process did not come to that was killed."""
        atomic.remove_abandoned(self.directory)
        for path in self.directory.glob(f"step-*{_REPLACED}"):
            final = path.with_name(path.name.removesuffix(_REPLACED))
            if final.exists():
                atomic.remove(path)
            else:
                path.rename(final)

    def publish(self, step, write_fn, facts):
        """Writes the directory of a step, in the place of one that is there.

        A run that was killed comes to the same step again.

        Args:
            step: Number of training steps done.
            write_fn: Called with the directory to fill.
            facts: Dict for the manifest.
        """
        final = self.directory / f"step-{step:08d}"
        with atomic.temporary_dir(self.directory, final.name) as path:
            write_fn(path)
            now = datetime.datetime.now(datetime.UTC)
            time = now.isoformat(timespec="seconds")
            facts = {"step": step, "time": time} | facts
            atomic.publish(path, final, facts, replace=True)

    def remove_older(self, keep):
        """Removes all but the `keep` highest steps."""
        for path in list(self.paths().values())[keep:]:
            atomic.remove(path)

    def set_aside(self, path):
        """Renames a damaged directory to `damaged-step-...`.

        It stays for those who want to look at it, and would otherwise push
        out whole ones of lower steps.
        """
        new = path.with_name(f"damaged-{path.name}")
        if new.exists():
            atomic.remove(new)
        path.rename(new)

    def verified(self):
        """Yields a `Row` for each step, highest first, after reading all."""
        for step, path in self.paths().items():
            facts, problem = {}, None
            try:
                facts, _ = atomic.read_manifest(path)
                atomic.verify(path)
            except (RunError, OSError) as error:
                problem = str(error)
            if os.path.lexists(path):  # Else a living run has just removed it.
                yield Row(step, path, facts, _size(path), problem)


def _size(path):
    """Returns the bytes of all files in a directory."""
    size = 0
    for file in path.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size if file.is_file() else 0
    return size


def _numbers(metrics):
    """Returns the numbers of a manifest, which may hold anything."""
    if not isinstance(metrics, dict):
        return {}
    return {n: x for n, x in metrics.items() if isinstance(x, (int, float))}


def table(rows, root):
    """Returns lines for people: place, time, size, state, metrics.

    Args:
        rows: `Row`s.
        root: Directory to which paths are relative.
    """
    cells = [("checkpoint", "written (UTC)", "MB", "state", "last metrics")]
    for row in rows:
        metrics = _numbers(row.facts.get("metrics"))
        shown = [n for n in metrics if n in _SHOWN] or list(metrics)[:3]
        cells.append(
            (
                row.path.relative_to(root).as_posix(),
                str(row.facts.get("time", "?")).removesuffix("+00:00"),
                f"{row.size / 1e6:.1f}",
                "damaged" if row.problem else "whole",
                " ".join(f"{n} {metrics[n]:.4f}" for n in shown),
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
