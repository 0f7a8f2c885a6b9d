"""Every source of tagged texts gives the same documents and places.

A new source needs a row in `WRITERS` and nothing else here.
"""

import dataclasses
import gzip
import json
import os
import threading

import pyarrow
import pytest
from pyarrow import feather
from pyarrow import parquet

from trainers.config.data import TextDataConfig
from trainers.config.tagged_data import TaggedTextDataConfig
from trainers.data.texts import reading
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.objectives.raw_tags import RawTags
from trainers.objectives.tags import TagsConfig

# Words and tags of each document.
DOCUMENTS = [
    (["Angela", "Merkel", "in", "Paris", "."], "B-PER I-PER O B-LOC O"),
    (["Größe", "😀", "7,5"], "O O O"),
    (["北", "京", "，", "IBM"], "B-LOC I-LOC O B-ORG"),
]
TEXTS = ["Angela Merkel in Paris .", "Größe 😀 7,5", "北京， IBM"]
SPANS = [
    [[0, 13, "PER"], [17, 22, "LOC"]],
    [],
    [[0, 2, "LOC"], [4, 7, "ORG"]],
]


def lines(separator="\t", more=""):
    """Returns the documents as CoNLL, with columns between word and tag."""
    blocks = [
        "".join(
            f"{word}{separator}{more}{tag}\n"
            for word, tag in zip(words, tags.split(), strict=True)
        )
        for words, tags in DOCUMENTS
    ]
    return "\n".join(blocks)


def conllu():
    """Returns the documents as CoNLL-U with the tags in MISC."""
    blocks = []
    for (words, tags), text in zip(DOCUMENTS, TEXTS, strict=True):
        block = f"# text = {text}\n"
        for number, (word, tag) in enumerate(
            zip(words, tags.split(), strict=True), 1
        ):
            cells = [str(number), word, *["_"] * 7, f"label={tag}"]
            block += "\t".join(cells) + "\n"
        blocks.append(block)
    return "\n".join(blocks)


def rows():
    return [
        {"text": text, "label": spans}
        for text, spans in zip(TEXTS, SPANS, strict=True)
    ]


def arrow_table():
    """Returns the rows with spans as structs: columns have one type."""
    return pyarrow.table(
        {
            "text": TEXTS,
            "label": [
                [{"start": a, "end": b, "label": kind} for a, b, kind in spans]
                for spans in SPANS
            ],
        }
    )


def write_text(file, text):
    file.write_text(text, encoding="utf-8", newline="\n")


# By source: the suffix, the writer, and the numbers of places.
WRITERS = {
    "files": (
        ".jsonl.gz",
        lambda file: file.write_bytes(
            gzip.compress(
                "".join(f"{json.dumps(r)}\n" for r in rows()).encode()
            )
        ),
        ("line", [1, 2, 3]),
    ),
    "conll": (
        ".bio",
        lambda file: write_text(file, "-DOCSTART- O\n\n" + lines()),
        ("line", [3, 9, 13]),
    ),
    "conllu": (
        ".conllu",
        lambda file: write_text(file, conllu()),
        ("line", [1, 8, 13]),
    ),
    "jsonl": (
        ".jsonl",
        lambda file: write_text(
            file, "".join(f"{json.dumps(row)}\n" for row in rows())
        ),
        ("line", [1, 2, 3]),
    ),
    "json": (
        ".json",
        lambda file: write_text(file, json.dumps(rows(), indent=1)),
        ("item", [1, 2, 3]),
    ),
    "parquet": (
        ".parquet",
        lambda file: parquet.write_table(arrow_table(), file),
        ("row", [1, 2, 3]),
    ),
    "arrow": (
        ".arrow",
        lambda file: feather.write_feather(arrow_table(), file),
        ("row", [1, 2, 3]),
    ),
}


def settings(file, **others):
    return TaggedTextDataConfig(
        train=str(file), validation="none", test="none", **others
    )


