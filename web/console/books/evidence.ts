const MOST_BYTES = 1 << 20;
export const tooLarge = (bytes: number): boolean => bytes > MOST_BYTES;

/** A name as gateways take it: letters, digits, spaces and ._- only, a letter or digit first, 100 at most. */
export function fileNameOf(name: string): string {
  const plain = name.replaceAll("ß", "ss").normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^A-Za-z0-9 ._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  const [, stem = plain, ending = ""] = /^(.*?)(\.[A-Za-z0-9]{1,5})?$/.exec(plain) ?? [];
  return `${(stem || "file").slice(0, 100 - ending.length)}${ending}`;
}
