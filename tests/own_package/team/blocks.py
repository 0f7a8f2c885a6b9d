"""Blocks of lines: `labels: a;b`, then the text, then an empty line."""

from trainers.data.texts.text_format import TextFormat


def read_rows(file, data, columns, report):
    """Yields the blocks of one file; see `trainers.data.texts.rows`.

    Args:
        file: Path of the file.
        data: Not used.
        columns: Not used.
        report: Function of the number and the problem of an unusable block.

    Yields:
        `(number, values)`.
    """
    del data, columns
    blocks = file.read_text(encoding="utf-8").strip().split("\n\n")
    for number, block in enumerate(blocks, 1):
        first, _, text = block.partition("\n")
        if not first.startswith("labels:") or not text:
            report(number, "must have a line `labels: ...` and a text")
        else:
            label = first.removeprefix("labels:")
            yield number, {"label": label, "text": text.encode()}


BLOCKS = TextFormat(read_rows, place=", block ")
