"""The command line: ``fahrwerk <command>``. What fails as expected says so in one line.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

# long: one command after the other, and what each takes

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from fahrwerk.kernel import errors
from fahrwerk.kernel.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    Command = Callable[[argparse.Namespace, Settings], int]

T = TypeVar("T")

# Modules are imported by the command that needs them: `up` runs for days and looks after others,
# and `fahrwerk --help` should be there at once.

EPILOG = """Settings come from FAHRWERK_* variables (docs/operate.md lists them); without any, the
database, the broker and a simulated city run on this machine with their data in ./var."""


class Refused(Exception):
    """An expected failure, in a sentence."""


# --- the commands


def _up(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk.up.processes import Failed
    from fahrwerk.up.run import Plan
    from fahrwerk.up.run import main as run_up

    changes: dict[str, Any] = {}
    if args.data is not None:
        changes["data"] = args.data
    if args.port is not None:
        changes["http_port"] = args.port
    own_broker = "FAHRWERK_MQTT_URL" not in os.environ
    if own_broker:
        changes["mqtt_url"] = f"mqtt://127.0.0.1:{args.mqtt_port}"
    try:
        plan = Plan(
            settings=msgspec.structs.replace(settings, **changes),
            own_broker=own_broker,
            city=not args.no_city,
            scale=args.vehicles,
        )
        return run_up(plan, sys.stdout)
    except Failed as error:
        raise Refused(str(error)) from None


def _serve(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk.kernel import server

    async def knock() -> None:
        from fahrwerk.app import database_urls
        from fahrwerk.kernel import db

        await db.open_database(database_urls(settings)[0], 1)
        await db.close_database()

    with _database(settings):
        _run(knock())  # what is wrong is said here in a sentence, and by the server in a traceback
        server.serve(args.app, settings, host=args.host, port=args.port, workers=args.workers)
    return 0


def _work(_: argparse.Namespace, settings: Settings) -> int:
    async def work() -> None:
        from fahrwerk.app import working

        stop = _stop_signal()
        async with working(settings):
            await stop.wait()

    with _database(settings):
        _run(work())
    return 0


def _broker(args: argparse.Namespace, _: Settings) -> int:
    from fahrwerk import broker

    sys.argv = ["fahrwerk broker", "--host", args.host, "--port", str(args.port)]
    return broker.main()


def _device(args: argparse.Namespace, _: Settings) -> int:
    from fahrwerk.device.run import main as be_device

    return be_device(args.arguments)


def _migrate(_: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk.app import prepare_database

    if settings.database_url and not settings.database_admin_url:
        raise Refused(
            "FAHRWERK_DATABASE_ADMIN_URL is not set: migrations need the owner's login, which the "
            "application (FAHRWERK_DATABASE_URL) must not have."
        )
    with _database(settings):
        applied = _run(prepare_database(settings, print))
    print(f"{applied} applied" if applied else "up to date")
    return 0


def _seed(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk import seed

    try:
        with _database(settings):
            print(_run(seed.seed(_quiet(settings), args.scale)))
    except seed.NotHere as error:
        raise Refused(str(error)) from None
    return 0


def _sim(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk.sim import city, demo, memory

    wishes = city.Wishes(
        url=args.url or settings.address,
        mqtt_url=args.mqtt or settings.mqtt_url,
        tenant=args.tenant,
        email=args.email,
        password=os.environ.get("FAHRWERK_SIM_PASSWORD") or demo.ADMIN.password,
        keep=(args.data or settings.data) / "sim-keys.json",
        seed=args.seed,
        most_riders=args.riders,
    )

    async def live() -> None:
        await city.run(wishes, _stop_signal())

    try:
        _run(live())
    except memory.Unreadable as error:
        raise Refused(str(error)) from None
    return 0


def _where(args: argparse.Namespace, settings: Settings) -> Settings:
    """The settings, corrected by what an ``up`` on the data folder says of itself."""
    from fahrwerk.up.obstacles import owner_of

    data = args.data or settings.data
    changes: dict[str, Any] = {"data": data}
    if (owner := owner_of(data)) is not None:
        url = urlsplit(owner.address)
        changes |= {"http_port": url.port, "mqtt_url": owner.mqtt_url}
    return msgspec.structs.replace(settings, **changes)


def _ride(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk import ride
    from fahrwerk.sim.api import Away

    found = _where(args, settings)
    url, mqtt_url = args.url or found.address, args.mqtt or found.mqtt_url
    try:
        return _run(ride.ride(url, mqtt_url, args.tenant, print))
    except Away as error:
        raise Refused(f"{error}. Start the platform first: make up") from None


def _replay(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk import replay
    from fahrwerk.sim import demo

    found = _where(args, settings)
    wishes = replay.Wishes(
        trips=args.trips,
        stations=args.stations,
        tenant=args.tenant,
        email=args.email or demo.PLATFORM.email,
        password=os.environ.get("FAHRWERK_REPLAY_PASSWORD") or demo.PLATFORM.password,
        staff=args.staff,
        url=args.url or found.address,
        report=args.report,
        limit=args.limit,
        zone=args.zone,
        tariff=tuple(args.tariff) if args.tariff else None,
    )
    try:
        report = _run(replay.replay(wishes, lambda line: print(line, flush=True)))
    except replay.Stuck as error:
        raise Refused(str(error)) from None
    print(replay.in_words(report))
    return 1 if report.differences else 0


def _accounts(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk import accounts
    from fahrwerk.app import database_urls
    from fahrwerk.kernel import db

    async def write() -> int:
        await db.open_database(database_urls(settings)[0], 1)
        try:
            return await accounts.write(settings.mqtt_url, args.passwords, args.acl, args.reload)
        finally:
            await db.close_database()

    with _database(settings):
        try:
            count = _run(write())
        except (ValueError, OSError) as error:
            raise Refused(str(error)) from None
    print(f"{count} vehicles may log in to the broker")
    return 0


def _doctor(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk import doctor

    settings = _where(args, settings)
    verdicts = []

    def tell(finding: doctor.Finding) -> None:
        print(finding, flush=True)
        verdicts.append(finding.verdict)

    async def about_database() -> None:
        async for finding in doctor.about_database(_quiet(settings)):
            tell(finding)

    for finding in doctor.about_machine(settings):
        tell(finding)
    # As root the database may stand elsewhere (kernel.postgres); the secret is always here.
    traces = (settings.data / "postgres", settings.data / "secret")
    if settings.database_url or any(trace.exists() for trace in traces):
        try:
            with _database(settings):
                _run(about_database())
        except SystemExit as error:
            tell(doctor.Finding("fail", "database", str(error)))
    else:
        tell(doctor.Finding("warn", "database", "there is none yet", "make up creates it."))
    return 1 if "fail" in verdicts else 0


def _events(args: argparse.Namespace, settings: Settings) -> int:
    async def events() -> int:
        from fahrwerk.app import grounded
        from fahrwerk.kernel import pump

        async with grounded(_quiet(settings), "cli"):
            letters = await pump.dead_letters()
            if args.what == "list":
                for letter in letters:
                    print(
                        f"{letter['id']:>6}  {letter['created_at']:%Y-%m-%d %H:%M}  "
                        f"{letter['handler_group']:<14} {letter['name']:<22} "
                        f"{letter['error'].splitlines()[0][:90]}"
                    )
                print(f"{len(letters)} dead letter(s)")
                return 0
            wanted = [x for x in letters if args.all or x["id"] in args.ids]
            if missing := set(args.ids) - {x["id"] for x in wanted}:
                raise Refused(f"No dead letter has the number {min(missing)}.")
            failed = 0
            for letter in wanted:
                try:
                    done = await pump.replay(
                        letter["id"], letter["handler_group"], letter["event_position"],
                        letter["tenant_id"],
                    )  # fmt: skip
                except Exception as error:
                    failed += 1
                    print(f"{letter['id']:>6}  failed again: {type(error).__name__}: {error}")
                else:
                    print(f"{letter['id']:>6}  {'handled' if done else 'handled by someone else'}")
            return 1 if failed else 0

    with _database(settings):
        return _run(events())


def _audit(args: argparse.Namespace, settings: Settings) -> int:
    async def verify() -> int:
        from fahrwerk.app import grounded
        from fahrwerk.kernel import audit
        from fahrwerk.kernel.call import system
        from fahrwerk.tenancy import contract as tenancy

        broken = 0
        async with grounded(_quiet(settings), "cli"):
            for operator in await tenancy.operators(system(None, "cli")):
                if args.tenant in (None, operator.slug):
                    at = await audit.verify(operator.id)
                    broken += at is not None
                    print(f"{operator.slug:<24} {'holds' if at is None else f'BROKEN at {at}'}")
        return 1 if broken else 0

    with _database(settings):
        return _run(verify())


def _books(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk.books import books

    with _database(settings):
        return _run(books(_quiet(settings), args.what, args.tenant, print))


def _secrets(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk.secrets import reseal

    if args.what == "metrics":
        from fahrwerk.kernel import crypto, service_tokens
        from fahrwerk.kernel.settings import installation_secrets

        crypto.set_signing_secret(*installation_secrets(settings))
        print(service_tokens.scraper_token())
        return 0
    with _database(settings):
        return _run(reseal(_quiet(settings), print))


def _sepa(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk import sepa

    if args.what == "import":
        if not args.tenant:
            raise Refused("whose statements? --tenant NAME")
        with _database(settings):
            return _run(sepa.read_in(_quiet(settings), args.files, args.tenant, print))
    try:
        made = [sepa.play(each, args.back, args.on, args.only_returns) for each in args.files]
    except (OSError, ValueError) as error:
        raise Refused(str(error)) from None
    sys.stdout.buffer.write(b"".join(made))
    return 0


def _tenant(args: argparse.Namespace, settings: Settings) -> int:
    from fahrwerk import tenants
    from fahrwerk.kernel import archive, belongings

    settings = _quiet(settings)

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        if args.what == "check":
            archive.check_file(_file(args), say)
            return 0
        with _database(settings):
            if args.what == "export":
                return _run(tenants.export(settings, args.name or "", _file(args), say, args.key))
            if args.what == "import":
                return _run(tenants.bring_in(settings, _file(args), args.name, say, args.key))
            return _run(tenants.sweep(settings, args.yes, say))
    except belongings.NotMoved as error:
        raise Refused(str(error)) from None
    except FileExistsError as error:
        raise Refused(f"{error.filename} is there already.") from None
    except FileNotFoundError as error:
        raise Refused(f"{error.filename} is not there.") from None


def _file(args: argparse.Namespace) -> Path:
    if args.file is None:
        raise Refused("Which file? Say --file.")
    return Path(args.file)


def _new(args: argparse.Namespace, _: Settings) -> int:
    from fahrwerk import new

    make = new.new_room if args.what == "room" else new.new_protocol
    try:
        print(make(args.name, Path.cwd()))
    except new.NotPossible as error:
        raise Refused(str(error)) from None
    return 0


def _bench(args: argparse.Namespace, _: Settings) -> int:
    if not Path("tests/bench/__main__.py").is_file():
        raise Refused("The measurements belong to a checkout with its tests: make bench")
    return subprocess.call([sys.executable, "-m", "tests.bench", *args.arguments])


def _version(_: argparse.Namespace, __: Settings) -> int:
    from importlib.metadata import version

    from fahrwerk.kernel.postgres import MAJOR

    print(f"Fahrwerk {version('fahrwerk')}, Python {sys.version.split()[0]}, PostgreSQL {MAJOR}")
    return 0


# --- what they have in common


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _stop_signal() -> asyncio.Event:
    """Set on SIGTERM and SIGINT; to be asked for inside the running loop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _quiet(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, log_level="WARNING")


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[None]:
    """The database for the block; the embedded one is started and ended if nobody runs it."""
    if settings.database_url:
        yield
        return
    import psutil

    from fahrwerk.kernel import postgres

    server = postgres.start(settings.data / "postgres")
    pid = server.pid
    is_ours = pid is not None and psutil.Process(pid).ppid() == os.getpid()
    try:
        yield
    finally:
        if is_ours:
            server.stop()


