"""Where examples come from: one module a kind, all with one interface.

A source module has `open_source(data, image_shape, decode_fn)`, which returns a
`Source`. Formats that are one array are read at once, others when asked.
"""

import importlib

from trainers.data import checks
from trainers.data import report as report_lib
from trainers.data import split_specs
from trainers.data.examples import Splits
from trainers.errors import ConfigError
from trainers.errors import DataError

# By `--config.data.source`. Imported when needed, as TFDS takes 0.4 s.
_MODULES = {
    "idx": "idx",
    "image_folder": "image_folder",
    "npz": "npz",
    "tfds": "tfds_images",
    "tfds_directory": "tfds_images",
}


def load(data, *, image_shape, decode_fn):
    """Loads and checks the splits of a run.

    Args:
        data: `ImageDataConfig`.
        image_shape: Shape of an image, without the batch.
        decode_fn: From an encoded image to `uint8[*image_shape]`.

    Returns:
        `Splits`.

    Raises:
        ConfigError: A path or a split does not exist.
        DataError: The examples break a rule; the first ten places are named.
    """
    source = _open(data, image_shape, decode_fn)
    specs = split_specs.resolve_all(data, source.sizes)
    loaded = split_specs.read_all(source, specs)
    names = _check(loaded, source, image_shape, class_names=None)
    report = report_lib.make_report(
        loaded,
        names,
        keys={
            name: report_lib.content_keys(examples.features["image"])
            for name, examples in loaded.items()
        },
    )
    try:
        checks.check_training_classes(loaded, names)
        checks.check_cut(split_specs.cut(data, source.sizes), loaded, names)
    except DataError as error:
        error.report = report
        raise
    return Splits(names, report=report, **loaded)


def load_one(
    data, split, *, image_shape, decode_fn, class_names, run_data=None
):
    """Loads one split, for example `test` or `train[:100]`, of a source.

    Args:
        split: `train`, `validation` or `test` for what the configuration
            calls so, else a split as TFDS writes it.
        class_names: Names in label order that the model has.
        run_data: `ImageDataConfig` of the run that made the model; `None` means
            `data`. If it is another source, `test` is that source's own.

    Other arguments, result and errors are as in `load`, but the result is the
    `Examples` alone.
    """
    source = _open(data, image_shape, decode_fn)
    examples = split_specs.read_one(source, split, data, run_data)
    _check({split: examples}, source, image_shape, class_names)
    return examples


def _open(data, image_shape, decode_fn):
    module = importlib.import_module(f"{__package__}.{_MODULES[data.source]}")
    try:
        return module.open_source(data, image_shape, decode_fn)
    except OSError as error:
        raise ConfigError(
            f"`--config.data.path` must be readable. Received: {data.path!r}: "
            f"{error}."
        ) from None


def _check(loaded, source, image_shape, class_names):
    """Checks `Examples` by name, in place, and returns the class names."""
    for name, examples in loaded.items():
        checks.check_images(name, examples, image_shape)
    names = class_names or source.class_names
    return checks.check_labels(loaded, source.class_names, names)
