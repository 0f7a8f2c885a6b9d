"""CSV, JSON and tables of columns as other programs write them."""

import csv
import datetime
import json
import pathlib
import sys
import zipfile

import pyarrow
import pytest
import refusals
import single_labels
from pyarrow import feather
from pyarrow import parquet

from tfmodels.bert_classifier import BertClassifierConfig
from trainers.config.data import TextDataConfig
from trainers.data.texts import csv_file
from trainers.data.texts import streams
from trainers.errors import ConfigError
from trainers.errors import DataError


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(name, content=None, **settings):
    """Returns `(text, label, place)` of the rows of a file."""
    if content is not None:
        content = content.encode() if isinstance(content, str) else content
        pathlib.Path(name).write_bytes(content)
    data = TextDataConfig(
        train=name, validation="none", test="none", **settings
    )
    examples = single_labels.read_splits(data)["train"]
    return [
        (text.decode(), label, examples.places[row].removeprefix(f"{name}, "))
        for row, (text, label) in enumerate(
            zip(examples.features["text"], examples.targets, strict=True)
        )
    ]


def refusal(kind, *args, **settings):
    return refusals.refusal(kind, read, *args, **settings)


# --- Excel's first line ------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        ("sep=;\r\ntext;label\r\na, b;x\r\n", {}),
        ("\ufeffsep=;\ntext;label\na, b;x\n", {}),
        ('"sep=;"\ntext;label\na, b;x\n', {}),
        ("SEP=\t\ntext\tlabel\na, b\tx\n", {}),
        # The setting counts more.
        ("sep=;\ntext|label\na, b|x\n", {"delimiter": "|"}),
        ("sep=;\ntext;label\na, b;x\n", {"quoting": False}),
        # Written twice in text mode on Windows.
        ('\ufeff"sep=;"\r\r\ntext;label\r\r\na, b;x\r\r\n', {}),
    ],
)
def test_the_first_line_of_excel_names_the_delimiter(content, settings):
    assert read("a.csv", content, **settings) == [("a, b", "x", "line 3")]


def test_after_the_first_line_of_excel_no_header_is_needed():
    assert read(
        "a.csv",
        "sep=;\na, b;x\n",
        header=False,
        text_column="0",
        label_column="1",
    ) == [("a, b", "x", "line 2")]


@pytest.mark.parametrize("first", ["sep=\r\n", 'sep="\n'])
def test_a_first_line_without_a_delimiter_names_none(first):
    pathlib.Path("a.csv").write_text(f"{first}text,label\n", newline="")
    rows = csv_file.numbered_rows("a.csv", TextDataConfig(), ",")
    assert [(row, problem) for _, row, problem in rows] == [
        ([first.strip()], None),
        (["text", "label"], None),
    ]


def test_it_is_no_first_line_of_excel_elsewhere():
    content = "text,label\nsep=;,x\n"
    assert read("a.csv", content) == [("sep=;", "x", "line 2")]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("header", ["text,label", '"text","label"'])
def test_a_header_between_the_rows_is_no_example(mark, header):
    """Two files, put one after the other."""
    content = f"{header}\na,x\n{mark}{header}\nb,label\nlabel,y\n"
    file_and_line = refusal(DataError, "a.csv", content)
    assert file_and_line.endswith(
        "a.csv, line 3: has the names of the columns again; delete this line"
    )
    content = f"{header}\na,x\nb,label\nlabel,y\n"
    found = [("a", "x", "line 2"), ("b", "label", "line 3")]
    found += [("label", "y", "line 4")]
    assert read("a.csv", content) == found


# --- Lines before the names of the columns -----------------------------------

