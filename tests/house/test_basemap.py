"""The bundled map's drawing: what is drawn once, what is left out, and what is named when."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import basemap

A, B, C, D = (13.40, 52.50), (13.404, 52.50), (13.408, 52.50), (13.408, 52.502)


def test_a_street_that_many_lines_use_is_drawn_once() -> None:
    """Also when they run on it the other way."""
    assert list(basemap.pieces([[A, B, C], [D, C, B]])) == [[A, B, C], [D, C]]


def test_what_nobody_drew_is_no_street() -> None:
    """A course that goes straight on for kilometres, and what is outside the map."""
    far, outside = (13.5, 52.5), (14.5, 52.5)
    assert list(basemap.pieces([[A, B, far, outside], [outside, far]])) == [[A, B]]


def test_a_course_belongs_to_lines_that_begin_and_end_where_it_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Within 60 m; else a bus would drive through the tunnel of the underground."""
    package = tmp_path / "vbb-lines"
    package.mkdir()
    rows = [
        '{"product": "subway", "variants": [{"stops": ["1", "2"]}]}',
        '{"product": "bus", "variants": [{"stops": ["1", "3"]}, {"stops": ["1", "unknown"]}]}',
    ]
    (package / "data.ndjson").write_text("\n".join(rows))
    monkeypatch.setattr(basemap, "NPM", tmp_path)
    lines = basemap.Lines(
        {id_: station("", at, 0, id_) for id_, at in zip("123", (A, C, D), strict=True)}
    )
    assert lines.products([(A[0] + 0.0005, A[1]), B, C]) == {"subway"}
    assert lines.products([A, D]) == {"bus"}
    assert lines.products([B, D]) == set()


def station(name: str, at: tuple[float, float], weight: float, id_: str = "") -> dict[str, object]:
    location = {"longitude": at[0], "latitude": at[1]}
    return {"id": id_, "name": name, "location": location, "weight": weight, "stops": []}


def test_the_busiest_stations_are_named_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, without what only a timetable needs; stops of buses when one is near."""
    monkeypatch.setattr(basemap, "RANKS", ((1, 10), (2, 12)))
    given = [
        station("U Oranienplatz (Berlin)", A, 5),
        station("S+U Alexanderplatz Bhf (Berlin)", B, 100),
        station("S+U Alexanderplatz/Memhardstr. (Berlin)", B, 90),
        station("Torstr. (Berlin) [Bus]", C, 50),
        station("U Alexanderplatz (Berlin) [U2]", C, 3),
        station("U Nirgendwo", (14.5, 52.5), 99),
    ]
    stations = {str(number): each for number, each in enumerate(given)}
    assert [(name, rank) for name, _, rank in basemap.names(stations)] == [
        ("Alexanderplatz", 10), ("Alexanderplatz/Memhardstr.", 15), ("Torstr.", 15),
        ("Oranienplatz", 12),
    ]  # fmt: skip
