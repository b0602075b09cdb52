"""What a GNSS receiver says. The sentences are those that every description of NMEA prints."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.device import nmea, sensors
from fahrwerk.device.nmea import Fix
from fahrwerk.device.sensors import Battery, Gnss

if TYPE_CHECKING:
    from pathlib import Path

GGA = "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"
RMC = "$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A"


def said(between: str) -> str:
    return f"${between}*{nmea.checksum(between):02X}"


def test_what_the_usual_examples_say() -> None:
    assert nmea.parse(GGA) == Fix(48.1173, 11.5166667, 4.5)
    assert nmea.parse(RMC + "\r\n") == Fix(48.1173, 11.5166667, None, 41.5)
    south_west = nmea.parse(said("GNRMC,1,A,3351.5000,S,15112.5000,W,,,230394,,"))
    assert south_west == Fix(-33.8583333, -151.2083333, None, None)


@pytest.mark.parametrize(
    "sentence",
    [
        GGA[:-1] + "8",
        GGA.replace("4807", "4808"),
        said("GPGGA,123519,4807.038,N,01131.000,E,0,00,,,M,,M,,"),
        said("GPRMC,123519,V,4807.038,N,01131.000,E,022.4,084.4,230394,,"),
        said("GPGGA,1,9107.038,N,01131.000,E,1,08,0.9"),
        said("GPGGA,1,4860.000,N,01131.000,E,1,08,0.9"),
        said("GPGGA,1,4807.038,X,01131.000,E,1,08,0.9"),
        said("GPGGA,1,4807.038,,01131.000,E,1,08,0.9"),
        said("GPGGA,1,4807.038,N"),
        said("GPRMC,1,A,4807.038,N,01131.000,E,nan,,,"),
        said("GPRMC,1,A,4807.038,N,01131.000,E,9999,,,"),
        said("GPGSV,1,1,00"),
        "$GPGGA*",
        "",
    ],
)
def test_what_is_not_a_fix_is_none(sentence: str) -> None:
    """No fix, nonsense, and a wrong checksum."""
    assert nmea.parse(sentence) is None


@given(st.text(max_size=90) | st.text("$GPRMCA,.*0123456789NSEW", max_size=90).map(said))
def test_any_text_at_all(sentence: str) -> None:
    fix = nmea.parse(sentence)
    assert fix is None or (-90 <= fix.latitude <= 90 and -180 <= fix.longitude <= 180)


def test_a_receiver_on_a_pipe(tmp_path: Path) -> None:
    """Half lines, noise, and a receiver that is unplugged and comes again."""
    path = tmp_path / "receiver"
    receiver = Gnss(path)
    receiver.poll()
    assert receiver.fix() is None, "it is not there yet"
    os.mkfifo(path)
    receiver.poll()
    with path.open("w", buffering=1) as out:
        out.write("noise\n" + GGA[:20])
        receiver.poll()
        assert receiver.fix() is None
        out.write(GGA[20:] + "\r\n" + RMC + "\n")
        receiver.poll()
    assert receiver.fix() == Fix(48.1173, 11.5166667, 4.5, 41.5)
    assert receiver.speed_kmh == 41.5
    receiver.close()


def test_a_fix_grows_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "receiver"
    path.write_text(RMC + "\n")
    receiver = Gnss(path)
    receiver.poll()
    assert receiver.fix() is not None
    late = time.monotonic() + sensors.FRESH_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: late)
    assert (receiver.fix(), receiver.speed_kmh) == (None, None)
    receiver.close()


def test_a_battery_as_linux_shows_it(tmp_path: Path) -> None:
    assert sensors.battery(tmp_path) == Battery(None, None, None)
    (tmp_path / "capacity").write_text("86\n")
    (tmp_path / "voltage_now").write_text("40300000\n")
    (tmp_path / "temp").write_text("195\n")
    assert sensors.battery(tmp_path) == Battery(86, 40.3, 19.5)
    (tmp_path / "capacity").write_text("101\n")
    (tmp_path / "temp").write_text("warm\n")
    assert sensors.battery(tmp_path) == Battery(None, 40.3, None)