def _scale(text: str) -> float:
    value = float(text)
    if not 0 < value <= 10:
        raise argparse.ArgumentTypeError("is above 0 and at most 10")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError("is 1 to 65535")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fahrwerk", description="The open chassis shared mobility runs on.", epilog=EPILOG
    )
    commands = parser.add_subparsers(title="commands", metavar="<command>", required=True)

    def command(name: str, does: Command, says: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.")
        made.set_defaults(does=does)
        return made

    up = command("up", _up, "run the whole platform with a simulated city on this machine")
    up.add_argument("--port", type=_port, help="of the API and the pages (default: 8080)")
    up.add_argument("--mqtt-port", type=_port, default=1883, help="of the bundled broker (1883)")
    up.add_argument("--data", type=Path, help="folder for everything that is kept (default: var)")
    up.add_argument("--no-city", action="store_true", help="no simulated vehicles and riders")
    up.add_argument(
        "--vehicles", type=_scale, default=1.0, help="size of the demo fleet: 1 is 400 vehicles"
    )
    serve = command("serve", _serve, "answer HTTP requests")
    serve.set_defaults(app="fahrwerk.app:serve_app")
    rooms = command("rooms", _serve, "answer other processes of this installation (ROOMS_AT)")
    rooms.set_defaults(app="fahrwerk.app:rooms_app")
    for each in (serve, rooms):
        each.add_argument("--host", help="address to listen on")
        each.add_argument("--port", type=_port, help="port to listen on")
        each.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    command("work", _work, "handle events, run jobs and speak with vehicles")
    command("migrate", _migrate, "bring the database up to this version")
    _parse_city(command)
    _parse_replay(command)
    _parse_tools(command)
    return parser


def _parse_city(command: Callable[..., argparse.ArgumentParser]) -> None:
    """What makes the demo: data, broker, city, a ride."""
    seed = command("seed", _seed, "make the demo's operator, people and fleet, where missing")
    seed.add_argument("--scale", type=_scale, default=1.0, help="of the fleet: 1 is 400 vehicles")
    broker = command("broker", _broker, "run the bundled MQTT broker (not for production)")
    broker.add_argument("--host", default="127.0.0.1")
    broker.add_argument("--port", type=int, default=1883)
    device = command("device", _device, "be a vehicle: the agent for a small Linux board")
    device.add_argument("arguments", nargs=argparse.REMAINDER, help="see docs/device-agent.md")
    sim = command("sim", _sim, "run simulated vehicles and riders against a platform")
    ride = command("ride", _ride, "take one ride in the terminal, step by step")
    for each in (sim, ride):
        each.add_argument("--url", help="of the platform")
        each.add_argument("--mqtt", help="of its broker")
        each.add_argument("--tenant", default="mobility", help="operator (default: mobility)")
        each.add_argument("--data", type=Path, help="data folder of that up (default: var)")
    sim.add_argument("--email", default="admin@mobility.example", help="who pairs the vehicles")
    sim.add_argument("--riders", type=int, default=40, help="at most so many at a time (40)")
    sim.add_argument("--seed", default="fahrwerk", help="the same seed, the same city")


def _parse_replay(command: Callable[..., argparse.ArgumentParser]) -> None:
    replay = command("replay", _replay, "ride recorded trips again, through the API")
    replay.add_argument("trips", type=Path, help="CSV: trip_id,duration,start_date,...")
    replay.add_argument("--stations", type=Path, required=True, help="CSV: where stations are")
    replay.add_argument("--tenant", default="replay", help="operator to ride in (default: replay)")
    replay.add_argument("--url", help="of the platform")
    replay.add_argument("--data", type=Path, help="data folder of the up to find (default: var)")
    replay.add_argument("--email", help="platform administrator (default: the demo's)")
    replay.add_argument(
        "--staff", action="store_true", help="the account is the operator's own, and may record"
    )
    replay.add_argument("--limit", type=int, help="only the first so many records")
    replay.add_argument("--zone", default="America/Los_Angeles", help="time zone of the records")
    replay.add_argument(
        "--tariff", nargs=3, metavar=("BASE", "MINUTE", "DAY"), help="prices, as 1.50 0.25 75"
    )
    replay.add_argument("--report", type=Path, help="write the report as JSON")


def _parse_tools(command: Callable[..., argparse.ArgumentParser]) -> None:
    """What looks after an installation."""
    accounts = command("accounts", _accounts, "write the accounts of vehicles for Mosquitto")
    accounts.add_argument("--passwords", type=Path, required=True, help="its password_file")
    accounts.add_argument("--acl", type=Path, required=True, help="its acl_file")
    accounts.add_argument("--reload", type=int, metavar="PID", help="of Mosquitto: told to look")
    doctor = command("doctor", _doctor, "examine this installation and say what to do")
    doctor.add_argument("--data", type=Path, help="the data folder (default: var)")
    events = command("events", _events, "see and repeat events that a handler could not take")
    events.add_argument("what", choices=["list", "replay"], nargs="?", default="list")
    events.add_argument("ids", type=int, nargs="*", help="numbers of dead letters to replay")
    events.add_argument("--all", action="store_true", help="replay all of them")
    audit = command("audit", _audit, "verify that the audit log was not altered")
    audit.add_argument("what", choices=["verify"])
    audit.add_argument("--tenant", help="one operator only")
    books = command("books", _books, "prove the books; say which journal is wrong")
    books.add_argument("what", choices=["verify", "catch-up"])
    books.add_argument("--tenant", help="one operator only")
    secrets = command("secrets", _secrets, "seal anew what a secret of before still holds shut")
    secrets.add_argument(
        "what", choices=["reseal", "metrics"], help="metrics: say the token that reads them"
    )
    sepa = command("sepa", _sepa, "read in the bank's statements, or play the bank")
    sepa.add_argument("what", choices=["import", "bank"], help="bank: pain.008 in, camt.053 out")
    sepa.add_argument("files", type=Path, nargs="+")
    sepa.add_argument("--tenant", help="whose statements they are")
    sepa.add_argument(
        "--return", dest="back", action="append", default=[], metavar="ID=CODE",
        help="what comes back, such as DD...=AM04 or all=MD06",
    )  # fmt: skip
    sepa.add_argument("--on", metavar="DATE", help="the day of the statement (default: today)")
    sepa.add_argument("--only-returns", action="store_true", help="a later day: no settlement")
    tenant = command("tenant", _tenant, "move a whole tenant by a file, or delete those closed")
    tenant.add_argument("what", choices=["export", "import", "check", "sweep"])
    tenant.add_argument("name", nargs="?", help="short name: of whom to export, or to import as")
    tenant.add_argument("--file", type=Path, help="the file to write or to read")
    tenant.add_argument(
        "--key", type=Path,
        help="a file for the key of what is sealed: export makes it, import reads it",
    )  # fmt: skip
    tenant.add_argument("--yes", action="store_true", help="sweep: really delete")
    new = command("new", _new, "make a new room, or a new device protocol, in this checkout")
    new.add_argument("what", choices=["room", "protocol"])
    new.add_argument("name", help="in small letters: what it is about, or its maker")
    bench = command("bench", _bench, "measure this machine (in a checkout)")
    bench.add_argument("arguments", nargs=argparse.REMAINDER, help="for tests.bench")
    command("version", _version, "say which version this is")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    from fahrwerk.up import leash

    leash.hold()
    args = _parser().parse_args(arguments)
    try:
        return int(args.does(args, load()))
    except Refused as error:
        sys.stderr.write(f"fahrwerk: {error}\n")
    except errors.Problem as problem:
        reason = problem.error_code
        if problem.__cause__ is not None:  # the connection that failed, say, and how
            reason = f"{reason}: {problem.__cause__}"
        sys.stderr.write(f"fahrwerk: {problem.text} ({reason})\n")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us (head, less) has had enough; nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


if __name__ == "__main__":
    sys.exit(main())