ROWS = "a,x\nb,y\n"
NAMES = "must be the names of the columns, and line {} has them. Delete {}"
TITLE = (
    "seems to be a title or a comment, and not the names of the columns. "
    "Delete {}; line {} has 'text', 'class'"
)
NUMBERED = {"header": False, "text_column": "0", "label_column": "1"}
# Content by name, with the settings and the words of the error.
BEFORE = {
    "comment": (f"# exported\ntext,label\n{ROWS}", {}, NAMES, 2, "line 1"),
    "comments": (
        f"# exported, by me\n#\n\ntext,label\n{ROWS}",
        *({}, NAMES, 4, "lines 1 to 3"),
    ),
    "quotes": (
        f'# of "x", "y" z\n"text","label"\n{ROWS}',
        *({}, NAMES, 2, "line 1"),
    ),
    "malformed": (
        f'"Report" 2024\ntext,label\n{ROWS}',
        *({}, NAMES, 2, "line 1"),
    ),
    "title": (
        "Report 2024,,\n,,\ntext,label,n\na,x,1\nb,y,2\n",
        *({}, NAMES, 3, "lines 1 to 2"),
    ),
    "title above other names": (
        f"Report 2024\nText,LABEL\n{ROWS}",
        *({"text_column": "text"}, NAMES, 2, "line 1"),
    ),
    "Excel's line": (
        "sep=;\nReport 2024;\ntext;label\na;x\nb;y\n",
        *({}, NAMES, 3, "line 2"),
    ),
    "other columns": (
        f"# exported, today\n# at 9\ntext,class\n{ROWS}",
        *({}, TITLE, 3, "lines 1 to 2"),
    ),
    "title of other columns": (
        f"Report 2024\ntext,class\n{ROWS}",
        *({}, TITLE, 2, "line 1"),
    ),
    "no header": (
        f"# exported\n{ROWS}",
        NUMBERED,
        "has too few cells (1) for the columns, and line {} has them. "
        "Delete {}",
        *(2, "line 1"),
    ),
    "other delimiter": (
        "# exported, today\ntext;label\na;x\nb;y\n",
        {},
        NAMES + ", and the delimiter seems to be ';': set "
        "--config.data.delimiter=';'",
        *(2, "line 1"),
    ),
}


@pytest.mark.parametrize("name", BEFORE)
def test_lines_before_the_names_of_the_columns_are_named(name):
    content, settings, words, number, lines = BEFORE[name]
    order = (lines, number) if words is TITLE else (number, lines)
    first = lines.split()[1]
    message = refusal(DataError, "a.csv", content, **settings)
    assert message == f"a.csv, line {first}: {words.format(*order)}"
    # Without these lines, all is well or another setting is advised.
    kept = content.splitlines(keepends=True)
    del kept[int(first) - 1 : number - 1]
    if "delimiter" in message:
        settings = settings | {"delimiter": ";"}
    if words is TITLE:
        settings = settings | {"label_column": "class"}
    if "LABEL" in content:
        assert refusal(ConfigError, "a.csv", "".join(kept)).endswith(
            " Set --config.data.text_column=Text and "
            "--config.data.label_column=LABEL."
        )
        settings = {"text_column": "Text", "label_column": "LABEL"}
    rows = read("a.csv", "".join(kept), **settings)
    assert [row[:2] for row in rows] == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize("mark", ["# ", "#"])
def test_names_of_columns_can_be_in_a_comment(mark):
    """As NumPy writes them."""
    message = refusal(ConfigError, "a.csv", f"{mark}text,label\n{ROWS}")
    assert message.endswith(f" Set --config.data.text_column='{mark}text'.")
    rows = read("a.csv", text_column=f"{mark}text")
    assert [row[:2] for row in rows] == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        ("#fine,x\n#awful,y\n", NUMBERED),
        ("text,label\n#fine,x\n#awful,y\n", {}),
    ],
)
def test_a_text_can_begin_like_a_comment(content, settings):
    rows = read("a.csv", content, **settings)
    assert [row[:2] for row in rows] == [("#fine", "x"), ("#awful", "y")]


def test_rows_that_have_the_name_of_a_column_are_no_header():
    content = "fine\ntext\nawful\n"
    message = refusal(ConfigError, "a.csv", content)
    assert "If its first row is an example" in message


# --- Backslashes and delimiters ----------------------------------------------


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (r'"he said \"hi\", twice"', 'he said "hi", twice'),
        (r'"both "" and \""', 'both " and "'),
        (r'"ends with \\"', "ends with \\"),
        (r'"C:\new \t \u00e9"', r"C:\new \t \u00e9"),
        (r"C:\new", r"C:\new"),
        ('"two\\\nlines"', "two\\\nlines"),
    ],
)
def test_backslashes_escape_quotes_and_themselves_alone(cell, text):
    content = f"text,label\n{cell},x\n"
    (row,) = read("a.csv", content, backslash_escapes=True)
    assert row == (text, "x", "line 2")


def test_without_the_setting_a_backslash_is_a_character():
    (row,) = read("a.csv", 'text,label\n"a\\\\b\\n",x\n')
    assert row[0] == "a\\\\b\\n"


