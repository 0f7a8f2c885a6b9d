"""A folder of class folders of PNG, JPEG, BMP or GIF files.

    DIR/<split>/<class>/*.png      or, all in one split `train`,
    DIR/<class>/*.png

Images of other sizes are resized to the model's.
"""

import hashlib

import numpy as np

from trainers.data import checks
from trainers.data import examples
from trainers.data import paths
from trainers.data.images import decoding
from trainers.errors import ConfigError
from trainers.errors import DataError

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif"}


def open_source(data, image_shape, decode_fn):
    """Lists the files; see `trainers.data.images.loading`."""
    root = paths.resolve_path(data.path)
    flat = _list_classes(root)
    nested = {d.name: _list_classes(d) for d in _subdirectories(root)}
    nested = {name: found for name, found in nested.items() if found}
    if flat and nested:
        raise ConfigError(
            "`--config.data.path` must have its images all in class folders, "
            f"or all in split folders of those. Received: {data.path!r} with "
            f"images in {next(iter(flat))!r} and in folders in "
            f"{next(iter(nested))!r}."
        )
    splits = {"train": flat} if flat else nested
    if not splits:
        raise ConfigError(
            "`--config.data.path` must be a folder of class folders of "
            f"images ({', '.join(sorted(_SUFFIXES))}), or of split folders "
            f"of those. Received: {data.path!r}."
        )
    class_names = sorted({name for found in splits.values() for name in found})
    files = {
        split: _mixed(root, found, class_names)
        for split, found in splits.items()
    }

    def read(split, start, stop):
        chosen = files[split][start:stop]
        try:
            encoded = [file.read_bytes() for file, _ in chosen]
        except OSError as error:
            raise DataError(f"{error.filename}: {error.strerror}") from None
        return decoding.decode_examples(
            encoded,
            np.asarray([label for _, label in chosen], np.int32),
            lambda row: str(chosen[row][0]),
            image_shape=image_shape,
            decode_fn=decode_fn,
        )

    sizes = {split: len(listed) for split, listed in files.items()}
    return examples.Source(sizes, class_names, read)


def _subdirectories(directory):
    if not directory.is_dir():
        return []
    return sorted(
        p
        for p in directory.iterdir()
        if p.is_dir() and not p.name.startswith(".")
    )


def _list_classes(directory):
    """Returns the image files of each class folder.

    Raises:
        DataError: Beside folders with images there is one with files that are
            none: a class would be lost.
    """
    listed, without = {}, []
    for child in _subdirectories(directory):
        files = [f for f in child.iterdir() if not f.name.startswith(".")]
        images = [f for f in files if f.suffix.lower() in _SUFFIXES]
        if images:
            listed[child.name] = images
        else:
            without += [f for f in files if f.is_file()][:1]
    if listed:
        checks.raise_problems(
            "class folders with files but no image "
            f"({', '.join(sorted(_SUFFIXES))})",
            without,
        )
    return listed


def _mixed(root, found, class_names):
    """Returns (file, label) pairs in a fixed order that mixes the classes.

    The order is by a hash of the path under the root: the same on every
    machine, and `train[:90%]` holds about 90 % of each class.
    """
    pairs = [
        (file, class_names.index(name))
        for name, files in found.items()
        for file in files
    ]
    return sorted(
        pairs,
        key=lambda pair: hashlib.sha256(
            pair[0].relative_to(root).as_posix().encode("utf-8", "replace")
        ).digest(),
    )
