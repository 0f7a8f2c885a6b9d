"""Pages and error messages that a download saved in place of a file."""

import functools
import gzip
import os
import pathlib
import threading

import pytest
import refusals
from single_labels import labelled
from single_labels import predicted

from trainers.config.data import ImageDataConfig
from trainers.data.images import idx
from trainers.data.images import image_folder
from trainers.data.images import npz
from trainers.errors import ConfigError
from trainers.errors import DataError


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, content):
    content = content.encode() if isinstance(content, str) else content
    pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(name).write_bytes(content)


# The message of the `DataError` that a call must raise.
refusal = functools.partial(refusals.refusal, DataError)
AGAIN = (
    "A server answers so if the address is wrong, or if the file needs a "
    "login. Download the file again"
)


def page(title):
    return f"is an HTML page with the title {title!r}, and no file of texts. "


def error(words):
    return f"is an error message of a server, {words!r}. "


LOGIN = """
<!-- served by a-1 -->
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">
<html lang="en">
<head><meta charset="utf-8"><title>Sign in &amp;
 continue</title></head>
<body>text, label, "and more</body></html>
"""
NGINX = (
    "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n"
    "<center><h1>404 Not Found</h1></center>\r\n</body>\r\n</html>\r\n"
)
S3 = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
    "<Message>The specified key does not exist.</Message></Error>"
)
NO_KEY = error("NoSuchKey: The specified key does not exist.")
FEED = '<?xml version="1.0"?>\n<rss version="2.0"><channel></channel></rss>\n'
XML = (
    "is an XML document, and no file of texts. Write its texts to a .csv or "
    ".jsonl file"
)
# Documents that are no texts, also where a file has a text on each line.
DOCUMENTS = {
    "login": (LOGIN, page("Sign in & continue")),
    "of PowerShell": (LOGIN.encode("utf-16"), page("Sign in & continue")),
    "in cp1251": (
        LOGIN.replace("and", "я").encode("cp1251"),
        page("Sign in & continue"),
    ),
    "nginx": (NGINX, page("404 Not Found")),
    "one line": (
        NGINX.replace("\r\n", "") + "\n<!-- cached -->\n",
        page("404 Not Found"),
    ),
    "no title": (
        "<html>\n<body>\n",
        page("").replace(" with the title ''", ""),
    ),
    "heading": (
        "<html>\n<h1>Forbidden</h1>\n</html>\n",
        "is an HTML page, and no file of texts. ",
    ),
    "s3": (S3, NO_KEY),
    "one line with a mark": ("\ufeff" + S3.replace("\n", ""), NO_KEY),
    "feed": (FEED, XML),
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize(
    "suffix", ["csv", "tsv", "jsonl", "json", "parquet", "arrow", "txt", "dat"]
)
def test_a_page_or_an_error_is_no_file_of_texts(name, suffix):
    content, words = DOCUMENTS[name]
    words += "" if words is XML else AGAIN
    file = f"a.{suffix}"
    write(file, content)
    place = "" if suffix in ("json", "parquet", "arrow") else ", line 1"
    assert refusal(predicted, file) == f"{file}{place}: {words}"
    if suffix in ("txt", "dat"):
        message = refusals.refusal(ConfigError, labelled, file)
        assert message.endswith(f" Received: {file!r}. It {words}.")
    else:
        assert refusal(labelled, file) == f"{file}{place}: {words}"


def test_nor_is_it_with_columns_by_number_packed_or_in_a_pipe():
    words = f"line 1: {page('404 Not Found')}{AGAIN}"
    write("a.csv", NGINX)
    by_number = {"header": False, "text_column": "0"}
    assert refusal(predicted, "a.csv", **by_number) == f"a.csv, {words}"
    write("b.csv.gz", gzip.compress(NGINX.encode()))
    assert refusal(labelled, "b.csv.gz") == f"b.csv.gz, {words}"
    write("c.csv.gz", NGINX)
    assert refusal(labelled, "c.csv.gz") == f"c.csv.gz, {words}"
    os.mkfifo("d.csv")
    writer = threading.Thread(target=write, args=("d.csv", NGINX))
    writer.start()
    assert refusal(labelled, "d.csv") == f"d.csv, {words}"
    writer.join()


# Answers in one line: no tables, but a text can look like them.
LINES = {
    "page": (NGINX.replace("\r\n", "")[:-7], page("404 Not Found")),
    "github": (
        '{"message":"Not Found","documentation_url":"https://a","status":"4"}',
        error("Not Found"),
    ),
    "hub": ('{"error": "Repository not found"}', error("Repository not found")),
    "api": ('{"detail": "Log in"}\n', error("Log in")),
    "nested": (
        '{\n  "error": {\n    "code": 403,\n    "message": "denied"\n  }\n}\n',
        error("denied"),
    ),
    "list": ('{"errors": [{"message": "no file"}]}', error("no file")),
    "other": ('{"error": true, "id": 1}', error('{"error": true, "id": 1}')),
    "plain": ("404: Not Found", error("404: Not Found")),
    "words": ("Entry not found\n", error("Entry not found")),
    "access": ("Access denied", error("Access denied")),
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_an_answer_in_one_line_is_no_table(name, suffix):
    content, words = LINES[name]
    file = f"a.{suffix}"
    write(file, content)
    place = "" if suffix in ("json", "parquet") else ", line 1"
    assert refusal(labelled, file) == f"{file}{place}: {words}{AGAIN}"
    assert refusal(predicted, file) == f"{file}{place}: {words}{AGAIN}"
    write("a.dat", content)
    message = refusals.refusal(ConfigError, labelled, "a.dat")
    assert message.endswith(f"Received: 'a.dat'. It {words}{AGAIN}.")


# First lines of texts, or of a table, that look like an answer.
TEXTS = [
    "<html>",
    "<!DOCTYPE html>",
    "<!DOCTYPE html> is how a page begins",
    "<head> of the department",
    "<?xml version='1.0'?> is a declaration",
    "<Error> is no tag",
    '{"error": "is a key"}',
    "404: Not Found",
    "<html><head><title>a</title></head><body>a page</body></html>",
    "<!doctype html><html><head><title>a page that is cut",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_can_look_like_an_answer(text):
    write("a.txt", f"{text}\n{text}\n")
    assert predicted("a.txt") == [text, text]
    quoted = '"' + text.replace('"', '""') + '"'
    write("a.csv", f"{quoted},text,label\n1,fine,good\n")
    assert labelled("a.csv") == [("fine", "good")]
    write("b.csv", f"{quoted},good\nfine,good\n")
    columns = {"header": False, "text_column": "0", "label_column": "1"}
    assert labelled("b.csv", **columns) == [(text, "good"), ("fine", "good")]
    write("d/good/a.txt", text)
    assert labelled("d") == [(text, "good")]


def test_pages_can_be_texts_one_on_each_line():
    one, cut = NGINX.replace("\r\n", ""), "<!doctype html><html><head><meta>"
    for first, second in (
        *((one, cut), (cut, one), (cut, cut)),
        *((one, "no page"), (cut, "no page")),
    ):
        write("a.txt", f"{first}\n{second}\n")
        assert predicted("a.txt") == [first, second]
    write("a.txt", f"{cut}\n")
    assert predicted("a.txt") == [cut]
    # More than what is looked at.
    long = cut + "x" * 200_000
    write("a.txt", f"{long}\n{one}\n")
    assert predicted("a.txt") == [long, one]
    columns = {"header": False, "text_column": "0", "label_column": "1"}
    for text in (one, cut):
        write("b.csv", f"{text},good\nfine,good\n")
        rows = [(text, "good"), ("fine", "good")]
        assert labelled("b.csv", **columns) == rows


@pytest.mark.parametrize(
    "rest", ["<title>Log in</title>\n", "<!-- a -->\n", "let x\n</html>\n"]
)
def test_a_page_can_begin_with_two_tags_on_its_first_line(rest):
    write("a.txt", f"<!doctype html><html><head>\n{rest}")
    assert "is an HTML page" in refusal(predicted, "a.txt")


@pytest.mark.parametrize("between", ["<!-- a -->\n" * 90, " " * 60_000])
def test_the_time_for_comments_and_white_space_is_that_of_their_size(between):
    """The way to read them is the first one that is found, not each one."""
    start = f"<!-- a -->{between}"
    write("a.txt", f"{start}<html>\n<body>")
    words = page("").replace(" with the title ''", "")
    assert refusal(predicted, "a.txt") == f"a.txt, line 1: {words}{AGAIN}"
    write("a.txt", f"{start}<html>\nfine")
    assert predicted("a.txt")[-1] == "fine"


def test_a_whole_page_is_a_text_in_the_folder_of_its_class():
    write("d/good/a.txt", NGINX)
    assert labelled("d") == [(NGINX, "good")]


@pytest.mark.parametrize("header", ["<html>,<label>", "<TITLE>\t<BODY>"])
def test_names_of_columns_can_be_tags(header):
    write("a.csv", f"{header}\na,b\n")
    message = refusals.refusal(ConfigError, labelled, "a.csv")
    assert "`--config.data.text_column` must be a column of a.csv" in message


def test_an_object_with_a_wanted_column_is_a_row():
    write("a.jsonl", '{"error": "fine", "label": "good"}')
    message = refusal(labelled, "a.jsonl")
    assert "has no 'text' (--config.data.text_column)" in message
    rows = labelled("a.jsonl", text_column="error")
    assert rows == [("fine", "good")]
    # A message is an error only with other signs.
    write("a.jsonl", '{"message": "fine", "class": "good"}')
    columns = {"text_column": "message", "label_column": "class"}
    assert labelled("a.jsonl", **columns) == [("fine", "good")]
    assert "but 'message', 'class'" in refusal(labelled, "a.jsonl")
    write("a.jsonl", '{"title": "fine"}')
    assert "but 'title'" in refusal(predicted, "a.jsonl")
    write("a.jsonl", '{"title": "fine", "status": 404}')
    assert "is an error message" in refusal(predicted, "a.jsonl")


# --- Nothing, and pointers ---------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_alone_is_no_row(encoding):
    write("a", "".encode(encoding))
    for suffix in ("csv", "tsv", "jsonl", "json", "txt"):
        file = os.rename("a", f"a.{suffix}") or f"a.{suffix}"
        setting = {"encoding": encoding}
        assert predicted(file, **setting) == []
        if suffix != "txt":
            message = refusal(labelled, file, **setting)
            assert message == f"{file}: has no rows."
        os.rename(file, "a")
    write("a.parquet", "\ufeff")
    assert refusal(labelled, "a.parquet") == (
        "a.parquet: is empty. Write it or download it again"
    )


POINTER = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
)
PULL = (
    "is a pointer of Git LFS, and the file itself is not here. Run `git lfs "
    "pull`"
)


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_pointer_is_no_file_of_columns(suffix):
    write(f"a.{suffix}", POINTER)
    assert refusal(labelled, f"a.{suffix}") == f"a.{suffix}: {PULL}"


def open_images(kind, path):
    data = ImageDataConfig(source="npz", path=path)
    source = kind.open_source(data, (4, 4), decode)
    return source.read("train", 0, 1)


def decode(content):
    import tensorflow as tf

    return tf.io.decode_image(content, 1, expand_animations=False)


@pytest.mark.parametrize(
    ("content", "words"),
    [(POINTER, PULL), (NGINX, page("404 Not Found") + AGAIN)],
    ids=["pointer", "page"],
)
def test_a_pointer_or_a_page_is_no_file_of_images(content, words):
    write("a.npz", content)
    assert refusal(open_images, npz, "a.npz") == f"a.npz: {words}."
    for end in ("", ".gz"):
        file = f"idx{end}/train-images-idx3-ubyte{end}"
        write(file, content)
        write(file.replace("images-idx3", "labels-idx1"), content)
        message = refusal(open_images, idx, f"idx{end}")
        assert message == f"{file}: {words}."
    write("d/a/1.png", content)
    message = refusal(open_images, image_folder, "d")
    assert message.endswith(f"\n  d/a/1.png: {words}")
