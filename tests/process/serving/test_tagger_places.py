"""`text[start:end] == entity_text` for 10,000 texts, as servers answer."""

import pytest
import served_models
import taggers

from trainers.serving.proof import fresh_process
from trainers.serving.proof import rules

COUNT = 10_000
# Of them through REST. A hundred times as many numbers are JSON there.
COUNT_OF_REST = 1_000
AT_ONCE = 500


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The directory of versions of a tagger."""
    base = tmp_path_factory.mktemp("tagger")
    served_models.publish(
        base, taggers.make(taggers.make_config(max_entities=64)).functions()
    )
    return base


@pytest.fixture(scope="module")
def texts():
    """Texts of all lengths, the last of them of 10,000 characters."""
    texts = taggers.make_texts(COUNT - 1)
    return [*texts, "".join(texts)[:10_000]]


def batches_of(texts):
    return [texts[n : n + AT_ONCE] for n in range(0, len(texts), AT_ONCE)]


def test_places_are_those_of_texts_in_a_session(exported, texts):
    path = exported / "1"
    assert rules.lint(path) == []
    assert rules.oldest_server(path) == "2.18"
    model = fresh_process.SessionModel(path)
    count = 0
    for batch in batches_of(texts):
        fed = {"text": [text.encode() for text in batch]}
        count += taggers.check_entities(batch, model("serving_default", fed))
    assert count > 10 * COUNT
    # The answer of the long text has places up to its end.
    (tags,) = model("tags", {"text": [texts[-1].encode()]})["end"]
    assert tags.max() > len(texts[-1]) - 10


def test_places_are_those_of_texts_over_rest(exported, texts):
    with served_models.serving(exported) as server:
        count = 0
        for batch in batches_of(texts[-COUNT_OF_REST:]):
            status, answer = server.post("predict", {"inputs": batch})
            assert status == 200, answer
            count += taggers.check_entities(batch, answer["outputs"])
        assert count > 10 * COUNT_OF_REST
        # In the row format, a row at a time, as most clients ask.
        odd = "\U0001f469\u200d\U0001f469 a\u00adx\u0301, 北京"
        rows = [{"text": odd}, {"text": ""}]
        status, answer = server.post("predict", {"instances": rows})
        assert status == 200, answer
        for text, row in zip((odd, ""), answer["predictions"], strict=True):
            outputs = {name: [value] for name, value in row.items()}
            taggers.check_entities([text], outputs)
