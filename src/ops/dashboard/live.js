// Keeps a page up to date: replaces the parts that the server says have changed. Without it, a reload
// shows the same.
"use strict";
(() => {
  const address = document.body.dataset.live;
  if (!address || !window.EventSource) return;
  const connection = document.getElementById("connection");
  const main = document.getElementById("main");
  let lost = null;

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

  const replace = (fresh) => {
    const old = document.getElementById(fresh.id);
    if (!old || old.outerHTML === fresh.outerHTML) return;
    const selected = window.getSelection();
    const selecting = selected && !selected.isCollapsed && selected.anchorNode && old.contains(selected.anchorNode);
    const editing = old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
    if (selecting || editing) return;
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

  const open = () => {
    const source = new EventSource(address);
    source.onopen = () => {
      lost = null;
      say("");
    };
    source.addEventListener("parts", (event) => show(event.data));
    source.onerror = () => {
      lost = lost || new Date();
      const since = lost.toISOString().slice(11, 19);
      say(`▲ Disconnected since ${since} UTC: what you see is old. Trying again.`);
      if (source.readyState !== EventSource.CLOSED) return;
      // Refused outright, as after the end of the session: the page itself says why.
      source.close();
      fetch(address.startsWith("/events?") ? location.pathname : "/", { redirect: "manual" })
        .then((answer) => (answer.type === "opaqueredirect" ? location.reload() : setTimeout(open, 3000)))
        .catch(() => setTimeout(open, 3000));
    };
    window.addEventListener("pagehide", () => source.close(), { once: true });
  };
  open();
})();
