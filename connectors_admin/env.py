"""Reading settings from the environment: strict about switches and numbers, files for secrets."""

import os
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

_SWITCH = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False,
    "false": False,
    "no": False,
    "off": False,
    "": False,
}


def switch(name: str, default: bool = False) -> bool:
    """A true/false setting. Any other word raises ImproperlyConfigured: a typo is not a False."""
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        return _SWITCH[text.strip().lower()]
    except KeyError:
        raise ImproperlyConfigured(f"{name} must be true or false, not {text!r}.") from None


def number(name: str, default: float, *, minimum: float = 0) -> float:
    """A number setting. Raises ImproperlyConfigured, naming it, when it is none or too small."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {text!r}.") from None
    if not minimum <= value < 1e12:
        raise ImproperlyConfigured(f"{name} must be at least {minimum:g}, not {text}.")
    return value


def days(name: str) -> float:
    """For how many days something is kept, 0 for ever. Raises ImproperlyConfigured, naming it.

    At least one: GUIDE:patterns/long-running-operations.md asks for 24 hours of an operation.
    """
    value = number(name, 0)
    if 0 < value < 1:
        raise ImproperlyConfigured(f"{name} must be at least 1 day, or 0 for ever, not {value:g}.")
    return value


def choice(name: str, words: Sequence[str], default: str) -> str:
    """One of several words, in any case of letters. Raises ImproperlyConfigured, naming them."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    for word in words:
        if word.lower() == text.lower():
            return word
    raise ImproperlyConfigured(f"{name} must be one of {', '.join(words)}, not {text!r}.")


def time_zone(name: str, default: str) -> str:
    """A name of the time zone database. Raises ImproperlyConfigured for one that is not in it."""
    text = os.environ.get(name, "").strip() or default
    try:
        ZoneInfo(text)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ImproperlyConfigured(
            f"{name} must be a name of the time zone database, such as UTC or Europe/Berlin, "
            f"not {text!r}."
        ) from None
    return text


def numbers_by_id(name: str) -> dict[UUID, int]:
    """A setting of the form ``GUID=NUMBER, GUID=NUMBER``. Raises ImproperlyConfigured, naming it
    and the part that is not of this form."""
    found = {}
    for part in filter(None, map(str.strip, os.environ.get(name, "").split(","))):
        key, _, value = part.partition("=")
        try:
            found[UUID(key.strip())] = int(value)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be GUID=NUMBER, …, not {part!r}.") from None
        if found[UUID(key.strip())] < 0:
            raise ImproperlyConfigured(f"{name} must have no number below 0, as in {part!r}.")
    return found


def secret(name: str) -> str:
    """A secret from NAME, or from the file that NAME_FILE points at. Empty when neither is set.

    Read from ``os.environ`` and not through django-environ, which replaces a value that begins
    with ``$`` by another variable and keeps the newline at a file's end.
    """
    if name in os.environ:
        return os.environ[name]
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return ""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from None


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter; one that is there already is left as it is.

    Raises ImproperlyConfigured if it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"DATA_DIR {path} cannot be made: {error}") from None
    return path


def private_file(path: Path) -> Path:
    """Make sure that a file is there and only its owner can read it. Raises ImproperlyConfigured.

    For a SQLite database: it holds the signing keys, and its write-ahead log takes its mode.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise ImproperlyConfigured(f"{path} cannot be made private: {error}") from None
    return path


def generated_secret(path: Path, make) -> str:
    """The secret kept in ``path``, made by ``make()`` the first time, readable by its owner only.

    Several processes may start at once: the file is written whole under another name and linked
    into place, so that exactly one secret wins and nobody reads half of one.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(make())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
