// Sends the forms of the admins' pages to jhaws's REST API, as JSON and with JupyterHub's XSRF token.
//
// A form says by data-method and data-api what it asks for; its body is data-body, or its fields by name, each read by
// its data-kind. After it the page is loaded again, or the one of data-next, and says data-done. An error is shown in the
// API's own words.
"use strict";

window.jhaws = (() => {
  const words = JSON.parse(document.getElementById("jhaws-words").textContent);
  const error = document.getElementById("jhaws-error");
  const notice = document.getElementById("jhaws-notice");

  // What happened on the page before this one was loaded again, and the list of people as it was seen last.
  const KEPT = "jhaws-notice";
  const LIST = "jhaws-list";

  function showError(sentence) {
    error.textContent = sentence;
    error.className = "alert alert-danger";
    error.focus();
  }

  function clear() {
    for (const place of [error, notice]) {
      place.textContent = "";
      place.className = "";
    }
  }

  function showNotice(sentence) {
    notice.textContent = sentence;
    notice.className = "alert alert-success";
    notice.focus();
  }

  function keepNotice(sentence) {
    window.sessionStorage.setItem(KEPT, sentence);
  }

  // JupyterHub's token against requests from elsewhere; after another login in another tab it is a new one.
  function xsrfToken() {
    const found = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
    return found ? decodeURIComponent(found[1]) : window.jhdata.xsrf_token;
  }

  // The query of the list of people as it was seen last; "" where this tab has seen none.
  const lastSearch = () => window.sessionStorage.getItem(LIST) || "";

  // Ask the API; the answer is its JSON. An error is one sentence.
  async function ask(method, path, body) {
    let response;
    try {
      response = await fetch(window.jhdata.base_url + "api/" + path, {
        method,
        headers: { "Content-Type": "application/json", "X-XSRFToken": xsrfToken() },
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "same-origin",
        cache: "no-store",
      });
    } catch {
      throw new Error(words.lost);
    }
    const text = await response.text();
    let answer = null;
    try {
      answer = text ? JSON.parse(text) : null;
    } catch {
      answer = null;
    }
    if (response.ok) return answer;
    // A login that has ended is answered with 403 too, by a sentence about scopes or about a missing token.
    if (response.status === 403 && !(await isLoggedIn())) throw new Error(words.logged_out);
    throw new Error((answer && answer.message) || words.lost);
  }

  async function isLoggedIn() {
    const headers = { "X-XSRFToken": xsrfToken() };
    const address = window.jhdata.base_url + "api/user";
    const response = await fetch(address, { headers, credentials: "same-origin", cache: "no-store" });
    return response.ok;
  }

  const split = (text, separator) =>
    text
      .split(separator)
      .map((each) => each.trim())
      .filter((each) => each);
  const readers = {
    text: (field) => field.value.trim(),
    flag: (field) => field.checked,
    list: (field) => split(field.value, /[,;]/),
    lines: (field) => split(field.value, "\n"),
  };

  function hasChanged(field) {
    return field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
  }

  // The fields of a form as the API takes them: those that were changed, or those that hold something.
  function readFields(form) {
    const body = {};
    for (const field of form.elements) {
      if (!field.name || field.disabled) continue;
      const filled = field.type === "checkbox" ? field.checked : field.value.trim() !== "";
      if ("changed" in form.dataset ? hasChanged(field) : filled) {
        body[field.name] = readers[field.dataset.kind](field);
      }
    }
    return body;
  }

  // Run what a button asks for; the button waits meanwhile.
  async function run(button, work) {
    clear();
    button.disabled = true;
    try {
      await work();
    } catch (problem) {
      showError(problem.message);
    } finally {
      button.disabled = false;
    }
  }

  function send(form) {
    clear();
    const { method, api, body, confirm, next, done } = form.dataset;
    const asked = body ? JSON.parse(body) : method === "DELETE" ? undefined : readFields(form);
    if ("changed" in form.dataset && Object.keys(asked).length === 0) {
      showNotice(words.unchanged);
      return;
    }
    if (confirm && !window.confirm(confirm)) return;
    run(form.querySelector("button[type=submit]"), async () => {
      const answer = await ask(method, api, asked);
      keepNotice(done || (Array.isArray(answer) ? `${words.added}: ${answer.length}` : words.saved));
      if (next) window.location.assign(next + lastSearch());
      else window.location.reload();
    });
  }

  function giveCode(form) {
    run(form.querySelector("button"), async () => {
      const answer = await ask("POST", form.dataset.path, {});
      const link = document.getElementById("jhaws-code-link");
      const card = document.getElementById("jhaws-code");
      document.getElementById("jhaws-code-text").textContent = answer.code;
      link.value = window.location.origin + answer.link;
      document.getElementById("jhaws-code-place").textContent = window.location.origin + answer.path;
      card.hidden = false;
      card.focus();
    });
  }

  const kept = window.sessionStorage.getItem(KEPT);
  if (kept) {
    window.sessionStorage.removeItem(KEPT);
    showNotice(kept);
  }
  for (const form of document.querySelectorAll("form[data-api]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
  if (document.getElementById("jhaws-list")) window.sessionStorage.setItem(LIST, window.location.search);
  const back = document.getElementById("jhaws-back");
  if (back) back.href += lastSearch();
  const coding = document.getElementById("jhaws-give-code");
  if (coding) {
    coding.addEventListener("submit", (event) => {
      event.preventDefault();
      giveCode(coding);
    });
    document.getElementById("jhaws-code-copy").addEventListener("click", async () => {
      const link = document.getElementById("jhaws-code-link");
      link.select();
      // The clipboard is there on pages with HTTPS only.
      if (navigator.clipboard) await navigator.clipboard.writeText(link.value);
      else document.execCommand("copy");
      showNotice(words.copied);
    });
  }
  return { ask, keepNotice, run, showError, split, words };
})();
