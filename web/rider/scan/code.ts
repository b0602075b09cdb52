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

/** A person types small letters and forgets the hyphen. */
export const typedCode = (text: string): string =>
  codeIn(text).toUpperCase().replace(/\s+/g, "").replace(/^([A-Z]{2})(\d+)$/, "$1-$2");
