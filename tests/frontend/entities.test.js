import assert from "node:assert/strict";
import { test } from "node:test";

import { direction, loudness, segments } from "../../frontend/js/entities.js";

const tag = (start, end) => ({ type: "hashtag", start, end, tag: "x" });

/** The pieces as text, those of an entity in brackets. */
const marked = (text, entities) =>
  segments(text, entities).map((segment) => (segment.entity ? `[${segment.text}]` : segment.text));

test("a text without entities is one segment", () => {
  assert.deepEqual(segments("hello", []), [{ text: "hello", entity: null }]);
});

test("an empty text has no segments", () => {
  assert.deepEqual(segments("", []), []);
});

test("offsets count code points, not UTF-16 units", () => {
  assert.deepEqual(marked("🎉🎉 #x", [tag(3, 5)]), ["🎉🎉 ", "[#x]"]);
});

test("an emoji joined of several counts each of its parts", () => {
  // 👨‍👩‍👧 is five code points: three people and two joiners.
  assert.deepEqual(marked("👨‍👩‍👧 #x!", [tag(6, 8)]), ["👨‍👩‍👧 ", "[#x]", "!"]);
});

test("a combining accent is a code point of its own", () => {
  assert.deepEqual(marked("cafe\u0301 #x", [tag(6, 8)]), ["cafe\u0301 ", "[#x]"]);
});

test("neighbours have nothing between them", () => {
  assert.deepEqual(marked("#x#x", [tag(0, 2), tag(2, 4)]), ["[#x]", "[#x]"]);
});

test("entities are put in order", () => {
  assert.deepEqual(marked("#x #x", [tag(3, 5), tag(0, 2)]), ["[#x]", " ", "[#x]"]);
});

test("of two that overlap the first stays", () => {
  assert.deepEqual(marked("#abcd", [tag(0, 4), tag(2, 5)]), ["[#abc]", "d"]);
});

for (const [start, end] of [
  [3, 9],
  [2, 2],
  [4, 2],
  [-1, 2],
  [0.5, 2],
  ["0", 2],
  [undefined, 2],
]) {
  test(`an entity from ${start} to ${end} is left out`, () => {
    assert.deepEqual(marked("#x yz", [tag(start, end)]), ["#x yz"]);
  });
}

test("the pieces together are the text", () => {
  const text = "5 < 6 && <b>#x</b> 🎉\n\n@y";
  const pieces = segments(text, [tag(12, 14), tag(22, 24)]).map((segment) => segment.text);
  assert.equal(pieces.join(""), text);
});

test("the words decide the direction, not a leading mention", () => {
  const mention = { type: "mention", start: 0, end: 4, username: "ada", id: "1" };
  assert.equal(direction("@ada شكراً", [mention], "ar"), "rtl");
  assert.equal(direction("@ada thanks", [mention], "en"), "ltr");
});

test("without words the language decides the direction", () => {
  assert.equal(direction("🎉 42", [], "he"), "rtl");
  assert.equal(direction("🎉 42", [], "en"), "ltr");
});

for (const [text, expected] of [
  ["🎉", "emoji"],
  ["👩‍🚀 🚀\n✨", "emoji"],
  ["🇳🇴", "emoji"],
  ["42", "short"],
  ["#1", "short"],
  ["It compiles.", "short"],
  ["キーノート最高でした！", "short"],
  ["a\nb\nc\nd", "medium"],
  ["a".repeat(71), "medium"],
  ["字".repeat(160), "medium"],
  ["字".repeat(161), "long"],
  ["a".repeat(321), "long"],
  ["🎉".repeat(25), "short"],
]) {
  test(`${text.slice(0, 12)} (${text.length}) is ${expected}`, () => {
    assert.equal(loudness(text), expected);
  });
}
