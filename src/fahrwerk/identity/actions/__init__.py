"""What identity does, one file a verb."""

from fahrwerk.identity.actions.approvals import (
    ask_approval,
    decide_approval,
    finish_approval,
)
from fahrwerk.identity.actions.auditing import note_audit_export
from fahrwerk.identity.actions.birth import correct_birth_date, declare_birth_date
from fahrwerk.identity.actions.block import block_person, unblock_person
from fahrwerk.identity.actions.change_profile import change_profile
from fahrwerk.identity.actions.checks import start_check
from fahrwerk.identity.actions.consents import answer_consent, publish_consent_text
from fahrwerk.identity.actions.email_change import ask_email_change
from fahrwerk.identity.actions.keys import make_key, revoke_key, rotate_key, use_key
from fahrwerk.identity.actions.log_in import log_in
from fahrwerk.identity.actions.log_out import log_out
from fahrwerk.identity.actions.open_operator import open_operator
from fahrwerk.identity.actions.pages import close_page_session, log_in_page, page_access
from fahrwerk.identity.actions.passkeys import (
    add_passkey,
    begin_passkey,
    begin_passkey_log_in,
    delete_passkey,
    log_in_page_with_passkey,
    log_in_with_passkey,
    rename_passkey,
)
from fahrwerk.identity.actions.policy import change_policy
from fahrwerk.identity.actions.privacy import (
    ask_erasure,
    ask_export,
    cancel_request,
    change_privacy_setting,
    change_retention,
    restrict,
)
from fahrwerk.identity.actions.refresh import refresh
from fahrwerk.identity.actions.register import add_person, register
from fahrwerk.identity.actions.roles import remove_role, save_role, set_department, set_grants
from fahrwerk.identity.actions.scim import (
    patch_scim_resource,
    remove_scim_resource,
    save_scim_resource,
)
from fahrwerk.identity.actions.scim_sources import (
    admit_scim,
    remove_scim_source,
    rotate_scim_token,
    save_scim_source,
)
from fahrwerk.identity.actions.sealing import reseal
from fahrwerk.identity.actions.second_factor import (
    enrol_at_log_in,
    second_factor,
    second_factor_page,
)
from fahrwerk.identity.actions.sessions import (
    change_password,
    confirm,
    end_other_sessions,
    end_session,
    end_sessions_of,
)
from fahrwerk.identity.actions.sso import (
    finish_sso,
    leave_for_sso,
    redeem_sso_code,
    return_from_sso,
    start_sso,
    take_assertion,
)
from fahrwerk.identity.actions.sso_directory import log_in_by_directory, log_in_page_by_directory
from fahrwerk.identity.actions.sso_providers import remove_sso_provider, save_sso_provider
from fahrwerk.identity.actions.sso_try import try_sso_provider
from fahrwerk.identity.actions.totp import (
    begin_totp,
    confirm_totp,
    new_recovery_codes,
    remove_totp,
)
from fahrwerk.identity.actions.verification import ask_verification, verify, verify_code
from fahrwerk.identity.actions.ways_in import (
    ask_link,
    log_in_by_link,
    log_in_page_by_link,
    reset_password,
)

__all__ = [
    "add_passkey",
    "add_person",
    "admit_scim",
    "answer_consent",
    "ask_approval",
    "ask_email_change",
    "ask_erasure",
    "ask_export",
    "ask_link",
    "ask_verification",
    "begin_passkey",
    "begin_passkey_log_in",
    "begin_totp",
    "block_person",
    "cancel_request",
    "change_password",
    "change_policy",
    "change_privacy_setting",
    "change_profile",
    "change_retention",
    "close_page_session",
    "confirm",
    "confirm_totp",
    "correct_birth_date",
    "decide_approval",
    "declare_birth_date",
    "delete_passkey",
    "end_other_sessions",
    "end_session",
    "end_sessions_of",
    "enrol_at_log_in",
    "finish_approval",
    "finish_sso",
    "leave_for_sso",
    "log_in",
    "log_in_by_directory",
    "log_in_by_link",
    "log_in_page",
    "log_in_page_by_directory",
    "log_in_page_by_link",
    "log_in_page_with_passkey",
    "log_in_with_passkey",
    "log_out",
    "make_key",
    "new_recovery_codes",
    "note_audit_export",
    "open_operator",
    "page_access",
    "patch_scim_resource",
    "publish_consent_text",
    "redeem_sso_code",
    "refresh",
    "register",
    "remove_role",
    "remove_scim_resource",
    "remove_scim_source",
    "remove_sso_provider",
    "remove_totp",
    "rename_passkey",
    "reseal",
    "reset_password",
    "restrict",
    "return_from_sso",
    "revoke_key",
    "rotate_key",
    "rotate_scim_token",
    "save_role",
    "save_scim_resource",
    "save_scim_source",
    "save_sso_provider",
    "second_factor",
    "second_factor_page",
    "set_department",
    "set_grants",
    "start_check",
    "start_sso",
    "take_assertion",
    "try_sso_provider",
    "unblock_person",
    "use_key",
    "verify",
    "verify_code",
]