@pytest.mark.parametrize("word", ["tab", "\\t", "\t"])
def test_a_tab_has_a_word(word):
    content = "text\tlabel\na, b\tx\n"
    (row,) = read("a.csv", content, delimiter=word)
    assert row[:2] == ("a, b", "x")


@pytest.fixture
def small_cells():
    """The limit is that of the process."""
    limit = csv.field_size_limit(1000)
    yield
    csv.field_size_limit(limit)


def test_a_cell_of_a_quote_that_nothing_closes_has_a_limit(small_cells):
    content = 'text,label\na,x\n"b\n' + "c,x\n" * 999
    assert refusal(DataError, "a.csv", content) == (
        "a.csv, line 3: a cell must have at most 1,000 characters."
    )


# --- JSON --------------------------------------------------------------------

FINE = {"text": "fine, größe 😀", "label": "good"}
AWFUL = {"text": "[{awful}]", "label": 3}
EXPECTED = [
    ("fine, größe 😀", "good", "item 1"),
    ("[{awful}]", "3", "item 2"),
]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([FINE, AWFUL]),
        json.dumps([FINE, AWFUL], ensure_ascii=False, indent=4),
        "\ufeff\n ["
        + json.dumps(FINE)
        + "\r\n,\t"
        + json.dumps(AWFUL)
        + "]\n ",
        json.dumps(FINE) + "\n" + json.dumps(AWFUL) + "\n",
        json.dumps(FINE, indent=1) + json.dumps(AWFUL, indent=1),
    ],
    ids=["one line", "indented", "spaces", "lines", "one after the other"],
)
# Parts of a file that end anywhere in an object.
@pytest.mark.parametrize("part", [2, 3, 7, 1 << 16])
def test_json_is_read_exactly(content, part, monkeypatch):
    monkeypatch.setattr(streams, "_BUFFER", part)
    assert read("a.json", content) == EXPECTED


@pytest.mark.parametrize("content", ["", "[]", " [ ] ", "\n"])
def test_json_without_rows_is_refused(content):
    assert refusal(DataError, "a.json", content) == "a.json: has no rows."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[{"text": "a", "label": "b"', "Expecting ',' delimiter, in line 1"),
        ('[{"text": "a"', "Expecting ',' delimiter, in line 1"),
        ("[", "Expecting value, in line 1"),
        ('[{"text": 1,}]', "Illegal trailing comma before end of object"),
        ("[\n\n{'text': 1}]", "Expecting property name enclosed in double "),
        ("[" * 100_000, "it is nested too deeply, in line 1"),
        ("[" + "9" * 5000, "Exceeds the limit (4300"),
        ('[{"a": 1, "a": 2}]', "an object has the key 'a' more than once"),
        ("plain words", "Expecting value, in line 1"),
    ],
)
def test_what_is_not_json_is_refused(content, problem):
    message = refusal(DataError, "a.json", content)
    start = "1 rows that cannot be used:\n  a.json, item 1: is not JSON: "
    # Python 3.11 and 3.12 have other words for a comma at the end.
    other = "Expecting property name enclosed"
    assert message.startswith(start + problem) or (
        "comma" in problem and message.startswith(start + other)
    )


def test_items_without_a_comma_are_refused():
    content = f"[{json.dumps(FINE)}\n{json.dumps(AWFUL)}]"
    assert refusal(DataError, "a.json", content).splitlines()[1:] == [
        "  a.json, item 2: is not JSON: expected `,` or `]`, in line 2"
    ]
    content = f"[{json.dumps(FINE)}\n"
    assert refusal(DataError, "a.json", content).splitlines()[1:] == [
        "  a.json, item 2: is not JSON: it ends too early, in line 2"
    ]


def test_text_after_an_array_is_refused():
    content = json.dumps([FINE]) + "\n{}"
    assert refusal(DataError, "a.json", content).splitlines()[1:] == [
        "  a.json, item 2: is not JSON: text after the array, in line 2"
    ]


