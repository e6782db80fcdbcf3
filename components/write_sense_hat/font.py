"""A 5x7 font: each character as columns of seven bits, the lowest bit at the top.

The sense-hat package has a font too, but reading it costs numpy and pillow: 15 MB of a budget of
28.
"""

from typing import Final

SPACE_COLUMNS: Final = 2
MISSING: Final = "?"

_GLYPHS: Final = """
! 5F          " 07 00 07       # 14 7F 14 7F 14  $ 24 2A 7F 2A 12  % 23 13 08 64 62
& 36 49 55 22 50  ' 07         ( 1C 22 41        ) 41 22 1C        * 14 08 3E 08 14
+ 08 08 3E 08 08  , 50 30      - 08 08 08        . 60 60           / 20 10 08 04 02
0 3E 51 49 45 3E  1 42 7F 40   2 42 61 51 49 46  3 21 41 45 4B 31  4 18 14 12 7F 10
5 27 45 45 45 39  6 3C 4A 49 49 30  7 01 71 09 05 03  8 36 49 49 49 36  9 06 49 49 29 1E
: 36 36       ; 56 36          < 08 14 22 41     = 14 14 14 14     > 41 22 14 08
? 02 01 51 09 06  @ 32 49 79 41 3E  A 7E 11 11 11 7E  B 7F 49 49 49 36  C 3E 41 41 41 22
D 7F 41 41 22 1C  E 7F 49 49 49 41  F 7F 09 09 09 01  G 3E 41 49 49 7A  H 7F 08 08 08 7F
I 41 7F 41    J 20 40 41 3F 01 K 7F 08 14 22 41  L 7F 40 40 40 40  M 7F 02 0C 02 7F
N 7F 04 08 10 7F  O 3E 41 41 41 3E  P 7F 09 09 09 06  Q 3E 41 51 21 5E  R 7F 09 19 29 46
S 46 49 49 49 31  T 01 01 7F 01 01  U 3F 40 40 40 3F  V 1F 20 40 20 1F  W 3F 40 38 40 3F
X 63 14 08 14 63  Y 07 08 70 08 07  Z 61 51 49 45 43  [ 7F 41 41        \\ 02 04 08 10 20
] 41 41 7F    ^ 04 02 01 02 04 _ 40 40 40 40 40  ` 01 02 04        a 20 54 54 54 78
b 7F 48 44 44 38  c 38 44 44 44 20  d 38 44 44 48 7F  e 38 54 54 54 18  f 08 7E 09 01 02
g 0C 52 52 52 3E  h 7F 08 04 04 78  i 44 7D 40   j 20 40 44 3D     k 7F 10 28 44
l 41 7F 40    m 7C 04 18 04 78 n 7C 08 04 04 78  o 38 44 44 44 38  p 7C 14 14 14 08
q 08 14 14 18 7C  r 7C 08 04 04 08  s 48 54 54 54 20  t 04 3F 44 40 20  u 3C 40 40 20 7C
v 1C 20 40 20 1C  w 3C 40 30 40 3C  x 44 28 10 28 44  y 0C 50 50 50 3C  z 44 64 54 4C 44
{ 08 36 41    | 7F             } 41 36 08        ~ 08 04 08 10 08  \u00b0 06 09 09 06
"""


def _parse(table: str) -> dict[str, tuple[int, ...]]:
    glyphs: dict[str, list[int]] = {}
    columns: list[int] = []
    for word in table.split():
        if len(word) == 1:
            columns = glyphs[word] = []
        else:
            columns.append(int(word, 16))
    return {character: tuple(bits) for character, bits in glyphs.items()}


GLYPHS: Final = _parse(_GLYPHS)


def columns(text: str) -> list[int]:
    r"""The columns of a text, one blank column after each character.

    >>> columns("1 .")
    [66, 127, 64, 0, 0, 0, 96, 96, 0]
    >>> columns("\u2713") == columns("?")
    True
    """
    made: list[int] = []
    for character in text:
        if character.isspace():
            made += [0] * SPACE_COLUMNS
        else:
            made += [*GLYPHS.get(character, GLYPHS[MISSING]), 0]
    return made
