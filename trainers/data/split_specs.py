"""Which examples of a source are train, validation and test, and reading them.

For sources with named splits, in the syntax of TensorFlow Datasets.
"""

import logging
import types

from trainers.config.data import SPLITS
from trainers.data import examples as examples_lib
from trainers.errors import ConfigError

# Names that others give the split by which the best epoch is chosen.
_ALSO_VALIDATION = ("val", "valid", "dev")


def resolve(name, data, sizes):
    """Returns the split specification of train, validation or test.

    What the configuration leaves empty is the source's own split of that
    name (`val`, `valid` and `dev` are validation too); a missing validation or
    test split becomes a tenth of `train`, cut from its end, and `train` what
    those two leave of it.

    Args:
        name: Which of the three.
        data: `ImageDataConfig`.
        sizes: Number of examples by split of the source.

    Raises:
        ConfigError: Nothing can be cut, as `train` is given.
    """
    specs = _given(data, sizes)
    to_cut = cut(data, sizes)
    if to_cut and specs["train"]:
        raise ConfigError(
            f"`--config.data.{to_cut[0]}` must be given together with "
            f"--config.data.train: the source has the splits "
            f"{', '.join(sizes)}. Received: ''. Example: "
            f"--config.data.{to_cut[0]}='train[90%:]', or `none`."
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
    """Returns which of validation and test `resolve` cuts from `train`."""
    specs = _given(data, sizes)
    return [name for name in ("validation", "test") if not specs[name]]


def _given(data, sizes):
    """Returns what the configuration or the source itself names."""
    specs = {name: getattr(data, name) for name in SPLITS}
    if not specs["validation"]:
        names = [n for n in ("validation", *_ALSO_VALIDATION) if n in sizes]
        specs["validation"] = names[0] if names else ""
    if not specs["test"] and "test" in sizes:
        specs["test"] = "test"
    return specs


def resolve_for_other_data(name, data, run_data):
    """Returns the specification of a split of data that a run did not see.

    What the run took of its own data means nothing here: it is what a flag
    says, else the source's split of that very name; nothing is cut.

    Args:
        name: `train`, `validation` or `test`.
        data: `ImageDataConfig` of the other data.
        run_data: `ImageDataConfig` of the run.
    """
    spec = getattr(data, name)
    return spec if spec and spec != getattr(run_data, name) else name


def _rest_of_train(specs, sizes):
    """Returns `train` without what validation and test take of it."""
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
    """Returns `(split, start, stop)` of each part that is not empty.

    Args:
        spec: Split specification like `train[:90%]+test`.
        sizes: Number of examples by split of the source.
        flag: What to call it in an error.
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
        AttributeError,  # `train[:1shard]`: only TFDS's files have shards.
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

    Splits of the source that none of them uses are warned of.

    Args:
        data: Data part of an `ExperimentConfig`.
        sizes: Number of examples by split of the source.
    """
    specs = {name: resolve(name, data, sizes) for name in SPLITS}
    used = set()
    for name, spec in specs.items():
        if spec == "none":
            used.add(name)  # Left out on purpose.
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
    if split in SPLITS:
        if run_data is None or _place(data) == _place(run_data):
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


def _place(data):
    return data.source, data.path, data.data_dir


def read(source, spec, flag):
    """Reads what a split specification like `train[:90%]+test` selects."""
    parts = ranges(spec, source.sizes, flag)
    if not parts:
        choices = [f"{n} ({s} examples)" for n, s in source.sizes.items()]
        if flag in ("--config.data.validation", "--config.data.test"):
            choices.append("none")
        raise ConfigError(
            f"`{flag}` must select at least one example. Received: {spec!r}. "
            f"Choices: {', '.join(choices)}."
        )
    return examples_lib.concatenate([source.read(*part) for part in parts])
