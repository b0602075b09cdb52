export const SEVERITY_TONE: Record<string, string> = { critical: "danger", warning: "notice", info: "in_use" };
