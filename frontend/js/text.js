/**
 * The text of a post, unmodified but for its links.
 *
 * @import {Entity, Post} from "./resource.js"
 * @import {Places} from "./links.js"
 */

import { element } from "./dom.js";
import { direction, loudness, segments } from "./entities.js";
import { link } from "./links.js";

// Not languages, but X's words for posts without one.
const NO_LANGUAGE = /^(?:und|zxx|q\w\w|)$/;

/**
 * @param {Post} post
 * @param {Places} places
 */
export function postText(post, places) {
  const parts = segments(post.text, post.entities).map(({ text, entity }) =>
    entity ? drawEntity(entity, text, places) : text,
  );
  const attributes = {
    class: `text ${loudness(post.text)}`,
    lang: language(post),
    dir: directionOf(post),
  };
  return element("p", attributes, ...parts);
}

/** @param {Post} post */
export const directionOf = ({ text, entities, lang }) => direction(text, entities, lang);

/** @param {Post} post */
const language = ({ lang }) => (NO_LANGUAGE.test(lang) ? null : lang);

/**
 * @param {Entity} entity
 * @param {string} text
 * @param {Places} places
 */
function drawEntity(entity, text, places) {
  const attributes = { class: `entity ${entity.type}`, dir: "auto" };
  switch (entity.type) {
    case "hashtag":
      return link(places.hashtag(entity.tag), attributes, text);
    case "cashtag":
      return link(places.cashtag(entity.tag), attributes, text);
    case "mention":
      return link(places.profile(entity), attributes, text);
    case "url": {
      const titled = { ...attributes, dir: "ltr", title: entity.expanded_url };
      return link(places.url(entity), titled, entity.display_url || text);
    }
    default:
      // A newer server may name a kind that this page does not know.
      return text;
  }
}
