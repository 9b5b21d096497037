/**
 * Text and its entities → the segments to draw. Offsets count code points, not UTF-16 units.
 *
 * @import {Entity} from "./resource.js"
 * @typedef {{text: string, entity: Entity | null}} Segment
 */

/**
 * @param {string} text
 * @param {Entity[]} entities
 * @returns {Segment[]}
 */
export function segments(text, entities) {
  const points = Array.from(text);
  /** @type {Segment[]} */
  const found = [];
  let position = 0;
  for (const entity of placed(entities, points.length)) {
    if (entity.start > position) {
      found.push({ text: points.slice(position, entity.start).join(""), entity: null });
    }
    found.push({ text: points.slice(entity.start, entity.end).join(""), entity });
    position = entity.end;
  }
  if (position < points.length) found.push({ text: points.slice(position).join(""), entity: null });
  return found;
}

/**
 * The entities that lie within the text, in order, without those that overlap an earlier one.
 *
 * @param {Entity[]} entities
 * @param {number} length
 */
function placed(entities, length) {
  let end = 0;
  return entities
    .filter(({ start, end }) => isOffset(start) && isOffset(end) && start < end && end <= length)
    .sort((a, b) => a.start - b.start)
    .filter((entity) => {
      if (entity.start < end) return false;
      end = entity.end;
      return true;
    });
}

/** @param {unknown} value */
const isOffset = (value) => Number.isInteger(value) && Number(value) >= 0;

const RTL = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const RTL_LANGUAGES = new Set(["ar", "ckb", "dv", "fa", "he", "iw", "ps", "sd", "ug", "ur", "yi"]);

/**
 * The direction of the words themselves: a leading @mention or #tag in Latin letters does not turn an
 * Arabic post around, as the browser's dir=auto would.
 *
 * @param {string} text
 * @param {Entity[]} entities
 * @param {string} lang
 * @returns {"ltr" | "rtl"}
 */
export function direction(text, entities, lang) {
  const words = segments(text, entities)
    .filter((segment) => segment.entity === null)
    .map((segment) => segment.text)
    .join("");
  const [letter] = words.match(/\p{Letter}/u) ?? [];
  if (letter) return RTL.test(letter) ? "rtl" : "ltr";
  return RTL_LANGUAGES.has(lang) ? "rtl" : "ltr";
}

const EMOJI = /^(?:\p{Extended_Pictographic}|\p{Emoji_Component}|\u200d|\ufe0f)+$/u;

/**
 * How loud a text may be: the fewer words, the larger it is set.
 *
 * @param {string} text
 * @returns {"emoji" | "short" | "medium" | "long"}
 */
export function loudness(text) {
  const bare = text.replace(/\s+/gu, "");
  // Digits, # and * are emoji components too: one true pictograph or flag must be there.
  const pictured = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(bare);
  if (pictured && EMOJI.test(bare) && Array.from(bare).length <= 24) return "emoji";
  const weight = Array.from(text).reduce((sum, point) => sum + (isWide(point) ? 2 : 1), 0);
  if (weight <= 70 && text.split("\n").length <= 3) return "short";
  return weight <= 320 ? "medium" : "long";
}

/** @param {string} point */
const isWide = (point) =>
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u.test(point);
