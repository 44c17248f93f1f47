"""What looks like a secret is masked before it is kept, logged or shown. Pure.

Errors, notes and log lines come from programs that put into them what they had at hand: a bearer
token, a connection string, a private key. ``***`` takes the place of the secret alone, so that the
sentence around it can still be read. A GUID, a hash and an ordinary id are no secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

#: How a name ends whose value is a secret: ``AZURE_CLIENT_SECRET``, ``dbPassword``, ``sig``.
_NAME = r"""(?:
    pass(?:word|wd|phrase|code) | pwd | secret
  | (?<!skip)(?<!delta)(?<!publickey)token
  | (?:api|access|account|private|subscription|encryption|signing)[-_ ]?key
  | assertion | authorization | sessionid | (?<![a-z])sig
)"""
_NAME_ALONE = re.compile(rf".*(?:{_NAME}|cookie)", re.IGNORECASE | re.VERBOSE | re.DOTALL)

# Each pattern names as ``secret`` what is to be masked. What repeats is counted, or possessive and
# stops at a character that it cannot pass: the time is that of reading the text a few times.
_WITH_SCHEME = "(?:bearer|basic|api-?key|negotiate|ntlm|sharedkey)"
_NAMED = re.compile(
    rf"""
    {_NAME} (?:\\*+["']|%22)?+ \s{{0,3}}+
    (?:
        # in quotes, also the first of a list: to the one that ends it, or the line's end
        (?:=>|=(?!=)|:|%3[ad]) \s{{0,3}}+ (?:\[\s{{0,3}}+)?+
        (?: "(?P<secret>(?:[^"\\\r\n]|\\.)++) | '(?P<secret2>(?:[^'\\\r\n]|\\.)++)
          | \\++["'](?P<secret3>[^"'\\\r\n]++) | %22(?P<secret4>[^%\s"']++) )
      | # bare: to a space, or to what divides an address, a form or a connection string
        (?: (?:=(?!=)|%3[ad]) \s{{0,3}}+ | :(?!\s|//) | >(?=[^<>\s]{{1,500}}+</) )
        (?:{_WITH_SCHEME}\s++)?+ (?!\[\s{{0,3}}["']|{{)
        (?P<secret5>(?:[^\s&;"'<>\\]|\\(?!["'nr]))++)
      | :\s{{1,3}}+ {_WITH_SCHEME}\s++ (?P<secret6>[^\s&;"'<>\\]++)
      | # behind a colon and a space a sentence may go on: only what is neither word nor number
        :\s{{1,3}}+ (?!\d++[.,]?(?:\s|\Z)|\[\s{{0,3}}["']|{{)
        (?P<secret7>(?=[^\s&;"'<>\\\d]{{0,200}}+\d)[^\s&;"'<>\\]++)
    )
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
#: "Basic authentication" is no secret, "Basic dXNlcjpwYXNz" is.
_SCHEME = re.compile(
    r"\b(?i:bearer|basic)(?:\s|%20|\+){1,3}+"
    r"(?P<secret>(?=[\w+/=.~-]{0,100}?(?:\d|[a-z][A-Z])|[\w+/=.~-]{20})[\w+/=.~-]{8,}+)",
    re.ASCII,
)
_COOKIE = re.compile(
    r"""cookie(?:\\*+["'])?+\s{0,3}+:\s{0,3}+(?:\\*+["'])?+[^\s=;"'<>\\]{1,100}+=(?P<secret>[^\r\n"'<>\\]++)""",
    re.IGNORECASE,
)
_URL = re.compile(r"""://[^\s/?#:@"'<>]{0,256}+:(?P<secret>[^\s/?#"'<>]+)@""")
_PEM = re.compile(
    r"-----BEGIN(?:[ +_]|%20)(?:[A-Z0-9]{1,20}(?:[ +_]|%20)){0,3}PRIVATE(?:[ +_]|%20)KEY"
    r"(?:(?:[ +_]|%20)BLOCK)?-----(?P<secret>(?:(?!-----)[A-Za-z0-9+/=\s\\:,.%*-])++)"
)
#: Tokens whose form says what they are; of our own client secrets the beginning stays, which is
#: the one that pages show.
_FORMS = re.compile(
    r"""
    eyJ(?P<secret>[\w-]{16,}+(?:\.[\w-]++)*+)                       # a JSON Web Token, or half
  | (?<=[\w~.-]{3}[0-9]Q~)(?P<secret2>[\w~.-]{31,40}+)              # a client secret
  | (?:AKIA|ASIA)(?P<secret3>[A-Z0-9]{16})                          # AWS
  | (?:gh[pousr]_|github_pat_|npm_|[sr]k_live_|[sr]k_test_)(?P<secret4>\w{16,}+)
  | (?:gl[a-z]{2,5}-|xox[a-z]-|xapp-|sk-|AIza|ya29\.|pypi-)(?P<secret5>[\w.-]{16,}+)
  | (?<![A-Za-z0-9+/])(?P<secret6>[A-Za-z0-9+/]{86})==              # the key of an Azure account
    """,
    re.VERBOSE | re.ASCII,
)
#: A client secret of the form before: 40 characters in no order.
_SHAPELESS = re.compile(
    r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?P<secret>[\w-]{40})(?![\w-])", re.ASCII
)
_SWITCH = re.compile(r"(?<=[A-Za-z])[0-9]|(?<=[0-9])[A-Za-z]")
_PUNCTUATION = ".,:!?)]}"

#: A pattern is tried where one of these stands in the text, in small letters.
_PATTERNS = (
    (_PEM, ("-----begin",)),
    (
        _NAMED,
        ("pass", "pwd", "secret", "token", "key", "assertion", "authorization", "session", "sig"),
    ),
    (_SCHEME, ("bearer", "basic")),
    (_COOKIE, ("cookie",)),
    (_URL, ("://",)),
    (
        _FORMS,
        "eyj q~ akia asia gh github_pat_ npm_ k_live_ k_test_ gl xox xapp- sk- aiza ya29. pypi- "
        "==".split(),
    ),
)


def mask(text: str) -> str:
    """The text with ``***`` for each secret in it; never longer, and the same again when masked."""
    while (masked := _once(text)) != text:
        text = masked
    return text


def mask_json(document: Any) -> Any:
    """A JSON document with its texts masked, and every text under the name of a secret."""
    if isinstance(document, str):
        return mask(document)
    if isinstance(document, Mapping):
        return {
            mask(name): _hidden(value) if _NAME_ALONE.fullmatch(name) else mask_json(value)
            for name, value in document.items()
        }
    if isinstance(document, list):
        return [mask_json(value) for value in document]
    return document


def _hidden(value: Any) -> Any:
    """Every text below the name of a secret."""
    if isinstance(value, str):
        return MASK[: len(value)]
    if isinstance(value, Mapping):
        return {name: _hidden(each) for name, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, list) else value


def _once(text: str) -> str:
    lower = text.lower()
    for pattern, words in _PATTERNS:
        for word in words:  # not any(): most texts are short, and have none of them
            if word in lower:
                text = pattern.sub(_masked, text)
                break
    return _SHAPELESS.sub(_masked_if_shapeless, text) if len(text) >= 40 else text


def _masked(found: re.Match[str]) -> str:
    group = found.lastgroup or "secret"
    start, end = found.span(group)
    secret = found[group]
    if found.re is _NAMED and group[-1] in "567":  # bare, in a sentence
        secret = secret.rstrip(_PUNCTUATION)
        end = start + len(secret)
    start, end = start - found.start(), end - found.start()
    return found[0][:start] + MASK[: len(secret)] + found[0][end:]


def _masked_if_shapeless(found: re.Match[str]) -> str:
    """An id made of words and a number changes seldom between letters and digits."""
    return MASK if len(_SWITCH.findall(found[0])) >= 3 else found[0]
