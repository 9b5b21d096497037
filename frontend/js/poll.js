/**
 * @import {Poll, PollOption} from "./resource.js"
 */

import { element } from "./dom.js";
import { check } from "./icons.js";
import { timeLeft } from "./time.js";

/**
 * @param {Poll} poll
 * @param {number} now milliseconds
 */
export function pollResult(poll, now) {
  const total = poll.options.reduce((sum, option) => sum + option.votes, 0);
  const most = Math.max(...poll.options.map((option) => option.votes));
  const closed = poll.status === "closed";
  const rows = poll.options.map((option) =>
    optionRow(option, total, { leads: total > 0 && option.votes === most, closed }),
  );
  return element(
    "div",
    { class: closed ? "poll closed" : "poll" },
    element("ul", { role: "list" }, ...rows),
    element("p", { class: "poll-note", dir: "ltr" }, note(poll, total, now)),
  );
}

/**
 * @param {PollOption} option
 * @param {number} total
 * @param {{leads: boolean, closed: boolean}} standing
 */
function optionRow(option, total, { leads, closed }) {
  const share = total ? Math.round((100 * option.votes) / total) : 0;
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", `${share}%`);
  return element(
    "li",
    { class: leads ? "option leads" : "option" },
    bar,
    element(
      "span",
      { class: "label", dir: "auto" },
      option.label,
      leads && closed ? check() : null,
    ),
    element("span", { class: "share" }, `${share}%`),
  );
}

/**
 * @param {Poll} poll
 * @param {number} total
 * @param {number} now
 */
function note({ status, ends_at }, total, now) {
  const votes = `${total.toLocaleString("en")} ${total === 1 ? "vote" : "votes"}`;
  if (status === "closed") return `${votes} · final result`;
  const left = ends_at ? timeLeft(Date.parse(ends_at), now) : "";
  return left ? `${votes} · ${left}` : votes;
}
