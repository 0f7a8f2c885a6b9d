"""Checks that two finished work directories contain bit-identical runs."""

import collections
import json

import numpy as np
import tensorflow as tf
from tensorflow.core.util import event_pb2

# What says how long something took, or when, and the sum over it.
_TIMES = (
    "seconds",
    "epoch_seconds",
    "examples_per_second",
    "input_wait_share",
    "tokens_per_second",
    "time",
    "sha256_of_the_rest",
)
_EQUAL_FILES = (
    "config.json",
    "decisions.json",
    "labels.json",
    "vocabulary.txt",
    "encoder.json",
)


def check_same(expected, found, *, by_time=False):
    """Asserts that a run ended as another did.

    Args:
        expected: Work directory of a run that was never interrupted.
        found: Work directory of the same run.
        by_time: Whether time decided what was saved, so that the checkpoints
            before the last may differ.
    """
    problems = list(differences(expected, found, by_time=by_time))
    assert not problems, "\n".join(problems)


def differences(expected, found, *, by_time=False):
    """Yields a line for each difference."""
    old, new = (
        list(_facts(path, by_time=by_time)) for path in (expected, found)
    )
    for facts in (old, new):
        names = [name for name, _ in facts]
        assert len(set(names)) == len(names)
    old, new = dict(old), dict(new)
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"{name}: missing"
        elif name not in old:
            yield f"{name}: should not be there: {_short(new[name])}"
        elif old[name] != new[name]:
            yield f"{name}: {_short(old[name])} became {_short(new[name])}"


def _short(value):
    text = repr(value)
    return text if len(text) < 100 else f"{text[:97]}..."


def _facts(workdir, *, by_time):
    """Yields `(name, value)` of all that must be the same."""
    for path in workdir.rglob("*.tmp-*"):
        yield f"left over {path.relative_to(workdir)}", True
    yield "names", sorted(p.name for p in workdir.iterdir())
    for name in _EQUAL_FILES:
        if (workdir / name).exists():
            yield name, (workdir / name).read_bytes()
    for name in ("history.json", "metrics.json", "data_report.json"):
        yield from _leaves(name, _json(workdir / name))
    yield from _checkpoints(workdir / "checkpoints", by_time=by_time)
    yield "best", _names(workdir / "best")
    for path in (workdir / "best").glob("step-*"):
        yield from _directory("best", path)
    yield from _tensorboard(workdir / "tensorboard")
    yield from _exports(workdir / "export")


def _checkpoints(directory, *, by_time):
    names = _names(directory)
    yield "checkpoints", names[-1:] if by_time else names
    path = directory / names[-1]
    yield from _directory("checkpoint", path)
    run = _json(path / "run.json")
    # Sizes of event files: an interrupted run has more of these files.
    yield "names of callbacks", sorted(run["callbacks"])
    del run["callbacks"]["Tracking"]
    del run["callbacks"]["EpochTimer"]
    yield from _leaves("run.json", run)


def _directory(name, path):
    """Yields facts and arrays of a directory with a manifest."""
    manifest = _json(path / "manifest.json")
    yield f"{name} files", sorted(manifest.pop("files"))
    yield from _leaves(f"{name} manifest", manifest)
    for file in path.glob("*.npz"):
        with np.load(file) as archive:
            for array in archive.files:
                yield f"{name} {array}", _bits(archive[array])


def _bits(array):
    return array.dtype.name, array.shape, array.tobytes()


def _tensorboard(directory):
    """Yields, for each tag, all its points in order."""
    for path in sorted(directory.iterdir()):
        points = collections.defaultdict(list)
        for file in sorted(path.iterdir()):
            # It raises where a record is cut off or damaged.
            for record in tf.data.TFRecordDataset(str(file), buffer_size=2**20):
                event = event_pb2.Event.FromString(record.numpy())
                if event.WhichOneof("what") == "graph_def":
                    points["graph"].append(event.step)
                for value in event.summary.value:
                    points[value.tag].append((event.step, _point(value)))
        for tag, values in points.items():
            yield f"tensorboard {path.name} {tag}", sorted(values)


def _point(value):
    if value.tag in _TIMES or value.tag.startswith("_hparams_/"):
        return None
    return value.tensor.SerializeToString()


def _exports(directory):
    if not directory.exists():  # As in the other run: see "names".
        return
    for model in sorted(directory.iterdir()):
        yield f"versions of {model.name}", _names(model)
        for path in model.iterdir():
            file = path / "assets.extra" / "manifest.json"
            if not file.exists():
                continue
            # With the sum of every file: exports are reproducible.
            yield from _leaves("export", _json(file))


def _leaves(name, tree):
    """Yields `(path, value)` of JSON, without times."""
    items = {}
    if isinstance(tree, dict):
        items = {k: v for k, v in tree.items() if k not in _TIMES}
    elif isinstance(tree, list):
        items = dict(enumerate(tree))
    else:
        yield name, repr(tree)
    for key, value in items.items():
        yield from _leaves(f"{name} {key}", value)


def _names(directory):
    return sorted(path.name for path in directory.iterdir())


def _json(file):
    return json.loads(file.read_text(encoding="utf-8"))
