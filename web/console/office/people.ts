// Names of people where the API gives ids: asked for once each, remembered.
import { api, ok, type Schema } from "@lib/api/client";
import { useQuery } from "@tanstack/react-query";
import { useMay } from "../shell/may";

export type Person = Schema<"Profile">;

export const nameOf = (person: Pick<Person, "first_name" | "last_name" | "email" | "phone" | "id">): string =>
  [person.first_name, person.last_name].filter(Boolean).join(" ") || person.email || person.phone || person.id;

/** `usr_0350qlFENQ3U1YMjQLSZ94` is "…qLSZ94" where there is no name for it. */
export const shortId = (id: string): string => (id.length > 12 ? `…${id.slice(-6)}` : id);

/** `usr_...`, or the bare UUID that the books know people by. */
const isPerson = (id: string | undefined): boolean => id !== undefined && (id.startsWith("usr_") || /^[0-9a-f-]{36}$/.test(id));

export function usePerson(id: string | undefined) {
  const may = useMay();
  return useQuery({
    queryKey: ["person", id],
    queryFn: () => ok(api.GET("/api/v1/users/{user}", { params: { path: { user: id as string } } })),
    enabled: isPerson(id) && (may?.("identity.person.read") ?? false),
    staleTime: 300_000,
    retry: false,
  });
}
