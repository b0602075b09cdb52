"""What identity holds about people: ``PERSONAL`` (see ``kernel.privacy``)."""

from __future__ import annotations

from fahrwerk.kernel.privacy import Holdings, Rule, Section, Text

_OF = "tenant_id = kernel.tenant() AND person_id = $1"
_ACCOUNT = Text("as long as the account exists", "solange das Konto besteht")
_RUN = Text(
    "To run your account and let you ride", "Um Ihr Konto zu führen und Sie fahren zu lassen"
)
_SAFE = Text("To keep your account safe", "Um Ihr Konto zu schützen")

_PROFILE = Section(
    name="profile",
    title=Text("Your profile", "Ihr Profil"),
    purpose=_RUN,
    basis="contract",
    kept=_ACCOUNT,
    fate="deleted",
    sql="""SELECT id AS customer_number, email, email_verified_at, phone, phone_verified_at,
        first_name, last_name, birth_date, locale AS language, department, status, created_at,
        updated_at, restricted_at, restricted_reason
    FROM identity.person WHERE tenant_id = kernel.tenant() AND id = $1 AND status <> 'deleted'""",
)
_ROLES = Section(
    name="roles",
    title=Text("What you may do", "Was Sie dürfen"),
    purpose=_RUN,
    basis="contract",
    kept=_ACCOUNT,
    fate="deleted",
    sql=f"""SELECT role, 'everywhere' AS where_, granted_at FROM identity.person_role WHERE {_OF}
    UNION ALL SELECT role, scope, granted_at FROM identity.scoped_grant WHERE {_OF}
    ORDER BY 1, 2""",
)
_SESSIONS = Section(
    name="sessions",
    title=Text("Where you are logged in", "Wo Sie angemeldet sind"),
    purpose=_SAFE,
    basis="contract",
    kept=Text("90 days after they ended", "90 Tage nach ihrem Ende"),
    fate="detached",
    why_kept=Text(
        "Only that a log-in is over, so that its access ends everywhere; device and address are "
        "deleted. 90 days.",
        "Nur dass eine Anmeldung beendet ist, damit ihr Zugang überall endet; Gerät und Adresse "
        "sind gelöscht. 90 Tage.",
    ),
    sql=f"""SELECT device, address, methods, kind, created_at, last_accessed_at, expires_at,
        revoked_at, revoked_reason FROM identity.session WHERE {_OF} ORDER BY created_at, id""",
)
_LOG_INS = Section(
    name="log_ins",
    title=Text("Tries to log in", "Anmeldeversuche"),
    purpose=_SAFE,
    basis="legitimate_interest",
    kept=Text("90 days", "90 Tage"),
    fate="deleted",
    sql=f"""SELECT at, outcome, address, device, is_known AS was_known_device
    FROM identity.attempt WHERE {_OF} ORDER BY at, id""",
)
_KEYS = Section(
    name="ways_in",
    title=Text("Your devices, passkeys and keys", "Ihre Geräte, Passkeys und Schlüssel"),
    purpose=_SAFE,
    basis="contract",
    kept=_ACCOUNT,
    fate="deleted",
    sql=f"""SELECT 'device' AS kind, name, created_at, last_used_at FROM identity.device WHERE {_OF}
    UNION ALL SELECT 'passkey', name, created_at, last_used_at FROM identity.passkey WHERE {_OF}
    UNION ALL SELECT 'authenticator', '', created_at, confirmed_at FROM identity.totp WHERE {_OF}
    UNION ALL SELECT 'recovery code', '', NULL, used_at FROM identity.recovery_code WHERE {_OF}
    UNION ALL SELECT 'api key', name, created_at, last_used_at FROM identity.api_key WHERE {_OF}
    UNION ALL SELECT 'link or code to ' || channel, address, created_at, used_at
        FROM identity.proof WHERE {_OF}
    ORDER BY 1, 3, 2""",
)
_ORGANISATION = Section(
    name="organisation",
    title=Text("What your organisation says of you", "Was Ihre Organisation über Sie sagt"),
    purpose=Text("To let you in by your organisation", "Um Sie über Ihre Organisation einzulassen"),
    basis="contract",
    kept=_ACCOUNT,
    fate="deleted",
    sql=f"""SELECT 'log-in' AS kind, issuer AS source, subject AS name, NULL::jsonb AS data,
        linked_at AS since FROM identity.sso_link WHERE {_OF}
    UNION ALL SELECT 'directory', source_id::text, user_name, data, created_at
        FROM identity.scim_user WHERE {_OF} ORDER BY 1, 5, 3""",
)
_CHECKS = Section(
    name="id_checks",
    title=Text("Checks of age and licence", "Prüfungen von Alter und Führerschein"),
    purpose=Text(
        "To see whether you may ride this vehicle",
        "Um zu sehen, ob Sie dieses Fahrzeug fahren dürfen",
    ),
    basis="legal_obligation",
    kept=_ACCOUNT,
    fate="deleted",
    recipients=Text("The provider that checks documents", "Der Anbieter, der Dokumente prüft"),
    sql=f"""SELECT kind, provider, state, reason, classes, good_until, created_at, decided_at
    FROM identity.id_check WHERE {_OF} ORDER BY created_at, id""",
)
_CONSENTS = Section(
    name="consents",
    title=Text("What you agreed to", "Wozu Sie eingewilligt haben"),
    purpose=Text("To prove what you agreed to (Art. 7)", "Um Einwilligungen zu belegen (Art. 7)"),
    basis="legal_obligation",
    kept=Text("three years after the account has ended", "drei Jahre nach Ende des Kontos"),
    fate="kept",
    why_kept=Text(
        "Proof of what was agreed to and when, without device and address (Art. 17 (3) e). Three "
        "years.",
        "Nachweis, wozu wann eingewilligt wurde, ohne Gerät und Adresse (Art. 17 Abs. 3 e). Drei "
        "Jahre.",
    ),
    sql=f"""SELECT purpose, is_given, version AS text_version, locale AS text_language,
        text_digest, way, address, device, at, ended_at, ended_from
    FROM identity.consent WHERE {_OF} ORDER BY at, id""",
)
_REQUESTS = Section(
    name="requests",
    title=Text("What you asked for about your data", "Was Sie zu Ihren Daten verlangt haben"),
    purpose=Text("To answer in time and prove it", "Um rechtzeitig zu antworten und es zu belegen"),
    basis="legal_obligation",
    kept=Text("three years", "drei Jahre"),
    fate="kept",
    why_kept=Text("Proof that it was done (Art. 5 (2)). Three years.",
                  "Nachweis, dass es geschehen ist (Art. 5 Abs. 2). Drei Jahre."),
    sql=f"""SELECT kind, state, asked_at, due_at, ended_at FROM identity.privacy_request
    WHERE {_OF} ORDER BY asked_at, id""",
)  # fmt: skip
_OLD = """WITH gone AS (DELETE FROM identity.{table} WHERE tenant_id = kernel.tenant() AND id IN (
    SELECT id FROM identity.{table} WHERE tenant_id = kernel.tenant() AND {old} LIMIT $2)
    RETURNING id) SELECT count(*) AS count FROM gone"""

