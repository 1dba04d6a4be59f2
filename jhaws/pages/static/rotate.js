// A new shared password, and the sheet that shows it; the sheet is made here alone and is gone with the page.
"use strict";

(() => {
  const { ask, run, split } = window.jhaws;
  const byId = (id) => document.getElementById("jhaws-" + id);
  const form = byId("rotate");

  function readBody() {
    const password = byId("new").value;
    const body = password ? { password } : { generate: true };
    const groups = byId("groups") ? split(byId("groups").value, /[,;]/) : [];
    if (groups.length) body.groups = groups;
    if (byId("until").value) body.old_ends_at = byId("until").value;
    return body;
  }

  // The list of passwords as it is now, without losing the sheet.
  async function refresh() {
    const response = await fetch(window.location.href, { credentials: "same-origin", cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("jhaws-current");
    if (fresh) byId("current").replaceWith(fresh);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!window.confirm(byId("until").value ? form.dataset.confirmLater : form.dataset.confirmNow)) return;
    run(form.querySelector("button[type=submit]"), async () => {
      const body = readBody();
      const answer = await ask("POST", "jhaws/password", body);
      byId("sheet-address").textContent = window.location.origin + window.jhdata.prefix;
      byId("sheet-password").textContent = answer.password ?? body.password;
      byId("sheet-groups").textContent = (body.groups || []).join(", ");
      for (const each of document.querySelectorAll(".jhaws-whose")) each.hidden = !body.groups;
      byId("new").value = "";
      byId("sheet").hidden = false;
      byId("sheet").focus();
      await refresh();
    });
  });

  byId("print").addEventListener("click", () => window.print());
})();
