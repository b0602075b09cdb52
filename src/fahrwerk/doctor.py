"""``fahrwerk doctor``: what is well with this installation, what is not, and what to do about it.

It looks and changes nothing. ``about_machine`` needs no database; ``about_database`` needs one and
goes on as far as it can.
"""

from __future__ import annotations

import shutil
import socket
import sys
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec
import psutil

from fahrwerk import app
from fahrwerk.kernel import clock, db, health, invariants, migrate, pump
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fahrwerk.kernel.settings import Settings

FREE_DISK_GB, FREE_MEMORY_GB = (1.0, 5.0), (0.3, 1.0)
"""Below the first it fails, below the second it is a warning."""
LAG_S = (10.0, 120.0)
CLOCK_S = (1.0, 30.0)
_ANSWER_WITHIN_S = 3.0
# An MQTT 3.1.1 CONNECT of the client "doctor", clean session, keep-alive 10 s.
_MQTT_CONNECT = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x0a\x00\x06doctor"

Verdict = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at. ``advice`` is what to do when it is not well."""

    verdict: Verdict
    subject: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"  {self.verdict:<5} {self.subject:<14} {self.text}"
        return f"{line}\n{'':<22}-> {self.advice}" if self.advice else line


def graded(value: float, warn: float, fail: float) -> Verdict:
    """How bad ``value`` is: the larger, the worse when ``warn <= fail``, else the smaller."""
    if warn > fail:
        value, warn, fail = -value, -warn, -fail
    return "fail" if value > fail else "warn" if value > warn else "ok"


# --- the machine


def about_machine(settings: Settings) -> Iterator[Finding]:
    """Python, disk, memory, data folder, ports."""
    version = sys.version.split()[0]
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding(
        "ok" if fits else "warn", "Python", version,
        "" if fits else "Fahrwerk is tested on Python 3.11 to 3.13.",
    )  # fmt: skip
    yield from _room(settings)
    yield _http(settings)
    yield _broker(settings)
    yield from about_peers(settings)


def _room(settings: Settings) -> Iterator[Finding]:
    folder = settings.data.absolute()
    if not folder.exists():
        yield Finding("warn", "data folder", f"{folder} is not there yet", "make up creates it.")
        folder = next(parent for parent in folder.parents if parent.exists())
    else:
        yield Finding("ok", "data folder", str(folder))
    free_gb = shutil.disk_usage(folder).free / 2**30
    verdict = graded(free_gb, FREE_DISK_GB[1], FREE_DISK_GB[0])
    yield Finding(
        verdict, "disk", f"{free_gb:.1f} GB free",
        "" if verdict == "ok" else "Free space or move the data folder (FAHRWERK_DATA): a full "
        "disk stops every write.",
    )  # fmt: skip
    free_gb = psutil.virtual_memory().available / 2**30
    verdict = graded(free_gb, FREE_MEMORY_GB[1], FREE_MEMORY_GB[0])
    yield Finding(
        verdict, "memory", f"{free_gb:.1f} GB available",
        "" if verdict == "ok" else "The whole platform with its city takes about 1 GB.",
    )  # fmt: skip


def _exchange(host: str, port: int, question: bytes) -> bytes | None:
    """What answers on a port; None when nothing listens."""
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_WITHIN_S) as line:
            line.sendall(question)
            return line.recv(4096)
    except ConnectionRefusedError:
        return None
    except OSError:
        return b""


def _http(settings: Settings) -> Finding:
    host, port = settings.http_host, settings.http_port
    question = f"GET /ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    answer = _exchange("127.0.0.1" if host in ("0.0.0.0", "::") else host, port, question.encode())  # noqa: S104
    if answer is None:
        return Finding("ok", "HTTP", f"port {port} is free; the platform is not running here")
    if b" 200 " in answer[:20] and b"x-request-id" in answer.lower():
        return Finding("ok", "HTTP", f"the platform answers on port {port} and is ready")
    if b" 503 " in answer[:20]:
        return Finding(
            "fail", "HTTP", f"the platform on port {port} is not ready",
            "Its database does not answer: see the findings below and logs/serve.log.",
        )  # fmt: skip
    return Finding(
        "warn", "HTTP", f"another program answers on port {port}",
        "Choose another one: FAHRWERK_HTTP_PORT, or fahrwerk up --port.",
    )  # fmt: skip


def _broker(settings: Settings) -> Finding:
    url = urlsplit(settings.mqtt_url)
    host, port = url.hostname or "127.0.0.1", url.port or 1883
    where = f"{host}:{port}"
    if url.scheme == "mqtts":
        return Finding("ok", "broker", f"{where} is spoken to over TLS; not tried from here")
    answer = _exchange(host, port, _MQTT_CONNECT)
    if answer is None:
        return Finding(
            "warn", "broker", f"nothing listens on {where}",
            "Vehicles cannot be opened. make up brings a broker; else set FAHRWERK_MQTT_URL.",
        )  # fmt: skip
    if answer[:1] == b"\x20":
        return Finding("ok", "broker", f"an MQTT broker answers on {where}")
    return Finding(
        "fail", "broker", f"what listens on {where} does not speak MQTT",
        "Correct FAHRWERK_MQTT_URL, or fahrwerk up --mqtt-port.",
    )  # fmt: skip


_PEERS = ("database_url", "mqtt_url", "redis_url")
_TLS = ("mqtts", "rediss")
_TLS_MODES = ("require", "verify-ca", "verify-full")


def about_peers(settings: Settings) -> Iterator[Finding]:
    """Services on other machines: each knows us by a secret, and nobody listens (GDP-11)."""
    for setting in _PEERS:
        parts = urlsplit(getattr(settings, setting) or "")
        if _is_here(parts.hostname):
            continue
        asked = dict(parse_qsl(parts.query))
        wrong = []
        if not parts.password and not asked.keys() & {"sslcert", "passfile"}:
            wrong.append("without a password")
        if parts.scheme not in _TLS and asked.get("sslmode") not in _TLS_MODES:
            wrong.append("in clear text")
        if wrong:
            yield Finding(
                "warn", "peers", f"{parts.hostname} is spoken to {' and '.join(wrong)}",
                f"Whoever reaches it is believed, or overhears us: see docs/security.md and set "
                f"FAHRWERK_{setting.upper()}.",
            )  # fmt: skip


def _is_here(host: str | None) -> bool:
    return not host or host == "localhost" or host.startswith(("127.", "/")) or host == "::1"


# --- the database

_APPLIED = "SELECT room, number FROM kernel.migration"
_CLOCK = "SELECT clock_timestamp() AS at"


async def about_database(settings: Settings) -> AsyncIterator[Finding]:
    """Reachable, migrated, walled, in time; events, dead letters, invariants."""
    dsn, owner = app.database_urls(settings)
    if settings.database_url and not settings.database_admin_url:
        yield Finding(
            "warn", "migrations", "cannot be looked at without the owner's login",
            "Set FAHRWERK_DATABASE_ADMIN_URL for this command.",
        )  # fmt: skip
    else:
        yield await _migrations(owner)
    try:
        async with app.grounded(settings, "doctor"):
            where = dsn.rpartition("@")[2]
            yield Finding("ok", "database", f"{where} answers, and the login is not too mighty")
            yield await _clock()
            async for finding in _events():
                yield finding
            async for finding in _invariants():
                yield finding
    except db.DatabaseDown as error:
        reason = error.__cause__ or error
        yield Finding("fail", "database", f"does not answer: {reason}", "Is it running?")
    except SystemExit as error:
        yield Finding("fail", "database", str(error))
    except Exception as error:
        yield Finding("fail", "database", f"{type(error).__name__}: {error}", "fahrwerk migrate")


async def _migrations(owner: str) -> Finding:
    try:
        raw = await db.Database(owner, 1).connect()
        try:
            done = {(row["room"], row["number"]) for row in await raw.fetch(_APPLIED)}
        finally:
            await raw.close()
    except Exception as error:  # whatever it is, it is what the operator came to hear
        text = f"{type(error).__name__}: {error}"
        return Finding("fail", "migrations", text, "fahrwerk migrate")
    known = {(each.room, each.number) for each in migrate.found()}
    if missing := sorted(known - done):
        room, number = missing[0]
        return Finding(
            "fail", "migrations", f"{len(missing)} not applied, the first is {room}/{number:04}",
            "fahrwerk migrate",
        )  # fmt: skip
    if unknown := sorted(done - known):
        return Finding(
            "fail", "migrations", f"the database has {unknown[0][0]}/{unknown[0][1]:04}, we do not",
            "It was used by a newer Fahrwerk: update this one.",
        )  # fmt: skip
    return Finding("ok", "migrations", f"all {len(known)} applied")


async def _clock() -> Finding:
    before = clock.now()
    rows = await db.run("kernel", system(None, "doctor"), _CLOCK)
    middle = before + (clock.now() - before) / 2
    apart_s = abs((rows[0]["at"] - middle).total_seconds())
    verdict = graded(apart_s, *CLOCK_S)
    return Finding(
        verdict, "clocks", f"application and database are {apart_s:.2f} s apart",
        "" if verdict == "ok" else "Let NTP set both: times in receipts come from the application, "
        "leases from the database.",
    )  # fmt: skip


async def _events() -> AsyncIterator[Finding]:
    rows = await health.queues()
    worst = max(rows, key=lambda queue: queue.oldest_s, default=None)
    if worst is None:
        yield Finding("ok", "events", "no handler has run yet")
    else:
        verdict = graded(worst.oldest_s, *LAG_S)
        waiting = sum(queue.waiting for queue in rows)
        yield Finding(
            verdict, "events",
            f"{waiting} waiting in {len(rows)} groups, the oldest for {worst.oldest_s:.0f} s",
            "" if verdict == "ok" else f"{worst.group} lags: is fahrwerk work running?",
        )  # fmt: skip
    letters = await pump.dead_letters()
    yield Finding(
        "warn" if letters else "ok", "dead letters", str(len(letters)),
        "fahrwerk events shows them, fahrwerk events replay repeats them." if letters else "",
    )  # fmt: skip


async def _invariants() -> AsyncIterator[Finding]:
    """What must always hold (RELIABILITY.md, section 1), asked of all that can tell."""
    operators, asks = await app.operators(), app.examinations()
    broken = await invariants.examine(operators, asks)
    if broken:
        for slug, name, detail in broken[: invariants.SHOWN]:
            yield Finding("fail", "invariants", f"{slug} {name}: {detail}")
        yield Finding(
            "fail", "invariants", f"{len(broken)} rows are against an invariant",
            "Money or vehicles are not as they must be: keep the logs and open an issue.",
        )  # fmt: skip
    else:
        yield Finding("ok", "invariants", f"all hold ({len(operators) * len(asks)} examinations)")
