"""The palette keeps its contrast, in light and in dark. Read from the stylesheet itself."""

import re

import pytest
from django.contrib.staticfiles import finders

TOKEN = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
TONES = ["danger", "info", "ok", "neutral", "violet", "warn", "slate"]
GROUNDS = ["canvas", "surface", "sunken"]


def palette(theme):
    with open(finders.find("operations/tokens.css"), encoding="utf-8") as file:
        tokens = TOKEN.findall(file.read())
    return {name: (light if theme == "light" else dark) for name, light, dark in tokens}


def luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
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
