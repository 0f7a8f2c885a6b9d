"""Small files of tests."""

import pathlib

from trainers.runtime import atomic


def write(name, content):
    """Writes bytes into a file, and makes the folder of the file."""
    file = pathlib.Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def write_csv(name, rows, header="text,label"):
    """Writes rows of words that need no quotes."""
    lines = [header, *(",".join(row) for row in rows)]
    write(name, "\n".join(lines).encode() + b"\n")


def publish(parent, files, facts=None, **kwargs):
    """Publishes the directory `final` with files of these contents."""
    final = parent / "final"
    with atomic.temporary_dir(parent, "final") as path:
        for name, content in files.items():
            write(path / name, content)
        atomic.publish(path, final, facts or {}, **kwargs)
    return final
