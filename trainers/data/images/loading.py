"""Loads labelled images: opens a source, reads its splits and checks them.

Each kind of source has a function `open_source(data, image_shape, decode_fn)`,
which returns a `Source`. Formats with one array are read when the source is
opened, other formats split by split.
"""

from tfmodels import settings
from trainers.config import kinds
from trainers.data import checks
from trainers.data import paths
from trainers.data import report as report_lib
from trainers.data import split_specs
from trainers.data import targets
from trainers.data.examples import Splits
from trainers.errors import ConfigError


def check_files(data):
    """Checks that the path exists. Does not import TensorFlow.

    Args:
        data: `ImageDataConfig`.

    Raises:
        ConfigError: It does not exist, or the source is unknown.
    """
    if data.path and data.source != "tfds":
        paths.resolve_path(data.path)
    if settings.is_own(data.source):
        _load_source(data)


def load(data, objective, *, image_shape, decode_fn):
    """Loads and checks the splits of a run.

    Args:
        data: `ImageDataConfig`.
        objective: `Objective`, before its data is known.
        image_shape: Tuple of int. Shape of an image, without the batch.
        decode_fn: Function from an encoded image to uint8[*image_shape].

    Returns:
        `Splits`, and the `Objective` for them.

    Raises:
        ConfigError: A path or a split does not exist.
        DataError: The examples break a rule. The message has the first ten
            places.
    """
    source = _open(data, image_shape, decode_fn)
    specs = split_specs.resolve_all(data, source.sizes)
    loaded = split_specs.read_all(source, specs)
    loaded, objective = _check(loaded, source, image_shape, objective)
    report = targets.check(
        objective,
        loaded,
        keys={
            name: report_lib.content_keys(examples.features["image"])
            for name, examples in loaded.items()
        },
        cut=split_specs.cut(data, source.sizes),
    )
    return Splits(report=report, **loaded), objective


def load_one(data, split, objective, *, image_shape, decode_fn, run_data=None):
    """Loads one split of a source, for example `test` or `train[:100]`.

    Args:
        data: `ImageDataConfig`.
        split: str. `train`, `validation` or `test` of the configuration, else
            a split specification.
        objective: `Objective` of the run.
        image_shape: Tuple of int. Shape of an image, without the batch.
        decode_fn: Function from an encoded image to uint8[*image_shape].
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
    loaded, _ = _check({split: examples}, source, image_shape, objective)
    return loaded[split]


def _load_source(data):
    """Returns the function `open_source` of a kind of images."""
    flag = "--config.data.source"
    found = kinds.load("image_source", data.source, flag)
    if not callable(found):
        raise ConfigError(
            f"`{flag}` must name a function `open_source`, see {__name__}. "
            f"Received: {data.source!r}, which is of the class "
            f"{type(found).__name__}."
        )
    return found


def _open(data, image_shape, decode_fn):
    open_source = _load_source(data)
    try:
        return open_source(data, image_shape, decode_fn)
    except OSError as error:
        raise ConfigError(
            f"`--config.data.path` must be readable. Received: {data.path!r}: "
            f"{error}."
        ) from None


def _check(loaded, source, image_shape, objective):
    """Returns the checked `Examples` by split and the fitted objective."""
    for name, examples in loaded.items():
        checks.check_images(name, examples, image_shape)
    objective, loaded = targets.fit(objective, loaded, source.class_names)
    return loaded, objective