def read(file, **others):
    """Returns texts, raw tags and places."""
    objective = TagsConfig().make_objective()
    splits, _ = reading.read_splits(settings(file, **others), objective)
    train = splits["train"]
    texts = [text.decode() for text in train.features["text"]]
    return (
        texts,
        list(train.targets),
        [train.places[n] for n in range(len(train))],
    )


def refusal(file, kind=DataError, **others):
    with pytest.raises(kind) as error:
        read(file, **others)
    return str(error.value)


def test_every_source_has_a_writer():
    (field,) = (
        field
        for field in dataclasses.fields(TaggedTextDataConfig)
        if field.name == "source"
    )
    assert list(WRITERS) == list(field.metadata["rule"]["choices"])


@pytest.mark.parametrize("source", WRITERS)
def test_every_source_gives_the_same_documents(source, tmp_path):
    suffix, write, (what, numbers) = WRITERS[source]
    file = tmp_path / f"a{suffix}"
    write(file)
    texts, tags, places = read(file, source=source)
    assert texts == TEXTS
    assert places == [f"{file}, {what} {number}" for number in numbers]
    if source.startswith("conll"):
        assert [x.tags for x in tags] == [t.split() for _, t in DOCUMENTS]
        assert all(x.is_words for x in tags)
        for text, raw, (words, _) in zip(texts, tags, DOCUMENTS, strict=True):
            assert [text[a:b] for a, b in raw.places] == words
    else:
        assert tags == [
            RawTags([tuple(x[:2]) for x in s], [x[2] for x in s], False)
            for s in SPANS
        ]
    found = reading.read_texts(str(file), settings(file))
    assert [row["text"].decode() for _, row in found] == TEXTS


# --- CoNLL -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "others"),
    [
        (lines(" "), {}),
        (lines("\t", "NN\t_\t"), {}),
        (lines(" ", "-X- _ "), {"label_column": "3", "text_column": "0"}),
        (lines().replace("\n\n", "\n \t\n\n\n"), {}),
        (lines().replace("\n", "\r\n"), {}),
        ("\ufeff# id 5 domain=en\n" + lines(), {}),
        ("# a comment\n" + lines("\t", "x\t"), {}),
        (lines().replace("\n\n", "\n\n-DOCSTART-\tO\n\n"), {}),
        (lines().replace("Merkel\t", "Merkel\tNN\tx\t"), {}),
    ],
    ids=[
        *("spaces", "columns", "numbers", "blank", "CRLF", "id", "comment"),
        *("documents", "other columns"),
    ],
)
def test_conll_has_many_forms(content, others, tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, content)
    texts, tags, _ = read(file, **others)
    assert texts == TEXTS
    assert [x.tags for x in tags] == [t.split() for _, t in DOCUMENTS]


def test_a_hash_can_be_a_word(tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, "#\tO\n#metoo\tB-X\n")
    assert read(file)[0] == ["# #metoo"]
    write_text(file, "#begin document (x)\n# O\na O\n")
    assert read(file)[0] == ["# a"]
    write_text(file, "# a = b\tO\n\n# text a\tB-X\nc\tO\n")
    assert read(file)[0] == ["# a = b", "# text a c"]
    # With spaces, a line with the columns of its sentence is a word.
    write_text(
        file,
        "a O\n\n#end O\nb O\n\n#text O\nc O\n\n#id B-X\n\n# sent_id = 5\nd O\n",
    )
    texts, tags, _ = read(file)
    assert texts == ["a", "#end b", "#text c", "#id", "d"]
    assert tags[3].tags == ["B-X"]


@pytest.mark.parametrize(
    "comment",
    [
        *("#begin document (x); part 000", "#end document", "# newdoc id = 4"),
        *("# newpar", "# sent_id = 5", "# text = a", "#id = 5", "# global = 1"),
    ],
)
@pytest.mark.parametrize("more", ["", "x ", "x y z "])
def test_comments_of_programs_are_no_words(comment, more, tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, f"{comment}\n\n{comment}\na {more}B-X\nb {more}O\n")
    texts, (tags,), _ = read(file)
    assert texts == ["a b"]
    assert tags.tags == ["B-X", "O"]
    write_text(file, f"a {more}O\n\n{comment}\n\n{comment}\nb {more}O\n")
    assert read(file)[0] == ["a", "b"]


