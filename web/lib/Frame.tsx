// What the screens of both apps stand in: theme, queries, toasts.
import { MantineProvider, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, type ReactNode } from "react";
import { ApiProblem } from "./errors";
import { theme, variables } from "./theme";
import { Toasts } from "./toast";

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

/** What every screen of an app stands in. */
export function Frame({ children }: { children: ReactNode }) {
  return (
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={nonce}>
        <QueryClientProvider client={queries}>
          {children}
          <Toasts />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>
  );
}
