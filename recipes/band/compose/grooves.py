"""Drum grooves as tables, and the General MIDI percussion keys they use.

A groove is written as alternating names and rows; a row holds sixteenth notes (X accent,
x normal, o soft, . rest) and repeats until the bar is full.
"""

from __future__ import annotations

KICK, KICK2, STICK, SNARE, SNARE2, CLAP = 36, 35, 37, 38, 40, 39
HAT, PEDAL, OPEN = 42, 44, 46
CRASH, CRASH2, CHINA, SPLASH, RIDE, RIDE2, BELL = 49, 57, 52, 55, 51, 59, 53
TOMS = (50, 48, 47, 45, 43, 41)  # high to low
TAMBOURINE, COWBELL, CABASA, SHAKER = 54, 56, 69, 70
BONGOS, CONGAS, TIMBALES, AGOGOS = (60, 61), (62, 63, 64), (65, 66), (67, 68)
WHISTLES, GUIROS, CLAVES, BLOCKS = (71, 72), (73, 74), (75,), (76, 77)
CUICAS, TRIANGLES, VIBRASLAP = (78, 79), (80, 81), (58,)
HAND = (*BONGOS, *CONGAS, *TIMBALES, *AGOGOS, *WHISTLES, *GUIROS, *CLAVES, *BLOCKS, *CUICAS,
        *TRIANGLES, *VIBRASLAP)  # fmt: skip
CYMBALS = (CRASH, CRASH2, CHINA, SPLASH, RIDE, RIDE2, BELL)

VELOCITY = {"X": 112.0, "x": 88.0, "o": 48.0}

NAMES = {
    "k": KICK, "K": KICK2, "s": SNARE, "S": SNARE2, "t": STICK, "c": CLAP,
    "h": HAT, "p": PEDAL, "o": OPEN, "r": RIDE, "b": BELL, "C": CRASH, "D": CRASH2, "N": CHINA,
    "T": TAMBOURINE, "B": COWBELL, "A": CABASA, "M": SHAKER,
    "1": 50, "2": 48, "3": 47, "4": 45, "5": 43, "6": 41,
    "bongo": 60, "bongo2": 61, "mute": 62, "conga": 63, "conga2": 64, "timb": 65, "timb2": 66,
    "agogo": 67, "agogo2": 68, "guiro": 73, "clave": 75, "block": 76, "cuica": 78, "tri": 81,
}  # fmt: skip

