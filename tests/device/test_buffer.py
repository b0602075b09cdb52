"""Readings without a network: kept in order, bounded, the loss counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.device.buffer import Buffer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def bodies(*numbers: int) -> list[bytes]:
    return [b'{"seq":%d}' % number for number in numbers]


def test_it_keeps_in_order_over_a_restart(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "readings.db")
    buffer.add(bodies(1, 2))
    buffer.add([])
    buffer.add(bodies(3))
    # Not closed, as by a power cut.
    again = Buffer(tmp_path / "readings.db")
    assert len(again) == 3
    kept = again.oldest(2)
    assert [body for _, body in kept] == bodies(1, 2)
    again.forget(kept[-1][0])
    assert [body for _, body in again.oldest(9)] == bodies(3)
    assert len(again) == 1


def test_the_oldest_go_first_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Bounded, and the loss is visible: in the log, and as a number that outlives the process."""
    buffer = Buffer(tmp_path / "readings.db", most=3)
    buffer.add(bodies(1, 2, 3))
    assert not caplog.records
    buffer.add(bodies(4, 5))
    assert "2 oldest readings dropped" in caplog.text
    buffer.add(bodies(*range(6, 16)))
    assert [body for _, body in buffer.oldest(9)] == bodies(13, 14, 15)
    again = Buffer(tmp_path / "readings.db", most=3)
    assert (len(again), again.dropped) == (3, 12)
    again.forget(10**9)
    again.add(bodies(16))
    assert [body for _, body in again.oldest(9)] == bodies(16)


def test_a_damaged_file_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "readings.db"
    path.write_bytes(b"this was a database" * 300)
    buffer = Buffer(path)
    buffer.add(bodies(1))
    assert len(Buffer(path)) == 1
    assert "put aside" in caplog.text
    assert (tmp_path / "readings.db.broken").exists()