def test_a_line_without_its_last_column_is_named(tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, "a\tNN\tO\nb\tNN\n\nc\tNN\nd\tNN\tB-X\n")
    assert refusal(file) == (
        "2 rows that cannot be used:\n"
        f"  {file}, line 2: has 2 columns, and most lines have 3. Its last "
        "one, 'NN', would be the tag. Write all columns, also the empty ones\n"
        f"  {file}, line 4: has 2 columns, and most lines have 3. Its last "
        "one, 'NN', would be the tag. Write all columns, also the empty ones"
    )
    # Plain tags do not tell what a column is.
    write_text(file, "a\tx\tNN\nb\tx\tVB\nc\tVB\n")
    assert f"{file}, line 3: has 2 columns, and most lines have 3" in refusal(
        file
    )


def test_lines_of_different_widths_are_read_and_counted(tmp_path):
    """As a corpus has them whose program leaves empty columns out."""
    file = tmp_path / "a.conll"
    write_text(file, "a\tN\tx\tO\nb\tB-X\nc\tN\tx\ty\tI-X\nd\tN\tx\tO\n")
    _, (tags,), _ = read(file)
    assert tags.tags == ["O", "B-X", "I-X", "O"]
    assert tags.num_uneven == 2
    # A column that is named is the same in all lines.
    assert read(file, label_column="1")[1][0].tags == ["N", "B-X", "N", "N"]
    assert read(file, label_column="1")[1][0].num_uneven == 0


_PARIS = "Paris\tNNP\tN\nis\tVBZ\tV\n"


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("# sent_id = 1\n# text = Yes\nYes\tO\n", ["Yes"]),
        ("# id 1\n# text foo\nfoo O\n", ["foo"]),
        ("# a b\n# c d\n# e f\nfoo O\nbar O\n", ["foo bar"]),
        ("# a\tb\n# a b\n# c d\n#yes\tO\n", ["# a #yes"]),
        (f"# Copyright 2020 Ann\n# see LICENSE\n\n{_PARIS}", ["Paris is"]),
        (f"{_PARIS}\n# part two\n\n{_PARIS}", ["Paris is"] * 2),
        ("#text O\n\nb O\n\n#text O\n", ["#text", "b", "#text"]),
        ("# x y z\n\n# text O\n\na O\n\n# sent_id = 5\n", ["a"]),
    ],
    ids=[
        *("UNER", "ids", "three comments", "only words with #"),
        *("licence", "part", "words", "blocks of comments"),
    ],
)
def test_comments_are_told_by_the_columns_of_the_file(content, texts, tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, content)
    assert read(file)[0] == texts
    found = reading.read_texts(str(file), settings(file))
    assert [row["text"].decode() for _, row in found] == texts


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ("Hello\tUH\nyou\tPRP\n", "1: has 2 columns, and most lines have 3"),
        ("Hello\tUH\tsee\tnote\n", "1: has 4 columns, and most lines have 3"),
        ("a\tx\tO\nNew\tYork\tx\tB-X\n", "2: has 4 columns, and most lines"),
    ],
)
def test_lines_of_another_width_are_refused_at_the_begin(
    start, problem, tmp_path
):
    """Plain tags do not tell what a column is."""
    file = tmp_path / "a.conll"
    write_text(file, f"{start}\n" + f"{_PARIS}\n" * 3)
    assert f"{file}, line {problem}" in refusal(file)


