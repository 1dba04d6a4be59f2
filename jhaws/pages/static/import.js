// The import: shows the API's preview of a list, imports just that, and undoes the last one.
"use strict";

(() => {
  const { ask, keepNotice, run, words } = window.jhaws;
  const MAX_FILE_BYTES = 5_000_000;
  // Rows of one table on the page; more would only make it slow.
  const MAX_ROWS = 1000;
  // Of a table that is open at once.
  const OPEN_ROWS = 50;

  const byId = (id) => document.getElementById("jhaws-" + id);
  const form = byId("import");
  const applying = byId("apply");
  const undoing = byId("undo");
  const progress = byId("progress");
  const preview = byId("preview");
  let previewed = null;

  function make(tag, content, attributes = {}) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...(Array.isArray(content) ? content : [content]));
    return element;
  }

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);

  function makeFindings(title, findings, style) {
    const items = findings.slice(0, MAX_ROWS).map((each) => {
      const where = each.line === null ? "" : fill(words.line, { line: each.line });
      return make("li", where + each.sentence);
    });
    if (findings.length > MAX_ROWS) items.push(make("li", fill(words.not_shown, { count: findings.length - MAX_ROWS })));
    return make("div", [make("h3", title, { class: "h5" }), make("ul", items, { class: "mb-0" })], {
      class: "alert alert-" + style,
    });
  }

  const FIELDS = ["groups", "admin", "ends_at", "note"];
  const TYPED = ["groups", "note"];
  const HEADINGS = { groups: words.groups, admin: words.admin, ends_at: words.end, note: words.note };

  // Days and times where days end; Swedes write them as ISO does, which the English pages have.
  const format = (options) =>
    new Intl.DateTimeFormat({ de: "de-DE" }[form.dataset.language] || "sv-SE", { timeZone: form.dataset.zone, ...options });
  const days = format({ year: "numeric", month: "2-digit", day: "2-digit" });
  const times = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

  // An end at midnight is shown as the day before, the last one; another one as the moment that it is.
  function showEnd(text) {
    const end = new Date(text);
    return times.format(end) === "00:00" ? days.format(end - 1) : `${days.format(end)} ${times.format(end)}`;
  }

  function showValue(person, field) {
    if (field === "groups") return person.groups.join(", ");
    if (field === "admin") return person.admin ? words.yes : "";
    if (field === "ends_at") return person.ends_at ? showEnd(person.ends_at) : "";
    return person[field] || "";
  }

  function makeCell(each, field) {
    const looks = { class: TYPED.includes(field) ? "jhaws-typed" : "" };
    if (!each.old) return make("td", showValue(each, field), looks);
    if (!each.fields.includes(field)) return make("td", showValue(each.new, field), looks);
    const [before, after] = [showValue(each.old, field), showValue(each.new, field)];
    return make("td", [make("del", before), before && after ? " " : "", make("ins", after)], looks);
  }

  function makeTable(key, people) {
    const head = make("tr", [words.name, ...FIELDS.map((field) => HEADINGS[field])].map((text) => make("th", text, { scope: "col" })));
    const rows = people.slice(0, MAX_ROWS).map((each) => {
      const name = make("th", (each.new || each).name, { scope: "row" });
      return make("tr", [name, ...FIELDS.map((field) => makeCell(each, field))]);
    });
    const parts = [
      make("summary", `${words[key]}: ${people.length}`),
      make("div", make("table", [make("thead", head), make("tbody", rows)], { class: "table table-sm" }), {
        class: "table-responsive",
      }),
    ];
    if (people.length > MAX_ROWS) parts.push(make("p", fill(words.not_shown, { count: people.length - MAX_ROWS })));
    return make("details", parts, { id: "jhaws-" + key, ...(people.length > OPEN_ROWS ? {} : { open: "" }) });
  }

  function show(found) {
    const shown = byId("changes");
    shown.replaceChildren();
    if (found.problems.length) shown.append(makeFindings(words.problems, found.problems, "danger"));
    if (found.remarks.length) shown.append(makeFindings(words.remarks, found.remarks, "warning"));
    const kinds = ["added", "changed", "removed"];
    for (const key of kinds) if (found[key].length) shown.append(makeTable(key, found[key]));
    const changes = kinds.some((key) => found[key].length);
    const counts = [
      ...kinds.map((key) => `${words[key]}: ${found[key].length}`),
      `${words.as_before}: ${found.unchanged}`,
      ...(changes ? [] : [words.nothing]),
    ];
    // With a problem nothing is counted, and zeros would say that there is nothing to do.
    byId("counts").textContent = found.problems.length ? "" : counts.join(" · ");
    const removed = found.removed.length;
    applying.hidden = !changes || found.problems.length > 0;
    applying.className = removed ? "btn btn-danger mb-3" : "btn btn-jupyter mb-3";
    applying.textContent = removed ? fill(words.apply_removing, { count: removed }) : words.apply;
    preview.hidden = false;
    preview.focus();
  }

  const count = (found) => ({ added: found.added.length, changed: found.changed.length, removed: found.removed.length });

  function toBase64(file) {
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onerror = () => reject(reader.error);
      reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
      reader.readAsDataURL(file);
    });
  }

  async function readList() {
    const file = byId("file").files[0];
    const text = byId("pasted").value;
    if (file && file.size > MAX_FILE_BYTES) throw new Error(words.too_large);
    if (!file && !text.trim()) throw new Error(words.give_list);
    if (file && text.trim()) throw new Error(words.give_one_list);
    const list = file ? { csv: file.size ? await toBase64(file) : "" } : { text };
    return { ...list, remove_missing: byId("remove_missing").checked };
  }

  function runLong(button, work) {
    progress.hidden = false;
    return run(button, work).finally(() => {
      progress.hidden = true;
    });
  }

  // What is imported is what was previewed; another list needs another look.
  form.addEventListener("input", () => {
    preview.hidden = true;
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    preview.hidden = true;
    runLong(form.querySelector("button[type=submit]"), async () => {
      const list = await readList();
      const found = await ask("POST", "jhaws/roster/preview", list);
      previewed = { ...list, digest: found.digest };
      show(found);
    });
  });

  applying.addEventListener("click", () => {
    if (applying.classList.contains("btn-danger") && !window.confirm(`${applying.textContent}?`)) return;
    runLong(applying, async () => {
      const found = await ask("POST", "jhaws/roster/apply", previewed);
      keepNotice(fill(words.imported, count(found)));
      window.location.reload();
    });
  });

  undoing?.addEventListener("click", () => {
    if (!window.confirm(undoing.dataset.confirm)) return;
    runLong(undoing, async () => {
      const found = await ask("POST", "jhaws/roster/undo", {});
      const remarks = found.remarks.map((each) => each.sentence);
      keepNotice([fill(words.undo_done, count(found)), ...remarks].join(" "));
      window.location.reload();
    });
  });
})();
