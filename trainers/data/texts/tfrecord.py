"""TFRecord files of `tf.train.Example`, with or without gzip.

The text is one bytes value in the encoding of the settings. The label is one
bytes or int64 value. An objective that takes JSON gets a list of all values.
"""

import os

from trainers.data.texts import answers
from trainers.data.texts import columns as columns_lib
from trainers.data.texts import foreign
from trainers.data.texts import objects
from trainers.data.texts import packed
from trainers.data.texts import streams
from trainers.data.texts.objects import ProblemError
from trainers.data.texts.text_format import TextFormat
from trainers.errors import DataError
from trainers.objectives import other_objectives

_CHUNK = 1 << 20


def read_rows(file, data, columns, report):
    """Yields the rows of one file; see `rows`.

    Args:
        file: Path of the file.
        data: `TextDataConfig`.
        columns: Dict from `columns`.
        report: Function of the number and the problem of an unusable record.

    Yields:
        `(number, values)`.

    Raises:
        DataError: A record is damaged or cut off.
    """
    import tensorflow as tf
    from google.protobuf import message

    for number, record in enumerate(_read_records(file), 1):
        try:
            features = tf.train.Example.FromString(record).features.feature
        except message.DecodeError:
            report(number, "is not a tf.train.Example")
            continue
        try:
            values = {
                field: _value(features, field, columns, data.encoding)
                for field in columns
            }
        except ProblemError as problem:
            report(number, problem.args[0])
        else:
            yield number, values


def _value(features, field, columns, encoding):
    """Returns the value of a field, or raises `ProblemError`."""
    name, is_text = columns[field], field in columns_lib.TEXTS
    if name not in features:
        names = columns_lib.quoted(sorted(features)) or "nothing"
        raise ProblemError(
            f"has no {name!r} ({columns.flag(field)}), but {names}"
        )
    kind = features[name].WhichOneof("kind")
    if columns.takes_json and not is_text and field != "split":
        values = getattr(features[name], kind).value if kind else ()
        return [
            objects.text_of(x, name, encoding) if isinstance(x, bytes) else x
            for x in values
        ]
    allowed = ["bytes_list"]
    if not is_text and field != "split":
        allowed.append("int64_list")
    if kind not in allowed:
        wanted = " or ".join(allowed)
        is_number = kind == "float_list" and len(allowed) > 1
        hint = other_objectives.hint(0.5) if is_number else ""
        raise ProblemError(
            f"{name!r} must be a {wanted}. Received: {kind}{hint}"
        )
    values = getattr(features[name], kind).value
    if len(values) != 1:
        hint = other_objectives.hint([]) if len(allowed) > 1 else ""
        raise ProblemError(
            f"{name!r} must have one value. Received: {len(values)}{hint}"
        )
    if kind == "int64_list":
        return str(values[0])
    text = objects.text_of(values[0], name, encoding)
    return text.encode() if is_text else text


def _read_records(file):
    """Yields the bytes of each record."""
    import tensorflow as tf

    dataset = tf.data.TFRecordDataset(
        os.fsencode(file),
        compression_type="GZIP" if _check_frames(file) else "",
    )
    number = 0
    try:
        # Reading record by record is ten times slower.
        for batch in dataset.batch(256).as_numpy_iterator():
            for record in batch:
                yield record
                number += 1
    except tf.errors.OpError:
        # A record of this batch is damaged. Yield the records before it.
        try:
            for record in dataset.skip(number).as_numpy_iterator():
                yield record
                number += 1
        except tf.errors.OpError:
            raise _damaged(file, number + 1) from None


def _check_frames(file):
    """Checks that the file ends after a record; returns whether it is gzip.

    TensorFlow does not report gzip data without an end, or up to eleven bytes
    of an incomplete record. TensorFlow checks the sums; this function does not.
    """
    number = 0
    try:
        with open(file, "rb") as stream:
            is_gzip = packed.is_gzip(stream)
            if not is_gzip and packed.unpacked(stream) is not stream:
                raise packed.PackedError(
                    "TFRecord must be plain or with gzip. Unpack it before"
                )
        with streams.open_file(file) as stream:
            start = stream.peek(_CHUNK)
            words = foreign.by_start(start)
            if words := words or answers.in_place_of(start, {}):
                raise packed.PackedError(words)
            # A record is a length of eight bytes and its sum, then the content
            # and its sum. A sum has four bytes.
            while header := stream.read(12):
                number += 1
                # Never zero, so that an incomplete header is found, too.
                rest = int.from_bytes(header[:8], "little") + 4
                while rest > 0:
                    chunk = stream.read(min(rest, _CHUNK))
                    if not chunk:
                        raise _damaged(file, number)
                    rest -= len(chunk)
    except streams.READ_ERRORS as error:
        place = f"{file}, record {max(number, 1)}"
        raise DataError(f"{place}: {streams.explain(error)}") from None
    return is_gzip


def _damaged(file, number):
    return DataError(f"{file}, record {number}: is damaged or cut off.")


TFRECORD = TextFormat(read_rows, place=", record ")
