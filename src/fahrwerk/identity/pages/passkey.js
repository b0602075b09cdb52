// Asks the browser for a passkey, or to make one, and sends its answer with the page's own form.
"use strict";
(() => {
  const form = document.querySelector("form[data-passkey]");
  const options = JSON.parse(form.dataset.passkey);
  const failed = document.querySelector("[data-failed]");
  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (each) => each.charCodeAt(0));
  };
  const text = (buffer) => {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const known = (each) => ({ ...each, id: bytes(each.id) });

  const make = async () => {
    const made = await navigator.credentials.create({ publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: (options.excludeCredentials || []).map(known),
    } });
    return [made, {
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports ? made.response.getTransports() : [],
    }];
  };
  const use = async () => {
    const used = await navigator.credentials.get({ publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: (options.allowCredentials || []).map(known),
    } });
    const said = used.response;
    return [used, {
      authenticatorData: text(said.authenticatorData),
      signature: text(said.signature),
      userHandle: said.userHandle ? text(said.userHandle) : null,
    }];
  };

  const ask = async (event) => {
    event.preventDefault();
    failed.hidden = true;
    try {
      const [answer, response] = await (form.dataset.deed === "make" ? make() : use());
      response.clientDataJSON = text(answer.response.clientDataJSON);
      form.querySelector("[name=credential]").value = JSON.stringify({
        id: answer.id, rawId: text(answer.rawId), type: answer.type, response,
        clientExtensionResults: {},
      });
      form.submit();
    } catch {
      failed.hidden = false;
    }
  };
  form.addEventListener("submit", ask);
  form.querySelector("button").disabled = !window.PublicKeyCredential;
})();
