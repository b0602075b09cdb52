import { useSyncExternalStore } from "react";

function listen(tell: () => void): () => void {
  addEventListener("online", tell);
  addEventListener("offline", tell);
  return () => {
    removeEventListener("online", tell);
    removeEventListener("offline", tell);
  };
}

export const useOnline = (): boolean => useSyncExternalStore(listen, () => navigator.onLine);
