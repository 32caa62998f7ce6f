"""A token comes back as the key it was made of, or is refused; it never does anything else."""

import pytest
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
