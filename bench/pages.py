"""The pages as a reader meets them: a real server, a real Chromium, fifty stacks.

Each page is loaded twice: as it comes, and as on a slow phone, its processor slowed down four times and its
line like slow 4G. Sizes are those of the HTML, and of our own scripts, without libraries.
"""

from __future__ import annotations

import gzip
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from bench.output import json_line, say, table
from tests.functional.callers import Machine, session_of
from tests.functional.installation import Installation, installed
from tests.servers import launch_options, temporary_redis

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from bench.__main__ import Options

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SLOWER = 4
# Slow 4G, as Chromium's own tools have it.
LINE = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1_638_400 / 8,
    "uploadThroughput": 675_000 / 8,
}
SETTLED_MS = 2_500
AIMS = {"workspace_html_kb": 200, "workspace_gzip_kb": 25, "cls_max": 0.02, "workspace_js_kb": 90}
OBSERVE = """
window.seen = {cls: 0, lcp: 0, longest: 0, long: 0};
const observe = (type, act) =>
  new PerformanceObserver((list) => list.getEntries().forEach(act)).observe({type, buffered: true});
observe("layout-shift", (entry) => { if (!entry.hadRecentInput) window.seen.cls += entry.value; });
observe("largest-contentful-paint", (entry) => { window.seen.lcp = entry.startTime; });
observe("longtask", (entry) => {
  window.seen.long += 1;
  window.seen.longest = Math.max(window.seen.longest, entry.duration);
});
"""
OWN_SCRIPT = re.compile(r"/static/js/[^?]+\.js")


@dataclass(frozen=True, slots=True)
class Scale:
    """How many stacks the Workspace has, and for how long it is watched when idle."""

    stacks: int
    idle_s: int


FULL = Scale(stacks=50, idle_s=30)
QUICK = Scale(stacks=4, idle_s=2)


def run(options: Options) -> None:
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's API runs a loop in this thread
    scale = QUICK if options.quick else FULL
    with (
        temporary_redis() as redis_url,
        tempfile.TemporaryDirectory(prefix="ourvidz-pages-") as folder,
        installed(Path(folder) / "data", REDIS_URL=redis_url) as live,
        live.database(),
    ):
        try:
            session = _filled(live, scale)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(**launch_options())
                found = _measured(live, browser, session, scale)
                browser.close()
        finally:
            live.tidy()
    _print(found)
    pages = found["pages"]
    json_line(
        {
            "bench": "pages",
            "workspace_html_kb": found["html_kb"],
            "workspace_gzip_kb": found["gzip_kb"],
            "cls_max": max(page["cls"] for page in pages.values()),
            "longest_task_ms": max(page["longest_task_ms"] for page in pages.values()),
            "workspace_js_kb": pages["Workspace"]["js_kb"],
            "idle_requests": found["idle_requests"],
            "stacks": scale.stacks,
            "pages": pages,
        }
    )


def _filled(live: Installation, scale: Scale) -> str:
    """An owner's session, with fifty stacks of three images: one runs, some wait, the others are finished."""
    owner = live.user(staff=True)
    person, machine = live.person(owner), live.machine()
    finished, waiting = scale.stacks * 2 // 5, scale.stacks - scale.stacks * 2 // 5
    say(f"{finished} finished and {waiting} unfinished stacks …")
    for number in range(finished):
        person.submit(prompt=f"a lighthouse over a stormy sea, oil painting, number {number}", quantity=3)
        machine.finish()
    for number in range(waiting):
        person.submit(prompt=f"a fox asleep in autumn leaves, number {number}", quantity=3)
    _begin(machine)
    return session_of(owner)


def _begin(machine: Machine) -> None:
    work = machine.lease()
    machine.deliver(work, 0)
    machine.heartbeat(work, 40, "sketching", slot=1)


