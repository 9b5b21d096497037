/** The icons of a card, drawn on a grid of 24 by 24. They are decoration: the words stand beside them. */

import { svg } from "./dom.js";

/**
 * @param {string} name
 * @param {...Element} shapes
 */
function icon(name, ...shapes) {
  const box = { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" };
  return svg("svg", box, ...shapes);
}

/** @param {string} d */
const outline = (d) => svg("path", { d, class: "outline" });

/** @param {string} d */
const solid = (d) => svg("path", { d, class: "solid" });

/**
 * The mark of a network is no decoration: it says where the post comes from.
 *
 * @param {Element} mark
 * @param {string} name
 */
function named(mark, name) {
  mark.removeAttribute("aria-hidden");
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", name);
  return mark;
}

/** A hollow slanting bar, crossed by a thin stroke that stops at its edges. */
export const xLogo = () =>
  named(
    icon(
      "x",
      outline("M3.2 3h4.9l12.7 18h-4.9z"),
      outline("M20.2 2.6l-7.4 8.5M10.4 13.8l-6.8 7.7"),
    ),
    "X",
  );

const WING =
  "M12 12.600C12.900 8.600 16.300 4.600 19.900 3.600c1.500-.4 2.400.5 2.400 2 0 2.800-.9 5.900-3.200 7.200 1.500.9 1.800 2.500 1 4.200-.9 2-2.700 3.200-4.500 2.600-1.900-.7-3.100-3.600-3.600-7z";

/** A butterfly: one side of it, and the same in the mirror. */
export function butterfly() {
  const mirrored = solid(WING);
  mirrored.setAttribute("transform", "matrix(-1 0 0 1 24 0)");
  return named(icon("bluesky", solid(WING), mirrored), "Bluesky");
}

export const repost = () =>
  icon(
    "repost",
    outline(
      "M4 10.5V9a3 3 0 0 1 3-3h11M15 3l3.2 3L15 9M20 13.5V15a3 3 0 0 1-3 3H6M9 15l-3.2 3L9 21",
    ),
  );

export const reply = () => icon("reply", outline("M10 6 4 12l6 6M4.5 12H14a6 6 0 0 1 6 6v1"));

export const play = () =>
  icon(
    "play",
    solid("M8 5.4v13.2a.9.9 0 0 0 1.4.8l10-6.6a.9.9 0 0 0 0-1.6l-10-6.6A.9.9 0 0 0 8 5.4z"),
  );

export const picture = () =>
  icon(
    "picture",
    outline(
      "M5 4h14a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zM3.5 17l5-5 4 4 2.5-2.5 5 5",
    ),
    outline("M15 8.5h.01"),
  );

export const person = () =>
  icon(
    "person",
    solid(
      "M12 12.2a4.3 4.3 0 1 0 0-8.6 4.3 4.3 0 0 0 0 8.6zM12 14c-4.6 0-8 2.5-8 6.2 0 .5.4.8.8.8h14.4c.4 0 .8-.3.8-.8C20 16.5 16.6 14 12 14z",
    ),
  );

export const check = () => icon("check", outline("M5 12.5l4.5 4.500L19 7.5"));

export const verifiedBadge = () =>
  icon("verified", solid(rosette()), outline("M8.2 12.300l2.7 2.6 4.9-5.4"));

/** Eight petals on a circle. */
function rosette() {
  const petals = 8;
  const tips = Array.from({ length: petals }, (_, index) => {
    const angle = (2 * Math.PI * (index + 0.5)) / petals;
    return [12 + 8.9 * Math.cos(angle), 12 + 8.9 * Math.sin(angle)]
      .map((n) => n.toFixed(2))
      .join(" ");
  });
  return `M${tips.at(-1)}${tips.map((tip) => `A3.6 3.6 0 0 1 ${tip}`).join("")}z`;
}