def test_a_line_with_more_columns_is_counted_or_refused(tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, "in\tO\nNew\tYork\tB-LOC\nis\tO\n")
    _, (tags,), _ = read(file)
    assert tags.tags == ["O", "B-LOC", "O"]
    assert tags.num_uneven == 1
    write_text(file, "in\tO\nParis\tB-LOC\tsee note\nis\tO\n")
    assert refusal(file) == (
        "1 rows that cannot be used:\n"
        f"  {file}, line 2: has 3 columns, and most lines have 2. Its last "
        "one, 'see note', would be the tag. Write all columns, also the empty "
        "ones"
    )


def test_a_sentence_that_begins_with_a_hash_is_counted(tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, "# id 5\nParis NNP N\nis VBZ V\n\nC NN N\n# NN N\n")
    texts, tags, _ = read(file)
    assert texts == ["# Paris is", "C #"]
    assert [x.num_hashes for x in tags] == [1, 0]
    # A comment has no tabs.
    write_text(file, "#\tN\na\tN\n")
    assert read(file)[1][0].num_hashes == 0


def test_lines_of_one_word_do_not_tell_what_separates_columns(tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, "a\tO\nb\nc\nd\n\n# e\n")
    found = reading.read_texts(str(file), settings(file))
    assert [row["text"].decode() for _, row in found] == ["a b c d"]
    assert f"{file}, line 2: has one column, 'b', and must" in refusal(file)
    write_text(file, "#a\nb\n# a b\n")
    found = reading.read_texts(str(file), settings(file))
    assert [row["text"].decode() for _, row in found] == ["#a b"]


def test_conll_is_read_from_a_pipe(tmp_path):
    """It can be read only once, and the columns are those of most lines."""
    file = tmp_path / "a.conll"
    content = ("# part two\n\nGröße\tO\n").encode() + b"\n\xff\tO\n"
    os.mkfifo(file)
    writer = threading.Thread(
        target=file.write_bytes, args=(content,), daemon=True
    )
    writer.start()
    rows = reading.read_texts(str(file), settings(file))
    assert next(rows) == (f"{file}, line 3", {"text": "Größe".encode()})
    with pytest.raises(DataError, match="line 5: is not UTF-8"):
        next(rows)
    writer.join(10)


def test_rows_before_a_cut_packed_file_are_read(tmp_path):
    file = tmp_path / "a.conll.gz"
    content = "".join(f"w{n * 7919 % 9973}\tO\n\n" for n in range(9000))
    file.write_bytes(gzip.compress(content.encode())[:-2000])
    rows = reading.read_texts(str(file), settings(file))
    assert next(rows) == (f"{file}, line 1", {"text": b"w0"})
    with pytest.raises(DataError, match="damaged or cut gzip data"):
        list(rows)


def test_sentences_without_blank_lines_are_explained(tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, lines().replace("\n\n", "\n"))
    data = dataclasses.replace(settings(file), validation="", test="")
    with pytest.raises(ConfigError) as error:
        reading.read_splits(data, TagsConfig().make_objective())
    assert str(error.value).startswith(
        f"`--config.data.test` must be a file, or none: the 1 rows of {file}, "
    )
    assert str(error.value).endswith(
        "Received: ''. A blank line must be between two sentences."
    )


def test_white_space_can_be_a_word(tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, "a\tO\n\u3000\tO\nNew York\tB-X\n")
    texts, (tags,), _ = read(file)
    assert texts == ["a \u3000 New York"]
    assert tags.places == [(0, 1), (2, 3), (4, 12)]