_TABLE = {
    "rock": (
        "k X.......X....... s ....X.......X... h X.x.",
        "k X.....x.X....... s ....X.......X... h X.x.",
        "k X..x..x.X.x..... s ....X.......X..o h xo",
        "k X.x.....x.x..... s ....X.......X... r X.x.",
        "k X...x...X.x.x... s ....X.......X... h X...",
        "k X.....X...X..... s ....X.......X... o X...",
        "k X..x....X....... s ....X..x....X... h x.",
        "k X.......X.X..... s ....X.......X... C X...",
        "k X...X...X...X... s X.......X....... h x.",
        "k X.......X....... s ....X.......X... h X.x. T ....x...",
    ),
    "pop": (
        "k X.......X.x..... s ....X.......X... h x.",
        "k X.....x...x..... c ....X.......X... h xo",
        "k X...X...X...X... s ....X.......X... M xoXo",
        "k X..x..x.....x... s ....X.......X... h x. T ....x...",
        "k X.......X....... s ....X.......X... c ....X.......X... h x...",
        "k X..X....X..X.... s ....X.......X... r x.x. p ..x.",
    ),
    "halftime": (
        "k X.........x..... s ........X....... h x.",
        "k X..x......x...x. s ........X....... C X...",
        "k X.x..x....x..... s ........X.....o. r X...",
        "k X............... s ........X....... h xo",
    ),
    "ballad": (
        "k X.......x....... t ....x.......x... h x.o.",
        "k X.....o.x....... s ....x.......x... r x.o.",
        "k x............... t ........x....... h o...",
        "k X.....x.x....... s ....X.......X... h x... M o.",
    ),
    "funk": (
        "k X.x.......x..x.. s ....X..o.o..X..o h x",
        "k X..x..x...x..... s ....X..o.o.oX... h x.",
        "k X......x..x..x.. s .o..X..o.o..X..o h X.xx",
        "k X.....x..x...... s ....X..x....X... h X.x.X.x.X.x.X... o ..............x.",
        "k X..X..X...X..X.. s ....X.......X.o. B X...",
        "k X.xX......X..... s ....X..o....X.oo h xxoxxxox conga x..xx.x.",
    ),
    "disco": (
        "k X... s ....X... h x.........x..... o ..X.",
        "k X... s ....X... h xx.x o ..X.",
        "k X... c ....X... o ..X. T xxXx",
    ),
    "house": (
        "k X... c ....X... o ..X.",
        "k X... s ....X... h o o ..x.",
        "k X...X...X...X..x c ....x... r x. t ...x..x....x..x.",
        "k X... h ..x. M xoxo conga ...x..x.",
    ),
    "shuffle": (
        "k X.......X....... s ....X... h X.x.",
        "k X...x...X.x.x... s ..o.X.o. r X.x.",
        "k X... s o.o.X.o. h X.x.",
        "k X.....x.X....... s ....X... p ....x... r X.x.",
    ),
    "swing": (
        "r x...X.x. p ....x...",
        "r x...X.x. p ....x... k o... s ......o.........",
        "r x...X... p ....x... s ..o.......o..... k ......x.........",
        "h x...X.x. t ............x... k x.......o.......",
        "r x...X.x. p ....x... s ......x...x..... k ..........x...x.",
    ),
    "brush": (
        "S o.o.x.o.o.o.x.o. p ....x...",
        "s o...x... r x...o.x. k o.......",
        "S oooo k o......o p ....x...",
    ),
    "bossa": (
        "k X.....xx t X..X..X...X..X.. h x",
        "k x.....x. t x.....x...x..... h x.",
        "k X.....xx t ..x...x.x..x..x. M xoXo",
    ),
    "samba": (
        "k x..xX..x M Xoox t x.x.xx.x.x.x.xx.",
        "6 ....X... s Xooxoxox T Xoxx k x..x",
        "k x..x agogo x.x..x.x agogo2 ...x..x. M xoox cuica ..x..x..",
    ),
    "reggae": (
        "k ........X....... t ........X....... h x.x.",
        "k X.......X....... s ........x..o.... h x.xxx.x.",
        "k X... t ....x..x h ..x.",
        "k ........X....... s ........X....... h x.xxx.xx 2 ..............x.",
    ),
    "ska": ("k X.......X....... s ....X... h ..X.", "k X... s ....X... h x.X. o ......x."),
    "latin": (
        "B X...x...X.x.x.x. mute ....x.......x... conga ......xx k ......x.......x.",
        "clave X..X..X...X.X... A x.xx conga2 ......xx bongo x..o..x.",
        "timb X.x.x.xxX.x.x.x. timb2 ....x.....x..... B X.xx k ...x..x.",
        "agogo X.x.xx.x.xx.x.x. conga ..x...xx M xo s ....x......x....",
        "guiro X.xxX.xx conga ......xx conga2 ..........x..... bongo xoxo clave ..X.X...X..X..X.",
        "k X..X..X. block X..X..X...X.X... tri x.x. s ...x....",
    ),
    "breakbeat": (
        "k X.X.......XX.... s ....X..x.x..X..x h x.",
        "k X.........X..... s ....X.......X... h x.",
        "k X..X..X.....X... s ....X..o.o....X. h x",
        "k X.x....x..x..... s ....X.....X..X.o r x.",
        "k X.......X..X.... s ....X..X....X... o x... M xo",
    ),
    "punk": (
        "k X... s ..X. h x.",
        "k X...X.x. s ..X. C x...",
        "k X.x..... s ....X... o X...",
        "k X. s ....X... D X...",
    ),
    "metal": (
        "k Xx s ....X.......X... N X...",
        "k X.xx s ....X.......X... r X...",
        "k Xxxx s ........X....... b X...",
        "k X..X..X..X..X.X. s ....X.......X... D X...",
        "k X. s ....X.......X... C X...",
        "k XxX.XxX.X.X.XxX. s ........X....... h X...",
    ),
    "blast": (
        "k X. s .X r X.",
        "k x s x. C X...",
        "k X. s X. N X...",
    ),
    "train": (
        "k X... s oxoXoxoX",
        "k X....... s ooXo p ..x.",
        "k X... s ..X. h ..x.",
    ),
    "trap": (
        "k X.....x...x..x.. s ........X....... h x.x.x.xxx.x.xxxx",
        "k X..x......x..... c ........X....... h xxxxx.x.xxxxxoxo o ......x.........",
        "k X......x..x..... s ....X... h x.xxx.x.",
        "k X.....X......... c ........X....... h x. t ...x......x.....",
    ),
    "march": (
        "s XoooxooxXoooXxxx k X.......",
        "s X.oo K X...x... C ....x...",
        "s X.X.XoXo k X... D X.......",
    ),
    "tribal": (
        "6 X..x..x. 5 ...x..x. 4 ......x...x.x...",
        "5 X.x. 6 X....... 2 ....x..x....x.x. k X...",
        "6 xx.x s ....X... k X.......",
        "1 x..x.... 3 ..x...x. 6 X......x p x...",
    ),
}  # fmt: skip


def _parse(text: str) -> tuple[tuple[int, str], ...]:
    words = text.split()
    return tuple((NAMES[name], row) for name, row in zip(words[::2], words[1::2], strict=True))


#: Grooves by manner: each a tuple of (key, row).
GROOVES = {name: tuple(_parse(text) for text in texts) for name, texts in _TABLE.items()}
