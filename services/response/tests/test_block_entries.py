"""What block lists may hold, and how devices read them."""

import pytest

from tocsin_kernel.errors import Invalid
from tocsin_response.blocklist.entry import NOTHING, lines, spelled
from tocsin_response.containment.measure import TargetKind


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (TargetKind.ADDRESS, " 1.2.3.4 ", "1.2.3.4"),
        (TargetKind.ADDRESS, "1.2.3.77/24", "1.2.3.0/24"),
        (TargetKind.ADDRESS, "2606:4700:0::1", "2606:4700::1"),
        (TargetKind.DOMAIN, "Evil.Example.COM.", "evil.example.com"),
        (TargetKind.DOMAIN, "*.evil.example", "*.evil.example"),
        (TargetKind.DOMAIN, "bücher.example", "xn--bcher-kva.example"),
        (TargetKind.HASH, "D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"),
    ],
)
def test_a_value_has_one_spelling(kind, given, kept):
    assert spelled(kind, given) == kept
    assert spelled(kind, kept) == kept


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (TargetKind.ADDRESS, "0.0.0.0/0"),
        (TargetKind.ADDRESS, "10.1.2.3"),
        (TargetKind.ADDRESS, "127.0.0.1"),
        (TargetKind.ADDRESS, "1.2.3.4 # all"),
        (TargetKind.ADDRESS, "1.2.3.4\n5.6.7.8"),
        (TargetKind.DOMAIN, "com"),
        (TargetKind.DOMAIN, "a b.example"),
        (TargetKind.DOMAIN, "evil.example\nbank.example"),
        (TargetKind.DOMAIN, f"{'a' * 64}.example"),
        (TargetKind.HASH, "abc"),
        (TargetKind.USER, "ann"),
    ],
)
def test_what_is_not_of_its_kind_or_blocks_too_much_is_refused(kind, given):
    with pytest.raises(Invalid):
        spelled(kind, given)


@pytest.mark.parametrize("kind", sorted(NOTHING))
def test_a_list_is_never_read_as_empty(kind):
    assert lines(kind, []) == f"{NOTHING[kind]}\n"
    assert lines(kind, ["a", "b"]) == "a\nb\n"
