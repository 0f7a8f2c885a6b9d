"""Rules for data. They are checked before training."""

import logging

import numpy as np

from trainers.errors import DataError

_SHOWN = 10


def raise_problems(what, problems, describe_fn=str):
    """Raises an error with the number of problems and the first ten of them.

    Args:
        what: str. Noun in the plural: "images that cannot be decoded".
        problems: Sequence. If it is empty, nothing is raised.
        describe_fn: Function from a problem to a str with file and place.

    Raises:
        DataError: There is a problem.
    """
    if len(problems):
        shown = "".join(f"\n  {describe_fn(p)}" for p in problems[:_SHOWN])
        more = len(problems) - _SHOWN
        shown += f"\n  ... and {more} more" if more > 0 else ""
        raise DataError(f"{len(problems)} {what}:{shown}")


def check_images(split, examples, image_shape):
    """Checks shape, type and range of images and converts them to uint8.

    Pixels are whole numbers from 0 to 255 in any number type. Grey images can
    have a last axis of length 1, which is dropped.

    Args:
        split: str. Name of the split, for messages.
        examples: `Examples`. Its feature `image` is replaced.
        image_shape: Tuple of int. Shape of an image, without the batch.

    Raises:
        DataError: An image breaks a rule.
    """
    images = examples.features["image"]
    shape = tuple(image_shape)
    if images.ndim == len(shape) + 2 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.shape[1:] != shape:
        got = images.shape[1:]
        fits = got[:2] if got[2:] == (1,) else got
        if len(fits) == 2 or fits[2:] == (3,):
            fix = f"Set --config.model.image_shape={','.join(map(str, fits))}"
        else:
            fix = "Images are height,width if grey, height,width,3 if colour."
        raise DataError(
            f"split {split}: images must have the model's shape {shape}. "
            f"Received: {got}. {fix}"
        )
    if images.dtype != np.uint8:
        images = _whole_bytes(split, images, examples.places)
    examples.features["image"] = images


def _whole_bytes(split, images, places):
    if images.dtype.kind not in "iufb":
        raise DataError(
            f"split {split}: pixels must be numbers from 0 to 255. "
            f"Received: dtype {images.dtype}."
        )
    if 0 < images.max() <= 1:
        raise DataError(
            f"split {split}: pixels must be from 0 to 255. Received: "
            f"{images.dtype} from 0 to 1. Multiply them by 255 and round."
        )
    pixels = images.reshape(len(images), -1)
    with np.errstate(invalid="ignore"):
        good = (pixels >= 0) & (pixels <= 255) & (pixels == np.round(pixels))
    bad = np.flatnonzero(~good.all(axis=1))
    raise_problems(
        f"images of split {split} with pixels that are not whole numbers "
        "from 0 to 255",
        bad,
        lambda row: f"{places[row]}: {pixels[row][~good[row]][0]}",
    )
    return images.astype(np.uint8)


def check_labels(splits, source_names, class_names):
    """Checks labels and converts them to positions in the class names.

    Args:
        splits: Dict of `Examples` by split. Their labels are replaced.
        source_names: List of str. Class names in the order of the labels of
            the source; `None` means that the labels are plain numbers.
        class_names: List of str. Class names in the order of the model; `None`
            numbers the classes.

    Returns:
        List of str. Class names in label order.

    Raises:
        DataError: A label is not a whole number, is negative or is too large,
            or the model does not know a class.
    """
    for name, examples in splits.items():
        limit = len(source_names or class_names or ()) or None
        examples.targets = _whole_labels(name, examples, limit)
    if class_names is None:
        largest = max(int(e.targets.max()) for e in splits.values())
        class_names = [str(label) for label in range(largest + 1)]
    elif source_names is not None and source_names != class_names:
        _rename(splits, source_names, class_names)
    raise_problems(
        "class names that are not UTF-8, but the labels of an export must be",
        [name for name in class_names if not is_utf8(name)],
        repr,
    )
    return class_names


