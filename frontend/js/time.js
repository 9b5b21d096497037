/** Moments in words. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * @param {number} moment milliseconds
 * @param {number} now milliseconds
 */
export function relativeTime(moment, now) {
  const age = now - moment;
  if (Number.isNaN(age)) return "";
  // A moment ahead of this clock is new as well: the clocks differ, nobody writes in the future.
  if (age < MINUTE) return "now";
  if (age < HOUR) return `${Math.floor(age / MINUTE)} min`;
  if (age < DAY) return `${Math.floor(age / HOUR)} h`;
  if (age < 7 * DAY) return `${Math.floor(age / DAY)} d`;
  return shortDate(new Date(moment), new Date(now));
}

/**
 * @param {Date} date
 * @param {Date} today
 */
function shortDate(date, today) {
  const sameYear = date.getFullYear() === today.getFullYear();
  return date.toLocaleDateString("en-GB", {
    day: "numeric",
    month: "short",
    ...(sameYear ? {} : { year: "numeric" }),
  });
}

/**
 * @param {number} moment milliseconds
 * @param {string} [locale]
 */
export function absoluteTime(moment, locale) {
  if (Number.isNaN(moment)) return "";
  return new Date(moment).toLocaleString(locale, { dateStyle: "full", timeStyle: "short" });
}

/**
 * What is left until a moment, as a poll says it.
 *
 * @param {number} moment milliseconds
 * @param {number} now milliseconds
 */
export function timeLeft(moment, now) {
  const left = moment - now;
  if (Number.isNaN(left) || left <= 0) return "";
  if (left < HOUR) return `${Math.ceil(left / MINUTE)} min left`;
  if (left < DAY) return `${Math.floor(left / HOUR)} h left`;
  return `${Math.floor(left / DAY)} d left`;
}

/**
 * The length of a video: 0:07, 12:30, 1:02:03.
 *
 * @param {number} milliseconds
 */
export function duration(milliseconds) {
  const seconds = Math.round(milliseconds / SECOND);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((n) =>
    String(n).padStart(2, "0"),
  );
  const hours = Math.floor(seconds / 3600);
  return hours ? `${hours}:${parts.join(":")}` : parts.join(":").replace(/^0/, "");
}

/** @param {Date} date */
export const clock = (date) =>
  date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