def test_broken_lines_of_conll_are_named(tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, "a O\nb x O\nc O\n\nd O\n\ne\n\nf\tO\n")
    assert refusal(file) == (
        "3 rows that cannot be used:\n"
        f"  {file}, line 2: has 3 columns, and most lines have 2\n"
        f"  {file}, line 7: has one column, 'e', and must have a word and a "
        "tag, with a tab or a space between them\n"
        f"  {file}, line 9: has tabs between its columns, and most lines have "
        "spaces"
    )
    write_text(file, "e\n\nf\t\n\n\tO\n\ng\tO\t\n\nh O\n\na\tO\rb\tO\n")
    assert refusal(file) == (
        "6 rows that cannot be used:\n"
        f"  {file}, line 1: has one column, 'e', and must have a word and a "
        "tag, with a tab or a space between them\n"
        f"  {file}, line 3: has no tag in the last column, which is empty\n"
        f"  {file}, line 5: has no word in column 0\n"
        f"  {file}, line 7: has no tag in the last column, which is empty: "
        "name the column with --config.data.label_column=1\n"
        f"  {file}, line 9: has spaces between its columns, and most lines "
        "have tabs\n"
        f"  {file}, line 11: has a carriage return inside. Lines must end with "
        "LF or CR LF. If all lines end with CR, "
        "`tr '\\r' '\\n' < FILE > NEW_FILE` corrects them"
    )


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (
            {"label_column": "ner"},
            "`--config.data.label_column` must be the number of a column of "
            "{file}, from 0, or label, the last one. Received: 'ner'.",
        ),
        (
            {"text_column": "2"},
            "`--config.data.text_column` must be a column of {file}, from 0 to "
            "1. Received: 2, in line 1.",
        ),
        (
            {"split_column": "x"},
            "`--config.data.split_column` must be empty for files with a word "
            "on each line. Received: 'x' with {file}. Name a file for each "
            "split.",
        ),
    ],
)
def test_columns_that_conll_does_not_have(others, message, tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, lines())
    others = {"validation": "", "test": ""} | others
    data = dataclasses.replace(settings(file), **others)
    with pytest.raises(ConfigError) as error:
        reading.read_splits(data, TagsConfig().make_objective())
    assert str(error.value) == message.format(file=file)


def test_wrong_bytes_of_conll_are_named(tmp_path):
    file = tmp_path / "a.conll"
    file.write_bytes("ä O\n".encode("latin-1"))
    message = refusal(file)
    assert f"{file}, line 1: is not UTF-8" in message
    assert "--config.data.encoding" in message


def test_a_page_is_no_conll(tmp_path):
    file = tmp_path / "a.conll"
    write_text(file, "<!DOCTYPE html>\n<html><head><title>Log in</title>\n")
    assert "is an HTML page" in refusal(file)


# --- CoNLL-U -----------------------------------------------------------------


def sentence(*words, text=None):
    """Returns a sentence; a word is `id form upos misc`."""
    block = "" if text is None else f"# text = {text}\n"
    for word in words:
        number, form, upos, misc = word.split(" ")
        cells = [number, form, "_", upos, "x" + upos, *["_"] * 4, misc]
        block += "\t".join(cells) + "\n"
    return block + "\n"


DONT = (
    "1 I PRON _",
    "2-3 don't _ _",
    "2 do AUX _",
    "3 n't PART _",
    "3.1 not PART _",
    "4-5 au _ SpaceAfter=No",
    "4 à ADP _",
    "5 le DET _",
    "6 . PUNCT _",
)


@pytest.mark.parametrize("text", [None, "I don't au."])
def test_ranges_are_the_words_that_spell_them_or_one_word(text, tmp_path):
    file = tmp_path / "a.conllu"
    write_text(file, sentence(*DONT, text=text))
    texts, (tags,), _ = read(file, label_column="upos")
    assert texts == ["I don't au."]
    assert tags == RawTags(
        [(0, 1), (2, 4), (4, 7), (8, 10), (10, 11)],
        ["PRON", "AUX", "PART", "ADP+DET", "PUNCT"],
        True,
    )
    assert read(file, label_column="XPOS")[1][0].tags[0] == "xPRON"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            sentence("1 a X _", "2 b X _", text="a c"),
            "line 3: has the word 'b', but `# text` continues with ' c'",
        ),
        (
            sentence("1 a X _", text="a c"),
            "line 2: is the last word, but `# text` continues with ' c'",
        ),
        ("1 a X\n", "line 1: must have 10 columns with tabs between them, and"),
        (
            sentence("1-2 ab _ _", "1 a X _"),
            "line 1: is a range whose words are missing",
        ),
        (sentence("1 a _ _"), "line 1: has no tag in the column UPOS"),
        (
            sentence("1 a X _", "3-2 bc _ _", "2 b X _", "3 c X _"),
            "line 2: has the range 3-2, which must go from a smaller number to "
            "a larger one, and not begin in another range",
        ),
        (
            sentence("1-3 abc _ _", "1 x X _", "2-3 bc _ _", "2 b X _"),
            "line 3: has the range 2-3",
        ),
    ],
)
def test_broken_sentences_of_conllu_are_named(content, message, tmp_path):
    file = tmp_path / "a.conllu"
    write_text(file, content)
    assert message in refusal(file, label_column="upos")


