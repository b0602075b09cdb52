/** Web NFC, as far as a tag is read with it; only Chrome on Android has it. */
export interface TagRecord {
  recordType: string;
  encoding?: string;
  data?: DataView;
}
export interface TagReader {
  scan: (options: { signal: AbortSignal }) => Promise<void>;
  onreading: ((event: { message: { records: readonly TagRecord[] } }) => void) | null;
  onreadingerror: (() => void) | null;
}
declare const NDEFReader: { new (): TagReader } | undefined;

export const readsTags = (): boolean => typeof NDEFReader !== "undefined";
export const tagReader = (): TagReader => new NDEFReader!();

const SPEAKING = new Set(["url", "absolute-url", "text"]);

/** What a tag says: its first address or text; "" when there is none. */
export function saidBy(records: readonly TagRecord[]): string {
  for (const { recordType, encoding, data } of records) {
    const said = SPEAKING.has(recordType) && data ? new TextDecoder(encoding || "utf-8").decode(data).trim() : "";
    if (said) return said;
  }
  return "";
}
