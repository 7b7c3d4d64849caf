"""What is kept of an answer: its beginning up to a bound, its first piece, and its end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.call import TAIL_BYTES, Answer

pieces = st.lists(
    st.binary(min_size=1, max_size=9) | st.integers(1, TAIL_BYTES).map(lambda size: b"x" * size), max_size=9
)


@settings(max_examples=200, deadline=None, database=None)
@given(pieces=pieces, bound=st.sampled_from([0, 1, 10, 1000, 100_000]))
def test_head_and_ends(pieces: list[bytes], bound: int) -> None:
    answer = Answer(bound)
    for piece in pieces:
        answer.add(piece)
    everything = b"".join(pieces)
    assert answer.size == len(everything)
    assert answer.head() == everything[:bound]
    known = answer.known()
    # Whole pieces only: no event is cut where the hole is.
    starts = [everything[: sum(map(len, pieces[:count]))] for count in range(len(pieces) + 1)]
    ends = [everything[sum(map(len, pieces[:count])) :] for count in range(len(pieces) + 1)]
    assert any(known == start + end for start in starts for end in ends)
    if pieces:
        assert known.startswith(pieces[0]) and known.endswith(b"".join(pieces[-2:]))
    if len(everything) <= bound:
        assert known == everything


def test_memory_is_bounded() -> None:
    answer = Answer(1000)
    for _ in range(10_000):
        answer.add(b"y" * 100)
    assert len(answer.known()) <= 1000 + TAIL_BYTES + 100
    assert answer.size == 1_000_000


def test_the_end_is_kept_for_what_stands_there() -> None:
    answer = Answer(0)
    for number in range(2000):
        answer.add(b"%05d" % number * 20)
    assert answer.head() == b""
    assert answer.known().startswith(b"00000") and answer.known().endswith(b"01999" * 20)
    assert len(answer.known()) > TAIL_BYTES - 100