@pytest.mark.parametrize(
    ("tags", "tag"),
    [
        (("O", "O"), "O"),
        (("O", "B-LOC"), "B-LOC"),
        (("B-PER", "I-PER"), "B-PER"),
        (("I-PER", "I-PER"), "I-PER"),
        (("I-PER", "O"), "I-PER"),
        (("B-PER", "E-PER"), "S-PER"),
        (("B-PER", "L-PER"), "U-PER"),
        (("I-PER", "E-PER"), "E-PER"),
        (("O", "S-PER"), "S-PER"),
        (("ADP", "DET"), "ADP+DET"),
        (("ADP", "ADP"), "ADP"),
        (("I-PER", "B-PER"), None),
        (("B-PER", "B-LOC"), None),
        (("I-PER", "I-LOC"), None),
    ],
)
def test_a_range_has_one_tag(tags, tag, tmp_path):
    file = tmp_path / "a.conllu"
    words = [f"{n} x{n} _ NE={x}" for n, x in enumerate(tags, 1)]
    write_text(file, sentence("1-2 du _ _", *words))
    if tag is None:
        assert refusal(file, label_column="NE").endswith(
            f"{file}, line 1: is one word of the text with parts of several "
            f"entities, {', '.join(tags)}, but a word has one tag"
        )
    else:
        assert read(file, label_column="NE")[1][0].tags == [tag]


def test_a_key_that_misc_does_not_have_is_refused(tmp_path):
    file = tmp_path / "a.conllu"
    write_text(file, sentence("1 a X NE=O|n=2"))
    assert refusal(file, ConfigError) == (
        "`--config.data.label_column` must be upos, xpos, or a key of the "
        f"column MISC of {file}. Received: 'label'. The word in line 1 has the "
        "keys: NE, n. Example: --config.data.label_column=upos"
    )
    assert read(file, label_column="NE")[1][0].tags == ["O"]


# --- JSON --------------------------------------------------------------------


def test_the_export_of_label_studio_is_read(tmp_path):
    file = tmp_path / "a.json"
    tasks = [
        {
            "id": 1,
            "data": {"text": TEXTS[0]},
            "annotations": [
                {
                    "was_cancelled": False,
                    "result": [
                        {
                            "type": "labels",
                            "value": {"start": a, "end": b, "labels": [kind]},
                        }
                        for a, b, kind in SPANS[0]
                    ],
                }
            ],
        }
    ]
    write_text(file, json.dumps(tasks))
    texts, (tags,), _ = read(
        file, text_column="data.text", label_column="annotations"
    )
    assert texts == TEXTS[:1]
    assert tags.tags == ["PER", "LOC"]


def test_a_key_with_dots_goes_before_a_key_inside(tmp_path):
    file = tmp_path / "a.jsonl"
    row = {"a.b": "x", "a": {"b": "y", "label": []}}
    write_text(file, json.dumps(row))
    others = {"text_column": "a.b", "label_column": "a.label"}
    assert read(file, **others)[0] == ["x"]
    assert (
        "has no 'a.c' (--config.data.text_column), but 'a.b', 'a'"
        in refusal(file, text_column="a.c", label_column="a.label")
    )


