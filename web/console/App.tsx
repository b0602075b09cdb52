import { Loader } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { useSession } from "@lib/auth";
import { config, loadConfig, setConfig } from "@lib/config";
import { useQuery } from "@tanstack/react-query";
import { Welcome } from "./shell/Welcome";
import { Console } from "./shell/Console";
import { useMay } from "./shell/may";
import { useWords } from "./text";

export function App() {
  const t = useWords();
  const session = useSession();
  useMay(); // the first screen waits for it: asked for together with the operator
  const isKnown = useOwnOperator(session.is === "in" ? session.user.tenant : "");
  if (session.is === "in" && isKnown) return <Console />;
  if (session.is === "out") return <Welcome />;
  return <div style={{ display: "grid", placeContent: "center", height: "100dvh" }} role="status" aria-label={t("loading")}><Loader /></div>;
}

/** The page may have been served for another operator: name, currency, time zone and map are those of who signed in. */
function useOwnOperator(slug: string): boolean {
  const { isPending } = useQuery({
    queryKey: ["own-operator", slug],
    queryFn: async () => {
      const operator = await ok(api.GET("/api/v1/tenant", { headers: { "x-tenant-id": slug } }));
      if (config().operator?.slug !== slug) await loadConfig(); // the cookie says now whose
      setConfig({ operator });
      return operator.slug;
    },
    enabled: slug !== "",
    staleTime: Infinity,
  });
  return !isPending;
}
