// The rider app's service worker, written by hand. It keeps the shell (page, scripts, styles) so that
// the app opens without a network; what the platform says is never kept here, and no write is touched.
const SHELL = __SHELL__;
const LATER = __LATER__;
const KEPT = `fahrwerk-rider-${__VERSION__}`;
const PAGE = "/app/";

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(KEPT).then((cache) => cache.addAll([PAGE, ...SHELL])).then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((n) => n.startsWith("fahrwerk-rider-") && n !== KEPT).map((n) => caches.delete(n))))
      .then(() => self.clients.claim()),
  );
  // A ride must go on and end without a network: its screens are fetched before they are opened.
  event.waitUntil(
    caches.open(KEPT).then((cache) => Promise.allSettled(LATER.map((path) => cache.match(path).then((found) => found ?? cache.add(path))))),
  );
});

// The page belongs to the files it names: it comes from the same shelf at once, and is a new one when
// a new worker has come, which the browser looks for at each visit.
async function page(request) {
  const cache = await caches.open(KEPT);
  return (await cache.match(PAGE)) ?? fetch(request);
}

// Files with a hash in their name never change: the shelf first, then the network, and kept.
async function asset(request) {
  const cache = await caches.open(KEPT);
  const found = await cache.match(request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
}

// The map's own files change with the installation: what is known at once, what is new behind it.
// Who chooses an operator (`?tenant=`) waits for its answer, which then is what is known.
async function known(request) {
  const cache = await caches.open(KEPT);
  const { pathname, search } = new URL(request.url);
  const found = search ? undefined : await cache.match(pathname);
  const fresh = fetch(request).then((answer) => {
    if (answer.ok) void cache.put(pathname, answer.clone());
    return answer;
  });
  if (!found) return fresh;
  fresh.catch(() => undefined);
  return found;
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin || request.headers.has("range")) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (url.pathname.startsWith("/web/assets/")) event.respondWith(asset(request));
  else if (url.pathname.startsWith("/web/map/") || url.pathname === "/web/config.json") event.respondWith(known(request));
});