@pytest.mark.parametrize("answer", ["reject", "ignore"])
def test_rows_that_an_annotator_did_not_accept_are_refused(answer, tmp_path):
    file = tmp_path / "a.jsonl"
    row = {"text": "Paris", "spans": [{"start": 0, "end": 5, "label": "A"}]}
    write_text(
        file,
        "".join(
            json.dumps(row | {"answer": x, "_task_hash": 7}) + "\n"
            for x in ("accept", answer)
        ),
    )
    assert refusal(file, label_column="spans") == (
        f"1 rows that cannot be used:\n  {file}, line 2: has the answer "
        f"{answer!r} of Prodigy, so its labels do not hold. Remove such rows: "
        "jq -c 'select(.answer == \"accept\")'"
    )
    # Without targets, the text is what counts.
    data = settings(file, label_column="spans")
    assert len(list(reading.read_texts(str(file), data))) == 2
    # Another program can have such a column.
    write_text(file, '{"text": "a", "label": [], "answer": "ignore"}\n')
    assert read(file)[0] == ["a"]


def test_a_key_that_label_studio_leaves_out_is_explained(tmp_path):
    file = tmp_path / "a.json"
    row = {"id": 1, "text": "Paris", "annotation_id": 2, "lead_time": 1.5}
    write_text(file, json.dumps([row]))
    assert refusal(file).endswith(
        "item 1: has no 'label' (--config.data.label_column), but 'id', "
        "'text', 'annotation_id', 'lead_time'. Label Studio leaves out the key "
        'of a text without labels. Write "label": [] there: jq '
        "'map(.label //= [])'"
    )
    write_text(file, json.dumps([row | {"label": []}]))
    assert read(file)[1] == [RawTags([], [], False)]


def test_lists_of_words_and_tags_are_words_with_tags(tmp_path):
    """As `datasets` of Hugging Face writes them."""
    rows = [{"tokens": w, "ner_tags": tags.split()} for w, tags in DOCUMENTS]
    names = dict(text_column="tokens", label_column="ner_tags")
    wanted = tmp_path / "a.conll"
    wanted.write_text(lines())
    expected = read(wanted)[:2]
    jsonl = tmp_path / "a.jsonl"
    jsonl.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    # Numbers with their names, in the metadata.
    tags = sorted({tag for row in rows for tag in row["ner_tags"]})
    feature = {"feature": {"names": tags, "_type": "ClassLabel"}}
    features = {"info": {"features": {"ner_tags": feature}}}
    table = pyarrow.table(
        {
            "tokens": [row["tokens"] for row in rows],
            "ner_tags": [[*map(tags.index, row["ner_tags"])] for row in rows],
        }
    ).replace_schema_metadata({"huggingface": json.dumps(features)})
    parquet.write_table(table, tmp_path / "a.parquet")
    for file in (jsonl, tmp_path / "a.parquet"):
        assert read(file, **names)[:2] == expected


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            {"tokens": ["a", ""], "tags": ["O", "O"]},
            "'tokens' must be a text, or a list of words. Word 2 is ''",
        ),
        (
            {"tokens": ["a", 5], "tags": ["O", "O"]},
            "'tokens' must be a text, or a list of words. Word 2 is 5",
        ),
        (
            {"tokens": ["a", "b"], "tags": ["O"]},
            "'tags' (--config.data.label_column) must be a list with a tag for "
            "each of the 2 words in 'tokens'. Received: 1 of them",
        ),
        (
            {"tokens": ["a", "b"], "tags": "O"},
            "'tags' (--config.data.label_column) must be a list with a tag for "
            "each of the 2 words in 'tokens'. Received: 'O'",
        ),
        (
            {"tokens": ["a", "b"], "tags": ["O", 3]},
            "'tags' must be a list of names of tags. Tag 2 is 3. Parquet and "
            "Arrow files of `datasets` know the names of its numbers",
        ),
    ],
)
def test_lists_that_are_no_words_with_tags_are_named(tmp_path, row, problem):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(row) + "\n")
    message = refusal(file, text_column="tokens", label_column="tags")
    assert f"a.jsonl, line 1: {problem}" in message


