"""Notes from a source to the store, in the order of its messages: they take effect with the batch they came in.

They stand in a line beside the message, or alone, under the name "wallpush":

    position         {term: number}   how far it was read; the store keeps the highest of each term
    filled           {"gap": id, "after": number, "until": number, "found": number, "note": sentence}   a gap was searched
    removed          [{"id": id, "reason": word}]   tweets, by any id of theirs, that must go
    removed_authors  [{"id": id, "reason": word}]   authors of whom every tweet must go
    checked          [id]             tweets that the source was asked about again
    recheck          true             the message is the answer: it counts even if its version is known
"""

import json

NAME = "wallpush"


def make_notes_line(**notes):
    return json.dumps({NAME: notes}, separators=(",", ":")).encode()
