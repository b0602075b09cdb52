// The brand: petrol for what one does, amber for what one should notice, quiet paper around them.
// Colours are said once, here; status colours (vehicles, zones) are tokens in tokens.css.
import {
  createTheme, defaultVariantColorsResolver, type CSSVariablesResolver, type MantineColorsTuple, type VariantColorsResolver,
} from "@mantine/core";

const petrol: MantineColorsTuple = [
  "#e9f6f3", "#d3ebe6", "#a8d7cd", "#7ac3b4", "#55b29f", "#3ea892", "#238774", "#0e6e63", "#0a594f", "#06433c",
];
const amber: MantineColorsTuple = [
  "#fff6e3", "#fdeac6", "#f9d38d", "#f4bb51", "#f0a722", "#d98f0b", "#b57406", "#8f5a03", "#6e4502", "#4d3001",
];
const red: MantineColorsTuple = [
  "#fdefed", "#fbe0dc", "#f7beb7", "#f59c92", "#ff9b90", "#e5665a", "#cd4338", "#b3261e", "#8f1c16", "#6c130f",
];
const slate: MantineColorsTuple = [
  "#d5dbdd", "#b4bec2", "#94a2a8", "#75868d", "#566970", "#33454c", "#26363d", "#1a272c", "#141e23", "#10171a",
];

/** As warm as the paper they lie on; Mantine's own are blue. */
const gray: MantineColorsTuple = [
  "#f6f7f4", "#eef0ec", "#e5e8e3", "#d9deda", "#c4ccc8", "#a7b1ad", "#7f8b87", "#55635f", "#3a4643", "#232d2b",
];

const NAMES: Record<string, "brand" | "danger"> = { petrol: "brand", red: "danger" };

// Light and dark have other colours for the same thing, and so another ink upon them.
const variants: VariantColorsResolver = (input) => {
  const usual = defaultVariantColorsResolver(input);
  const name = NAMES[input.color ?? input.theme.primaryColor];
  if (!name) return usual;
  const [ground, soft] = [`var(--${name})`, `var(--${name}-soft)`];
  const over = (colour: string, share = 88) => `color-mix(in srgb, ${colour} ${share}%, var(--ink))`;
  if (input.variant === "filled") return { ...usual, background: ground, hover: over(ground), color: `var(--on-${name})`, hoverColor: `var(--on-${name})` };
  if (input.variant === "light") return { ...usual, background: soft, hover: over(soft, 95), color: ground, hoverColor: ground };
  if (input.variant === "subtle") return { ...usual, hover: soft, color: ground, hoverColor: ground };
  return usual;
};

/** What opens over the page is a card with a title, in both lights. */
const OVER = {
  content: { background: "var(--card)" }, header: { background: "var(--card)" }, title: { fontSize: "1.125rem", fontWeight: 650 },
};

export const theme = createTheme({
  variantColorResolver: variants,
  components: {
    Anchor: { defaultProps: { underline: "always" } },
    Chip: { defaultProps: { variant: "filled" } }, // without it its ink is always white
    Checkbox: { defaultProps: { iconColor: "var(--on-brand)" } },
    // The page does not scroll behind them, and the lock would need a style that the policy forbids.
    Modal: { defaultProps: { lockScroll: false }, styles: OVER },
    Drawer: { defaultProps: { lockScroll: false }, styles: OVER },
    Paper: { styles: { root: { borderColor: "var(--line)" } } },
    // More choices than a phone is wide scroll sideways instead of being cut off.
    SegmentedControl: { styles: { root: { maxWidth: "100%", overflowX: "auto", scrollbarWidth: "none" } } },
  },
  colors: { petrol, amber, red, gray, dark: slate },
  primaryColor: "petrol",
  primaryShade: { light: 7, dark: 4 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  black: "#16211f",
  fontFamily: "'Inter', system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, monospace",
  headings: { fontWeight: "650", sizes: { h1: { fontSize: "1.75rem" }, h2: { fontSize: "1.375rem" }, h3: { fontSize: "1.125rem" } } },
  defaultRadius: "md",
  radius: { xs: "4px", sm: "8px", md: "12px", lg: "18px", xl: "28px" },
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
});

const ours = {
  "--mantine-primary-color-contrast": "var(--on-brand)",
  "--mantine-primary-color-filled": "var(--brand)",
  "--mantine-color-petrol-filled": "var(--brand)",
  "--mantine-color-petrol-text": "var(--brand)",
  "--mantine-color-petrol-light": "var(--brand-soft)",
  "--mantine-color-petrol-light-color": "var(--brand)",
  "--mantine-color-red-filled": "var(--danger)",
  "--mantine-color-red-text": "var(--danger)",
  "--mantine-color-red-light": "var(--danger-soft)",
  "--mantine-color-red-light-color": "var(--danger)",
  "--mantine-color-body": "var(--ground)",
  "--mantine-color-text": "var(--ink)",
  "--mantine-color-dimmed": "var(--quiet)",
  "--mantine-color-placeholder": "var(--quiet)",
  "--mantine-color-error": "var(--danger)",
  "--mantine-color-anchor": "var(--brand)",
  "--mantine-color-default": "var(--card)",
  "--mantine-color-default-hover": "var(--sunken)",
  "--mantine-color-default-color": "var(--ink)",
  "--mantine-color-default-border": "var(--line)",
  "--mantine-color-disabled": "var(--sunken)",
  "--mantine-color-disabled-color": "var(--quiet)",
  "--mantine-color-disabled-border": "var(--line)",
};

/** Mantine's own greys are ours, so that text keeps its contrast on our grounds. */
export const variables: CSSVariablesResolver = () => ({ variables: {}, light: ours, dark: ours });
