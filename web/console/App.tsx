import { Loader } from "@mantine/core";
import { useSession } from "@lib/auth";
import { Welcome } from "./shell/Welcome";
import { Console } from "./shell/Console";
import { useWords } from "./text";

export function App() {
  const t = useWords();
  const session = useSession();
  if (session.is === "in") return <Console />;
  if (session.is === "out") return <Welcome />;
  return <div style={{ display: "grid", placeContent: "center", height: "100dvh" }} role="status" aria-label={t("loading")}><Loader /></div>;
}
