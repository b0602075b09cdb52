"""An export as a page that people can read: one HTML file without anything from elsewhere. Pure."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.kernel.privacy import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.kernel.privacy import Section

BASES = {
    "contract": Text("Contract (Art. 6 (1) b)", "Vertrag (Art. 6 Abs. 1 b)"),
    "consent": Text("Consent (Art. 6 (1) a)", "Einwilligung (Art. 6 Abs. 1 a)"),
    "legal_obligation": Text("Duty by law (Art. 6 (1) c)", "Rechtspflicht (Art. 6 Abs. 1 c)"),
    "legitimate_interest": Text(
        "Legitimate interest (Art. 6 (1) f)", "Berechtigtes Interesse (Art. 6 Abs. 1 f)"
    ),
}
FATES = {
    "deleted": Text("deleted", "gelöscht"),
    "detached": Text("detached from you", "von Ihnen gelöst"),
    "kept": Text("kept under a number", "unter einer Nummer aufbewahrt"),
}
_WORDS = {
    "title": Text("Your data at {operator}", "Ihre Daten bei {operator}"),
    "intro": Text(
        "This is everything that {operator} holds about you, put together on {day}. The folders "
        "beside this page hold the same as JSON, for other programs.",
        "Das ist alles, was {operator} über Sie gespeichert hat, zusammengestellt am {day}. Die "
        "Ordner neben dieser Seite enthalten dasselbe als JSON, für andere Programme.",
    ),
    "rights": Text(
        "You may have data corrected (Art. 16), deleted (Art. 17) or restricted (Art. 18), object "
        "(Art. 21), and complain to a supervisory authority (Art. 77).",
        "Sie dürfen Daten berichtigen (Art. 16), löschen (Art. 17) oder einschränken (Art. 18) "
        "lassen, widersprechen (Art. 21) und sich bei einer Aufsichtsbehörde beschweren (Art. 77).",
    ),
    "officer": Text("Whom you may turn to: {officer}", "An wen Sie sich wenden können: {officer}"),
    "purpose": Text("What for", "Wozu"),
    "basis": Text("Legal basis", "Rechtsgrundlage"),
    "kept": Text("How long", "Wie lange"),
    "recipients": Text("Who else gets it", "Wer es noch bekommt"),
    "nothing": Text("Nothing.", "Nichts."),
    "more": Text("{more} more rows stand in {file}.", "{more} weitere Zeilen stehen in {file}."),
}
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}
th,td{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;vertical-align:top}
th{background:#eee}dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1rem}
dt{font-weight:600}dd{margin:0}
"""


def said(word: str, language: str, **values: object) -> str:
    """A phrase of the page, harmless as HTML."""
    return escape(_WORDS[word].told(language).format(**values))


def head(language: str, operator: str, officer: str, at: datetime) -> str:
    """The page up to the first section."""
    values = {"operator": operator, "day": at.strftime("%d.%m.%Y")}
    title = said("title", language, **values)
    whom = f"<p>{said('officer', language, officer=officer)}</p>" if officer else ""
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{said('intro', language, **values)}</p><p>{said('rights', language)}</p>{whom}"
    )


def section(
    about: Section, language: str, file: str, rows: Sequence[dict[str, Any]], total: int
) -> str:
    """One section: what for, why, how long; and its rows, as far as they are shown."""
    facts = [
        (said("purpose", language), about.purpose.told(language)),
        (said("basis", language), BASES[about.basis].told(language)),
        (said("kept", language), about.kept.told(language)),
    ]
    if about.recipients is not None:
        facts.append((said("recipients", language), about.recipients.told(language)))
    told = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    body = table(rows) if rows else f"<p>{said('nothing', language)}</p>"
    if total > len(rows):
        body += f"<p>{said('more', language, more=total - len(rows), file=file)}</p>"
    return f"<h2>{escape(about.title.told(language))}</h2><dl>{told}</dl>{body}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of the same columns."""
    names = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
    lines = (
        f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row.values())}</tr>" for row in rows
    )
    return f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


END = "</body></html>"


def told(value: Any) -> str:
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode().strip('"')


def _cell(value: Any) -> str:
    text = escape(told(value))
    return f'<a href="{text}">{text}</a>' if text.startswith("files/") else text
