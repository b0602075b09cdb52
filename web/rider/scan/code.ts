/** What a scanned or typed code says: a bare code, or an address that ends in one. */
export function codeIn(text: string): string {
  const plain = text.trim();
  try {
    const { searchParams, pathname } = new URL(plain);
    return searchParams.get("v") ?? searchParams.get("code") ?? decodeURIComponent(pathname.split("/").filter(Boolean).at(-1) ?? plain);
  } catch {
    return plain;
  }
}

/** A person types small letters and gaps; our own ids (`sco_...`) mean what they say. */
export const typedCode = (text: string): string => {
  const code = codeIn(text).replace(/\s+/g, "");
  return code.includes("_") ? code : code.toUpperCase();
};
