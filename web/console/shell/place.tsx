// Where one is, and how one gets elsewhere. Addresses are plain: `/vehicles?status=available,offline`.
import { Link, useLocation, useNavigate, type LinkProps } from "@tanstack/react-router";
import { useCallback, useMemo, type AnchorHTMLAttributes, type ReactNode } from "react";
import classes from "./shell.module.css";

export type Query = Record<string, string>;

export function queryOf(text: string): Query {
  return Object.fromEntries(new URLSearchParams(text));
}

/** "?a=1&b=2", in the order given, without what is empty. */
export function textOf(query: Record<string, unknown>): string {
  const kept = Object.entries(query).filter(([, v]) => v !== undefined && v !== null && v !== "");
  const text = new URLSearchParams(kept.map(([k, v]) => [k, String(v)])).toString().replaceAll("%2C", ",");
  return text ? `?${text}` : "";
}

/** The router of the rider app names the types of the whole project; the console's paths are its own. */
const as = (place: string, search: Query) => ({ to: place, search }) as unknown as LinkProps;

/** `go("/vehicles", { status: "offline" })`. */
export function useGo(): (path: string, query?: Query, options?: { replace?: boolean }) => void {
  const navigate = useNavigate();
  return useCallback(
    (path, query = {}, options = {}) => void navigate({ ...as(path, query), ...options } as never),
    [navigate],
  );
}

/**
 * The query of this address, and a way to change a part of it; an empty value takes it away. Filters,
 * the open drawer and the order of a table live there, so that an address shows what its sender saw.
 */
export function useQueryPart(): [Query, (change: Record<string, string | undefined>, push?: boolean) => void] {
  const { pathname, searchStr } = useLocation();
  const go = useGo();
  const query = useMemo(() => queryOf(searchStr), [searchStr]);
  const change = useCallback(
    (part: Record<string, string | undefined>, push = false) => {
      const now = queryOf(location.search);
      const next = Object.entries({ ...now, ...part }).filter((e): e is [string, string] => Boolean(e[1]));
      go(pathname, Object.fromEntries(next), { replace: !push });
    },
    [go, pathname],
  );
  return [query, change];
}

type GoProps = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> & { to: string; query?: Query; children: ReactNode };

export function Go({ to, query = {}, ...more }: GoProps) {
  return <Link {...as(to, query)} {...(more as object)} className={more.className ?? classes.link} />;
}
