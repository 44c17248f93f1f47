"""The palette keeps its contrast, and its tones their distance from each other, in light and dark.

Read from the stylesheet itself.
"""

import re
from itertools import combinations
from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt

import pytest
from django.contrib.staticfiles import finders

TOKEN = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
TONES = ["danger", "info", "ok", "neutral", "violet", "warn", "slate"]
GROUNDS = ["canvas", "surface", "sunken"]


def palette(theme):
    with open(finders.find("operations/tokens.css"), encoding="utf-8") as file:
        tokens = TOKEN.findall(file.read())
    return {name: (light if theme == "light" else dark) for name, light, dark in tokens}


def linear(colour):
    """Red, green and blue as shares of light."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    ]


def luminance(colour):
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_text_reads_on_every_ground(theme, ground):
    colours = palette(theme)

    assert contrast(colours["text"], colours[ground]) >= 14
    assert contrast(colours["muted"], colours[ground]) >= 5.6
    assert contrast(colours["link"], colours[ground]) >= 4.5
    assert contrast(colours["edge"], colours[ground]) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_primary_button_reads(theme):
    colours = palette(theme)

    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["on-accent"], colours["accent-hover"]) >= 4.5


@pytest.mark.parametrize(("theme", "least"), [("light", 6.5), ("dark", 7.9)])
@pytest.mark.parametrize("tone", TONES)
def test_badges_read_and_their_icons_are_seen(theme, least, tone):
    colours = palette(theme)

    assert round(contrast(colours[f"{tone}-text"], colours[f"{tone}-tint"]), 1) >= least
    for ground in ("canvas", "surface", f"{tone}-tint"):
        assert contrast(colours[f"{tone}-solid"], colours[ground]) >= 3


# Distance ----------------------------------------------------------------------------------------

#: What people with each kind of colour blindness see, in linear RGB: Machado, Oliveira and
#: Fernandes 2009 at full severity.
EYES = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
#: sRGB to CIE XYZ, each row divided by the white of D65.
TO_XYZ = (
    (0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883),
)


def times(matrix, vector):
    return [sum(one * other for one, other in zip(row, vector, strict=True)) for row in matrix]


def lab(rgb):
    """CIE L*a*b* of linear RGB."""
    x, y, z = (
        value ** (1 / 3) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116
        for value in times(TO_XYZ, rgb)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def seen(colour, eyes):
    return lab([min(1, max(0, value)) for value in times(EYES[eyes], linear(colour))])


def hue(a, b):
    return degrees(atan2(b, a)) % 360


def ciede2000(one, other):
    """The difference of two colours in L*a*b*, as Sharma, Wu and Dalal 2005 write it down."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_c = (hypot(a1, b1) + hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * sqrt(mean_c**7 / (mean_c**7 + 25**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = hypot(a1, b1), hypot(a2, b2)
    h1, h2 = hue(a1, b1), hue(a2, b2)
    turn = h2 - h1
    if abs(turn) > 180:
        turn -= 360 if turn > 0 else -360
    grey = c1 * c2 == 0
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    mean_h = h1 + h2 if grey else (h1 + turn / 2) % 360
    delta_h = 0 if grey else 2 * sqrt(c1 * c2) * sin(radians(turn / 2))
    weight = (
        1
        - 0.17 * cos(radians(mean_h - 30))
        + 0.24 * cos(radians(2 * mean_h))
        + 0.32 * cos(radians(3 * mean_h + 6))
        - 0.20 * cos(radians(4 * mean_h - 63))
    )
    lightness = (l2 - l1) / (1 + 0.015 * (mean_l - 50) ** 2 / sqrt(20 + (mean_l - 50) ** 2))
    chroma = (c2 - c1) / (1 + 0.045 * mean_c)
    huedness = delta_h / (1 + 0.015 * mean_c * weight)
    rotation = -2 * sqrt(mean_c**7 / (mean_c**7 + 25**7))
    rotation *= sin(radians(60 * exp(-(((mean_h - 275) / 25) ** 2))))
    return sqrt(lightness**2 + chroma**2 + huedness**2 + rotation * chroma * huedness)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
        ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
        ((50, 2.4900, -0.0010), (50, -2.4900, 0.0011), 7.2195),
        ((50, -0.0010, 2.4900), (50, 0.0009, -2.4900), 4.8045),
        ((50, -0.0010, 2.4900), (50, 0.0011, -2.4900), 4.7461),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((50, 2.5, 0), (56, -27, -3), 31.9030),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_measure_gives_the_published_distances(one, other, distance):
    """Pairs from the test data of Sharma, Wu and Dalal."""
    assert ciede2000(one, other) == pytest.approx(distance, abs=0.00005)
    assert ciede2000(other, one) == pytest.approx(distance, abs=0.00005)


def test_the_measure_knows_black_white_and_red():
    for eyes in EYES:
        assert seen("#ffffff", eyes) == pytest.approx((100, 0, 0), abs=0.02)
        assert seen("#000000", eyes) == pytest.approx((0, 0, 0), abs=0.02)
    assert seen("#ff0000", "all colours") == pytest.approx((53.24, 80.09, 67.20), abs=0.02)


OPERATION_TONES = ["neutral-solid", "info-solid", "ok-solid", "danger-solid", "violet-solid"]
#: A draft is outlined in the colour of edges.
STATE_TONES = ["ok-solid", "warn-solid", "slate-solid", "violet-solid", "edge"]
SIDE_BY_SIDE = [
    *combinations(OPERATION_TONES, 2),
    *combinations(STATE_TONES, 2),
    ("danger-solid", "warn-solid"),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("eyes", EYES)
def test_tones_that_stand_side_by_side_are_told_apart(theme, eyes):
    colours = palette(theme)
    near = {
        (one, other): round(distance, 1)
        for one, other in SIDE_BY_SIDE
        if (distance := ciede2000(seen(colours[one], eyes), seen(colours[other], eyes))) < 10
    }
    assert near == {}
