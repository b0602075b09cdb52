"""The command line: every command explains itself, and what fails as expected says so in a line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fahrwerk import cli, doctor
from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    *("up", "serve", "work", "broker", "migrate", "seed", "sim", "ride", "doctor", "events"),
    *("audit", "books", "sepa", "new", "replay", "bench", "version", "accounts"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    assert f"usage: fahrwerk {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["up", "--port", "0"], ["up", "--port", "http"], ["up", "--vehicles", "-1"]],
)
def test_wrong_usage_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert "usage: fahrwerk" in capsys.readouterr().err


def test_the_version_names_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == 0
    assert "PostgreSQL 18" in capsys.readouterr().out


def test_a_setting_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAHRWERK_HTTP_PORT", "eighty")
    with pytest.raises(SystemExit, match="FAHRWERK_HTTP_PORT='eighty'"):
        cli.main(["version"])


def test_a_ride_without_a_platform_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    assert cli.main(["ride", "--url", f"http://127.0.0.1:{port}"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"fahrwerk: http://127.0.0.1:{port} does not answer")
    assert "make up" in said
    assert len(said.splitlines()) == 1


def test_migrations_are_not_tried_with_the_applications_login(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAHRWERK_DATABASE_URL", "postgresql://fahrwerk_app@localhost/fahrwerk")
    monkeypatch.delenv("FAHRWERK_DATABASE_ADMIN_URL", raising=False)
    assert cli.main(["migrate"]) == 1
    assert "FAHRWERK_DATABASE_ADMIN_URL" in capsys.readouterr().err


@pytest.mark.process
@pytest.mark.parametrize("command", ["serve", "work", "events"])
def test_a_database_that_does_not_answer_is_said_in_a_line(command: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    url = f"postgresql://fahrwerk_app@127.0.0.1:{port}/fahrwerk"
    done = subprocess.run(
        [sys.executable, "-m", "fahrwerk.cli", command],
        env={**os.environ, "FAHRWERK_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "DATABASE_UNAVAILABLE" in done.stderr


def test_up_passes_on_what_stands_in_its_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FAHRWERK_MQTT_URL", raising=False)
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        assert cli.main(["up", "--port", str(port), "--data", str(tmp_path)]) == 1
    assert f"Port {port}" in capsys.readouterr().err
    assert not (tmp_path / "postgres").exists(), "nothing was started"


def test_a_replay_without_its_file_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", "none.csv", "--stations", "none.csv"]) == 1
    assert "none.csv" in capsys.readouterr().err


def test_the_bench_needs_a_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench"]) == 1
    assert "make bench" in capsys.readouterr().err


def test_a_room_of_an_impossible_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["new", "room", "utils"]) == 1
    assert "cannot be the name of a room" in capsys.readouterr().err


# --- doctor


@pytest.mark.parametrize(
    ("value", "warn", "fail", "verdict"),
    [
        *((0.2, 1, 30, "ok"), (2, 1, 30, "warn"), (31, 1, 30, "fail")),
        *((9, 5, 1, "ok"), (3, 5, 1, "warn"), (0.5, 5, 1, "fail")),
    ],
)
def test_grades(value: float, warn: float, fail: float, verdict: str) -> None:
    assert doctor.graded(value, warn, fail) == verdict


def test_the_machine_is_examined_without_a_database(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    settings = Settings(data=tmp_path / "var", http_port=port, mqtt_url=f"mqtt://127.0.0.1:{port}")
    found = {each.subject: each for each in doctor.about_machine(settings)}
    assert found["Python"].verdict == "ok"
    assert (found["data folder"].verdict, found["data folder"].advice) == (
        "warn",
        "make up creates it.",
    )
    assert "is free" in found["HTTP"].text
    assert found["broker"].verdict == "warn"
    assert all(each.advice for each in found.values() if each.verdict != "ok")


def test_a_stranger_on_our_port_is_not_taken_for_us() -> None:
    """Something listens and says nothing: neither our API nor a broker."""
    doctor_waits, doctor._ANSWER_WITHIN_S = doctor._ANSWER_WITHIN_S, 0.1
    try:
        with closing(socket.create_server(("127.0.0.1", 0))) as stranger:
            port = stranger.getsockname()[1]
            settings = Settings(http_port=port, mqtt_url=f"mqtt://127.0.0.1:{port}")
            assert doctor._http(settings).verdict == "warn"
            assert doctor._broker(settings).verdict == "fail"
    finally:
        doctor._ANSWER_WITHIN_S = doctor_waits


async def test_event_lag_and_dead_letters_are_found(database: db.Database) -> None:
    call = system(None, "tests")
    before = {each.subject: each async for each in doctor._events()}
    await db.run(
        "pump",
        call,
        "INSERT INTO kernel.dead_letter (handler_group, event_position, tenant_id, name, error, "
        "attempts) VALUES ('tests', -1, gen_random_uuid(), 'x.y', 'no', 5) "
        "ON CONFLICT DO NOTHING",
    )
    try:
        found = {each.subject: each async for each in doctor._events()}
        assert found["dead letters"].verdict == "warn"
        assert int(found["dead letters"].text) == int(before["dead letters"].text) + 1
        assert "fahrwerk events" in found["dead letters"].advice
    finally:
        await db.run(
            "pump", call, "UPDATE kernel.dead_letter SET replayed_at = now() "
            "WHERE handler_group = 'tests'",
        )  # fmt: skip


async def test_the_clocks_of_this_machine_agree(database: db.Database) -> None:
    assert (await doctor._clock()).verdict == "ok"
