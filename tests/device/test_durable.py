"""Identity and counter: nothing is ever half, and nothing begins again from zero by itself."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from fahrwerk.device import durable
from fahrwerk.device.durable import Identity, Unusable
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("alg", ["HS256", "EdDSA"])
def test_a_key_is_handed_over_in_one_line(alg: wire.Algorithm) -> None:
    """FLT-16: what the platform prints is what the board reads."""
    _, theirs = wire.new_keys(alg)
    line = wire.handover("sco_3kdQ9x7Lw2", theirs)
    assert wire.taken_over(f" {line}\n") == ("sco_3kdQ9x7Lw2", theirs)
    for wrong in (line[:-1], line + "=", line.replace("sco_", "sco"), "", "x" * 300):
        with pytest.raises(ValueError, match="not a key"):
            wire.taken_over(wrong)
    assert theirs.signs_with.hex() not in repr(theirs)


def test_pairing_takes_the_line_or_the_answer_as_json(tmp_path: Path) -> None:
    line = wire.handover("sco_1", wire.new_keys("EdDSA")[1])
    for given in (line, json.dumps({"vehicle_id": "sco_1", "handover": line})):
        identity = durable.pair(tmp_path / "identity", given, 5)
        assert (identity.vehicle_id, identity.counter, identity.paired_ms) == ("sco_1", 0, 5)
    assert os.stat(tmp_path / "identity").st_mode & 0o077 == 0, "nobody else may read the key"
    for wrong in ("", "{}", "{", '{"handover": 7}', "fahrwerk:1:sco_1:HS256:a:b"):
        with pytest.raises(Unusable, match="not a key"):
            durable.pair(tmp_path / "other", wrong, 5)


def test_the_counter_outlives_the_process_and_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    first = wire.handover("sco_1", wire.new_keys("HS256")[1])
    durable.pair(path, first, 5).store_counter(41)
    assert Identity(path).counter == 41
    assert durable.pair(path, first, 6).counter == 41, "the same key once more"
    again = wire.handover("sco_1", wire.new_keys("HS256")[1])
    assert durable.pair(path, again, 7).counter == 41, "the platform's counter goes on as well"
    other = wire.handover("sco_2", wire.new_keys("HS256")[1])
    assert durable.pair(path, other, 8).counter == 0


def test_what_is_damaged_does_not_begin_from_zero(tmp_path: Path) -> None:
    """Else every command that was ever recorded would open the lock."""
    path = tmp_path / "identity"
    with pytest.raises(Unusable, match="pair first"):
        Identity(path)
    line = wire.handover("sco_1", wire.new_keys("HS256")[1])
    durable.pair(path, line, 5).store_counter(41)
    whole = path.read_bytes()
    for damaged in (b"", b"\x00" * 64, whole[:-4], whole.replace(b"counter 41", b"counter -1")):
        path.write_bytes(damaged)
        with pytest.raises(Unusable, match="damaged"):
            Identity(path)
    path.write_bytes(whole[:-4])
    with pytest.raises(Unusable, match="make a new key"):
        durable.pair(path, line, 6)
    anew = wire.handover("sco_1", wire.new_keys("HS256")[1])
    assert durable.pair(path, anew, 7).counter == 0


def test_a_power_cut_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "identity"
    identity = durable.pair(path, wire.handover("sco_1", wire.new_keys("HS256")[1]), 5)
    identity.store_counter(7)

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space"):
        identity.store_counter(8)
    monkeypatch.undo()
    assert (identity.counter, Identity(path).counter) == (7, 7)
    assert [each.name for each in tmp_path.iterdir()] == ["identity"]


def test_it_is_on_the_medium_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, path = os.fsync, tmp_path / "identity"
    durable.write_whole(path, b"old")

    def noted(fd: int) -> None:
        done.append(f"{os.readlink(f'/proc/self/fd/{fd}').rpartition('/')[2]} {path.read_text()}")
        sync(fd)

    monkeypatch.setattr(os, "fsync", noted)
    durable.write_whole(path, b"new")
    assert done == ["identity.new old", f"{tmp_path.name} new"]
