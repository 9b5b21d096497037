/**
 * The grammar of channel names: the mirror of wallpush/channels.py, tested against the same table
 * (tests/channels.json).
 */

export const GLOBAL = "global";
export const MAX_CHANNELS = 10;

const USER = "user-";
const KEYWORD = "keyword-";
const MAX_NAME = 190;
const RESERVED = new Set(["ALL", "_ctl"]);

export const CHANNEL_PATTERN = `[A-Za-z0-9_~-]{1,${MAX_NAME}}`;
const NAME = new RegExp(`^${CHANNEL_PATTERN}$`);

export class InvalidChannel extends Error {
  /** @override */
  name = "InvalidChannel";
}

/** @param {string} name */
export function checkChannel(name) {
  if (!NAME.test(name) || RESERVED.has(name)) {
    throw new InvalidChannel(`“${name}” is not the name of a channel.`);
  }
  return name;
}

/** @param {string} authorId */
export const userChannel = (authorId) => checkChannel(USER + authorId);

/** @param {string} term */
export const keywordChannel = (term) => checkChannel(KEYWORD + encodeTerm(normalizeTerm(term)));

/**
 * What the REST API calls the posts of a channel; null for a channel it has no list of.
 *
 * @param {string} name
 * @returns {Record<string, string> | null}
 */
export function channelFilter(name) {
  if (name === GLOBAL) return {};
  if (name.startsWith(USER)) return { author: name.slice(USER.length) };
  if (name.startsWith(KEYWORD)) return { keyword: decodeTerm(name.slice(KEYWORD.length)) };
  return null;
}

/** @param {string} term */
export function normalizeTerm(term) {
  const bare = term.trim().replace(/^#/, "").trim().normalize("NFC");
  const folded = casefold(bare).replace(/\s+/gu, " ");
  if (!folded) throw new InvalidChannel("A keyword needs at least one character.");
  return folded;
}

/**
 * Python's str.casefold(). JavaScript has none, but going to lower case by way of upper case is the
 * same for every character but two kinds: dotless ı keeps itself, Cherokee folds to upper case.
 * Character by character, because the lower case of a whole word gives Σ another form at its end.
 *
 * @param {string} text
 */
export function casefold(text) {
  return Array.from(text, (character) => {
    if (character === "ı") return character;
    if (/\p{Script=Cherokee}/u.test(character)) return character.toUpperCase();
    return lower(character.toLowerCase().toUpperCase());
  }).join("");
}

/** @param {string} text */
const lower = (text) => Array.from(text, (character) => character.toLowerCase()).join("");

/** @param {string} term */
export function encodeTerm(term) {
  return Array.from(new TextEncoder().encode(term), encodeByte).join("");
}

/** @param {number} byte */
function encodeByte(byte) {
  const character = String.fromCharCode(byte);
  if (/[a-z0-9_-]/.test(character)) return character;
  return "~" + byte.toString(16).toUpperCase().padStart(2, "0");
}

/** @param {string} encoded */
export function decodeTerm(encoded) {
  if (!/^(?:[a-z0-9_-]|~[0-9A-F]{2})*$/.test(encoded)) {
    throw new InvalidChannel(`“${encoded}” is not an encoded keyword.`);
  }
  try {
    return decodeURIComponent(encoded.replaceAll("~", "%"));
  } catch {
    throw new InvalidChannel(`“${encoded}” is not an encoded keyword.`);
  }
}
