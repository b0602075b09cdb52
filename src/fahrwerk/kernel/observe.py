"""What operators see of a running process: JSON logs, metrics, traces.

Every log line carries the request id and tenant of the call it belongs to; secrets and personal
data are never bound. Metrics are Prometheus'; traces go out by OTLP when an endpoint is set.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    make_wsgi_app,
)

from fahrwerk.kernel import service_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fahrwerk.kernel.settings import Settings

_TIMES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10)
requests = Histogram(
    "fahrwerk_http_request_seconds", "HTTP requests", ["method", "route", "status"], buckets=_TIMES
)
event_lag = Histogram(
    "fahrwerk_event_lag_seconds", "Commit to handled", ["handler_group"], buckets=_TIMES
)
dead_letters = Counter("fahrwerk_dead_letters", "Events no handler could take", ["handler_group"])
jobs_failed = Counter("fahrwerk_jobs_failed", "Job runs that raised", ["job"])
outside_calls = Counter("fahrwerk_outside_calls", "Calls to the outside", ["peer", "outcome"])
broken_invariants = Gauge(
    "fahrwerk_broken_invariants", "Rows against an invariant of RELIABILITY.md", ["invariant"]
)
invariants_examined = Gauge(
    "fahrwerk_invariants_examined_timestamp_seconds", "When the invariants were last looked at"
)
rate_limited = Counter("fahrwerk_rate_limited", "Requests over a limit", ["limit_class"])

_SECRET = ("password", "token", "secret", "authorization", "card", "iban")


def _hide(_: Any, __: str, entry: dict[str, Any]) -> dict[str, Any]:
    for name in entry:
        if any(word in name.lower() for word in _SECRET):
            entry[name] = "***"
    return entry


# Where it happened, but not with what: local variables are passwords, tokens and people's names.
_traceback = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def set_up(settings: Settings, service: str) -> None:
    """Configure logs and traces for this process; ``service`` names it in both."""
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    people = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide,
    ]
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if people
        else [_traceback, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=shared + last,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, format="%(message)s")
    if settings.otlp_endpoint:
        _trace(settings.otlp_endpoint, service)


def _trace(endpoint: str, service: str) -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"fahrwerk-{service}"}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def metrics() -> tuple[bytes, str]:
    """The page Prometheus reads, and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST


def figures() -> dict[str, float]:
    """What the page says, as sums over labels by name."""
    found: dict[str, float] = {}
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, *_: object) -> None:
        """Nobody reads that the metrics were read."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


@contextlib.contextmanager
def shown(settings: Settings) -> Iterator[None]:
    """A worker has no HTTP of its own: its metrics on a port of their own, for the block.

    To whoever has the token (GDP-11); in development to everybody.
    """
    if settings.work_metrics_port is None:
        yield
        return
    page = make_wsgi_app()

    def guarded(environ: Any, answer: Any) -> Any:
        if settings.dev or service_tokens.may_scrape(environ.get("HTTP_AUTHORIZATION", "")):
            return page(environ, answer)
        answer("401 Unauthorized", [("www-authenticate", "Bearer"), ("content-length", "0")])
        return []

    kind = _Server6 if ":" in settings.http_host else _Server
    server = make_server(settings.http_host, settings.work_metrics_port, guarded, kind, _Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
