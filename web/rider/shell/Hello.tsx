// The first minute: language, terms, and what the app is good for. Once.
import { Anchor, Button, Checkbox, Group, Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { chooseLanguage, language, LANGUAGES, offeredLanguages } from "@lib/i18n";
import { Icon, type IconName } from "@lib/icons";
import { useEffect, useRef, useState } from "react";
import { keep } from "../keep";
import { useWords, type Key } from "../text";
import hello from "./hello.module.css";
import classes from "./shell.module.css";

const LESSONS: { icon: IconName; title: Key; text: Key }[] = [
  { icon: "map", title: "hello.findTitle", text: "hello.findText" },
  { icon: "qr", title: "hello.scanTitle", text: "hello.scanText" },
  { icon: "scooter", title: "hello.rideTitle", text: "hello.rideText" },
  { icon: "flag", title: "hello.endTitle", text: "hello.endText" },
];
const STEPS = 2 + LESSONS.length;

export default function Hello() {
  const t = useWords();
  const [step, setStep] = useState(0);
  const [agreed, setAgreed] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (step > 0) heading.current?.focus();
  }, [step]);
  const done = () => keep("greeted", true);
  const next = () => (step + 1 < STEPS ? setStep(step + 1) : done());
  const lesson = LESSONS[step - 2];
  return (
    <main className={classes.hello}>
      <Stack className={classes.card} gap="lg">
        <div className={classes.dots} role="img" aria-label={t("hello.step", { n: step + 1, of: STEPS })}>
          {Array.from({ length: STEPS }, (_, i) => <i key={i} data-now={i === step || undefined} />)}
        </div>
        {step === 0 && (
          <>
            <Title order={1} ta="center" ref={heading} tabIndex={-1}>{t("hello.language")}</Title>
            <Stack gap="xs">
              {offeredLanguages().map((each) => (
                <UnstyledButton
                  key={each} className={hello.language} lang={each} aria-pressed={language() === each}
                  onClick={() => void chooseLanguage(each)}
                >
                  {LANGUAGES[each]}
                  {language() === each && <Icon name="check" />}
                </UnstyledButton>
              ))}
            </Stack>
          </>
        )}
        {step === 1 && (
          <>
            <Title order={1} ta="center" ref={heading} tabIndex={-1}>{t("hello.termsTitle")}</Title>
            <Text>{t("hello.termsText")}</Text>
            <Group gap="lg">
              <Anchor href="/legal/terms" target="_blank">{t("hello.readTerms")}</Anchor>
              <Anchor href="/legal/privacy" target="_blank">{t("hello.readPrivacy")}</Anchor>
            </Group>
            <Checkbox size="md" checked={agreed} onChange={(e) => setAgreed(e.currentTarget.checked)} label={t("hello.terms")} />
          </>
        )}
        {lesson && (
          <>
            <div className={classes.art}><Icon name={lesson.icon} size={56} /></div>
            <Title order={1} ta="center" ref={heading} tabIndex={-1}>{t(lesson.title)}</Title>
            <Text ta="center" size="lg" c="dimmed">{t(lesson.text)}</Text>
          </>
        )}
        <Stack gap="xs">
          <Button size="lg" onClick={next} disabled={step === 1 && !agreed}>
            {step + 1 === STEPS ? t("hello.start") : t("hello.next")}
          </Button>
          {lesson && step + 1 < STEPS && <Button variant="subtle" onClick={done}>{t("hello.skip")}</Button>}
        </Stack>
      </Stack>
    </main>
  );
}
