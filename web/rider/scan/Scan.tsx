// Which vehicle is it? By camera, by its tag (NFC), or by its code in letters; the last always works.
import { ActionIcon, Button, Group, Loader, Stack, Text, TextInput, Title } from "@mantine/core";
import { useNavigate, useRouter } from "@tanstack/react-router";
import { api, ok } from "@lib/api/client";
import { errorText } from "@lib/errors";
import { Icon } from "@lib/icons";
import { useRef, useState, type FormEvent } from "react";
import { keep } from "../keep";
import { useWords } from "../text";
import { useTrip } from "../trip/current";
import { codeIn, typedCode } from "./code";
import classes from "./scan.module.css";
import { useCamera } from "./useCamera";
import { useTag, type TagState } from "./useTag";

// Where there is no mouse the keyboard would come up over the camera.
const typesAtOnce = () => matchMedia("(hover: hover) and (pointer: fine)").matches;

export function Scan() {
  const t = useWords();
  const go = useNavigate();
  const router = useRouter();
  const trip = useTrip();
  const [typed, setTyped] = useState("");
  const [looking, setLooking] = useState("");
  const [problem, setProblem] = useState("");
  const busy = useRef(false);

  const find = async (code: string) => {
    if (busy.current || !code) return;
    setTyped(code);
    busy.current = true;
    setLooking(code);
    setProblem("");
    try {
      const vehicle = await ok(api.GET("/api/v1/vehicles/{vehicle_id}", { params: { path: { vehicle_id: code } } }));
      const waits = trip && trip.booking.status !== "in_progress" ? trip.booking : null;
      if (waits && waits.vehicle.id !== vehicle.id) setProblem(t("scan.wrong"));
      else if (waits) {
        keep("scanned", waits.id);
        return void (await go({ to: "/trip" }));
      } else return void (await go({ to: "/", search: { v: vehicle.id } }));
    } catch (error) {
      setProblem(errorText(error));
    }
    setLooking("");
    busy.current = false;
  };
  const read = (text: string) => find(codeIn(text));
  const { video, ...camera } = useCamera(read);
  const tag = useTag((text) => void read(text));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void find(typedCode(typed));
  };

  return (
    <div className={classes.scan}>
      <div className={classes.camera} data-none={camera.state === "none" || undefined}>
        {camera.state !== "none" && <video ref={video} muted playsInline className={classes.video} aria-label={t("scan.title")} />}
        {camera.state === "on" && <div className={classes.frame} aria-hidden="true" />}
        {camera.state === "starting" && <span className={classes.middle} role="status"><Loader color="white" aria-hidden />{t("scan.starting")}</span>}
        {camera.state === "none" && <span className={classes.middle}><Icon name="camera" size={40} />{t("scan.noCamera")}</span>}
        <ActionIcon className={classes.back} size={48} radius="xl" variant="filled" aria-label={t("back")} onClick={() => router.history.back()}><Icon name="back" /></ActionIcon>
        {camera.torch !== null && (
          <ActionIcon className={classes.torch} size={48} radius="xl" variant="filled" aria-label={t("scan.torch")} aria-pressed={camera.torch} onClick={() => void camera.light()}><Icon name="torch" /></ActionIcon>
        )}
      </div>
      <form className={classes.form} onSubmit={submit}>
        <Stack gap="md">
          <div>
            <Title order={1} size="h3">{t("scan.title")}</Title>
            {camera.state !== "none" && <Text c="dimmed" size="sm">{t("scan.aim")}</Text>}
          </div>
          {tag.state !== "none" && <Tag state={tag.state} onListen={() => void tag.listen()} />}
          <TextInput
            autoFocus={typesAtOnce()} size="lg" label={t("scan.type")} description={t("scan.typeHint")} value={typed} autoCapitalize="characters" autoComplete="off" spellCheck={false}
            onChange={(event) => setTyped(event.currentTarget.value)} error={problem || undefined}
          />
          <Button size="lg" type="submit" disabled={!typed.trim()} loading={looking !== ""}>{t("scan.go")}</Button>
          <span className="sr-only" role="status">{looking ? t("scan.looking") : ""}</span>
        </Stack>
      </form>
    </div>
  );
}

function Tag({ state, onListen }: { state: Exclude<TagState, "none">; onListen: () => void }) {
  const t = useWords();
  const isListening = state === "ready" || state === "unreadable";
  return (
    <Stack gap="xs">
      {!isListening && <Button size="lg" variant="light" leftSection={<Icon name="nfc" />} onClick={onListen}>{t("scan.tag")}</Button>}
      <Group gap="xs" wrap="nowrap" role="status" c={state === "ready" ? undefined : "var(--danger)"}>
        {isListening && <Icon name="nfc" />}
        {state !== "asleep" && <Text size="sm">{t(`scan.tagIs.${state}`)}</Text>}
      </Group>
    </Stack>
  );
}
