"""Notes of staff on runs to the bank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db, ids
from fahrwerk.payments.contract import notes

if TYPE_CHECKING:
    from tests.world import World

_RUN = """
INSERT INTO payments.sepa_run (id, kind, scheme, execute_on, message_id, drafted_by, drafted_at)
VALUES ($1, 'collection', 'CORE', current_date, $2, 'somebody', kernel.now())
"""


async def test_staff_note_on_a_run_and_nobody_else(world: World) -> None:
    """Who and when stand beside it; support reads; the audit log has the writing of it."""
    run_id = ids.new()
    await db.run("payments", world.call("admin"), _RUN, run_id, f"M{run_id.hex[:20]}")
    at = f"/api/v1/payments/sepa/runs/{ids.public('run', run_id)}/notes"
    admin = world.admin()
    async with world.client(admin) as client:
        made = await client.post(at, json={"text": "  The bank called: Monday.  "})
        assert made.status_code == 201, made.text
        assert (made.json()["text"], made.json()["written_by"]) == (
            "The bank called: Monday.", admin.actor,
        )  # fmt: skip
        await client.post(at, json={"text": "x" * notes.LONGEST})
        page = (await client.get(at, params={"limit": 1})).json()
        assert [each["text"] for each in page["notes"]] == ["The bank called: Monday."]
        assert page["pagination"]["total"] == 2
        for bad in ("", "   ", "x" * (notes.LONGEST + 1)):
            assert (await client.post(at, json={"text": bad})).status_code == 400
        nobodys = f"/api/v1/payments/sepa/runs/{ids.public('run', ids.new())}/notes"
        assert (await client.get(nobodys)).status_code == 404
        assert (await client.post(nobodys, json={"text": "x"})).status_code == 404
        log = (await client.get("/api/v1/audit", params={"limit": 20})).json()
        assert "payments.note_run" in str(log)
    async with world.client(world.call("support")) as client:
        assert len((await client.get(at)).json()["notes"]) == 2
        assert (await client.post(at, json={"text": "x"})).status_code == 403
    async with world.client(await world.rider()) as client:
        assert (await client.get(at)).status_code == 403
