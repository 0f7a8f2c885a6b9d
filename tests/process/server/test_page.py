"""The page at `/`, in a browser, against the server of a real export."""

import base64
import json
import re
import urllib.request

import browser_pages
import numpy as np
import pytest
import served_models
import taggers
import tensorflow as tf
from browser_pages import CHROMIUM
from browser_pages import assert_quiet
from playwright import sync_api

TEXT = 'Eight <b>voices</b> & "one" chess game, naïve 中 😀'

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs the program `chromium`"
)


@pytest.fixture(scope="module")
def browser():
    with browser_pages.launched() as browser:
        yield browser


@pytest.fixture
def open_page(browser):
    """Opens the page of a model, and watches what it says and asks."""
    pages = []

    def opened(url, **options):
        pages.append(browser_pages.opened(browser, url, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.context.close()


@pytest.fixture(scope="module")
def digit():
    """A PNG file."""
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 1), np.uint8)
    return tf.io.encode_png(image).numpy()


@pytest.fixture(scope="module")
def served_plain_tagger(start_server, tmp_path_factory):
    """URL of a model of the plain tags O, A and B."""
    base = tmp_path_factory.mktemp("plain")
    tagger = taggers.make(names="OAB", is_plain=True)
    served_models.publish(base, tagger.functions())
    return start_server(base)


def rest_answer(url, example):
    """Returns the words of all bars, from the server itself."""
    body = {"signature_name": "classify", "examples": [example]}
    with urllib.request.urlopen(
        f"{url}:classify", json.dumps(body).encode()
    ) as response:
        (scores,) = json.load(response)["results"]
    return [f"{label} {100 * score:.1f} %" for label, score in scores]


def bars(page):
    """Returns the words of the bars that are shown, when there are some."""
    sync_api.expect(page.locator("#bars li").first).to_be_visible()
    rows = page.locator("#bars li").all()
    return [" ".join(row.locator("span").all_inner_texts()) for row in rows]


def widths(page):
    """Returns the widths of the bars as parts of the whole."""
    return page.locator("#bars i").evaluate_all(
        "bars => bars.map(b => parseFloat(b.style.width) / 100)"
    )


def choose(page, content):
    """Chooses a file in the field for images, when it is there."""
    sync_api.expect(page.locator("#drop")).to_be_visible()
    file = {"name": "a.png", "mimeType": "image/png", "buffer": content}
    page.get_by_label("PNG, JPEG, BMP or GIF").set_input_files(file)


def test_a_text_gets_the_bars_of_the_rest_answer(open_page, served_text):
    page = open_page(served_text)
    assert page.title() == "bert_classifier"
    page.get_by_label("Text").fill(TEXT)
    page.get_by_role("button", name="Classify").click()
    expected = rest_answer(served_text, {"text": TEXT})
    assert bars(page) == expected
    assert sum(widths(page)) == pytest.approx(1, abs=1e-3)
    assert widths(page) == sorted(widths(page), reverse=True)
    # Screen readers read this text in place of the bars.
    label, number = expected[0].split(" ", 1)
    assert re.fullmatch(
        rf"{label}, {number}\. Answered in [\d.]+ ms",
        page.get_by_role("status").text_content(),
    )
    assert_quiet(page, served_text)


def test_many_labels_are_marked_where_the_answer_has_them(
    open_page, served_labels
):
    page = open_page(served_labels)
    page.get_by_label("Text").fill(TEXT)
    page.get_by_role("button", name="Find labels").click()
    body = {"instances": [{"text": TEXT}]}
    with urllib.request.urlopen(
        f"{served_labels}:predict", json.dumps(body).encode()
    ) as response:
        (row,) = json.load(response)["predictions"]
    rows = sorted(
        zip(row["predicted"], row["probabilities"], row["labels"], strict=True),
        key=lambda row: (-row[0], -row[1]),
    )
    count = sum(row["predicted"])
    assert 0 < count < 45
    rows = [
        (f"\u2713 {label}" if yes else label, f"{100 * score:.1f} %")
        for yes, score, label in rows
    ]
    shown = [" ".join(row) for row in rows[: max(count, 10)]]
    assert bars(page) == shown
    assert page.locator("#bars li.chosen").count() == count
    # Screen readers do not say the tick.
    said = "; ".join(map(", ".join, rows[:count])).replace("\u2713 ", "")
    status = page.get_by_role("status").text_content()
    assert status.startswith(f"{said}. {count} of 45 labels. Answered in ")
    assert page.locator("#more").text_content() == (
        f"{45 - len(shown)} less likely labels are not shown"
    )
    assert_quiet(page, served_labels)


def test_a_keyboard_is_enough(open_page, served_text):
    page = open_page(served_text)
    sync_api.expect(page.get_by_label("Text")).to_be_focused()
    page.keyboard.type("A chess game")
    page.keyboard.press("Control+Enter")
    assert bars(page) == rest_answer(served_text, {"text": "A chess game"})
    page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Classify")
    sync_api.expect(button).to_be_focused()


