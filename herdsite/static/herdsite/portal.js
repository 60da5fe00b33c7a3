"use strict";
// Keeps a page true: asks for its fragment every two seconds, changes in place what has changed, lets ages go on
// counting, and says loudly when it could not ask. A token of what is shown spares the answer when nothing changed.

const EVERY_MS = 2000, PATIENCE_MS = 5000;
const live = document.getElementById("live"), stale = document.getElementById("stale");
let clockAhead = 0, refreshedAt = Date.now(), why = "", asking = false;

function heardTheTime(epoch) {
  if (epoch) clockAhead = epoch * 1000 - Date.now();
}

function words(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

function tick() {
  const now = (Date.now() + clockAhead) / 1000;
  for (const time of document.querySelectorAll("time[data-at]")) {
    const text = words(now - time.dataset.at) + ("ago" in time.dataset ? " ago" : "");
    if (time.textContent !== text) time.textContent = text;
  }
  if (!live) return;
  const silent = Date.now() - refreshedAt;
  stale.hidden = silent < PATIENCE_MS;
  if (!stale.hidden) {
    document.getElementById("stale-for").textContent = words(silent / 1000);
    document.getElementById("stale-why").textContent = why;
  }
  document.body.classList.toggle("lost", !stale.hidden);
}

// Make `old` like `fresh` and keep the nodes: focus, selection and scrolling stay where they are.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || (old.id ?? "") !== (fresh.id ?? "")) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const known = new Map();
  for (const child of old.children) if (child.id) known.set(child.id, child);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const node = wanted.id ? known.get(wanted.id) : at && !at.id ? at : null;
    if (!node) {
      old.insertBefore(wanted, at);
      continue;
    }
    if (node === at) at = at.nextSibling;
    else old.insertBefore(node, at);
    morph(node, wanted);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

async function refresh() {
  if (asking || document.hidden) return;
  asking = true;
  const url = new URL(location.href);
  url.hash = "";
  url.searchParams.set("fragment", live.dataset.fragment);
  url.searchParams.set("token", live.dataset.token);
  try {
    const answer = await fetch(url, { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.type === "opaqueredirect") throw new Error("You are logged out.");
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    if (answer.status !== 204) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (!fresh) throw new Error("The server answered something else.");
      const focused = document.activeElement;
      morph(live, fresh);
      if (focused.isConnected) focused.focus({ preventScroll: true });
    }
    heardTheTime(answer.headers.get("Herdsite-Now"));
    const open = document.getElementById("open-incidents");
    if (open) open.textContent = Number(answer.headers.get("Herdsite-Incidents")) || "";
    refreshedAt = Date.now();
  } catch (error) {
    why = error.name === "TimeoutError" ? "The server is slow to answer." : error instanceof TypeError ? "The server does not answer." : error.message;
  } finally {
    asking = false;
    tick();
  }
}

if (live) {
  heardTheTime(live.dataset.now);
  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
}
setInterval(tick, 1000);
tick();
