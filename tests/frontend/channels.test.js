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

test("the channel of an author is asked for by the author's id", () => {
  assert.equal(userChannel("101"), "user-101");
  assert.deepEqual(channelFilter("user-101"), { author: "101" });
  assert.throws(() => userChannel(""), InvalidChannel);
});

test("the global channel is asked for without a filter, a free one not at all", () => {
  assert.deepEqual(channelFilter("global"), {});
  assert.equal(channelFilter("stage-2"), null);
});
