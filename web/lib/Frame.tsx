// What both entries stand in: theme, queries, languages, toasts.
import { MantineProvider, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { resume } from "./auth";
import { loadConfig } from "./config";
import { ApiProblem } from "./errors";
import { startLanguages, type Dictionary, type Language } from "./i18n";
import { theme, variables } from "./theme";
import { Toasts } from "./toast";
import "./tokens.css";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      networkMode: "always", // the client repeats by itself and says when there is no network
      retry: (count, error) => count < 1 && !(error instanceof ApiProblem),
    },
    mutations: { networkMode: "always" },
  },
});

// The page's content security policy lets only styles with this number through.
const nonce = () => document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";

/** Light or dark as the person chose, else as the device says. */
export function useLight() {
  const { setColorScheme, colorScheme } = useMantineColorScheme();
  const shown = useComputedColorScheme("light");
  return { shown, chosen: colorScheme, choose: setColorScheme };
}

// After an update the files of before are gone: what is missing is in the new page.
addEventListener("vite:preloadError", () => {
  const last = Number(sessionStorage.getItem("fahrwerk.reloaded") ?? 0);
  if (Date.now() - last < 60_000) return;
  sessionStorage.setItem("fahrwerk.reloaded", String(Date.now()));
  location.reload();
});

export async function start(dictionaries: Partial<Record<Language, () => Promise<Dictionary>>>, app: ReactNode): Promise<void> {
  const root = document.getElementById("root");
  if (!root) throw new Error("the page has no #root");
  await Promise.all([loadConfig(), startLanguages(dictionaries)]);
  void resume();
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={nonce}>
        <QueryClientProvider client={queries}>
          {app}
          <Toasts />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
