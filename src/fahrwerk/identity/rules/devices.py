"""What a browser says of itself, as people say it."""

from __future__ import annotations

_BROWSERS = {
    "Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "FxiOS/": "Firefox",
    "Chrome/": "Chrome", "CriOS/": "Chrome", "Safari/": "Safari",
}  # fmt: skip
"""The more particular first: each browser also says that it is the ones it came from."""
_SYSTEMS = {
    "Android": "Android", "iPhone": "iOS", "iPad": "iPadOS", "Windows": "Windows",
    "Mac OS X": "macOS", "CrOS": "ChromeOS", "Linux": "Linux",
}  # fmt: skip


def name_of(said: str) -> str:
    """``Chrome, Android`` for a line that nobody reads; what is no browser's stays as it is."""
    if not said.startswith("Mozilla/"):
        return said
    browser = next((name for sign, name in _BROWSERS.items() if sign in said), None)
    system = next((name for sign, name in _SYSTEMS.items() if sign in said), None)
    return ", ".join(filter(None, (browser, system))) or said
