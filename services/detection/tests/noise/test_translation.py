"""Whatever is translated means in Postgres what it means in RE2."""

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from tocsin_detection.noise.matcher import expression
from tocsin_detection.noise.translation import pattern, translated

LETTERS = "abkKsSZ019 _-./:\n\täßſ\u212aé"
texts = some.text(LETTERS, max_size=8)

literal = some.sampled_from(["a", "b", "k", "S", "Z", "0", "9", " ", "_", "-", "/", ":", "ä", r"\.", r"\-", r"\/", r"\n", r"\t", "\n"])
atom = literal | some.sampled_from(
    [".", "[abk]", "[^ab]", "[a-s]", "[A-Z0-9_]", "[^0-9]", r"[\w.-]", r"[\s]", r"[a\]]", "[k-]", r"\d", r"\W", r"\S"]
)
quantifier = some.sampled_from(["", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{0,3}", "{1,}", "{2,3}?"])
piece = some.builds(lambda found, often: found + often, atom, quantifier)


def joined(parts: some.SearchStrategy[str]) -> some.SearchStrategy[str]:
    branch = some.lists(parts, max_size=4).map("".join)
    group = some.builds(
        lambda opened, branches, often: f"{opened}{'|'.join(branches)}){often}",
        some.sampled_from(["(", "(?:"]),
        some.lists(branch, min_size=1, max_size=3),
        some.sampled_from(["", "*", "+", "?", "*?"]),
    )
    return parts | group


expressions = some.builds(
    lambda flag, first, branches, last: flag + first + "|".join(branches) + last,
    some.sampled_from(["", "", "(?i)"]),
    some.sampled_from(["", "^"]),
    some.lists(some.lists(some.recursive(piece, joined, max_leaves=6), max_size=4).map("".join), min_size=1, max_size=3),
    some.sampled_from(["", "$"]),
)


@pytest.fixture(scope="module")
def postgres(servers):
    with psycopg.connect(servers.postgres_url("postgres"), autocommit=True) as connection:
        yield connection


@example(written=r"(?i)\W", tried=["\u017f"])
@example(written=r"(?i)[\w]", tried=["\u017f", "\u212a"])
@settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=expressions, tried=some.lists(texts, min_size=1, max_size=8))
def test_what_is_translated_means_the_same(postgres, written: str, tried: list[str]) -> None:
    in_postgres = translated(written)
    if in_postgres is None:
        return
    found = postgres.execute(
        "SELECT array_agg(given.text ~ %s ORDER BY position) FROM unnest(%s::text[]) WITH ORDINALITY AS given (text, position)",
        (in_postgres, tried),
    )
    assert found.fetchone()[0] == [expression(written).fullmatch(text) is not None for text in tried]


@pytest.mark.parametrize(
    "written",
    [
        "fill.*",
        "x.*",
        "7-1.*-3",
        "web|db",
        "^web-[0-9]+$",
        r"10\.0\.\d{1,3}\.1",
        "(?i)disk.*full",
        "",
        "a|",
        ".+",
        "(prod|stage)-.*",
        "node_[a-z_]+",
    ],
)
def test_what_people_write_is_translated(written: str) -> None:
    assert translated(written) is not None


@pytest.mark.parametrize(
    "written",
    [
        r"\bfoo",
        r"\pL+",
        "[[:alpha:]]+",
        r"\Qa.b\E",
        "(?s).*",
        "a{17}",
        "(a{2}){2}",
        "(?P<name>a)",
        r"\x41",
        "(?i)ä",
        "a^b",
        "a" * 400,
        r"\x{10FFFF}",
    ],
)
def test_what_may_mean_something_else_is_not(written: str) -> None:
    assert translated(written) is None


simple = some.lists(
    some.sampled_from(
        ["a", "S", "9", "-", "_", "%", "ä", r"\.", r"\%", r"\_", r"\\", r"\-", ".", ".*", ".+", ".*?", "a*", ".?", "$", r"\d", "\n"]
    ),
    max_size=6,
)


@example(written=r"\\", tried=["\\"])
@settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=simple.map(lambda parts: "^" + "".join(parts)) | simple.map("".join),
    tried=some.lists(some.text("aS9-_%ä.\\\nd$", max_size=6), min_size=1, max_size=8),
)
def test_what_like_can_say_means_the_same(postgres, written: str, tried: list[str]) -> None:
    in_postgres = pattern(written)
    if in_postgres is None:
        return
    found = postgres.execute(
        "SELECT array_agg(given.text LIKE %s AND given.text NOT LIKE %s ORDER BY position)"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS given (text, position)",
        (in_postgres, "%\n%", tried),
    )
    assert found.fetchone()[0] == [expression(written).fullmatch(text) is not None for text in tried]


@pytest.mark.parametrize("written", ["fill.*", "7-1.*-3", "^web-1$", r"10\.0\..+", ".+", "", "50%_"])
def test_what_is_simple_becomes_a_pattern(written: str) -> None:
    assert pattern(written) is not None


@pytest.mark.parametrize("written", ["a|b", "a*", "[ab]", "(a)", r"\d", ".?", "a\nb", "(?i)a", "a$b", r"\$$$"])
def test_what_is_not_becomes_none(written: str) -> None:
    assert pattern(written) is None
