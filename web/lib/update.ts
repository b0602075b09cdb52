// After an update the files of before are gone: what is missing is in the new page.
addEventListener("vite:preloadError", () => {
  const last = Number(sessionStorage.getItem("fahrwerk.reloaded") ?? 0);
  if (Date.now() - last < 60_000) return;
  sessionStorage.setItem("fahrwerk.reloaded", String(Date.now()));
  location.reload();
});
