"""Work at our own pace: nudges every few seconds, clock times, and single jobs with retries.

``@every(2)`` runs in each worker process and may be woken early by a signal: rooms keep their work
as rows and claim them with FOR UPDATE SKIP LOCKED, so the row is the truth, the job only the nudge,
and two at the same time do no harm. ``@cron`` and ``@task`` run once in the whole installation, on
Procrastinate, whose queue stands in the same PostgreSQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

import msgspec
import procrastinate
import structlog

from fahrwerk.kernel import db, observe
from fahrwerk.kernel.live import hub, rung

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Job = Callable[[], Awaitable[Any]]

SCHEMA = "jobs"
log = structlog.get_logger()


class Nudge(msgspec.Struct, frozen=True):
    """One ``@every``."""

    room: str
    name: str
    seconds: float
    wake: str | None
    function: Any


nudges: list[Nudge] = []
_crons: list[tuple[str, str, Any]] = []
_tasks: list[tuple[str, int, Any]] = []


def every(seconds: float, *, wake: str | None = None) -> Callable[[Job], Job]:
    """Run about every ``seconds`` in each worker, and at once when ``wake`` is signalled."""

    def mark(function: Job) -> Job:
        room = function.__module__.split(".")[1]
        nudges.append(Nudge(room, f"{room}.{function.__name__}", seconds, wake, function))
        return function

    return mark


def cron(expression: str) -> Callable[[Job], Job]:
    """Run at these times (UTC), once in the whole installation."""

    def mark(function: Job) -> Job:
        room = function.__module__.split(".")[1]
        _crons.append((f"{room}.{function.__name__}", expression, function))
        return function

    return mark


def task(*, retries: int = 5) -> Callable[[Callable[..., Awaitable[None]]], Any]:
    """A single job: ``await function.defer(a=1)`` queues it; it is retried with growing pauses."""

    def mark(function: Callable[..., Awaitable[None]]) -> Any:
        room = function.__module__.split(".")[1]
        name = f"{room}.{function.__name__}"
        _tasks.append((name, retries, function))

        async def defer(**args: Any) -> int:
            return await _queue().configure_task(name).defer_async(**args)

        function.defer = defer  # type: ignore[attr-defined]
        return function

    return mark


_app: procrastinate.App | None = None


def _queue() -> procrastinate.App:
    if _app is None:
        raise RuntimeError("the job queue is not open in this process")
    return _app


@contextlib.asynccontextmanager
async def opened(dsn: str) -> Any:
    """The queue of this installation, for the block: everything declared so far is known to it."""
    global _app
    connector = procrastinate.PsycopgConnector(
        conninfo=dsn,
        kwargs={"options": f"-c search_path={SCHEMA} -c role=fahrwerk_{SCHEMA}"},
        min_size=1,
        max_size=4,
    )
    app = procrastinate.App(connector=connector)
    for name, retries, function in _tasks:
        strategy = procrastinate.RetryStrategy(max_attempts=retries, exponential_wait=3)
        app.task(name=name, retry=strategy)(_counted(name, function))
    for name, expression, function in _crons:
        app.periodic(cron=expression)(app.task(name=name)(_ignoring_time(name, function)))
    async with app.open_async():
        _app = app
        try:
            yield app
        finally:
            _app = None


DONE_KEPT_H, FAILED_KEPT_H = 3 * 24, 30 * 24


async def forget_done() -> None:
    """Forget what was done three days ago, and what failed a month ago: timed jobs run for ever."""
    manager = _queue().job_manager
    await manager.delete_old_jobs(DONE_KEPT_H)
    await manager.delete_old_jobs(
        FAILED_KEPT_H, include_failed=True, include_cancelled=True, include_aborted=True
    )


@contextlib.asynccontextmanager
async def consuming(app: procrastinate.App) -> Any:
    """Run queued and timed jobs in the background for the block.

    A worker of Procrastinate ends when its database does; another one takes its place.
    """

    async def work() -> None:
        while True:
            try:
                await app.run_worker_async(
                    concurrency=2, install_signal_handlers=False, listen_notify=True
                )
            except Exception as error:
                log.warning("job queue interrupted", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(1)

    worker = asyncio.create_task(work())
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


def _counted(name: str, function: Any) -> Any:
    async def run(**args: Any) -> None:
        try:
            await function(**args)
        except Exception:
            observe.jobs_failed.labels(name).inc()
            raise

    return run


def _ignoring_time(name: str, function: Any) -> Any:
    async def run(timestamp: int) -> None:
        await _counted(name, function)()

    return run


class Runner:
    """The nudges of one worker process."""

    def __init__(self, rooms: Sequence[str] | None = None) -> None:
        self.nudges = [n for n in nudges if rooms is None or n.room in rooms]
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin in the background."""
        for nudge in self.nudges:
            self._running.append(asyncio.create_task(self._loop(nudge)))

    async def _loop(self, nudge: Nudge) -> None:
        bell = asyncio.Event()
        if nudge.wake:
            hub.hear(nudge.wake, lambda _: bell.set())
        while True:
            bell.clear()
            again = False
            try:
                again = bool(await nudge.function())
            except db.DatabaseDown:
                await asyncio.sleep(0.5)
            except Exception as error:
                observe.jobs_failed.labels(nudge.name).inc()
                log.error("job failed", job=nudge.name, exc_info=error)
                await asyncio.sleep(min(5.0, nudge.seconds))
            if again:
                continue  # a full batch: there is more
            # Spread, so that workers started together do not knock together.
            await rung(bell, nudge.seconds * random.uniform(0.8, 1.2))

    async def stop(self) -> None:
        """Stop; rows claimed by a job under way become free again with its transaction."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
