"""Selects and reads train, validation and test of a source with named splits.

A split specification has the syntax of TensorFlow Datasets: `train[:90%]`.
"""

import logging
import types

from trainers.config.data import SPLITS
from trainers.data import examples
from trainers.errors import ConfigError

# Other common names of the split that selects the best epoch.
_ALSO_VALIDATION = ("val", "valid", "dev")


def resolve(name, data, sizes):
    """Returns the split specification of train, validation or test.

    If the configuration gives none, it is the split of this name in the source
    (`val`, `valid` and `dev` are validation, too). If the source has no
    validation or test split, it is a tenth of `train`, cut from the end.
    `train` is then the rest.

    Args:
        name: str. `train`, `validation` or `test`.
        data: `DataConfig`.
        sizes: Dict from a split of the source to its number of examples.

    Returns:
        str. A specification, for example `train[80%:90%]`.

    Raises:
        ConfigError: A split is missing and cannot be cut, because the
            configuration gives `train`.
    """
    specs = _given(data, sizes)
    to_cut = cut(data, sizes)
    if to_cut and specs["train"]:
        # `train_extra` begins with the name of another split, `train`.
        found = (s for s in sizes if specs["train"].startswith(s))
        split = max(found, key=len, default="train")
        raise ConfigError(
            f"`--config.data.{to_cut[0]}` must be given together with "
            f"--config.data.train: the source has the splits "
            f"{', '.join(sizes)}. Received: ''. Example: "
            f"--config.data.{to_cut[0]}='{split}[90%:]' with "
            f"--config.data.train='{split}[:90%]', or `none`."
        )
    begin = 100 - 10 * len(to_cut)
    for held_out in to_cut:
        end = "" if begin == 90 else f"{begin + 10}%"
        specs[held_out] = f"train[{begin}%:{end}]"
        begin += 10
    if name == "train" and not specs["train"] and "train" in sizes:
        return _rest_of_train(specs, sizes)
    return specs[name] or name


def cut(data, sizes):
    """Returns the names of the splits that `resolve` cuts from `train`.

    Args:
        data: `DataConfig`.
        sizes: Dict from a split of the source to its number of examples.

    Returns:
        List of str: `validation`, `test`, both or none.
    """
    specs = _given(data, sizes)
    return [name for name in ("validation", "test") if not specs[name]]


def _given(data, sizes):
    """Returns the specifications from the configuration or the source."""
    specs = {name: getattr(data, name) for name in SPLITS}
    if not specs["validation"]:
        names = [n for n in ("validation", *_ALSO_VALIDATION) if n in sizes]
        specs["validation"] = names[0] if names else ""
    if not specs["test"] and "test" in sizes:
        specs["test"] = "test"
    return specs


def resolve_for_other_data(name, data, run_data):
    """Returns the specification of a split of other data than the run's.

    The specifications of the run do not apply to other data. The result is
    the value of a flag, else the split of this name in the source. Nothing is
    cut.

    Args:
        name: str. `train`, `validation` or `test`.
        data: `DataConfig` of the other data.
        run_data: `DataConfig` of the run.

    Returns:
        str.
    """
    spec = getattr(data, name)
    return spec if spec and spec != getattr(run_data, name) else name


def _rest_of_train(specs, sizes):
    """Returns `train` without the parts that validation and test take."""
    taken = sorted(
        (start, stop)
        for name in ("validation", "test")
        if specs[name] != "none"
        for split, start, stop in ranges(
            specs[name], sizes, f"--config.data.{name}"
        )
        if split == "train"
    )
    if not taken:
        return "train"
    kept, end = [], 0
    for start, stop in [*taken, (sizes["train"], sizes["train"])]:
        if start > end:
            kept.append(f"train[{end}:{start}]")
        end = max(end, stop)
    return "+".join(kept) or "train[:0]"


