import pytest

from api.sources import SourceError
from api.sources.x_rules import make_rule
from tests.x_rules import find_fault


@pytest.mark.parametrize(
    ("keyword", "value", "tag"),
    [
        ("#Wall", "#Wall", "wallpush:wall"),
        ("wall", "wall", "wallpush:wall"),
        ("@ada_l", "@ada_l", "wallpush:@ada_l"),
        ("#Cafe\u0301", "#Caf\xe9", "wallpush:caf\xe9"),
        ("حائط", "حائط", "wallpush:حائط"),
        ("  django   con ", '"django con"', "wallpush:django con"),
        ('say "hi"', '"say \\"hi\\""', 'wallpush:say "hi"'),
        ("back\\slash", '"back\\\\slash"', "wallpush:back\\slash"),
        ("OR", '"OR"', "wallpush:or"),
        ("-wall", '"-wall"', "wallpush:-wall"),
        ("from:ada_l", '"from:ada_l"', "wallpush:from:ada_l"),
        ("(wall", '"(wall"', "wallpush:(wall"),
        ("c++", '"c++"', "wallpush:c++"),
    ],
)
def test_rule_of_a_keyword(keyword, value, tag):
    rule = make_rule(keyword)

    assert (rule.value, rule.tag) == (f"{value} -is:nullcast", tag)
    assert find_fault(rule.value) == ""


@pytest.mark.parametrize("keyword", ["#", " ", "x" * 200])
def test_keyword_without_a_channel_is_refused(keyword):
    with pytest.raises(SourceError, match=r"^WALLPUSH_KEYWORDS: .*\.$"):
        make_rule(keyword)
