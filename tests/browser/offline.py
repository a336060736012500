"""Opens pages in a headless Chromium and tells what they ask of other hosts."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = Path(os.environ.get("WORKBENCH_CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
HERE = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "ws://127.0.0.1:")


@contextlib.contextmanager
def open_browser() -> Iterator[Any]:
    """A headless Chromium with a fresh profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def watched_page(browser: Any, *, width: int = 1440, dark: bool = False) -> tuple[Any, list[str]]:
    """A page of its own, and the list of its problems, which grows while it is used."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page, problems = context.new_page(), []

    def asked(kind: str, url: str) -> None:
        if not url.startswith(HERE):
            problems.append(f"{kind} {url}")

    page.on("request", lambda request: asked("request", request.url))
    page.on("websocket", lambda websocket: asked("websocket", websocket.url))
    page.on("pageerror", lambda error: problems.append(f"error {error}"))
    return page, problems


def offline_problems(browser: Any, html: Path, *, settle_ms: int = 300) -> list[str]:
    """What a file asks of other hosts, and its errors, when it is opened; empty when all is well.

    To check a folder: `[p for f in folder.rglob("*.html") for p in offline_problems(b, f)]`.
    """
    page, problems = watched_page(browser)
    try:
        page.goto(html.resolve().as_uri(), wait_until="load")
        page.wait_for_timeout(settle_ms)
    finally:
        page.context.close()
    return problems


def overflow(page: Any) -> int:
    """Pixels by which a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
