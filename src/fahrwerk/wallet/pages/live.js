// The balance as it changes, and the bonus while the amount is typed. The pages work without it.
"use strict";
(() => {
  const box = document.querySelector("[data-balance]");
  const preview = document.querySelector("[data-preview]");

  if (preview) {
    const form = preview.closest("form");
    const field = form.querySelector("[name=amount]");
    const without = preview.textContent;
    const minor = (text) => Math.round(parseFloat(text.replace(/\s/g, "").replace(",", ".")) * 100);
    const show = () => {
      const reaches = minor(field.value) >= Number(form.dataset.bonusFrom);
      preview.textContent = reaches ? preview.dataset.with : without;
    };
    field.addEventListener("input", show);
    show();
  }
  if (!box) return;

  const language = document.documentElement.lang;
  const waiting = document.querySelector("[data-topup=paying]");
  const live = box.querySelector("[data-live]");
  let version = null;
  let timer = null;

  const show = (wallet) => {
    if (waiting && version !== null && wallet.version !== version) location.reload();
    version = wallet.version;
    const sum = new Intl.NumberFormat(language, { style: "currency", currency: wallet.currency });
    const value = box.querySelector("[data-value=formatted]");
    if (value.textContent !== wallet.formatted) {
      value.textContent = wallet.formatted;
      value.classList.remove("fresh");
      void value.offsetWidth;
      value.classList.add("fresh");
    }
    for (const place of box.querySelectorAll("[data-minor]")) {
      place.textContent = sum.format(wallet[place.dataset.minor]);
    }
    box.querySelector("[data-low]").hidden = !wallet.lowBalance;
  };

  const poll = async () => {
    const answer = await fetch(box.dataset.balance).catch(() => null);
    if (answer && answer.ok && !answer.redirected) show(await answer.json());
  };

  const source = new EventSource(box.dataset.stream);
  source.addEventListener("balance", (event) => show(JSON.parse(event.data)));
  source.onopen = () => { live.hidden = false; clearInterval(timer); timer = null; };
  source.onerror = () => {
    live.hidden = true;
    // It connects again by itself; when the server refuses streams, ask now and then.
    if (timer === null) timer = setInterval(poll, 10000);
  };
})();
