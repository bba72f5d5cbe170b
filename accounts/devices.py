"""A browser in two words, out of its User-Agent: enough to recognise one's own."""

from __future__ import annotations

import re

from accounts.models import DEVICE_LENGTH

# In this order: Edge calls itself Chrome too, and Chrome calls itself Safari.
BROWSERS = {
    "Edge": r"Edg(e|A|iOS)?/",
    "Opera": r"OPR/",
    "Firefox": r"(Firefox|FxiOS)/",
    "Chrome": r"(Chrome|Chromium|CriOS)/",
    "Safari": r"Safari/",
}
SYSTEMS = {
    "Android": r"Android",
    "iPhone": r"iPhone",
    "iPad": r"iPad",
    "Windows": r"Windows",
    "ChromeOS": r"CrOS",
    "macOS": r"Mac OS X|Macintosh",
    "Linux": r"Linux|X11",
}


def device_of(user_agent: str) -> str:
    """As “Firefox on Linux”; of other programs their own name."""
    browser, system = _first(BROWSERS, user_agent), _first(SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    name = re.match(r"[\w.+-]{1,40}", user_agent, re.ASCII)
    return (browser or system or (name[0] if name else "Unknown browser"))[:DEVICE_LENGTH]


def _first(patterns: dict[str, str], text: str) -> str:
    return next((name for name, pattern in patterns.items() if re.search(pattern, text)), "")
