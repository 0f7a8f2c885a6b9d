"""Chromium for the tests of the page, and what every page must not do."""

import contextlib
import shutil

from playwright import sync_api

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.contextmanager
def launched():
    """Yields a browser."""
    sync_api.expect.set_options(timeout=30_000)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
            ],
        )
        yield browser
        browser.close()


def opened(browser, url, **options):
    """Opens the page of a model, and watches what it says and asks."""
    page = browser.new_context(**options).new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(root_of(url))
    return page


def root_of(url):
    """Returns the address of the page of a model."""
    return url[: url.index("/v1/")] + "/"


def assert_quiet(page, url):
    """Checks that a page says nothing and asks only its own server."""
    assert page.said == []
    assert [u for u in page.asked if not u.startswith(root_of(url))] == [
        u for u in page.asked if u.startswith("data:,")
    ]