PERSONAL = Holdings(
    sections=(
        *(_PROFILE, _ROLES, _SESSIONS, _LOG_INS, _KEYS, _ORGANISATION, _CHECKS),
        *(_CONSENTS, _REQUESTS),
    ),
    rules=(
        Rule(
            name="log_ins",
            title=Text("Tries to log in", "Anmeldeversuche"),
            days=90,
            most=90,
            sql=(_OLD.format(table="attempt", old="at < $1"),),
        ),
        Rule(
            name="sessions",
            title=Text("Log-ins that are over", "Beendete Anmeldungen"),
            days=90,
            sql=(
                _OLD.format(
                    table="session", old="greatest(expires_at, revoked_at, last_accessed_at) < $1"
                ),
            ),
        ),
        Rule(
            name="consents",
            title=Text(
                "Answers that were withdrawn or replaced",
                "Widerrufene oder ersetzte Einwilligungen",
            ),
            days=1095,
            least=365,
            sql=(_OLD.format(table="consent", old="ended_at < $1"),),
        ),
        Rule(
            name="requests",
            title=Text("Requests about data", "Anfragen zu Daten"),
            days=1095,
            least=365,
            sql=(_OLD.format(table="privacy_request", old="next_at IS NULL AND ended_at < $1"),),
        ),
    ),
)