def _measured(live: Installation, browser: Browser, session: str, scale: Scale) -> dict[str, Any]:
    pages: dict[str, dict[str, float]] = {}
    for name, given, is_slow in (("", WIDE, False), (", slow phone", PHONE, True)):
        for title, path, opens in (
            ("Workspace", "/", False),
            ("Library", "/library/", False),
            ("viewer", "/library/", True),
        ):
            say(f"{title}{name} …")
            with _page(live, browser, session, given, is_slow=is_slow) as (page, scripts):
                pages[f"{title}{name}"] = _figures(page, scripts, path, opens=opens)
    html = httpx.get(live.address, cookies={"sessionid": session}, trust_env=False).content
    with _page(live, browser, session, WIDE, is_slow=False) as (page, _):
        say(f"the Workspace idle for {scale.idle_s} s …")
        idle = _idle_requests(page, scale)
    return {
        "pages": pages,
        "html_kb": round(len(html) / 1000, 1),
        "gzip_kb": round(len(gzip.compress(html, 6)) / 1000, 1),
        "idle_requests": idle,
    }


@contextmanager
def _page(
    live: Installation, browser: Browser, session: str, given: Mapping[str, Any], *, is_slow: bool
) -> Iterator[tuple[Page, dict[str, int]]]:
    """A page of a browser without a cache, and the sizes of our own scripts as they come."""
    context = browser.new_context(base_url=live.address, **given)
    context.add_cookies([{"name": "sessionid", "value": session, "url": live.address}])
    context.add_init_script(OBSERVE)
    page = context.new_page()
    scripts: dict[str, int] = {}
    page.on("requestfinished", lambda request: _count(request, scripts))
    if is_slow:
        tools = context.new_cdp_session(page)
        tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        tools.send("Network.enable")
        tools.send("Network.emulateNetworkConditions", LINE)
    yield page, scripts
    context.close()


def _count(request: Any, scripts: dict[str, int]) -> None:
    if OWN_SCRIPT.search(request.url):
        scripts[request.url] = 0


def _figures(page: Page, scripts: dict[str, int], path: str, *, opens: bool) -> dict[str, float]:
    page.goto(path, timeout=120_000)
    page.locator('#live[data-state="live"]').wait_for(timeout=120_000)
    page.wait_for_timeout(SETTLED_MS)
    if opens:
        page.evaluate("Object.assign(window.seen, {cls: 0, longest: 0, long: 0})")
        began = page.evaluate("performance.now()")
        page.locator("[data-open]").first.click()
        page.locator("#lightbox [data-stage] img").evaluate("(shown) => shown.decode()")
        shown = page.evaluate("performance.now()") - began
        page.wait_for_timeout(SETTLED_MS)
    seen = page.evaluate("window.seen")
    sizes = [len(httpx.get(url, trust_env=False).content) for url in scripts]
    return {
        "lcp_ms": round(shown if opens else seen["lcp"]),
        "cls": round(seen["cls"], 4),
        "long_tasks": seen["long"],
        "longest_task_ms": round(seen["longest"]),
        "js_kb": round(sum(sizes) / 1000, 1),
    }


def _idle_requests(page: Page, scale: Scale) -> int:
    page.goto("/")
    page.locator('#live[data-state="live"]').wait_for()
    page.wait_for_timeout(SETTLED_MS)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.wait_for_timeout(1000 * scale.idle_s)
    return len(sent)


def _print(found: Mapping[str, Any]) -> None:
    rows = [
        [name, *(f"{figures[key]:g}" for key in ("lcp_ms", "cls", "long_tasks", "longest_task_ms", "js_kb"))]
        for name, figures in found["pages"].items()
    ]
    table("Pages", ("page", "LCP ms", "CLS", "long tasks", "longest ms", "own JS KB"), rows)
    size = f"{found['html_kb']} KB of HTML, {found['gzip_kb']} KB compressed"
    say(f"The Workspace: {size}; idle, {found['idle_requests']} requests")
    say("Aims: " + ", ".join(f"{name} under {most}" for name, most in AIMS.items()))
