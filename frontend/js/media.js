/**
 * Pictures and videos. The space is reserved from the sizes that come with the post, so nothing moves
 * when a picture arrives.
 *
 * @import {Media, Photo, Video} from "./resource.js"
 */

import { element } from "./dom.js";
import { picture, play } from "./icons.js";
import { safeMedia } from "./links.js";
import { duration } from "./time.js";

const MAX_SHOWN = 4;
const NARROWEST = 4 / 5;
const WIDEST = 2.4;

/**
 * @param {Media[]} media
 * @param {boolean} sensitive
 */
export function mediaGrid(media, sensitive) {
  const shown = media.slice(0, MAX_SHOWN);
  const grid = element("div", { class: `media media-${shown.length}` });
  grid.style.setProperty("--aspect", String(gridAspect(shown)));
  if (sensitive) grid.append(cover(grid, shown));
  else grid.append(...shown.map(tile));
  return grid;
}

/** @param {Media[]} shown */
function gridAspect(shown) {
  const [only] = shown;
  if (shown.length !== 1 || !only) return 16 / 10;
  const aspect = only.width / only.height;
  return Number.isFinite(aspect) && aspect > 0
    ? Math.min(Math.max(aspect, NARROWEST), WIDEST)
    : 16 / 9;
}

/**
 * Nothing of a sensitive picture is even loaded before somebody asks for it.
 *
 * @param {HTMLElement} grid
 * @param {Media[]} shown
 */
function cover(grid, shown) {
  const button = element(
    "button",
    { type: "button", class: "cover" },
    element("strong", {}, "Sensitive media"),
    element("span", {}, "Show"),
  );
  button.addEventListener("click", () => grid.replaceChildren(...shown.map(tile)));
  return button;
}

/** @param {Media} media */
const tile = (media) => (media.type === "photo" ? photo(media) : video(media));

/** @param {Photo} media */
function photo(media) {
  return element("figure", { class: "tile" }, image(media.url, media.alt || "Picture", media.alt));
}

/**
 * @param {string} address
 * @param {string} alt
 * @param {string} title
 */
function image(address, alt, title) {
  const source = safeMedia(address);
  if (!source) return placeholder(alt);
  const built = element("img", {
    src: source,
    alt,
    title: title || null,
    referrerpolicy: "no-referrer",
    decoding: "async",
    loading: "lazy",
  });
  built.addEventListener("error", () => built.replaceWith(placeholder(alt)));
  return built;
}

/** @param {string} alt */
const placeholder = (alt) =>
  element("div", { class: "placeholder", role: "img", "aria-label": alt }, picture());

/** @param {Video} media */
function video(media) {
  const name = media.type === "video" ? "Video" : "GIF";
  const poster = image(media.preview_url, media.alt || name, media.alt);
  const frame = element("figure", { class: "tile" }, poster);
  const badge = media.type === "video" ? duration(media.duration_ms ?? NaN) : "GIF";
  if (!badge.includes("NaN")) frame.append(element("span", { class: "badge" }, badge));
  if (safeMedia(media.url)) frame.append(playButton(frame, media, name));
  return frame;
}

/**
 * @param {HTMLElement} frame
 * @param {Video} media
 * @param {string} name
 */
function playButton(frame, media, name) {
  const button = element("button", { type: "button", class: "play" }, play());
  button.setAttribute("aria-label", media.alt ? `Play ${name}: ${media.alt}` : `Play ${name}`);
  button.addEventListener("click", () => {
    const player = playerOf(media);
    frame.replaceChildren(player);
    player.focus();
  });
  return button;
}

/** @param {Video} media */
function playerOf(media) {
  const player = element("video", {
    src: safeMedia(media.url),
    poster: safeMedia(media.preview_url) || null,
    controls: true,
    autoplay: true,
    playsinline: true,
    loop: media.type === "animated_gif",
    tabindex: 0,
    "aria-label": media.alt || null,
  });
  // Set as a property: the attribute alone does not mute a video that a script made.
  player.muted = true;
  return player;
}