def test_items_that_cannot_be_used_are_named_and_the_next_ones_read():
    items = [FINE, {"text": 5, "label": "b"}, [FINE], {"label": "\ud800"}]
    content = json.dumps([*items, {**FINE, "text": "\ud800"}])
    assert refusal(DataError, "a.json", content).splitlines()[1:] == [
        "  a.json, item 2: 'text' must be a string. Received: 5",
        "  a.json, item 3: must be an object. Received: an array",
        "  a.json, item 4: has no 'text' (--config.data.text_column), but "
        "'label'",
        "  a.json, item 5: 'text' has half a surrogate pair, which is not "
        "Unicode",
    ]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            {"data": [FINE]},
            "has no 'text' (--config.data.text_column), but 'data'",
        ),
        (
            {"text": {"0": "a"}, "label": {"0": "b"}},
            "'text' must be a string. Received: an object",
        ),
        ("words", "must be an object. Received: a string"),
    ],
)
def test_json_that_has_no_rows_of_objects_is_refused(value, problem):
    assert refusal(DataError, "a.json", json.dumps(value)) == (
        "a.json: must be an array of objects, [{...}, {...}], or an object on "
        "each line, as pandas writes them with `frame.to_json(FILE, "
        f"orient='records')`. Received: one value, and it {problem}."
    )


def test_memory_contains_one_object_of_an_array(monkeypatch):
    monkeypatch.setattr(streams, "LONGEST_LINE", 100)
    monkeypatch.setattr(streams, "_BUFFER", 50)
    content = json.dumps([{"text": "a" * 20, "label": "b"}] * 50)
    assert len(read("a.json", content)) == 50
    content = json.dumps([{"text": "a" * 300, "label": "b"}])
    assert refusal(DataError, "a.json", content).splitlines()[1] == (
        "  a.json, item 1: is not JSON: an object is too long, in line 1"
    )


# --- Parquet and Arrow -------------------------------------------------------


