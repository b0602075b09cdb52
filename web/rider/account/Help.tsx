import "@mantine/core/styles/Accordion.css";
import { Accordion, Container, Paper, Stack, Text, Title } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@lib/api/client";
import { useWords } from "../text";
import { FaultForm } from "./FaultForm";

const QUESTIONS = ["1", "2", "3"] as const;

export function Help() {
  const t = useWords();
  const go = useNavigate();
  const { v } = useSearch({ from: "/help" });
  const rides = useQuery({ queryKey: ["last-ride"], queryFn: () => ok(api.GET("/api/v1/rentals", { params: { query: { limit: 1 } } })), enabled: !v });
  const id = v ?? rides.data?.rentals[0]?.vehicle.id;
  const vehicle = useQuery({
    queryKey: ["vehicle", id],
    queryFn: () => ok(api.GET("/api/v1/vehicles/{vehicle_id}", { params: { path: { vehicle_id: id ?? "" } } })),
    enabled: id !== undefined,
  });
  return (
    <Container size={640} py="lg" px="md">
      <Stack gap="lg">
        <Title order={1}>{t("help.title")}</Title>
        <Text fw={600}>{t("help.emergency")}</Text>
        <Paper withBorder radius="lg" p="lg" bg="var(--card)">
          {id && vehicle.data ? <FaultForm vehicle={id} name={vehicle.data.identifier} onDone={() => void go({ to: "/" })} /> : <Text c="dimmed">{t("help.noVehicle")}</Text>}
        </Paper>
        <div>
          <Title order={2} size="h3" mb="sm">{t("help.faq")}</Title>
          <Accordion variant="separated" radius="md" styles={{ item: { background: "var(--card)", border: "1px solid var(--line)" } }}>
            {QUESTIONS.map((n) => (
              <Accordion.Item key={n} value={n}>
                <Accordion.Control>{t(`help.q${n}`)}</Accordion.Control>
                <Accordion.Panel>{t(`help.a${n}`)}</Accordion.Panel>
              </Accordion.Item>
            ))}
          </Accordion>
        </div>
      </Stack>
    </Container>
  );
}
