import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  InvalidChannel,
  channelFilter,
  checkChannel,
  decodeTerm,
  encodeTerm,
  keywordChannel,
  normalizeTerm,
  userChannel,
} from "../../frontend/js/channels.js";

const table = JSON.parse(readFileSync(new URL("../channels.json", import.meta.url), "utf-8"));

for (const { term, normalized, channel } of table.terms) {
  test(`term ${JSON.stringify(term)} has the channel ${channel}`, () => {
    assert.equal(normalizeTerm(term), normalized);
    assert.equal(keywordChannel(term), channel);
    assert.equal(decodeTerm(encodeTerm(normalized)), normalized);
    assert.deepEqual(channelFilter(channel), { keyword: normalized });
  });
}

for (const term of table.refused_terms) {
  test(`term ${JSON.stringify(term)} is refused`, () => {
    assert.throws(() => keywordChannel(term), InvalidChannel);
  });
}

for (const name of table.names.ok) {
  test(`name ${name} is a channel`, () => {
    assert.equal(checkChannel(name), name);
  });
}

for (const name of table.names.refused) {
  test(`name ${JSON.stringify(name)} is refused`, () => {
    assert.throws(() => checkChannel(name), InvalidChannel);
  });
}

for (const encoded of ["", "~", "~4", "~zz", "~c3~a9", "~61", "~C3", "~FF", "A", "é"]) {
  test(`${JSON.stringify(encoded)} is no encoded term`, () => {
    assert.throws(() => decodeTerm(encoded), InvalidChannel);
  });
}

test("a half of a character is no term", () => {
  assert.throws(() => keywordChannel("\ud83c"), InvalidChannel);
});

for (const { id, channel } of table.authors) {
  test(`author ${JSON.stringify(id)} has the channel ${channel} and is asked for by the id`, () => {
    assert.equal(userChannel(id), channel);
    assert.deepEqual(channelFilter(channel), { author: id });
  });
}

for (const id of table.refused_authors) {
  test(`author ${JSON.stringify(id)} is refused`, () => {
    assert.throws(() => userChannel(id), InvalidChannel);
  });
}

for (const encoded of [
  "",
  "~",
  "~4",
  "~zz",
  "~c3~a9",
  "~61",
  "~41",
  "~C3",
  "~FF",
  "é",
  "did:plc",
]) {
  test(`user-${encoded} is the channel of no author`, () => {
    assert.throws(() => channelFilter(`user-${encoded}`), InvalidChannel);
  });
}

test("the global channel is asked for without a filter, a free one not at all", () => {
  assert.deepEqual(channelFilter("global"), {});
  assert.equal(channelFilter("stage-2"), null);
});
