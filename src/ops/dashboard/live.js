// Keeps a page up to date: replaces the parts that the server says have changed. Without it, a reload
// shows the same.
"use strict";
(() => {
  const address = document.body.dataset.live;
  if (!address || !window.EventSource) return;
  const connection = document.getElementById("connection");
  const main = document.getElementById("main");
  // The server says something every second. Silence for so many ms is a connection that is dead and
  // does not say so, as behind a router that has forgotten it.
  const SILENCE = 10000;
  let lost = null;
  let heard = Date.now();

  // What people have opened, or are reading with the keyboard, must survive a replacement.
  const place = (element) => {
    const all = [...main.querySelectorAll("a, button, summary, [tabindex]")];
    const same = (other) => other.tagName === element.tagName && label(other) === label(element);
    return { element, nth: all.filter(same).indexOf(element) };
  };
  const label = (element) =>
    [element.getAttribute("href"), element.getAttribute("aria-label"), element.tagName].join("|");
  const back = ({ element, nth }) => {
    const all = [...main.querySelectorAll("a, button, summary, [tabindex]")];
    const found = all.filter((other) => other.tagName === element.tagName && label(other) === label(element))[nth];
    if (found) found.focus({ preventScroll: true });
  };

  // What came while its place was in use, by id: the server will not send it again.
  const kept = new Map();
  const again = () => {
    for (const fresh of [...kept.values()]) replace(fresh);
  };

  const replace = (fresh) => {
    const old = document.getElementById(fresh.id);
    kept.delete(fresh.id);
    if (!old || old.outerHTML === fresh.outerHTML) return;
    const selected = window.getSelection();
    const selecting = selected && !selected.isCollapsed && selected.anchorNode && old.contains(selected.anchorNode);
    const editing = old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
    // Nothing keeps what is wrong, and how old all of this is, from being seen.
    if ((selecting || editing) && !["state", "asof"].includes(fresh.id)) {
      kept.set(fresh.id, fresh);
      return;
    }
    const focused = old.contains(document.activeElement) ? place(document.activeElement) : null;
    const scrolled = [...old.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
    for (const details of fresh.querySelectorAll("details[id]")) {
      const before = document.getElementById(details.id);
      if (before && before.open) details.open = true;
    }
    old.replaceWith(fresh);
    fresh.querySelectorAll(".scroll").forEach((box, at) => {
      if (scrolled[at]) [box.scrollLeft, box.scrollTop] = scrolled[at];
    });
    if (focused) back(focused);
  };

  // A part that is not on the page yet goes behind the one that came before it.
  const place_new = (fresh, previous) => {
    if (document.getElementById(fresh.id) || !previous) return;
    const before = document.getElementById(previous.id);
    if (before) before.after(fresh.cloneNode(true));
  };

  const show = (text) => {
    const template = document.createElement("template");
    template.innerHTML = text;
    let previous = null;
    for (const fresh of [...template.content.children]) {
      const copy = fresh.cloneNode(false);
      place_new(fresh, previous);
      replace(fresh);
      previous = copy;
    }
    const titled = main.querySelector("[data-title]");
    if (titled) document.title = titled.dataset.title;
  };

  const say = (text) => {
    connection.hidden = !text;
    if (text && connection.textContent !== text) connection.textContent = text;
    main.classList.toggle("disconnected", Boolean(text));
    if (text && !document.title.startsWith("▲")) document.title = "▲ disconnected – refundd";
  };

  const disconnected = (since) => {
    lost = lost || since;
    const time = lost.toISOString().slice(11, 19);
    say(`▲ Disconnected since ${time} UTC: what you see is old. Trying again.`);
  };

  let source = null;
  const open = () => {
    source = new EventSource(address);
    source.onopen = () => {
      lost = null;
      heard = Date.now();
      say("");
    };
    source.addEventListener("parts", (event) => {
      heard = Date.now();
      show(event.data);
    });
    source.onerror = () => {
      disconnected(new Date());
      if (source.readyState !== EventSource.CLOSED) return;
      // Refused outright, as after the end of the session: the page itself says why.
      source.close();
      const page = address.startsWith("/events?") ? location.pathname : "/";
      fetch(page, { redirect: "manual", signal: AbortSignal.timeout(SILENCE) })
        .then((answer) => (answer.type === "opaqueredirect" ? location.reload() : setTimeout(open, 3000)))
        .catch(() => setTimeout(open, 3000));
    };
  };
  open();
  window.addEventListener("pagehide", () => source.close(), { once: true });
  document.addEventListener("selectionchange", again);
  document.addEventListener("focusout", () => setTimeout(again));

  setInterval(() => {
    if (Date.now() - heard < SILENCE || source.readyState === EventSource.CLOSED) return;
    disconnected(new Date(heard));
    heard = Date.now();
    source.close();
    open();
  }, 1000);
})();
