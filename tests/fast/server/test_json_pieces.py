"""Documents in pieces are the documents that `json` parses at once."""

import gc
import json
import re

import hypothesis
import pytest
from hypothesis import strategies as st

from trainers.server import json_pieces

TEXTS = st.sampled_from(["", "a", "c,", '"', "[{", "\\", "\\\\", "é", "]},"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**20)
    | st.floats(allow_nan=False)
    | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=5)
        # Pairs: objects that can repeat a key.
        | st.lists(st.tuples(TEXTS, inner), max_size=4).map(tuple)
    ),
    max_leaves=30,
)
PIECES = (1, 2, 5, 17, 60)


def written(value, space):
    """Returns a value as JSON; a tuple is the pairs of an object."""
    between = f",{space}"
    if type(value) is list:
        return f"[{between.join(written(v, space) for v in value)}{space}]"
    if type(value) is tuple:
        pairs = (
            f"{json.dumps(k)}:{space}{written(v, space)}" for k, v in value
        )
        return f"{{{space}{between.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)


def pairs(value):
    """Returns a document whose objects are tuples of pairs."""
    if type(value) is list:
        return [pairs(each) for each in value]
    if isinstance(value, dict):
        return tuple((k, pairs(v)) for k, v in json_pieces.pairs_of(value))
    return value


def at_once(text):
    decoder = json.JSONDecoder(object_pairs_hook=json_pieces._object)
    begin = re.match(r"[ \t\n\r]*", text).end()
    return pairs(decoder.raw_decode(text, begin)[0])


def outcome(parse, *arguments):
    try:
        return repr(parse(*arguments))
    except json.JSONDecodeError:
        return "refused"


def in_pieces(text, piece):
    return pairs(json_pieces.parse(text, piece))


@hypothesis.settings(
    max_examples=300, deadline=None, derandomize=True, database=None
)
@hypothesis.given(
    value=VALUES,
    space=st.sampled_from(["", " ", "\n"]),
    tail=st.sampled_from(["", " ", ',"x"', "]", '"', "{["]),
)
def test_pieces_of_all_sizes_give_the_document(value, space, tail):
    text = f"{space}{written(value, space)}"
    assert at_once(text) == value
    for piece in PIECES:
        assert repr(in_pieces(text, piece)) == repr(value)
        if type(value) in (list, tuple):  # `1` and `1]` are other numbers.
            assert repr(in_pieces(text + tail, piece)) == repr(value)


@hypothesis.settings(
    max_examples=300, deadline=None, derandomize=True, database=None
)
@hypothesis.given(
    value=VALUES,
    places=st.lists(st.integers(0, 200), min_size=1, max_size=3),
    characters=st.text(',[]{}":1 \\', min_size=3, max_size=3),
    is_cut=st.booleans(),
)
def test_damaged_documents_are_refused_as_at_once(
    value, places, characters, is_cut
):
    text = written(value, "")
    for place, character in zip(places, characters, strict=False):
        place %= len(text) + 1
        text = text[:place] + character + text[place + is_cut :]
    expected = outcome(at_once, text)
    for piece in PIECES:
        assert outcome(in_pieces, text, piece) == expected


@pytest.mark.parametrize(
    "text",
    ["[1,]", "[,1]", "[1,,2]", '{"a":1,}', "[1,2", '["a', '["a,\\', "[1}, 2]"],
)
def test_commas_and_ends_that_are_wrong(text):
    for piece in PIECES:
        with pytest.raises(json.JSONDecodeError):
            json_pieces.parse(text, piece)


def test_an_error_has_its_place_in_the_document():
    text = f"[{'1, ' * 1000}one]"
    for piece in (10, 10_000):
        with pytest.raises(json.JSONDecodeError) as error:
            json_pieces.parse(text, piece)
        assert (error.value.msg, error.value.pos) == ("Expecting value", 3001)


def test_levels_are_bounded():
    deep = json_pieces.MOST_LEVELS
    text = "[1," * (deep - 1) + "[]" + "]" * (deep - 1)
    value = json_pieces.parse(text, 10)
    for _ in range(deep - 1):
        assert value[0] == 1
        value = value[1]
    assert value == []
    for opening in ("[1,", '{"a":1,"b":', "[", '{"a":'):
        with pytest.raises(RecursionError):
            json_pieces.parse(opening * 100_000, 10)


def test_no_call_gets_more_than_a_piece(monkeypatch):
    sizes = []

    class Decoder(json.JSONDecoder):
        def raw_decode(self, text, begin=0):
            sizes.append(len(text))
            return super().raw_decode(text, begin)

    monkeypatch.setattr(json, "JSONDecoder", Decoder)
    text = json.dumps(
        {"instances": [[[0, 1, 2]] * 28, {"a": [], "b": "x" * 99}] * 1000}
    )
    assert json_pieces.parse(text, 1000) == json.loads(text)
    assert max(sizes[:-1]) < 1100
    assert len(sizes) > len(text) / 1100


def test_a_string_longer_than_a_piece_and_an_escape_at_each_place():
    for number in range(5):
        text = f'["{"x" * number}{chr(92) * 2 * 20_000}{chr(92)}"", "y", 1]'
        assert json_pieces.parse(text, 100) == [
            f'{"x" * number}{chr(92) * 20_000}"',
            "y",
            1,
        ]


def test_a_dismantled_document_is_empty():
    document = json_pieces.parse(
        '{"a": [[1], [2, {"b": []}]], "c": 1, "d": {"e": [3], "e": [4]}}'
    )
    lists = document["a"], document["a"][1], document["d"].pairs
    json_pieces.dismantle(document)
    assert document == {}
    assert lists == ([], [], [])
    json_pieces.dismantle(None)


def test_garbage_is_collected_again_after_the_last_document():
    assert gc.isenabled()
    with json_pieces.no_collection():
        with json_pieces.no_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
