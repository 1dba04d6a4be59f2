// A new shared password, and the sheet that shows it; the sheet is made here alone and is gone with the page.
"use strict";

(() => {
  const { ask, run, split } = window.jhaws;
  const byId = (id) => document.getElementById("jhaws-" + id);
  const form = byId("rotate");

  function readBody() {
    const password = byId("new").value;
    const body = password ? { password } : { generate: true };
    const groups = byId("groups") ? split(byId("groups").value, ",") : [];
    if (groups.length) body.groups = groups;
    if (byId("until").value) body.old_ends_at = new Date(byId("until").value).toISOString();
    return body;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!window.confirm(form.dataset.confirm)) return;
    run(form.querySelector("button[type=submit]"), async () => {
      const body = readBody();
      const answer = await ask("POST", "jhaws/password", body);
      byId("sheet-address").textContent = window.location.origin + window.jhdata.prefix;
      byId("sheet-password").textContent = answer.password ?? body.password;
      byId("new").value = "";
      byId("sheet").hidden = false;
      byId("sheet").focus();
    });
  });

  byId("print").addEventListener("click", () => window.print());
})();
