"""Loads labelled images: opens a source, reads its splits and checks them.

Each kind of source has a module with a function
`open_source(data, image_shape, decode_fn)`, which returns a `Source`. Formats
with one array are read when the source is opened, other formats split by split.
"""

import importlib

from trainers.data import checks
from trainers.data import report as report_lib
from trainers.data import split_specs
from trainers.data.examples import Splits
from trainers.errors import ConfigError
from trainers.errors import DataError

# From `--config.data.source` to a module. A module is imported only when it is
# needed, because the import of TFDS takes 0.4 s.
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
        image_shape: Tuple of int. Shape of an image, without the batch.
        decode_fn: Function from an encoded image to uint8[*image_shape].

    Returns:
        `Splits`.

    Raises:
        ConfigError: A path or a split does not exist.
        DataError: The examples break a rule. The message has the first ten
            places.
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
    """Loads one split of a source, for example `test` or `train[:100]`.

    Args:
        data: `ImageDataConfig`.
        split: str. `train`, `validation` or `test` of the configuration, else
            a split specification.
        image_shape: Tuple of int. Shape of an image, without the batch.
        decode_fn: Function from an encoded image to uint8[*image_shape].
        class_names: List of str. Class names of the model in label order.
        run_data: `ImageDataConfig` of the run that trained the model; `None`
            means `data`. If the source of the run is another one, `test` is
            the split `test` of `data`.

    Returns:
        `Examples`.

    Raises:
        ConfigError, DataError: See `load`.
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
    """Checks and converts `Examples` in place; returns the class names."""
    for name, examples in loaded.items():
        checks.check_images(name, examples, image_shape)
    names = class_names or source.class_names
    return checks.check_labels(loaded, source.class_names, names)