def rest_prediction(url, text):
    """Returns the answer of `serving_default` for a text."""
    body = json.dumps({"instances": [{"text": text}]}).encode()
    with urllib.request.urlopen(f"{url}:predict", body) as response:
        (answer,) = json.load(response)["predictions"]
    return answer


def marks(page):
    """Returns text and label of each mark, when there are some."""
    sync_api.expect(page.locator("#marked mark").first).to_be_visible()
    return [
        tuple(
            mark.evaluate(
                "m => [m.firstChild.data, m.querySelector('span').innerText]"
            )
        )
        for mark in page.locator("#marked mark").all()
    ]


def test_the_entities_of_a_text_are_marked(open_page, served_tagger):
    """Places count code points; JavaScript counts others."""
    page = open_page(served_tagger)
    text = f"{TEXT} <i>Osaka Steel thanks O\u2019Brien</i> of Green Hill"
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Find entities").click()
    answer = rest_prediction(served_tagger, text)
    count = answer["num_entities"]
    pairs = zip(answer["entity_text"], answer["entity_label"], strict=True)
    expected = [*pairs][:count]
    assert {"PER", "LOC", "ORG"} & {label for _, label in expected}
    assert marks(page) == expected
    # All of the text is there, and nothing but the labels.
    shown = page.locator("#marked").evaluate(
        "p => { p = p.cloneNode(true);"
        " p.querySelectorAll('span').forEach(s => s.remove());"
        " return p.textContent; }"
    )
    assert shown == text
    assert re.fullmatch(
        rf"{count} (entities|entity)\. Answered in [\d.]+ ms",
        page.get_by_role("status").text_content(),
    )
    assert_quiet(page, served_tagger)


def test_entities_that_are_not_marked_are_counted(open_page, served_tagger):
    page = open_page(served_tagger)
    text = "Osaka Steel thanks O'Brien for ten years of work . " * 200
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Find entities").click()
    count = rest_prediction(served_tagger, text)["num_entities"]
    assert count > 256
    more = page.get_by_text(f"{count - 256} more entities are not marked")
    sync_api.expect(more).to_be_visible()
    assert len(marks(page)) == 256


def test_the_tags_of_tokens_are_marked(open_page, served_plain_tagger):
    page = open_page(served_plain_tagger)
    page.get_by_label("Text").fill(TEXT)
    page.get_by_role("button", name="Tag").click()
    answer = rest_prediction(served_plain_tagger, TEXT)
    expected = [
        (TEXT[start:end], tag)
        for tag, start, end in zip(
            answer["tag"], answer["start"], answer["end"], strict=True
        )
        if tag != "O"
    ]
    assert expected
    assert marks(page) == expected
    status = page.get_by_role("status").text_content()
    assert status.startswith(f"{len(answer['tag'])} tokens. ")
    assert_quiet(page, served_plain_tagger)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_have_the_contrast_of_wcag_aa(open_page, served_tagger, scheme):
    page = open_page(served_tagger, color_scheme=scheme)
    page.get_by_label("Text").fill("Osaka Steel thanks O'Brien .")
    page.get_by_role("button", name="Find entities").click()
    assert marks(page)
    # Marks of a hundred other colours.
    page.evaluate(
        """() => {
            const mark = document.querySelector("mark");
            for (let number = 0; number < 100; number++) {
                const other = mark.cloneNode(true);
                other.style.setProperty("--hue", 210 + 137.5 * number);
                other.children[0].id = `n${number}`;
                mark.after(other);
            }
        }"""
    )
    contrasts = page.evaluate(CONTRASTS)
    assert {"MARK", "SPANn0", "SPANn99"} <= set(contrasts)
    assert {k: c for k, c in contrasts.items() if c < 4.5} == {}


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_an_image_gets_the_bars_of_the_rest_answer(
    open_page, served_image, digit, way
):
    page = open_page(served_image)
    b64 = base64.b64encode(digit).decode()
    sync_api.expect(page.get_by_text("Drop, paste or choose")).to_be_visible()
    if way == "choose":
        choose(page, digit)
    else:
        page.evaluate(
            """async ([way, b64]) => {
                const bytes = Uint8Array.from(atob(b64), c => c.charCodeAt(0));
                const data = new DataTransfer();
                data.items.add(new File([bytes], "a.png"));
                const options = { bubbles: true, cancelable: true };
                document.getElementById("drop").dispatchEvent(way === "drop"
                    ? new DragEvent("drop", { ...options, dataTransfer: data })
                    : new ClipboardEvent(
                        "paste", { ...options, clipboardData: data }));
            }""",
            [way, b64],
        )
    assert bars(page) == rest_answer(
        served_image, {"image_bytes": {"b64": b64}}
    )
    sync_api.expect(page.locator("canvas")).to_be_visible()
    sync_api.expect(page.get_by_text("a.png")).to_be_visible()
    assert_quiet(page, served_image)


