"""Remembers the run of a tracker that has its own store."""

import json

from trainers.runtime import atomic


def read(file):
    """Returns what `write` wrote; an empty dict if there is no file.

    Args:
        file: pathlib.Path. `tracking/NAME.json` of a work directory.
    """
    if not file.exists():
        return {}
    return json.loads(file.read_text(encoding="utf-8"))


def write(file, facts):
    """Replaces the file in one step.

    Args:
        file: pathlib.Path.
        facts: dict. JSON-like.
    """
    file.parent.mkdir(exist_ok=True)
    atomic.write_text(file, json.dumps(facts, indent=2) + "\n")
