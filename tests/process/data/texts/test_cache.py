"""Two processes that write the cache of tokenized data."""

import json
import os
import pathlib
import subprocess
import sys

from trainers.data.texts import cache as cache_lib

WRITER = """
import json, pathlib, sys
import numpy as np
from trainers.data.texts import cache

arrays = {"x": np.arange(200_000)}
print("ready", flush=True)
for name in map(str.strip, sys.stdin):
    cache.write(pathlib.Path("cache"), name, arrays, {"name": name})
    found, facts = cache.read(pathlib.Path("cache"), name)
    assert facts == {"name": name} and (found["x"] == arrays["x"]).all()
    print("done", flush=True)
"""


def test_two_processes_that_write_at_once_do_not_disturb_each_other(tmp_path):
    root = pathlib.Path(cache_lib.__file__).parents[3]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for number in range(20):
        for writer in writers:
            writer.stdin.write(f"entry{number}\n")
            writer.stdin.flush()
        for writer in writers:
            assert writer.stdout.readline() == "done\n"
    for writer in writers:
        out, err = writer.communicate(timeout=60)
        assert (writer.returncode, out, err) == (0, "", "")
    entries = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert entries == sorted(f"entry{number}" for number in range(20))
    manifest = tmp_path / "cache" / "entry0" / "manifest.json"
    assert list(json.loads(manifest.read_text())["files"]) == [
        *("arrays.npz", "facts.json")
    ]
