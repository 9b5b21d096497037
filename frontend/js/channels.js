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
// An author's id is no word: upper and lower case are different ids.
const SAFE_IN_TERM = /[a-z0-9_-]/;
const SAFE_IN_ID = /[A-Za-z0-9_-]/;

export const CHANNEL_PATTERN = `[A-Za-z0-9_~-]{1,${MAX_NAME}}`;
const NAME = new RegExp(`^${CHANNEL_PATTERN}$`);

// What str.split() takes for white space; JavaScript's \s differs in a few control characters.
const PYTHON_SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

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
export function userChannel(authorId) {
  if (!authorId) throw new InvalidChannel("The author's id is empty.");
  return checkChannel(USER + encode(authorId, SAFE_IN_ID));
}

/** @param {string} term as a person writes it: #Café */
export function keywordChannel(term) {
  const normalized = normalizeTerm(term);
  if (!normalized) throw new InvalidChannel(`Nothing is left of the keyword “${term}”.`);
  return checkChannel(KEYWORD + encodeTerm(normalized));
}

/**
 * What the REST API calls the posts of a channel; null for a channel it has no list of.
 *
 * @param {string} name
 * @returns {Record<string, string> | null}
 */
export function channelFilter(name) {
  if (name === GLOBAL) return {};
  if (name.startsWith(USER)) return { author: decodeAuthorId(name.slice(USER.length)) };
  if (name.startsWith(KEYWORD)) return { keyword: decodeTerm(name.slice(KEYWORD.length)) };
  return null;
}

/** @param {string} term */
export function normalizeTerm(term) {
  const words = term
    .split(PYTHON_SPACES)
    .filter(Boolean)
    .join(" ")
    .replace(/^[# ]+/, "");
  return casefold(words.normalize("NFC")).normalize("NFC");
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
export const encodeTerm = (term) => encode(term, SAFE_IN_TERM);

/**
 * The safe characters as they are, every other byte of the UTF-8 as ~HH.
 *
 * @param {string} text
 * @param {RegExp} safe
 */
function encode(text, safe) {
  if (/\p{Surrogate}/u.test(text)) throw new InvalidChannel(`“${text}” is no valid Unicode.`);
  return Array.from(new TextEncoder().encode(text), (byte) => {
    const character = String.fromCharCode(byte);
    return safe.test(character) ? character : escapeByte(byte);
  }).join("");
}

/** @param {number} byte */
const escapeByte = (byte) => "~" + byte.toString(16).toUpperCase().padStart(2, "0");

/** @param {string} encoded */
export function decodeTerm(encoded) {
  const term = decodeBytes(encoded);
  if (!term || encodeTerm(term) !== encoded) {
    throw new InvalidChannel(`“${encoded}” is not an encoded keyword.`);
  }
  return term;
}

/** @param {string} encoded */
function decodeAuthorId(encoded) {
  const id = decodeBytes(encoded);
  if (!id || encode(id, SAFE_IN_ID) !== encoded) {
    throw new InvalidChannel(`“${encoded}” is not the encoded id of an author.`);
  }
  return id;
}

/** @param {string} encoded */
function decodeBytes(encoded) {
  if (!/^(?:[A-Za-z0-9_-]|~[0-9A-F]{2})+$/.test(encoded)) return "";
  try {
    return decodeURIComponent(encoded.replaceAll("~", "%"));
  } catch {
    return ""; // bytes that are no UTF-8
  }
}
