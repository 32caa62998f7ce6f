"""However the workers begin to read, each reads everything, in one round."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin_testkit.spreading import turned


@given(st.lists(st.integers(), unique=True), st.integers(1, 8))
def test_each_worker_reads_everything_once(found: list[int], workers: int) -> None:
    rounds = [turned(found, number, workers) for number in range(workers)]
    assert rounds[0] == found
    assert all(sorted(each) == sorted(found) for each in rounds)
    assert len({each[0] for each in rounds if found}) == min(workers, len(found))
