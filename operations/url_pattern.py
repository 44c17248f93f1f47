"""``urlPattern``: an ECMAScript regular expression, read and never run. Pure.

Nothing is ever matched against a caller's pattern here, so none can keep a process busy. One pass
finds what every ECMAScript engine refuses: brackets that do not pair, groups of unknown form,
quantifiers with nothing before them, references to groups that are not there. What engines
disagree about is let through.
"""

from __future__ import annotations

import re

MAX_LENGTH = 4096
_TOKEN = re.compile(
    r"""
    (?P<reference> \\k<(?P<referred>[^<>\\]*)> )
  | (?P<escape>    \\. )
  | (?P<class>     \[ [^\]\\]* (?: \\. [^\]\\]* )* \] )
  | (?P<open>      \( (?: \? (?: [:=!] | <[=!]               # no capture, look ahead, look behind
                             | <(?P<name> (?:[^\W\d]|\$) [\w$]* )>
                             | [ims]*(?:-[ims]+)?: ) )?      # flags of a group (ECMAScript 2025)
                      (?!\?) )
  | (?P<close>     \) )
  | (?P<either>    \| )
  | (?P<quantifier> (?: [*+?] | \{(?P<low>\d{1,9})(?:,(?P<high>\d{1,9})?)?\} ) \?? )
  | (?P<broken>    [\\\[(] )                                 # begins one of these, and no more
  | (?P<atom>      . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BROKEN = {
    "\\": "ends in a backslash",
    "[": "has a '[' that nothing closes",
    "(": "has a group of a form that is not known",
}


def read_pattern(pattern: str) -> tuple[set[str], str | None]:
    """The names of the pattern's groups, and what is wrong with it, or None.

    The fault continues the sentence "Property 'x' ..." and gives the position, counted from 0.
    """
    if len(pattern) > MAX_LENGTH:
        return set(), f"must be at most {MAX_LENGTH} characters, not {len(pattern)}"
    names: set[str] = set()
    references: list[tuple[str, int]] = []
    opened: list[int] = []
    repeatable = False
    for token in _TOKEN.finditer(pattern):
        kind, at = token.lastgroup, token.start()
        fault = None
        if kind == "broken":
            fault = _BROKEN[token[0]]
        elif kind == "quantifier":
            if not repeatable:
                fault = "has a quantifier with nothing to repeat"
            elif token["high"] and int(token["low"]) > int(token["high"]):
                fault = "has a count that ends before it begins"
        elif kind == "open":
            opened.append(at)
            if token["name"]:
                names.add(token["name"])
        elif kind == "close":
            if opened:
                opened.pop()
            else:
                fault = "has a ')' that nothing opens"
        elif kind == "reference":
            references.append((token["referred"], at))
        if fault:
            return names, _sentence(fault, at)
        repeatable = kind not in ("quantifier", "open", "either")
    if opened:
        return names, _sentence("has a '(' that nothing closes", opened[-1])
    for name, at in references if names else ():  # without any name, \k is just a k
        if name not in names:
            return names, _sentence(f"refers to a group '{name[:60]}' that it does not have", at)
    return names, None


def _sentence(fault: str, position: int) -> str:
    return f"must be an ECMAScript regular expression, and this one {fault} (position {position})"