def ranges(spec, sizes, flag):
    """Converts a split specification to ranges of examples.

    Args:
        spec: str. For example `train[:90%]+test`.
        sizes: Dict from a split of the source to its number of examples.
        flag: str. Name of the specification in error messages.

    Returns:
        List of `(split, start, stop)`, without empty ranges.

    Raises:
        ConfigError: The specification is not valid for the source.
    """
    import tensorflow_datasets as tfds  # 0.4 s, after flags are checked.

    infos = {
        name: types.SimpleNamespace(num_examples=size)
        for name, size in sizes.items()
    }
    try:
        parts = tfds.core.ReadInstruction.from_spec(spec).to_absolute(infos)
    except (
        ValueError,
        KeyError,
        AssertionError,
        NotImplementedError,
        AttributeError,  # `train[:1shard]`: only files of TFDS have shards.
    ) as error:
        reason = "" if isinstance(error, AttributeError) else _reason(error)
        raise ConfigError(
            f"`{flag}` must be a split like train, train[:90%] or "
            f"train[100:200]. Received: {spec!r}. Choices: "
            f"{', '.join(sizes)}.{reason}"
        ) from None
    found = []
    for part in parts:
        size = sizes[part.splitname]
        start, stop = part.from_ or 0, size if part.to is None else part.to
        if start < stop:
            found.append((part.splitname, start, stop))
    return found


def _reason(error):
    return "".join(f" {line}" for line in str(error).splitlines()[:1])


def resolve_all(data, sizes):
    """Returns the specifications of train, validation and test by name.

    Logs a warning if the source has splits that none of them uses.

    Args:
        data: `DataConfig`.
        sizes: Dict from a split of the source to its number of examples.

    Returns:
        Dict from `train`, `validation` and `test` to str.

    Raises:
        ConfigError: A specification is not valid for the source.
    """
    specs = {name: resolve(name, data, sizes) for name in SPLITS}
    used = set()
    for name, spec in specs.items():
        if spec == "none":
            used.add(name)  # The user excludes this split.
            continue
        parts = ranges(spec, sizes, f"--config.data.{name}")
        used |= {split for split, _, _ in parts}
    if unused := sorted(sizes.keys() - used):
        logging.getLogger(__name__).warning(
            "splits of the data that are not used: %s. Name them with "
            "--config.data.train, .validation or .test.",
            ", ".join(unused),
        )
    return specs


def read_all(source, specs):
    """Reads all splits of a run.

    Args:
        source: `Source`.
        specs: Dict from `resolve_all`.

    Returns:
        Dict of `Examples` by split, without the splits that are `none`.
    """
    return {
        name: read(source, spec, f"--config.data.{name}")
        for name, spec in specs.items()
        if spec != "none" or name == "train"
    }


def read_one(source, split, data, run_data):
    """Reads one split.

    Args:
        source: `Source`.
        split: str. `train`, `validation` or `test` of the configuration, else
            a split specification.
        data: `DataConfig` of the source.
        run_data: `DataConfig` of the run that trained
            the model; `None` means `data`. If the source of the run is
            another one, `test` is the split `test` of `source`.

    Returns:
        `Examples`.

    Raises:
        ConfigError: There is no such split.
    """
    spec, flag = split, "--split"
    if split in SPLITS:
        if run_data is None or _location(data) == _location(run_data):
            spec = resolve(split, data, source.sizes)
        else:
            spec = resolve_for_other_data(split, data, run_data)
        flag = "--split" if spec == split else f"--config.data.{split}"
    if spec == "none":
        raise ConfigError(
            f"`--split` must be a split that the run has, and "
            f"--config.data.{split} is none. Received: {split!r}. Choices: "
            f"{', '.join(source.sizes)}."
        )
    return read(source, spec, flag)


def _location(data):
    return data.source, data.path, data.data_dir


def read(source, spec, flag):
    """Reads the examples of a split specification.

    Args:
        source: `Source`.
        spec: str. For example `train[:90%]+test`.
        flag: str. Name of the specification in error messages.

    Returns:
        `Examples`.

    Raises:
        ConfigError: The specification is not valid or selects no example.
    """
    parts = ranges(spec, source.sizes, flag)
    if not parts:
        choices = [f"{n} ({s} examples)" for n, s in source.sizes.items()]
        if flag in ("--config.data.validation", "--config.data.test"):
            choices.append("none")
        raise ConfigError(
            f"`{flag}` must select at least one example. Received: {spec!r}. "
            f"Choices: {', '.join(choices)}."
        )
    return examples.concatenate([source.read(*part) for part in parts])
