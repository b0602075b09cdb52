"""What fleet holds about people: where they rode, what they reported, what they opened."""

from __future__ import annotations

from fahrwerk.kernel.privacy import Holdings, Rule, Section, Text

_RUN = Text("To rent vehicles out and find them again", "Um Fahrzeuge zu vermieten und zu finden")
_TELEMETRY = Text(
    "as long as telemetry, 90 days unless the operator says less",
    "so lange wie Telemetrie, 90 Tage, wenn der Betreiber nicht weniger sagt",
)

_TRACKS = Section(
    name="tracks",
    title=Text("Where you rode", "Wo Sie gefahren sind"),
    purpose=_RUN,
    basis="contract",
    kept=_TELEMETRY,
    fate="deleted",
    page=100,
    sql="""SELECT r.rental_id, r.vehicle_id, r.started_at, r.ended_at, r.distance_m,
        (SELECT jsonb_agg(jsonb_build_array(t.time, t.latitude, t.longitude, t.speed_kmh)
                          ORDER BY t.time)
         FROM fleet.telemetry t
         WHERE t.tenant_id = kernel.tenant() AND t.vehicle_id = r.vehicle_id
           AND t.time BETWEEN r.started_at AND r.ended_at AND t.latitude IS NOT NULL)
            AS points_time_latitude_longitude_speed
    FROM fleet.ride r WHERE r.tenant_id = kernel.tenant() AND r.rider_id = $1
    ORDER BY r.ended_at, r.rental_id""",
)
_FAULTS = Section(
    name="fault_reports",
    title=Text("What you reported of vehicles", "Was Sie an Fahrzeugen gemeldet haben"),
    purpose=Text("To repair vehicles", "Um Fahrzeuge zu reparieren"),
    basis="legitimate_interest",
    kept=Text("as long as the repair can be looked up", "solange die Reparatur nachzulesen ist"),
    fate="deleted",
    sql="""SELECT vehicle_id, kind, description, is_unsafe, reported_at FROM fleet.fault_report
    WHERE tenant_id = kernel.tenant() AND rider_id = $1 ORDER BY reported_at, id""",
)
_COMMANDS = Section(
    name="commands",
    title=Text("What you had vehicles do", "Was Sie Fahrzeuge tun ließen"),
    purpose=_RUN,
    basis="contract",
    kept=Text("as long as the vehicle's history", "so lange wie die Geschichte des Fahrzeugs"),
    fate="deleted",
    sql="""SELECT vehicle_id, operation, state, queued_at FROM fleet.command
    WHERE tenant_id = kernel.tenant() AND user_id = $1 ORDER BY queued_at, id""",
)

# Without a limit of its own the partition is read whole: by day, and keyed by vehicle and time.
_OLD_TELEMETRY = """WITH gone AS (
    DELETE FROM fleet.telemetry WHERE tenant_id = kernel.tenant() AND (vehicle_id, time) IN (
        SELECT vehicle_id, time FROM fleet.telemetry
        WHERE tenant_id = kernel.tenant() AND time < $1 LIMIT $2)
    RETURNING 1) SELECT count(*) AS count FROM gone"""
_OLD_RIDES = """WITH gone AS (
    DELETE FROM fleet.ride WHERE tenant_id = kernel.tenant() AND rental_id IN (
        SELECT rental_id FROM fleet.ride
        WHERE tenant_id = kernel.tenant() AND ended_at < $1 LIMIT $2)
    RETURNING 1) SELECT count(*) AS count FROM gone"""
_OLD_COMMANDS = """WITH gone AS (
    UPDATE fleet.command SET user_id = NULL WHERE tenant_id = kernel.tenant() AND id IN (
        SELECT id FROM fleet.command WHERE tenant_id = kernel.tenant() AND user_id IS NOT NULL
          AND queued_at < $1 LIMIT $2)
    RETURNING 1) SELECT count(*) AS count FROM gone"""

PERSONAL = Holdings(
    sections=(_TRACKS, _FAULTS, _COMMANDS),
    rules=(
        Rule(
            name="telemetry",
            title=Text("Where vehicles were, and who rode", "Wo Fahrzeuge waren, und wer fuhr"),
            days=90,
            least=8,
            sql=(_OLD_TELEMETRY, _OLD_RIDES),
        ),
        Rule(
            name="commands",
            title=Text("Who had vehicles do something", "Wer Fahrzeuge etwas tun ließ"),
            days=365,
            sql=(_OLD_COMMANDS,),
        ),
    ),
)
