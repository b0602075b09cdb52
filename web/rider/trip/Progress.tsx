import { Button, Loader, Stack, Text } from "@mantine/core";
import { errorText } from "@lib/errors";
import { countdown } from "@lib/format";
import { Icon } from "@lib/icons";
import { LinkButton } from "../link";
import { useWords } from "../text";
import classes from "./trip.module.css";
import type { Step, Unlocking } from "./unlocking";

const STEPS: Step[] = ["sending", "vehicle", "open"];

interface Props {
  state: Unlocking;
  now: number;
  onRetry: () => void;
  onChallenge: () => void;
  onBack: () => void;
  onFault: () => void;
}

/** What is happening between the tap and the open lock; what it costs when it fails: nothing. */
export function Progress({ state: { step, problem, retryAt }, now, onRetry, onChallenge, onBack, onFault }: Props) {
  const t = useWords();
  const at = step === "bank" ? 0 : STEPS.indexOf(step);
  const left = retryAt ? Math.max(0, (retryAt - now) / 1000) : 0;
  const lost = problem?.code === "PAYMENT_FAILED";
  return (
    <Stack gap="md">
      <ol className={classes.steps} aria-label={t("trip.unlocking")}>
        {STEPS.map((each, i) => {
          const state = i < at || step === "open" ? "done" : i > at ? "next" : problem ? "failed" : "now";
          return (
            <li key={each} data-state={state} aria-current={state === "now" ? "step" : undefined}>
              <span>
                {state === "done" && <Icon name="check" size={18} />}
                {state === "now" && <Loader size={16} color="currentColor" />}
                {state === "failed" && <Icon name="close" size={18} />}
              </span>
              {t(`trip.step.${each === "sending" && step === "bank" ? "bank" : each}`)}
            </li>
          );
        })}
      </ol>
      <div role="status" aria-live="assertive">
        {step === "open" && <Text fw={650} c="var(--good)">{t("trip.unlocked")}</Text>}
        {problem && step !== "bank" && (
          <div className={classes.problem}>
            <Text fw={600}>{errorText(problem)}</Text>
            <Text size="sm">{t("trip.notCharged")}{lost && ` ${t("trip.paymentGone")}`}</Text>
          </div>
        )}
        {problem && step === "bank" && <Text>{errorText(problem)}</Text>}
      </div>
      {problem && step === "bank" && <Button size="lg" onClick={onChallenge}>{t("trip.confirmAtBank")}</Button>}
      {problem && step !== "bank" && !lost && (
        <Button size="lg" onClick={onRetry} disabled={left > 0}>
          {left > 0 ? t("trip.retryIn", { time: countdown(left) }) : t("trip.retry")}
        </Button>
      )}
      {problem && !lost && step === "vehicle" && <Button variant="subtle" color="red" onClick={onFault}>{t("trip.fault")}</Button>}
      {lost && (
        <>
          <LinkButton size="lg" to="/wallet">{t("trip.otherMethod")}</LinkButton>
          <Button variant="subtle" onClick={onBack}>{t("trip.toMap")}</Button>
        </>
      )}
    </Stack>
  );
}
