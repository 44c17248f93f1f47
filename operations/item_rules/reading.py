"""How an object of a body is read: its members, the words and texts in them, what is wrong."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from operations.errors import Fault, invalid, required, undeclared
from operations.item_rules.ids import item_id_fault
from operations.item_rules.words import Words, canonical
from operations.schema_rules import SENTINEL

Json = dict[str, Any]

#: Of one object or collection. A body has room for half a million, and an answer for a hundred.
MAX_FAULTS = 1000
#: That a sentence repeats of a word that is none of ours.
SHOWN = 60


def found(value: object) -> str:
    """What stands in the JSON, for "must be ..., not ..."."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a number with a fraction or an exponent"
    return "a collection" if isinstance(value, list) else "an object"


class Reader:
    """One object, asked for its members; every fault goes to the shared list.

    A member that is null is one that was not sent, as generic OData clients send all they know.
    Control information ("@odata.type") is accepted and not asked for.
    """

    def __init__(
        self,
        value: object,
        path: str,
        declared: Collection[str],
        faults: list[Fault],
        beta_only: Collection[str] = (),
    ):
        """``path`` is empty for the body; ``beta_only`` members are declared on /beta besides."""
        self.path = path
        self.faults = faults
        self.is_object = isinstance(value, dict)
        self.members: Json = value if isinstance(value, dict) else {}
        if not self.is_object:
            faults.append(invalid(path or "body", f"must be an object, not {found(value)}"))
        unknown = [name for name in self.members if name not in declared and "@" not in name]
        for name in unknown[:MAX_FAULTS]:
            faults.append(undeclared(self.at(name), declared, beta_only))

    def at(self, member: str) -> str:
        return f"{self.path}/{member}" if self.path else member

    def given(self, member: str) -> Any:
        """A member that must be there; None when it is not, which is a fault."""
        value = self.members.get(member)
        if value is None and self.is_object:
            self.faults.append(required(self.at(member)))
        return value

    def fault(self, member: str, rule: str) -> None:
        self.faults.append(invalid(self.at(member), rule))

    def text(self, member: str) -> str | None:
        """A text that may be null or left out."""
        value = self.members.get(member)
        if value is None or isinstance(value, str):
            return value
        self.fault(member, f"must be a string or null, not {found(value)}")
        return None

    def given_text(self, member: str, most: int) -> str | None:
        """A text with something in it, which must be there."""
        value = self.given(member)
        if value is None:
            return None
        if not isinstance(value, str):
            self.fault(member, f"must be a string, not {found(value)}")
        elif len(value) > most:
            self.fault(member, f"must be at most {most} characters, not {len(value)}")
        elif not value.strip():
            self.fault(member, "must not be blank")
        else:
            return value
        return None

    def given_id(self, member: str = "id") -> str | None:
        """An id that the caller chooses, which must be there."""
        value = self.given(member)
        if value is None:
            return None
        if not isinstance(value, str):
            self.fault(member, f"must be a string, not {found(value)}")
            return None
        fault = item_id_fault(value, self.at(member))
        if fault:
            self.faults.append(fault)
            return None
        return value

    def given_word(self, member: str, words: Words) -> str | None:
        """The word of an enumeration, which must be there."""
        return None if self.given(member) is None else self.word(member, words)

    def word(self, member: str, words: Words) -> str | None:
        """The word of an enumeration, or None."""
        value = self.members.get(member)
        if value is None:
            return None
        if isinstance(value, str):
            known = canonical(value, words)
            if known and known != SENTINEL:
                return known
            sent = f"'{known or value[:SHOWN]}'"
        else:
            sent = found(value)
        if sent == f"'{SENTINEL}'":
            self.fault(member, f"must not be {sent}")
        else:
            listed = ", ".join(word for word in words if word != SENTINEL)
            self.fault(member, f"must be one of {listed}, not {sent}")
        return None

    def entries(self, member: str) -> list[Any]:
        """The entries of a collection that may be null or left out."""
        value = self.members.get(member)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        self.fault(member, f"must be a collection, not {found(value)}")
        return []

    def must_be_empty(self, member: str, rule: str) -> None:
        """A collection that is written elsewhere; ``rule`` continues "must be empty: "."""
        if self.entries(member):
            self.fault(member, f"must be empty or left out: {rule}")
