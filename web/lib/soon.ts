/** When the browser has nothing better to do; Safari does not say when that is. */
export const soon: (run: () => void) => unknown = globalThis.requestIdleCallback ?? ((run) => setTimeout(run, 300));
