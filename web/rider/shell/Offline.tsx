import { Icon } from "@lib/icons";
import { useWords } from "../text";
import { useQueue } from "../trip/queue";
import { useOnline } from "./online";
import classes from "./shell.module.css";

/** The line at the top while there is no network, or while something still waits for it. */
export function Offline() {
  const t = useWords();
  const online = useOnline();
  const waiting = useQueue();
  const words = waiting.some((each) => each.kind === "end") ? t("offline.queuedEnd")
    : !online ? t("offline.banner")
    : waiting.length > 0 ? t("offline.queuedPhoto") : "";
  return (
    <div role="status" aria-live="polite" style={{ gridArea: "offline" }}>
      {words && <div className={classes.offline}><Icon name="offline" size={20} />{words}</div>}
    </div>
  );
}
