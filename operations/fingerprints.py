"""Which failures are alike: what is left of an error when ids, numbers and quoted text are gone.

Pure. The groups of the errors page are made by ``fingerprint``. It is stored with each failure:
whoever changes a rule here must compute the stored ones anew.
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b

#: Characters of a message that are looked at, and that are kept of its pattern.
MAX_MESSAGE = 4000
MAX_PATTERN = 400

_DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},?\ )?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = rf"""(?:
    \d{{4}}-\d{{2}}-\d{{2}} | \d{{4}}/\d{{1,2}}/\d{{1,2}} | \d{{1,2}}([/.])\d{{1,2}}[/.]\d{{4}}
  | {_DAY}\d{{1,2}}[\ -]{_MONTH}[\ -]\d{{4}}
  | {_DAY}{_MONTH}\ \d{{1,2}}(?: ,?\ \d{{4}} | (?=\ \d{{2}}:\d{{2}}) )
)"""
_CLOCK = r"""(?:
    \d{1,2}:\d{2}(?: :\d{2}(?:[.,]\d{1,9})? )?\ ?[ap]m | \d{1,2}:\d{2}:\d{2}(?:[.,]\d{1,9})?
  | \d{2}:\d{2}
)(?:\ ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"""

#: In this order. No alternative can be tried for long: what repeats either stops at a character
#: that it cannot pass or is counted.
_PARTS = re.compile(
    rf"""
  (?P<kept>  # what stands here already, and numbers that are the name of a failure
      \{{(?:text|url|email|time|ip|id|number)\}}
    | \b(?: AADSTS\d+
          | (?:HTTP(?:/\d(?:\.\d)?)?|status|code)[\ :=\#]{{1,2}}(?:0x[0-9a-f]{{1,8}}|-?\d{{1,10}})
      )\b
  )
| (?P<text>  # an apostrophe inside a word, or after it, opens nothing
      "[^"]*+" | `[^`]*+` | «[^«»]*+» | “[^“”]*+” | „[^„“”]*+[“”]
    | (?<![\w}}])'(?: [^'] | (?<=[\w}}])'(?=[\w{{]) )*+'(?![\w{{])
    | ‘(?: [^‘’] | (?<=\w)’(?=\w) )*+’
  )
| (?P<url> (?<!\w)[a-z][a-z0-9+.-]{{1,30}}://[^\s"'`<>«»“”]*[\w/}}] )
| (?P<email> (?<![\w.+-])[\w.+-]{{1,64}}@(?!odata\.)[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}} )
| (?P<time> (?<![\w.:/-])(?: {_DATE}(?: (?:T|,?\ (?:at\ )?){_CLOCK} )? | {_CLOCK} )(?!\w) )
| (?P<ip>
      (?<![\w.-])(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?:/\d{{1,2}})?(?!\.?\w)
    | (?<![\w:.])(?=[0-9a-f:]{{0,38}}\d)(?:[0-9a-f]{{0,4}}:){{2,7}}[0-9a-f]{{0,4}}(?![\w:])
  )
| (?P<word>
      (?: (?<![\w)\]}}])[-+−](?=\d) )?
      \w++(?: [-.~+]\w++ | (?<=\d),(?=\d)\w++ )*+={{0,2}}
  )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_NUMBER = re.compile(r"(?:^[-+−])?\d++(?:[.,]\d++)*+(?:e[-+]?\d++(?!\w))?", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"0x[0-9a-f]+|(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{8,}", re.IGNORECASE)
_BETWEEN_PIECES = re.compile(r"[\W_]+")
#: Where letters and digits meet.
_SWITCH = re.compile(r"(?<=[A-Za-z])\d|(?<=\d)[A-Za-z]")


def pattern(message: str) -> str:
    """What a message has in common with its like: ``Item {number} of {text} was refused.``

    Placeholders: ``{text}`` for what is quoted, ``{url}``, ``{email}``, ``{time}``, ``{ip}``,
    ``{id}`` (GUIDs, hexadecimal ids, long tokens) and ``{number}``. HTTP statuses, ``code 5`` and
    the sign-in codes of Microsoft Entra (``AADSTS…``) stay: they say what has failed.
    """
    after = _cut(message[:MAX_MESSAGE], MAX_MESSAGE)
    before = ""
    # What is put in can bring a pair of quotes together. It holds no digit, quote, @ or ://, and
    # each replacement takes one away, so this ends.
    while after != before:
        before = after
        after = _cut(_PARTS.sub(_replaced, before), MAX_PATTERN)
    return after


def fingerprint(code: str | None, target: str | None, message: str | None) -> str:
    """32 hexadecimal characters that alike failures share, always and everywhere the same.

    A failure without any error has one too: that of three times None.
    """
    parts = [code or "", pattern(target or ""), pattern(message or "")]
    return blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _cut(text: str, length: int) -> str:
    """The text with single spaces, and with whole words if it is longer than this."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    return (text[: length + 1].rpartition(" ")[0] or text[:length]).rstrip()


def _replaced(part: re.Match[str]) -> str:
    kind, found = part.lastgroup, part[0]
    if kind == "kept":
        return found
    if kind != "word":
        return f"{{{kind}}}"
    if not _DIGIT.search(found):
        return found
    if _is_opaque(found):
        return "{id}"
    return _NUMBER.sub("{number}", found)


def _is_opaque(word: str) -> bool:
    """Whether a word says nothing to a reader: an id or a token, or one with a name around it."""
    return bool(_GUID.search(word)) or any(
        _HEX.fullmatch(piece) or (len(piece) >= 16 and len(_SWITCH.findall(piece)) >= 3)
        for piece in _BETWEEN_PIECES.split(word)
    )