@pytest.mark.parametrize(
    ("name", "is_array", "column", "command"),
    [
        ("a.json", True, "ner-tags", "jq 'map(.\"ner-tags\" //= [])'"),
        ("a.json", False, "größe", "jq -c '.\"größe\" //= []'"),
        ("a.jsonl", False, "label", "jq -c '.label //= []'"),
        ("a.jsonl", False, "it's", """jq -c '."it'"'"'s" //= []'"""),
    ],
)
def test_the_command_that_adds_a_key_fits_the_file_and_the_key(
    name, is_array, column, command, tmp_path
):
    line = json.dumps({"id": 1, "text": "Paris", "annotation_id": 2})
    file = tmp_path / name
    write_text(file, f"[{line}]" if is_array else f"{line}\n{line}\n")
    assert refusal(file, label_column=column).endswith(f" there: {command}")


def test_a_column_that_label_studio_may_have_named_is_advised(tmp_path):
    file = tmp_path / "a.jsonl"
    spans = [{"start": 0, "end": 5, "labels": ["A"]}]
    row = {"text": "Paris", "lead_time": 1, "of": [], "a tag": spans}
    write_text(file, json.dumps(row))
    message = refusal(file)
    assert message.endswith(
        "'a tag'. If 'a tag' has the labels, set "
        "--config.data.label_column='a tag'. If 'label' has them, Label Studio "
        'leaves out the key of a text without labels: write "label": [] '
        "there: jq -c '.label //= []'"
    )
    assert read(file, label_column="a tag")[1] == [
        RawTags([(0, 5)], ["A"], False)
    ]


def test_spans_that_cannot_be_used_are_named(tmp_path):
    file = tmp_path / "a.jsonl"
    write_text(
        file,
        '{"text": "Paris", "label": [[0, 5, "A"]]}\n'
        '{"text": "Paris", "label": [[0, 6, "A"]]}\n',
    )
    assert refusal(file) == (
        "1 rows that cannot be used:\n"
        f"  {file}, line 2: a span must begin before its end and inside of the "
        "text of 5 characters. Received: [0, 6, 'A']"
    )


# --- Advice ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "source"),
    [
        (lines(), "conll"),
        (lines(" ", "_ "), "conll"),
        (conllu(), "conllu"),
        ("".join(f"{json.dumps(row)}\n" for row in rows()), "jsonl"),
        (json.dumps(rows()), "json"),
    ],
)
def test_the_source_of_a_file_without_its_suffix_is_advised(
    content, source, tmp_path
):
    file = tmp_path / "a.txt"
    write_text(file, content)
    message = refusal(file, ConfigError)
    assert message.startswith("`--config.data.train` must end in one of .jsonl")
    advice = f"It seems to be {source}: set --config.data.source={source}, or "
    assert advice in message
    assert read(file, source=source)[0] == TEXTS


def test_prose_is_no_conll(tmp_path):
    file = tmp_path / "a.txt"
    write_text(file, "A line of words.\nAnother one.\n")
    message = refusal(file, ConfigError)
    assert "Write a word and its tag on each line, with a tab" in message
    write_text(tmp_path / "a.conll", "A\tO\nline\tO\n")
    assert read(tmp_path / "a.conll")[0] == ["A line"]


def test_a_table_has_no_spans(tmp_path):
    file = tmp_path / "a.csv"
    write_text(file, "text,label\na,b\n")
    assert "It is a file of the kind csv, which has no words with" in refusal(
        file, ConfigError
    )
    data = TextDataConfig(train=str(tmp_path / "a.conll"))
    write_text(tmp_path / "a.conll", lines())
    with pytest.raises(ConfigError) as error:
        reading.list_files(data)
    assert "To learn tags, begin with --config=configs/bert_tagger.py." in str(
        error.value
    )
