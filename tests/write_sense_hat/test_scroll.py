"""Text that runs through the matrix."""

from hypothesis import given
from hypothesis import strategies as st

from write_sense_hat.font import GLYPHS, columns
from write_sense_hat.matrix import OFF, SIDE
from write_sense_hat.scroll import BAR_ROW, Scroll, Segment

RED = (255, 0, 0)
texts = st.text(st.sampled_from([*sorted(GLYPHS), " "]), min_size=1, max_size=20)


def lit_columns(scroll: Scroll, offset: int) -> list[int]:
    frame = scroll.frame(offset)
    return [
        sum((frame[row * SIDE + column] != OFF) << row for row in range(BAR_ROW))
        for column in range(SIDE)
    ]


def test_every_printable_ascii_character_has_its_own_glyph() -> None:
    printable = [chr(code) for code in range(33, 127)]
    assert all(character in GLYPHS for character in printable)
    assert len({GLYPHS[character] for character in printable}) == len(printable)


def test_no_glyph_is_wider_than_five_columns_or_higher_than_seven_rows() -> None:
    for bits in GLYPHS.values():
        assert 1 <= len(bits) <= 5
        assert all(0 <= column < 128 for column in bits)
        assert bits[0]
        assert bits[-1]


@given(texts)
def test_reading_the_right_edge_gives_the_text_again(text: str) -> None:
    scroll = Scroll([Segment(text, RED)])
    edge = [lit_columns(scroll, offset)[-1] for offset in range(scroll.length - SIDE + 1)]
    expected = columns(text)
    assert edge == expected[: len(edge)]
    assert not any(expected[len(edge) :])


@given(texts)
def test_every_step_moves_the_picture_left_by_one_column(text: str) -> None:
    scroll = Scroll([Segment(text, RED)])
    for offset in range(scroll.length):
        assert lit_columns(scroll, offset)[1:] == lit_columns(scroll, offset + 1)[:-1]


@given(texts)
def test_the_text_has_left_at_its_length_and_not_before(text: str) -> None:
    scroll = Scroll([Segment(text, RED)])
    assert not any(lit_columns(scroll, scroll.length))
    if text.strip():
        assert any(lit_columns(scroll, scroll.length - 1))


def test_segments_keep_their_colours_and_the_bar_stays() -> None:
    bar = [RED] * SIDE
    scroll = Scroll([Segment("1", RED), Segment("1", (0, 9, 0))], bar)
    frame = scroll.frame(6)
    assert frame[BAR_ROW * SIDE :] == tuple(bar)
    assert {RED, (0, 9, 0)} <= set(frame[: BAR_ROW * SIDE])
    assert scroll.text == "11"


def test_an_unknown_character_is_shown_as_a_question_mark() -> None:
    assert columns("\N{SNOWMAN}") == columns("?")
