"""A browser is named with its system, anything else as it names itself."""

from __future__ import annotations

import pytest

from fahrwerk.identity.rules.devices import name_of

_MOZILLA = "Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) %s"


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (_MOZILLA % ("Linux; Android 15", "Chrome/140.0 Mobile Safari/537.36"), "Chrome, Android"),
        (_MOZILLA % ("iPhone; like Mac OS X", "Version/18.0 Safari/604.1"), "Safari, iOS"),
        (_MOZILLA % ("Windows NT 10.0", "Chrome/140.0 Safari/537.36 Edg/140.0"), "Edge, Windows"),
        ("Mozilla/5.0 (compatible)", "Mozilla/5.0 (compatible)"),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("", ""),
    ],
)
def test_a_device_is_named(said: str, named: str) -> None:
    assert name_of(said) == named
