// What is sent about an identity provider, and in which order people are offered them.
import type { Schema } from "@lib/api/client";

export type Provider = Schema<"SsoProviderView">;
export type Body = Schema<"SsoProviderBody">;

/** Our fields that a provider's attributes are mapped to (docs/sso.md). */
export const FIELDS = ["email", "first_name", "last_name", "department", "locale", "username", "external_id", "groups", "role"] as const;

/** A provider as it is, to be sent back with a change; its secret stays. */
export function bodyOf(p: Provider): Body {
  const { name, protocol, mapping, role_rules, default_roles, domains, redirect_uris, is_enabled, is_enforced, may_create, may_link_by_email, rank, version } = p;
  return { name, protocol: protocol as Body["protocol"], mapping, role_rules, default_roles, domains, redirect_uris, is_enabled, is_enforced, may_create, may_link_by_email, rank, version };
}

/** What has to be written so that the one at `from` stands at `to`: only ranks that change. */
export function reordered(providers: readonly Provider[], from: number, to: number): { provider: Provider; rank: number }[] {
  const order = [...providers];
  order.splice(to, 0, ...order.splice(from, 1));
  return order.flatMap((provider, i) => (provider.rank === i + 1 ? [] : [{ provider, rank: i + 1 }]));
}

/** Fields that are filled in; what is left out is found under its usual names. */
export const filled = (mapping: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(mapping).flatMap(([field, attribute]) => (attribute.trim() ? [[field, attribute.trim()]] : [])));
