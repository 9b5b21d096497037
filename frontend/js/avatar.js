/**
 * A picture of the author over a coloured disc with initials: the disc shows while the picture loads,
 * and for good when there is none.
 *
 * @import {Author} from "./resource.js"
 */

import { element } from "./dom.js";
import { person } from "./icons.js";
import { safeMedia } from "./links.js";

const HUES = [4, 24, 42, 88, 142, 168, 192, 212, 236, 262, 292, 328];

/** @param {Author} author */
export function avatar(author) {
  const initials = initialsOf(author);
  const disc = element("span", { class: "disc", "aria-hidden": "true" }, initials || person());
  if (initials) disc.style.setProperty("--hue", String(hueOf(author.id)));
  const picture = safeMedia(author.avatar);
  return element("span", { class: "avatar" }, disc, picture ? face(picture) : null);
}

/** @param {string} address */
function face(address) {
  const image = element("img", {
    src: address,
    // The name stands right beside it.
    alt: "",
    referrerpolicy: "no-referrer",
    decoding: "async",
  });
  image.addEventListener("error", () => image.remove());
  return image;
}

/** @param {Author} author */
export function initialsOf({ name, username }) {
  const words = name.split(/\s+/u).map((word) => word.match(/[\p{Letter}\p{Number}]/u)?.[0] ?? "");
  const letters = words.filter(Boolean);
  const [first = firstSign(name) || (Array.from(username)[0] ?? "")] = letters;
  const last = letters.length > 1 && isAlphabetic(first) ? letters.at(-1) : "";
  return (first + last).toLocaleUpperCase();
}

/** @param {string} name */
function firstSign(name) {
  const [sign] = new Intl.Segmenter().segment(name.trim());
  return sign?.segment ?? "";
}

/** Two letters side by side mean initials in some scripts only. */
const isAlphabetic = (/** @type {string} */ letter) =>
  /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{Number}]/u.test(letter);

/** @param {string} id */
function hueOf(id) {
  const sum = Array.from(id).reduce((hash, sign) => (hash * 31 + sign.charCodeAt(0)) >>> 0, 7);
  return HUES[sum % HUES.length] ?? 0;
}
