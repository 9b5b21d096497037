import assert from "node:assert/strict";
import { test } from "node:test";

import { readOptions } from "../../frontend/js/options.js";

test("without a query the wall shows everything", () => {
  const options = { channels: ["global"], theme: "", title: "", problem: null };
  assert.deepEqual(readOptions(""), options);
  assert.deepEqual(readOptions("?channels=,&theme=&title="), options);
});

test("channels, theme and title are read", () => {
  assert.deepEqual(readOptions("?channels=keyword-x,user-1,user-1&theme=dark&title=Hall%202"), {
    channels: ["keyword-x", "user-1"],
    theme: "dark",
    title: "Hall 2",
    problem: null,
  });
});

test("an unknown theme is the device's own", () => {
  assert.equal(readOptions("?theme=neon").theme, "");
});

for (const [name, suggestion] of [
  ["keyword-Café", "keyword-caf~C3~A9"],
  ["#Café", "keyword-caf~C3~A9"],
  ["keyword-Wall", "keyword-wall"],
  ["keyword-", ""],
  ["*", "keyword-~2A"],
  ["user-did:plc:abc", "user-did~3Aplc~3Aabc"],
]) {
  test(`${name} is no channel, ${suggestion || "nothing"} is suggested`, () => {
    assert.deepEqual(readOptions(`?${new URLSearchParams({ channels: name })}`).problem, {
      sentence: `“${name}” is not the name of a channel.`,
      suggestion,
    });
  });
}

test("more than ten channels are too many for one connection", () => {
  const names = Array.from({ length: 11 }, (_, n) => `user-${n}`).join(",");
  assert.deepEqual(readOptions(`?channels=${names}`).problem, {
    sentence: "A wall shows at most 10 channels; the address names 11.",
    suggestion: "",
  });
});