def is_utf8(name):
    """Returns whether UTF-8 can encode a name.

    Args:
        name: str. For example the name of a file.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # The name of a file in another encoding.
        return False
    return True


def _whole_labels(split, examples, limit):
    labels = np.asarray(examples.targets)
    if labels.dtype.kind not in "iufb":
        raise DataError(
            f"split {split}: labels must be whole numbers. Received: dtype "
            f"{labels.dtype}, {examples.places[0]}: {labels[0]}"
        )
    # In float64, because float16 overflows above 65504.
    numbers = labels.astype(np.float64)
    # 100,000 classes or more are most likely a wrong column.
    good = (
        (numbers == np.round(numbers))
        & (numbers >= 0)
        & (numbers < (limit or 100_000))
    )
    upper = f"below {limit}, the number of classes" if limit else "below 100000"
    bad = np.flatnonzero(~good)
    raise_problems(
        f"labels of split {split} that are not whole numbers from 0 and "
        f"{upper}",
        bad,
        lambda row: f"{examples.places[row]}: {labels[row]}",
    )
    return labels.astype(np.int32)


def _rename(splits, source_names, class_names):
    """Converts labels of a source to labels of a model by class name."""
    unknown = [name for name in source_names if name not in class_names]
    if unknown:
        raise DataError(
            f"classes that the model does not know: {', '.join(unknown)}. "
            f"It knows: {', '.join(class_names)}."
        )
    table = np.asarray([class_names.index(n) for n in source_names], np.int32)
    for examples in splits.values():
        examples.targets = table[examples.targets]


def name_labels(splits, class_names=None):
    """Converts labels from words to positions in the class names.

    Args:
        splits: Dict of `Examples` by split. Their labels are sequences of str
            and are replaced by int32[num_examples].
        class_names: List of str. Class names in the order of the model. `None`
            sorts the labels of the splits, by value if all are whole numbers.

    Returns:
        List of str. Class names in label order.

    Raises:
        DataError: The model does not know a label, or there are too many
            different labels for a column of labels.
    """
    if class_names is None:
        class_names = _sorted_names(
            {label for e in splits.values() for label in e.targets}
        )
        num_rows = sum(map(len, splits.values()))
        if len(class_names) > max(num_rows / 2, 10):
            raise DataError(
                f"{len(class_names)} different labels in {num_rows} examples, "
                f"such as {class_names[0]!r}: this is no column of labels. "
                "Name the right one with --config.data.label_column."
            )
        _refuse_fractions(class_names)
    table = {name: position for position, name in enumerate(class_names)}
    for name, examples in splits.items():
        raise_problems(
            f"labels of split {name} that the model does not know (it knows "
            f"{', '.join(class_names[:_SHOWN])}"
            f"{', ...' if len(class_names) > _SHOWN else ''})",
            [
                r
                for r, label in enumerate(examples.targets)
                if label not in table
            ],
            lambda row, e=examples: f"{e.places[row]}: {e.targets[row]!r}",
        )
        examples.targets = np.asarray(
            [table[label] for label in examples.targets], np.int32
        )
    return class_names


def _refuse_fractions(class_names):
    """Refuses labels that are numbers but not whole numbers."""
    try:
        list(map(float, class_names))
    except ValueError:
        return
    raise_problems(
        "labels that are not whole numbers; classes are whole numbers or words",
        [name for name in class_names if not name.lstrip("+-").isdigit()],
        repr,
    )


def _sorted_names(names):
    try:
        return sorted(names, key=lambda name: (int(name), name))
    except ValueError:
        return sorted(names)


def check_training_classes(splits, class_names):
    """Checks that `train` contains two classes, and every class of the others.

    A class with no example in any split is only a warning.

    Args:
        splits: Dict of `Examples` by split, after `check_labels`.
        class_names: List of str. Class names in label order.

    Raises:
        DataError: `train` has fewer than two classes, or another split has a
            class that `train` does not have.
    """
    counts = np.bincount(splits["train"].targets, minlength=len(class_names))
    if np.count_nonzero(counts) < 2:
        raise DataError(
            "split train: must contain at least two classes. Received: only "
            f"{class_names[int(counts.argmax())]!r}, {counts.max()} examples."
        )
    missing = np.flatnonzero(counts == 0)
    in_others = {
        label: {
            split: int((examples.targets == label).sum())
            for split, examples in splits.items()
            if split != "train"
        }
        for label in missing
    }
    raise_problems(
        "classes that are tested but have no example in split train",
        [label for label in missing if any(in_others[label].values())],
        lambda label: f"class {class_names[label]!r}: {in_others[label]}",
    )
    if len(missing):
        more = len(missing) - _SHOWN
        logging.getLogger(__name__).warning(
            "classes without any example: %s%s",
            ", ".join(class_names[label] for label in missing[:_SHOWN]),
            f" and {more} more" if more > 0 else "",
        )


def check_cut(cut, splits, class_names):
    """Checks that splits cut from the end of `train` have all its classes.

    If the data is sorted by class, such a split has only one or two classes.
    Only classes with at least 100 examples in the rest of `train` are checked:
    a random tenth misses such a class once in 30,000 times.

    Args:
        cut: List of str. Names of the splits that were cut.
        splits: Dict of `Examples` by split, after `check_labels`.
        class_names: List of str. Class names in label order.

    Raises:
        DataError: A class is missing in a cut split.
    """
    in_train = np.bincount(splits["train"].targets, minlength=len(class_names))
    for name in cut:
        in_split = np.bincount(splits[name].targets, minlength=len(class_names))
        missing = np.flatnonzero((in_train >= 100) & (in_split == 0))
        if len(missing):
            raise DataError(
                f"split {name}: was cut from the end of `train` and has no "
                f"example of class {class_names[missing[0]]!r}, but the rest "
                f"of `train` has {in_train[missing[0]]}. The data seems to be "
                "sorted by class: shuffle it, or name a split with "
                f"--config.data.{name}."
            )
