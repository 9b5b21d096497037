import json
import subprocess
import sys
import unicodedata
from pathlib import Path

CHANNELS = Path(__file__).parents[2] / "frontend" / "js" / "channels.js"
FOLD = """
const { casefold } = await import(process.argv[1]);
const characters = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(characters.map(casefold)));
"""


def test_casefold_is_that_of_python_for_every_character():
    characters = [chr(point) for point in range(sys.maxunicode + 1)]
    assigned = [c for c in characters if unicodedata.category(c) not in ("Cn", "Cs")]
    result = subprocess.run(
        ["node", "--input-type=module", "-e", FOLD, CHANNELS.as_uri()],
        input=json.dumps(assigned),
        capture_output=True,
        text=True,
        check=True,
    )
    folded = json.loads(result.stdout)
    different = [(a, b) for a, b in zip(assigned, folded, strict=True) if a.casefold() != b]
    assert different == []
