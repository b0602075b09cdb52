// What the person may do: the API decides it anyway, the console only does not offer the rest.
import { api, ok } from "@lib/api/client";
import { useSession } from "@lib/auth";
import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";

/** `null` while it is not known yet. Of several permissions one is enough. */
export function useMay(): ((permission: string | readonly string[] | undefined) => boolean) | null {
  const session = useSession();
  const id = session.is === "in" ? session.user.id : "";
  const { data } = useQuery({
    queryKey: ["may", id],
    queryFn: () => ok(api.GET("/api/v1/me/permissions")),
    enabled: id !== "",
    staleTime: 60_000,
  });
  const may = useCallback(
    (permission: string | readonly string[] | undefined) =>
      !permission || [permission].flat().some((each) => data?.permissions.includes(each) ?? false),
    [data],
  );
  return data ? may : null;
}
