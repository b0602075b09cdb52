"""What letters say. ``<template>.<de|en>.(subject|txt|html).j2``; a leading underscore is a frame.

HTML is escaped by Jinja wherever a value is put in. A letter brings everything with it: no remote
images, no fonts, no counting pixel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import msgspec

from fahrwerk.notifications.rules import one_line

letters = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=jinja2.select_autoescape(("html.j2",), default=False, default_for_string=True),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def make(vehicle: Any) -> str:
    """Brand and model, the brand once: many operators write it into the model as well."""
    brand, model = vehicle.brand, vehicle.model
    return str(model) if model.casefold().startswith(brand.casefold()) else f"{brand} {model}"


letters.filters["make"] = make


class Written(msgspec.Struct, frozen=True):
    """A letter's three texts."""

    subject: str
    text: str
    html: str


def written(template: str, lang: str, facts: dict[str, Any]) -> Written:
    """Put ``facts`` into a template. Raises ``jinja2.UndefinedError`` when one is missing."""
    name = f"{template}.{lang}"
    subject, text, html = (
        letters.get_template(f"{name}.{part}.j2").render(facts, lang=lang)
        for part in ("subject", "txt", "html")
    )
    return Written(one_line(subject), text.strip() + "\n", html)
