"""A token comes back as the key it was made of, or is refused; it never does anything else."""

import itertools

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import given
from hypothesis import strategies as st

from tocsin_chassis import paging
from tocsin_kernel.errors import Invalid


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_a_token_holds_its_key(parts: list[str]) -> None:
    assert paging.decode(paging.encode(*parts), len(parts)) == tuple(parts)


@given(st.text(max_size=60))
def test_any_other_text_is_refused_by_name(token: str) -> None:
    try:
        held = paging.decode(token, 2)
    except Invalid as error:
        assert error.data["field"] == "page_token"
    else:
        assert len(held) == 2


def test_a_token_of_another_list_is_refused() -> None:
    with pytest.raises(Invalid):
        paging.decode(paging.encode("a", "b"), 1)


@pytest.mark.parametrize(("requested", "size"), [(0, 50), (-3, 50), (1, 1), (500, 500), (501, 500)])
def test_sizes(requested: int, size: int) -> None:
    assert paging.page_size(requested) == size


@given(st.lists(st.integers(0, 90), max_size=12))
def test_answers_hold_every_item_and_none_is_larger_than_it_may_be(lengths: list[int]) -> None:
    items = [StringValue(value="x" * length) for length in lengths]
    answers = list(paging.in_answers(items, 100))
    assert [item for answer in answers for item in answer] == items
    assert all(len(answer) == 1 or sum(item.ByteSize() for item in answer) <= 100 for answer in answers)
    for answer, following in itertools.pairwise(answers):
        assert sum(item.ByteSize() for item in [*answer, following[0]]) > 100, "it ended early"


def test_a_page_that_is_too_large_ends_early_with_the_token_of_its_last_item() -> None:
    items = [StringValue(value="x" * 40) for _ in range(5)]
    assert paging.fitted(items, "next", str, 100) == (items[:2], "1")
    assert paging.fitted(items, "next", str, 1_000) == (items, "next")
    assert paging.fitted([], "", str) == ([], "")
