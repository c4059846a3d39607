// Copy buttons, live updates and local times. Everything else works without this file.
"use strict";

const say = (text) => {
  document.querySelector("#say").textContent = text;
};

/* Copy: a button with data-copy="#id" copies the text of that element. */

async function copy(button) {
  const source = document.querySelector(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    // Over plain HTTP from another machine there is no clipboard but by selecting.
    getSelection().selectAllChildren(source);
    if (!document.execCommand("copy")) return say("Selected. Press Ctrl+C to copy.");
  }
  button.dataset.done = "";
  say("Copied");
  setTimeout(() => {
    delete button.dataset.done;
    say("");
  }, 2000);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

/* Forms: a second press would throw away the answer to the first, and with it a secret that is shown once. */

addEventListener("submit", ({ target }) => {
  for (const button of target.querySelectorAll("button")) button.disabled = true;
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button")) button.disabled = false;
});

/* Live: an element with data-live="/address" takes {target, how, html} from there. The HTML is the server's own rows. */

function apply({ target, how, html }) {
  const place = document.querySelector(target);
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const [first] = fresh.content.children;
  if (!place || (first?.id && document.getElementById(first.id))) return;
  if (how === "replace") return place.replaceChildren(fresh.content);
  // How many there were when the page was made is not how many there are.
  place.closest("[data-live]").querySelector(".total")?.remove();
  first.classList.add("fresh");
  place.prepend(fresh.content);
  while (place.children.length > place.dataset.most) place.lastElementChild.remove();
}

function follow(region) {
  const mark = region.querySelector("[data-mark]");
  const [state, button] = mark.children;
  const address = new URL(region.dataset.live, location);
  let source;
  let paused = false;
  const show = (text, name) => {
    state.textContent = text;
    mark.dataset.mark = name;
  };
  const close = () => source?.close();
  const open = () => {
    close();
    // A browser has six connections to a host for all its tabs: one that nobody sees needs none.
    if (paused || document.hidden) return;
    source = new EventSource(address);
    source.onopen = () => show("Updates by itself", "on");
    source.onmessage = (message) => {
      // Where to go on from when this is opened again.
      if (message.lastEventId) address.searchParams.set("after", message.lastEventId);
      apply(JSON.parse(message.data));
    };
    source.onerror = () =>
      source.readyState === EventSource.CLOSED
        ? show("Disconnected: reload the page", "off")
        : show("Connection lost, trying again", "off");
  };
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume" : "Pause";
    if (paused) show("Paused", "off");
    paused ? close() : open();
  });
  mark.hidden = false;
  addEventListener("pageshow", open);
  addEventListener("pagehide", close);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
}

document.querySelectorAll("[data-live]").forEach(follow);

/* Times: pointing at one tells it in the reader's own zone. */

addEventListener("mouseover", ({ target }) => {
  const time = target.closest?.("time");
  if (time) time.title ||= new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
});