def test_an_error_is_said_in_the_words_of_the_server(
    open_page, served_image, digit
):
    page = open_page(served_image)
    choose(page, digit)
    assert len(bars(page)) == 10
    with page.expect_response(re.compile(":classify$")) as answer:
        choose(page, b"no image")
    assert answer.value.status == 400
    words = answer.value.json()["error"]
    alert = page.get_by_role("alert")
    sync_api.expect(alert).to_be_visible()
    assert alert.text_content() == f"400: {words}"
    assert page.locator("#bars li").count() == 0
    # The next answer takes it away.
    choose(page, digit)
    assert len(bars(page)) == 10
    sync_api.expect(alert).to_be_hidden()


def test_a_token_is_asked_for_only_where_one_is_needed(
    open_page, start_server, text_export, served_text
):
    page = open_page(served_text)
    sync_api.expect(page.get_by_label("Text")).to_be_visible()
    sync_api.expect(page.get_by_label("Token")).to_be_hidden()
    page = open_page(start_server(text_export, TFMODELS_TOKEN="s3cret"))
    field = page.get_by_label("Token for this server")
    sync_api.expect(field).to_be_focused()
    alert = page.get_by_role("alert")
    sync_api.expect(alert).to_be_hidden()
    field.fill("wrong")
    page.keyboard.press("Enter")
    sync_api.expect(alert).to_contain_text("401: ")
    sync_api.expect(page.get_by_label("Text")).to_be_hidden()
    field.fill("s3cret")
    page.keyboard.press("Enter")
    sync_api.expect(alert).to_be_hidden()
    sync_api.expect(field).to_be_hidden()
    page.get_by_label("Text").fill("A chess game")
    page.get_by_role("button", name="Classify").click()
    assert len(bars(page)) == 8


def test_a_server_that_has_gone_is_an_error_in_words(open_page, served_text):
    page = open_page(served_text)
    page.get_by_label("Text").fill("A chess game")
    page.context.set_offline(True)
    page.get_by_role("button", name="Classify").click()
    sync_api.expect(page.get_by_role("alert")).to_have_text(
        "The server cannot be reached. Is it still running?"
    )


CONTRASTS = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parse(color).slice(0, 3).map((v) => v / 255).map(
      (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return parse(color)[3] === 0 ? ground(element.parentElement) : color;
  };
  const found = {};
  for (const element of document.querySelectorAll("main *")) {
    const hasText = [...element.childNodes].some(
      (node) => node.nodeType === 3 && node.data.trim());
    if (!hasText || element.closest("noscript")) continue;
    const [a, b] = [getComputedStyle(element).color, ground(element)]
      .map(luminance).sort((x, y) => y - x);
    found[element.tagName + element.id] = (a + 0.05) / (b + 0.05);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(
    open_page, served_image, digit, scheme
):
    page = open_page(served_image, color_scheme=scheme)
    choose(page, digit)
    assert len(bars(page)) == 10
    # All that is ever shown.
    page.evaluate(
        """document.querySelectorAll("[hidden]").forEach(e => {
            e.hidden = false;
            if (e.id === "error") e.textContent = "wrong";
        })"""
    )
    contrasts = page.evaluate(CONTRASTS)
    assert {"H1", "LABEL", "BUTTON", "Perror", "SPAN", "Pkeys"} <= set(
        contrasts
    )
    assert {k: c for k, c in contrasts.items() if c < 4.5} == {}
    background = page.evaluate(
        "getComputedStyle(document.body).backgroundColor"
    )
    assert (
        background
        == {
            "light": "rgb(251, 251, 250)",
            "dark": "rgb(21, 23, 27)",
        }[scheme]
    )


@pytest.mark.parametrize(
    "motion, name", [("reduce", "none"), ("no-preference", "grow")]
)
def test_bars_move_only_for_those_who_like_it(
    open_page, served_text, motion, name
):
    page = open_page(served_text, reduced_motion=motion)
    page.get_by_label("Text").fill("A chess game")
    page.get_by_role("button", name="Classify").click()
    bars(page)
    moves = page.locator("#bars i").first.evaluate(
        "bar => getComputedStyle(bar).animationName"
    )
    assert moves == name


def test_every_field_has_a_name_and_nothing_leaves_a_narrow_screen(
    open_page, served_text, served_image
):
    for url in (served_text, served_image):
        page = open_page(url, viewport={"width": 320, "height": 600})
        assert page.locator("html").get_attribute("lang") == "en"
        sync_api.expect(page.get_by_role("heading", level=1)).to_be_visible()
        names = page.locator("input, textarea").evaluate_all(
            "fields => fields.map(f => f.labels.length)"
        )
        assert names == [1, 1, 1]
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320
        assert_quiet(page, url)
