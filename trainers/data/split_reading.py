"""From split specifications to examples, for sources with named splits."""

import logging

from trainers.data import examples as examples_lib
from trainers.data import splits
from trainers.errors import ConfigError


def resolve_all(data, sizes):
    """Returns the specifications of train, validation and test by name.

    Splits of the source that none of them uses are warned of.

    Args:
        data: Data part of an `ExperimentConfig`.
        sizes: Number of examples by split of the source.
    """
    specs = {name: splits.resolve(name, data, sizes) for name in splits.SPLITS}
    used = set()
    for name, spec in specs.items():
        if spec == "none":
            used.add(name)  # Left out on purpose.
            continue
        parts = splits.ranges(spec, sizes, f"--config.data.{name}")
        used |= {split for split, _, _ in parts}
    if unused := sorted(sizes.keys() - used):
        logging.getLogger(__name__).warning(
            "splits of the data that are not used: %s. Name them with "
            "--config.data.train, .validation or .test.",
            ", ".join(unused),
        )
    return specs


def read_all(source, specs):
    """Returns `Examples` by name, without the splits that are `none`.

    Args:
        source: Has `sizes` and `read(split, start, stop)`.
        specs: From `resolve_all`.
    """
    return {
        name: read(source, spec, f"--config.data.{name}")
        for name, spec in specs.items()
        if spec != "none" or name == "train"
    }


def read_one(source, split, data, run_data):
    """Returns the `Examples` of one split.

    Args:
        source: Has `sizes` and `read(split, start, stop)`.
        split: `train`, `validation` or `test` for what the configuration
            calls so, else a split as TFDS writes it.
        data: Data part of an `ExperimentConfig`.
        run_data: That of the run that made the model; `None` means `data`. If
            it is another source, `test` is that source's own.

    Raises:
        ConfigError: There is no such split.
    """
    spec, flag = split, "--split"
    if split in splits.SPLITS:
        if run_data is None or _place(data) == _place(run_data):
            spec = splits.resolve(split, data, source.sizes)
        else:
            spec = splits.resolve_for_other_data(split, data, run_data)
        flag = "--split" if spec == split else f"--config.data.{split}"
    if spec == "none":
        raise ConfigError(
            f"`--split` must be a split that the run has, and "
            f"--config.data.{split} is none. Received: {split!r}. Choices: "
            f"{', '.join(source.sizes)}."
        )
    return read(source, spec, flag)


def _place(data):
    return data.source, data.path, data.data_dir


def read(source, spec, flag):
    """Reads what a split specification like `train[:90%]+test` selects."""
    ranges = splits.ranges(spec, source.sizes, flag)
    if not ranges:
        choices = [f"{n} ({s} examples)" for n, s in source.sizes.items()]
        if flag in ("--config.data.validation", "--config.data.test"):
            choices.append("none")
        raise ConfigError(
            f"`{flag}` must select at least one example. Received: {spec!r}. "
            f"Choices: {', '.join(choices)}."
        )
    return examples_lib.concatenate([source.read(*part) for part in ranges])
