"""What operators see of a worker."""

from __future__ import annotations

import httpx

from fahrwerk.kernel import observe
from fahrwerk.kernel.settings import Settings
from tests.servers import free_port


def test_a_worker_shows_its_metrics_while_it_works() -> None:
    """OPS-22: on a port of its own, closed with it."""
    port = free_port()
    observe.dead_letters.labels("tests").inc()
    with observe.shown(Settings(work_metrics_port=port)):
        page = httpx.get(f"http://127.0.0.1:{port}/metrics")
        assert 'fahrwerk_dead_letters_total{handler_group="tests"}' in page.text
    try:
        httpx.get(f"http://127.0.0.1:{port}/metrics")
    except httpx.ConnectError:
        return
    raise AssertionError("it still answers")
