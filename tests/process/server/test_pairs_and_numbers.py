"""Pairs of texts and numbers: over REST, through `predict`, and on the page."""

import json
import re

import browser_pages
import exported_models
import pytest
import served_models
from browser_pages import CHROMIUM
from playwright import sync_api

from trainers.prediction import rows

PAIRS = [("a b c", "d e"), ("d e", "a b c"), ("", "a"), ("ix !", "")]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Functions of a model of pairs, and the directory of its export."""
    root = tmp_path_factory.mktemp("pairs")
    functions, _ = exported_models.pair_regressor(root)
    base = root / "scores"
    base.mkdir()
    served_models.publish(base, functions)
    return functions, base


@pytest.fixture(scope="module")
def server(model):
    """A server of it in this process."""
    with served_models.serving(model[1]) as server:
        yield server


def expected(functions, pairs=PAIRS):
    text, text_pair = zip(*pairs, strict=True)
    fed = {"text": list(text), "text_pair": list(text_pair)}
    return functions["serving_default"](**fed)["value"].numpy().tolist()


def examples(pairs=PAIRS):
    return [dict(zip(("text", "text_pair"), p, strict=True)) for p in pairs]


def test_predict_takes_two_inputs(model, server):
    status, answer = server.post("predict", {"instances": examples()})
    assert status == 200
    assert answer["predictions"] == pytest.approx(expected(model[0]), rel=1e-5)
    # The order of the texts counts.
    assert abs(answer["predictions"][0] - answer["predictions"][1]) > 0.1
    text, text_pair = map(list, zip(*PAIRS, strict=True))
    status, answer = server.post(
        "predict", {"inputs": {"text": text, "text_pair": text_pair}}
    )
    assert answer["outputs"] == pytest.approx(expected(model[0]), rel=1e-5)


def test_regress_takes_examples_of_two_features(model, server):
    body = {"signature_name": "regress", "examples": examples()}
    status, answer = server.post("regress", body)
    assert status == 200
    assert answer["results"] == pytest.approx(expected(model[0]), rel=1e-5)


@pytest.mark.parametrize("missing", ["text", "text_pair"])
def test_a_missing_text_is_a_400_that_names_it(server, missing):
    instance = examples()[0]
    del instance[missing]
    status, answer = server.post("predict", {"instances": [instance]})
    assert status == 400
    # The words of TensorFlow Serving.
    assert "keys must be equal to: text,text_pair" in answer["error"]
    body = {"signature_name": "regress", "examples": [instance]}
    status, answer = server.post("regress", body)
    assert status == 400
    assert re.search(rf"\b{missing}\b", answer["error"])


def test_tokens_of_a_pair_are_answered_as_the_pair(model, server):
    status, answer = server.post(
        "predict", {"signature_name": "tokenize", "instances": examples()}
    )
    # [CLS] a b c [SEP] d e [SEP]
    assert answer["predictions"][0] == [2, 5, 6, 7, 3, 8, 9, 3] + [0] * 8
    status, answer = server.post(
        "predict",
        {
            "signature_name": "tokens",
            "inputs": {"token_ids": answer["predictions"]},
        },
    )
    assert answer["outputs"] == pytest.approx(expected(model[0]), rel=1e-5)
    for row in ([2, 5, 3, 0, 0], [2, 5, 6, 7, 8], [5, 3, 6, 3, 0]):
        body = {"signature_name": "tokens", "inputs": {"token_ids": [row]}}
        status, answer = server.post("predict", body)
        assert status == 400
        assert "[CLS] first [SEP] second [SEP]" in answer["error"]


@pytest.mark.skipif(CHROMIUM is None, reason="needs the program `chromium`")
def test_the_page_has_two_texts_and_shows_a_number(model, start_server):
    functions, base = model
    url = start_server(base)
    with browser_pages.launched() as browser:
        size = {"width": 320, "height": 700}
        page = browser_pages.opened(browser, url, viewport=size)
        page.get_by_label("First text").fill(PAIRS[0][0])
        second = page.get_by_label("Second text")
        second.fill(PAIRS[0][1])
        (value,) = expected(functions, PAIRS[:1])
        for send in (
            lambda: second.press("Control+Enter"),
            lambda: page.get_by_role("button", name="Predict").click(),
        ):
            send()
            number = page.locator("#number")
            sync_api.expect(number).to_have_text(re.compile(r"\d"))
            assert float(number.inner_text()) == pytest.approx(value, rel=1e-5)
        status = page.get_by_role("status").text_content()
        assert status.startswith(f"{number.inner_text()}. Answered in ")
        assert page.locator("#bars li").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        browser_pages.assert_quiet(page, url)
        # `predict` finds out from the signatures what the model reads.
        file = base.parent / "pairs.jsonl"
        file.write_text("".join(json.dumps(x) + "\n" for x in examples()))
        answers = list(rows.predict(url, None, files=[str(file)], scores=True))
        assert [a["value"] for a in answers] == pytest.approx(
            expected(functions), rel=1e-5
        )
        assert answers[1]["example"] == f"{file}, line 2"