def write_table(name, table):
    if name.endswith((".parquet", ".pq")):
        parquet.write_table(table, name)
    elif name == "stream.arrow":
        with pyarrow.ipc.new_stream(name, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    else:
        feather.write_feather(table, name, chunksize=2)


NAMES = ["a.parquet", "a.PQ", "a.feather", "a.arrow", "stream.arrow"]
TYPES = {
    "string": pyarrow.string(),
    "large_string": pyarrow.large_string(),
    "binary": pyarrow.binary(),
    "dictionary": pyarrow.dictionary(pyarrow.int8(), pyarrow.string()),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", [n for n in NAMES if n != "a.PQ"])
def test_columns_of_texts_are_read_exactly(name, kind):
    texts = pyarrow.array(["größe", "", "a\0b"], pyarrow.string())
    labels = pyarrow.array([" good", "bad", "good"], pyarrow.string())
    table = pyarrow.table(
        {
            "more": [[1], [], [2]],
            "label": labels.cast(TYPES[kind]),
            "text": texts.cast(TYPES[kind]),
        }
    )
    write_table(name, table)
    assert read(name) == [
        ("größe", "good", "row 1"),
        ("", "bad", "row 2"),
        ("a\0b", "good", "row 3"),
    ]
    texts = single_labels.read_texts(name, TextDataConfig())
    assert [text for _, text in texts] == ["größe".encode(), b"", b"a\0b"]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_values_of_columns_that_cannot_be_used_are_named(name):
    day = datetime.date(2020, 1, 2)
    for label, words in ((1.0, "1.0; write 1"), (day, '"2020-01-02"')):
        write_table(name, pyarrow.table({"text": ["a"], "label": [label]}))
        assert refusal(DataError, name).splitlines()[1] == (
            f"  {name}, row 1: 'label' must be a string, a whole number, true "
            f"or false. Received: {words}"
        )
    write_table(name, pyarrow.table({"text": ["a", None], "label": [1, 2]}))
    assert refusal(DataError, name).splitlines()[1] == (
        f"  {name}, row 2: 'text' must be a string. Received: null"
    )
    write_table(name, pyarrow.table({"body": ["a"], "label": [True]}))
    assert refusal(ConfigError, name) == (
        f"`--config.data.text_column` must be a column of {name}. Received: "
        "'text'. Choices: 'body', 'label'."
    )
    assert read(name, text_column="body") == [("a", "true", "row 1")]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_value_that_python_lacks_is_named_by_its_type(name):
    """The year 3,170,843."""
    times = pyarrow.array([0, 10**17], pyarrow.timestamp("ms"))
    write_table(name, pyarrow.table({"text": ["a", "b"], "label": times}))
    assert refusal(DataError, name).splitlines()[2] == (
        f"  {name}, row 2: 'label' must be a string, a whole number, true or "
        'false. Received: "timestamp[ms]"'
    )


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
@pytest.mark.parametrize("content", [b"", b"text,label\na,b\n", None])
def test_a_damaged_file_of_columns_is_refused(name, content):
    if content is None:
        rows = {"text": ["a" * 99] * 999, "label": ["b"] * 999}
        write_table(name, pyarrow.table(rows))
        content = pathlib.Path(name).read_bytes()[:-100]
    assert refusal(DataError, name, content).startswith(
        f"{name}, row 1: is damaged, cut off or of another kind: "
    )


def test_without_pyarrow_an_error_names_the_extra(monkeypatch):
    write_table("a.parquet", pyarrow.table({"text": ["a"], "label": ["b"]}))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refusal(ConfigError, "a.parquet") == (
        "`--config.data.source`: 'a.parquet' needs the package 'pyarrow'. Run: "
        "pip install 'tfmodels-trainers[parquet]'"
    )


@pytest.mark.parametrize(
    ("delimiter", "escapes", "is_allowed"),
    [
        *((d, False, True) for d in ("", ",", ";", "tab", "\\t", "\t", "\\")),
        *((d, False, False) for d in ('"', "\r", "\n", "::", "tabs")),
        *((d, True, True) for d in ("", ",", "tab", "\\t")),
        *((d, True, False) for d in ('"', "\n", "\\", "::")),
    ],
)
def test_a_delimiter_is_a_character_without_another_meaning(
    delimiter, escapes, is_allowed
):
    data = TextDataConfig(
        train="a.csv", delimiter=delimiter, backslash_escapes=escapes
    )
    found = list(data.problems(BertClassifierConfig()))
    rule = (
        "`--config.data.delimiter` must be one character, or tab. Received: "
        f"{delimiter!r}."
    )
    assert found == ([] if is_allowed else [rule])


# --- What is not read --------------------------------------------------------

KINDS = (
    "`--config.data.train` must be a folder, or end in one of .csv, .tsv, "
    ".tab, .jsonl, .ndjson, .json, .parquet, .pq, .arrow, .feather, .tfrecord, "
    ".tfrecords (and .gz, .bz2, .xz, .zip). Received: {!r}. "
)
TABLE = "Save it as CSV: in Excel, with File > Save As > CSV UTF-8."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.xlsx", f"It is a spreadsheet. {TABLE}"),
        ("a.XLS", f"It is a spreadsheet. {TABLE}"),
        ("a.ods", f"It is a spreadsheet. {TABLE}"),
        (
            "a.pkl",
            "It is a file of objects of a program, which can run code when it "
            "is read. In its program, write the rows to a .csv file, with "
            "pandas `frame.to_csv('a.csv', index=False)`.",
        ),
        (
            "a.npy",
            "It is a file of arrays. Write the texts to a .csv or .jsonl file.",
        ),
        (
            "a.tar.gz",
            "It is a packed file of a kind that is not read. Unpack it and "
            "name the file in it.",
        ),
        (
            "a.zst",
            "It is a packed file of a kind that is not read. Unpack it and "
            "name the file in it.",
        ),
        (
            "a.docx",
            "It is a document. Save its text as a .txt file in the folder of "
            "its class, or as a row of a .csv file.",
        ),
    ],
)
def test_a_known_kind_that_is_not_read_says_what_to_do(name, words):
    message = refusal(ConfigError, name, b"content")
    assert message == KINDS.format(name) + words
    texts = single_labels.read_texts(name, TextDataConfig())
    with pytest.raises(ConfigError) as caught:
        next(texts)
    assert str(caught.value) == f"`FILE`: {name!r} {words[3:]}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...", f"is a spreadsheet. {TABLE}"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "is a document. Save its text"),
        (b"\x89PNG\r\n\x1a\n", "is an image. Images need a config file"),
        (b"\x93NUMPY\x01\0", "is a file of arrays. "),
        (b"SQLite format 3\0", "is a database. Export its rows"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            "is a pointer of Git LFS, and the file itself is not here. Run "
            "`git lfs pull`",
        ),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_another_kind_under_a_wrong_name_is_recognized(name, content, words):
    message = refusal(DataError, name, content)
    place, _, rest = message.partition(": ")
    assert place in (f"{name}, line 1", name)
    assert rest.startswith(words.removesuffix("."))


def test_a_workbook_under_a_wrong_name_is_recognized():
    with zipfile.ZipFile("a.csv", "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", "")
    assert refusal(DataError, "a.csv") == (
        f"a.csv, line 1: is a spreadsheet. {TABLE[:-1]}"
    )
