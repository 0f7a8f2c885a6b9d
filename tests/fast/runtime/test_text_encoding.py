"""Which encodings there are, and which one bytes seem to have."""

import pytest

from trainers.runtime import text_encoding

RULE = "an encoding of texts that Python knows, such as utf-8, utf-16, cp1252"
TEXTS = {
    "Russian": "плохой ужасный товар\nотличный хороший товар",
    "French": "très déçu par le café\nça va être génial",
    "Japanese": "とても良い商品です。また買います。",
    "Chinese": "这个产品非常好，我很喜欢。",
    "Korean": "정말 좋은 상품입니다",
    "Polish": "bardzo zły produkt, żółty",
    "Greek": "πολύ κακό προϊόν",
    "English": "It’s “fine” – really, 5 €",
}


@pytest.mark.parametrize(
    "name",
    ["utf-8", "UTF8", "utf-8-sig", "cp1251", "latin1", "gb18030", "utf-16"]
    + ["utf-16-le", "utf-32", "utf-7", "iso2022_jp", "shift_jis", "cp037"],
)
def test_an_encoding_of_texts_is_one(name):
    assert text_encoding.problem(name) is None


@pytest.mark.parametrize(
    "name",
    ["", "nope", "hex", "base64", "rot13", "zlib", "idna", "punycode"]
    + ["undefined", "a\0b", "\ud800", "../x", "utf-8,cp1252"],
)
def test_other_codecs_are_none(name):
    assert text_encoding.problem(name) == RULE


@pytest.mark.parametrize(
    ("language", "encoding", "found"),
    [
        ("Russian", "cp1251", "cp1251"),
        ("Russian", "koi8-r", "koi8-r"),
        ("Russian", "cp866", "cp866"),
        ("French", "latin-1", "cp1252"),
        ("French", "mac-roman", "mac-roman"),
        ("Japanese", "shift_jis", "cp932"),
        ("Japanese", "euc-jp", "euc_jp"),
        ("Chinese", "gbk", "gb18030"),
        ("Korean", "euc-kr", "cp949"),
        ("Polish", "cp1250", "cp1250"),
        ("Greek", "cp1253", "cp1253"),
        ("English", "cp1252", "cp1252"),
        *[
            (language, encoding, encoding)
            for language in ("Russian", "French", "Chinese", "English")
            for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32-le")
        ],
    ],
)
def test_the_likeliest_encoding_reads_a_text(language, encoding, found):
    text = TEXTS[language]
    first = text_encoding.guesses(text.encode(encoding))[0]
    assert first.encoding == found
    assert first.text in text.splitlines()
    assert text.encode(encoding).decode(found) == text


# Lines of UTF-16 without a mark, space and line end have no NUL. In encodings
# of one byte, they are letters, digits and boxes.
WIDE = [
    *("很差的商品", "质量不错", "电影很好看，推荐大家去看", "物流太慢了！"),
    *("服務態度很差", "電影很好看", "映画は面白かった", "二度と買わない"),
    *(
        "サービスが悪い",
        "とても良い商品です。また買います。",
        "정말좋은상품입니다",
    ),
    *("영화가재미있다", "மிகவும்நல்ல", "отлично", "ดีมาก", "ممتاز"),
]


@pytest.mark.parametrize("end", ["", "\n"], ids=["no end", "end"])
@pytest.mark.parametrize(
    "encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("text", WIDE)
def test_one_line_without_a_mark_is_no_text_of_boxes(text, encoding, end):
    # As a reader of lines gives it: without the byte of the line end.
    sample = (text + end).encode(encoding).removesuffix(b"\n")
    first = text_encoding.guesses(sample)[0]
    assert (first.encoding, first.text) == (encoding, text[:40])


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        ("很差的商品", "gb18030", "gb18030"),
        ("物流太慢了", "gbk", "gb18030"),
        ("плохой ужасный товар", "koi8-r", "koi8-r"),
        ("отлично", "cp1251", "cp1251"),
        ("café", "latin-1", "cp1252"),
        ("niño,good", "latin-1", "cp1252"),
        ("映画は面白かった", "shift_jis", "cp932"),
        ("배송이 빨라요", "euc-kr", "cp949"),
    ],
)
def test_a_short_text_of_bytes_is_no_utf16(text, encoding, found):
    first = text_encoding.guesses(text.encode(encoding))[0]
    assert (first.encoding, first.text) == (found, text)


@pytest.mark.parametrize(
    "content",
    [b"\xed\xa0\x80 half", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", bytes(range(256))],
    ids=["half of a pair", "image", "all bytes"],
)
def test_what_is_no_text_has_no_encoding(content):
    assert text_encoding.guesses(content) == []


def test_a_letter_that_is_cut_in_two_counts_only_at_the_end_of_a_part():
    content = TEXTS["Chinese"].encode("gb18030")[:-1]
    assert text_encoding.guesses(content, is_cut=True)[0].encoding == "gb18030"
    found = [guess.encoding for guess in text_encoding.guesses(content)]
    assert "gb18030" not in found


def test_two_encodings_are_shown_where_they_differ():
    first, second = text_encoding.guesses(
        b"caf\xe9 1\n" + b"plain\n" * 9 + b"ni\xf1o\n"
    )
    assert (first.encoding, first.text) == ("cp1252", "niño")
    assert second.text != "niño"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "utf-16", "gb18030"])
def test_wrong_bytes_are_marked_and_given_back(encoding):
    wrong = {"utf-8": b"\xff", "cp1251": b"\x98", "utf-16": b"\x00\xd8"}
    content = (
        "abc ж".encode(encoding)
        + wrong.get(encoding, b"\xff")
        + (" d".encode(encoding).removeprefix("".encode(encoding)))
    )
    text = content.decode(encoding, text_encoding.MARK)
    assert text.startswith("abc ж")
    back = text_encoding.original_bytes(text, encoding)
    assert "".encode(encoding) + back == content
    problem = text_encoding.wrong_byte(text, encoding)
    name = "UTF-8" if encoding == "utf-8" else encoding
    # Counted in bytes, without a byte order mark.
    length = len("abc ж".encode(encoding)) - len("".encode(encoding))
    assert problem.startswith(f"is not {name}: byte 0x")
    assert problem.endswith(f" at position {length + 1}")


def test_a_text_without_a_wrong_byte_has_no_problem():
    assert text_encoding.wrong_byte("größe 😀", "utf-8") is None
