// What Vite leaves to us: files compressed once instead of at each request, and the service worker
// with the list of what the rider app needs to start without a network.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { Plugin, Rolldown } from "vite";

const PACKED = new Set([".js", ".css", ".svg", ".json", ".webmanifest"]);
const WORTH_PACKING = 1_000;
const LARGEST_UNASKED = 400_000;

function* filesIn(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* filesIn(path);
    else yield path;
  }
}

/** The chunks of these modules and all they import statically. */
export function loadedWith(bundle: Rolldown.OutputBundle, modules: string[]): string[] {
  const found = new Set<string>();
  const visit = (name: string) => {
    const chunk = bundle[name];
    if (chunk?.type !== "chunk" || found.has(name)) return;
    found.add(name);
    for (const css of (chunk as { viteMetadata?: { importedCss: Set<string> } }).viteMetadata?.importedCss ?? [])
      found.add(css);
    chunk.imports.forEach(visit);
  };
  for (const [name, part] of Object.entries(bundle))
    if (part.type === "chunk" && modules.some((each) => part.facadeModuleId?.endsWith(each))) visit(name);
  return [...found].sort();
}

/** All that an entry may load later, but for what is too large to fetch unasked (the map, the reader of codes). */
export function later(bundle: Rolldown.OutputBundle, first: string[]): string[] {
  const found = new Set<string>();
  const visit = (name: string) => {
    const chunk = bundle[name];
    if (chunk?.type !== "chunk" || found.has(name) || chunk.code.length > LARGEST_UNASKED) return;
    found.add(name);
    for (const css of (chunk as { viteMetadata?: { importedCss: Set<string> } }).viteMetadata?.importedCss ?? []) found.add(css);
    [...chunk.imports, ...chunk.dynamicImports].forEach(visit);
  };
  first.forEach(visit);
  return [...found].filter((name) => !first.includes(name)).sort();
}

export function afterBuild(): Plugin {
  let out = "dist";
  return {
    name: "fahrwerk-after-build",
    apply: "build",
    configResolved(config) {
      out = resolve(config.root, config.build.outDir);
    },
    writeBundle(_, bundle) {
      const first = {
        door: loadedWith(bundle, ["/rider/index.html"]),
        rider: loadedWith(bundle, ["/rider/index.html", "/rider/inside.tsx"]),
        console: loadedWith(bundle, ["/console/index.html"]),
      };
      writeFileSync(join(out, "first-load.json"), JSON.stringify(first));
      const worker = readFileSync(resolve("rider/worker.js"), "utf8");
      const assets = Object.keys(bundle).filter((name) => name.startsWith("assets/") && !name.endsWith(".map"));
      writeFileSync(
        join(out, "rider", "worker.js"),
        worker
          .replace("__SHELL__", JSON.stringify(first.rider.map((name) => `/web/${name}`)))
          .replace("__LATER__", JSON.stringify(later(bundle, first.rider).map((name) => `/web/${name}`)))
          .replace("__VERSION__", JSON.stringify(String(hash(assets.sort().join())))),
      );
      for (const path of filesIn(out)) {
        if (!PACKED.has(extname(path)) || statSync(path).size < WORTH_PACKING) continue;
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        writeFileSync(`${path}.br`, brotliCompressSync(readFileSync(path)));
      }
    },
  };
}

function hash(text: string): number {
  let sum = 0;
  for (const letter of text) sum = (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0;
  return sum;
}
