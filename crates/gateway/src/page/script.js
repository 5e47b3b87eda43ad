"use strict";
// Puts the content of each event into the page, and says so when there has been none for a while.
const OLD_AFTER = 5000;
const ASK_EVERY = 5000;
const main = document.querySelector("main");
const old = document.getElementById("old");
const said = (selector) => main.querySelector(selector)?.textContent ?? "";
let heard = Date.now();
let asked = 0;
let events;

// Changes what differs and nothing else: focus, selection, scroll position, and what is unfolded, stay.
const become = (now, next) => {
  if (now.nodeName !== next.nodeName) return now.replaceWith(next);
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
  for (const { name } of [...now.attributes]) {
    if (name !== "open" && !next.hasAttribute(name)) now.removeAttribute(name);
  }
  fill(now, next);
};

const fill = (now, next) => {
  const [there, coming] = [[...now.childNodes], [...next.childNodes]];
  coming.forEach((node, index) => (index < there.length ? become(there[index], node) : now.append(node)));
  there.slice(coming.length).forEach((node) => node.remove());
};

const look = () => {
  const isOld = Date.now() - heard > OLD_AFTER;
  if (isOld !== document.body.classList.contains("old")) {
    document.body.classList.toggle("old", isOld);
    old.textContent = isOld ? `This page is old: no news since ${said(".lead time")}. The gateway is away, or too many pages are open.` : "";
  }
  document.title = `${isOld ? "Not heard" : said("h1")} · Peel`;
  listen();
};

// A connection that is lost is made again by the browser, and one that was refused by this.
const listen = () => {
  const isClosed = !events || events.readyState === EventSource.CLOSED;
  if (!isClosed || Date.now() - asked < ASK_EVERY) return;
  asked = Date.now();
  events = new EventSource("events");
  events.onmessage = ({ data }) => {
    heard = Date.now();
    fill(main, new DOMParser().parseFromString(data, "text/html").body);
    look();
  };
};

look();
setInterval(look, 1000);
document.addEventListener("visibilitychange", look);
