/**
 * Where a card may point to. Only https: leaves this file, whatever the data says; an address that may
 * not be used is "".
 *
 * @import {Url} from "./resource.js"
 */

import { element } from "./dom.js";

/** @param {unknown} value */
export function safeLink(value) {
  if (typeof value !== "string" || !value.startsWith("https://")) return "";
  const url = parse(value);
  // A user name before the host ("https://x.com@evil.example/") only ever serves to mislead.
  return url && url.protocol === "https:" && !url.username && !url.password ? url.href : "";
}

/**
 * Pictures and videos may also be those of the shipped sample.
 *
 * @param {unknown} value
 */
export function safeMedia(value) {
  if (typeof value === "string" && /^\/sample\/[\w./-]+$/.test(value) && !value.includes("..")) {
    return value;
  }
  return safeLink(value);
}

/** @param {string} value */
function parse(value) {
  try {
    return new URL(value);
  } catch {
    return null;
  }
}

/**
 * A link where the address may be used, the same words without a link where not.
 *
 * @param {string} address
 * @param {import("./dom.js").Attributes} attributes
 * @param {...import("./dom.js").Child} children
 */
export function link(address, attributes, ...children) {
  const href = safeLink(address);
  if (!href) return element("span", attributes, ...children);
  const outside = {
    target: "_blank",
    rel: "noopener noreferrer nofollow",
    referrerpolicy: "no-referrer",
  };
  return element("a", { ...attributes, ...outside, href }, ...children);
}

/**
 * The pages of a network. The posts of the replay are invented: a link from them would lead to
 * somebody who has nothing to do with it.
 *
 * @typedef {{id: string, username: string}} Account
 * @typedef {{profile: (account: Account) => string, hashtag: (tag: string) => string,
 *   cashtag: (tag: string) => string, url: (url: Url) => string}} Places
 */

/** @type {Places} */
const NOWHERE = { profile: () => "", hashtag: () => "", cashtag: () => "", url: () => "" };

/** @param {Url} url */
const follow = (url) => safeLink(url.url) || safeLink(url.expanded_url);

/** @type {Places} */
const X = {
  profile: ({ username }) => (username ? `https://x.com/${encodeURIComponent(username)}` : ""),
  hashtag: (tag) => `https://x.com/hashtag/${encodeURIComponent(tag)}`,
  cashtag: (tag) => `https://x.com/search?q=${encodeURIComponent("$" + tag)}`,
  url: follow,
};

/** @type {Places} */
const BLUESKY = {
  // The id stays when the name changes, and there is one even where the name is not known.
  profile: ({ id, username }) => {
    const account = id.startsWith("did:") ? id : username;
    if (!account) return "";
    return `https://bsky.app/profile/${encodeURIComponent(account).replaceAll("%3A", ":")}`;
  },
  hashtag: (tag) => `https://bsky.app/hashtag/${encodeURIComponent(tag)}`,
  cashtag: () => "",
  url: follow,
};

/** @type {Record<string, Places>} */
const NETWORKS = { x: X, bluesky: BLUESKY };

/**
 * @param {string} source
 * @returns {Places}
 */
export const placesOf = (source) => NETWORKS[source] ?? NOWHERE;
