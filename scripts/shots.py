"""Screenshots of a running Headway: `python scripts/shots.py URL TOKEN FOLDER` writes each page, wide to narrow, light and dark."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserType, Page, sync_playwright

WIDTHS = (1440, 768, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PAGES = {
    "observability": "/dashboard/observability",
    "jobs": "/dashboard/jobs",
    "admin": "/dashboard/admin",
    "logs": "/dashboard/logs",
}
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SHELL = "/usr/bin/chromium-headless-shell"
"""The same browser without what only a screen needs: it takes half the time, and shows no notifications."""
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window: the one that CHROMIUM names, the system's, or else playwright's own."""
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium, CHROMIUM if "CHROMIUM" in os.environ else SHELL, CHROMIUM)
        try:
            yield browser
        finally:
            browser.close()


def launch(chromium: BrowserType, *paths: str) -> Browser:
    """The first of these that is there, or else playwright's own."""
    found = next((path for path in paths if Path(path).exists()), None)
    return chromium.launch(executable_path=found, channel=None if found else "chromium", args=ARGUMENTS)


def sign_in(page: Page, url: str, token: str) -> None:
    page.goto(f"{url}/login")
    page.fill("#token", token)
    page.press("#token", "Enter")
    page.wait_for_url("**/dashboard/observability", wait_until="domcontentloaded")


def shoot(url: str, token: str, folder: Path, pages: dict[str, str] | None = None) -> list[Path]:
    """Write FOLDER/PAGE-SCHEME-WIDTH.png for each; answers the files. A page is shot once its charts are drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with chromium() as browser:
        for scheme in SCHEMES:
            context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
            page = context.new_page()
            sign_in(page, url, token)
            for name, path in (pages or PAGES).items():
                for width in WIDTHS:
                    page.set_viewport_size({"width": width, "height": 900})
                    page.goto(url + path)
                    if "observability" in path:
                        page.wait_for_selector(":root[data-charts]", state="attached")
                    file = folder / f"{name}-{scheme}-{width}.png"
                    page.screenshot(path=file, full_page=True)
                    written.append(file)
            context.close()
    return written


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    for file in shoot(sys.argv[1].rstrip("/"), sys.argv[2], Path(sys.argv[3])):
        print(file)
