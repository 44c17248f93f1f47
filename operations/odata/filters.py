"""``$filter``: text -> condition. Tokens by one regular expression, then recursive descent.

The grammar is that part of OData's URL conventions which graph-contract 4.5 lists; operators,
functions and enumeration members are read in any case of letters, as OData 4.01 has it::

    or       = and *( "or" and )
    and      = not *( "and" not )
    not      = "not" not / "(" or ")" / function / operand compare operand / operand "in" list
    function = name "(" property "," text ")" [ ( "eq" / "ne" ) ( "true" / "false" ) ]
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from operations.errors import InvalidQueryOption, did_you_mean
from operations.odata import hints
from operations.odata.conditions import (
    And,
    Compare,
    Condition,
    Constant,
    IsNull,
    Match,
    Not,
    OneOf,
    Or,
)
from operations.odata.source import Source
from operations.odata.tokens import Token, tokens
from operations.odata.types import (
    UNSTORABLE,
    Complex,
    EntityType,
    Literal,
    LiteralKind,
    Property,
    Text,
    Value,
    WrongType,
)

MAX_DEPTH = 20
MAX_CLAUSES = 100
MAX_LIST = 100

PATH = re.compile(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*")
TYPE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
NUMBER = re.compile(r"-?[0-9]+(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?")

#: Each comparison: the name that a refusal gives it, and what it is with its sides exchanged.
COMPARISONS = {
    "eq": ("Equal", "eq"),
    "ne": ("NotEqual", "ne"),
    "gt": ("GreaterThan", "lt"),
    "ge": ("GreaterThanOrEqual", "le"),
    "lt": ("LessThan", "gt"),
    "le": ("LessThanOrEqual", "ge"),
    "in": ("In", ""),
}
NO_OPERATORS = ("add", "sub", "mul", "div", "divby", "mod", "has")
FUNCTIONS = ("contains", "endswith", "startswith")
LAMBDAS = ("any", "all")
CONSTANTS = {
    "null": Literal(LiteralKind.NULL, "null"),
    "true": Literal(LiteralKind.TRUTH, "true"),
    "false": Literal(LiteralKind.TRUTH, "false"),
}


def parse_filter(source: Source, entity: EntityType, *, unmask: bool = False) -> Condition:
    """The condition that the text states.

    ``unmask`` is whether the caller prefers to see enumeration members above the sentinel. Raises
    InvalidQueryOption for everything else than a filter over the entity's properties.
    """
    return _Parser(source, entity, unmask).read()


@dataclass(frozen=True)
class _Operand:
    """One side of a comparison: a property, or a literal."""

    start: int
    path: str = ""
    literal: Literal | None = None


class _Parser:
    def __init__(self, source: Source, entity: EntityType, unmask: bool):
        self.source = source
        self.entity = entity
        self.unmask = unmask
        self.tokens = tokens(source)
        self.next = 0
        self.depth = 0
        self.clauses = 0

    def read(self) -> Condition:
        condition = self._or()
        if self.token.kind != "end":
            raise self._syntax_error()
        return condition

    # Tokens --------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def _take(self) -> Token:
        token = self.token
        self.next += token.kind != "end"
        return token

    def _skip(self, word: str) -> bool:
        """Pass this keyword or mark if it is the next one."""
        if self.token.kind == "text" or self.token.word != word:
            return False
        self.next += 1
        return True

    def _expect(self, mark: str) -> None:
        if not self._skip(mark):
            if self.token.word in NO_OPERATORS:
                raise self._syntax_error()
            raise self.source.syntax_error(self.token.start, f"'{mark}' expected", self._hint())

    def _syntax_error(self, hint: str = "") -> InvalidQueryOption:
        """``hint`` is for a token that has none of its own."""
        token = self.token
        if token.word in NO_OPERATORS:
            return self.source.refuse(f"The operator '{token.text}' is not supported.", token.start)
        return self.source.syntax_error(token.start, hint=self._hint() or hint)

    def _hint(self) -> str:
        """What the token that may not stand here was probably meant to be."""
        before, token = self.tokens[self.next - 1], self.token
        if token.kind != "word":
            return ""
        if before.kind == "text" and before.start + len(before.text) == token.start:
            return hints.QUOTE
        return hints.for_sign(token.text)

    # Expressions ---------------------------------------------------------------------------------

    def _or(self) -> Condition:
        return self._joined("or", self._and, Or)

    def _and(self) -> Condition:
        return self._joined("and", self._not, And)

    def _joined(
        self, word: str, read: Callable[[], Condition], join: type[Or] | type[And]
    ) -> Condition:
        operands = [read()]
        while self._skip(word):
            operands.append(read())
        return operands[0] if len(operands) == 1 else join(tuple(operands))

    def _not(self) -> Condition:
        start = self.token.start
        if self._is_call():
            return self._function()
        if self._skip("not"):
            return Not(self._deeper(start, self._not))
        if self._skip("("):
            condition = self._deeper(start, self._or)
            self._expect(")")
            return condition
        return self._comparison()

    def _deeper(self, start: int, read: Callable[[], Condition]) -> Condition:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.source.refuse(f"The filter is nested deeper than {MAX_DEPTH} levels.", start)
        condition = read()
        self.depth -= 1
        return condition

    def _count(self, start: int) -> None:
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise self.source.refuse(f"The filter has more than {MAX_CLAUSES} clauses.", start)

    # Functions -----------------------------------------------------------------------------------

    def _is_call(self) -> bool:
        """A name directly before a parenthesis; ``not(`` and ``and(`` are no calls."""
        if self.token.kind != "word" or self.token.word in ("not", "and", "or", *COMPARISONS):
            return False
        following = self.tokens[self.next + 1]
        return following.text == "(" and following.kind == "mark"

    def _function(self) -> Condition:
        name = self._take()
        self._count(name.start)
        if name.word.rpartition("/")[2] in LAMBDAS:
            raise self.source.refuse(
                f"Lambda operators are not supported: '{name.text[:60]}'.", name.start
            )
        if name.word not in FUNCTIONS:
            raise self.source.refuse(
                f"An unknown function with name '{name.text[:60]}' was found. Functions: "
                f"{', '.join(FUNCTIONS)}.",
                name.start,
                did_you_mean(name.word, FUNCTIONS),
            )
        self._expect("(")
        start = self.token.start
        operand = self._operand()
        prop = self._property(operand)
        self._expect(",")
        text_start = self.token.start
        text = self._operand().literal
        self._expect(")")
        if not isinstance(prop, Text):
            raise self._no_overload(name, start)
        if text is None or text.kind is not LiteralKind.TEXT:
            raise self._no_overload(name, text_start, hints.TEXT)
        return self._compared_with_truth(Match(prop, name.word, text.text))

    def _no_overload(self, name: Token, start: int, hint: str = "") -> InvalidQueryOption:
        return self.source.refuse(
            f"No function signature for the function with name '{name.text}' matches the specified "
            f"arguments. It is: {name.word}(property of type Edm.String, 'text').",
            start,
            hint,
        )

    def _compared_with_truth(self, condition: Condition) -> Condition:
        """``contains(...) eq true``, as older clients write it."""
        operator = self.token.word if self.token.kind == "word" else ""
        if operator not in ("eq", "ne"):
            return condition
        self._take()
        truth = CONSTANTS.get(self.token.word) if self.token.kind == "word" else None
        if truth is None or truth.kind is not LiteralKind.TRUTH:
            raise self.source.syntax_error(self.token.start, "'true' or 'false' expected")
        self._take()
        wanted = (truth.text == "true") == (operator == "eq")
        return condition if wanted else Not(condition)

    # Comparisons ---------------------------------------------------------------------------------

    def _comparison(self) -> Condition:
        left = self._operand()
        self._count(left.start)
        operator = self.token
        if operator.kind != "word" or operator.word not in COMPARISONS:
            if left.literal and left.literal.kind is LiteralKind.TRUTH:
                return Constant(left.literal.text == "true")
            if left.path:
                self._property(left)
            if operator.word in ("", ")", "and", "or"):
                raise self.source.refuse(
                    "The $filter expression must evaluate to a single boolean value.", left.start
                )
            raise self._syntax_error(hints.COMPARISONS)
        self._take()
        if operator.word == "in":
            return self._in(left, operator)
        right = self._operand()
        word = operator.word
        if left.literal and right.path and right.path in self.entity.properties:
            left, right, word = right, left, COMPARISONS[word][1]
        return self._compare(self._property(left), word, right)

    def _compare(self, prop: Property | Complex, word: str, right: _Operand) -> Condition:
        if isinstance(prop, Complex):
            if word in ("eq", "ne") and right.literal and right.literal.kind is LiteralKind.NULL:
                return IsNull(prop) if word == "eq" else Not(IsNull(prop))
            raise self.source.refuse(
                f"A value of type '{prop.type_name}' can only be compared with null, by eq or ne.",
                right.start,
            )
        values = self._values(prop, right, word)
        if word == "eq":
            return OneOf(prop, values)
        if word == "ne":
            return Not(OneOf(prop, values))
        # the sentinel stands for several members: it sorts as the first of them
        value = values[0]
        return Constant(False) if value is None else Compare(prop, word, value)

    def _in(self, left: _Operand, operator: Token) -> Condition:
        prop = self._property(left)
        if isinstance(prop, Complex):
            raise self.source.refuse(
                f"A value of type '{prop.type_name}' cannot be in a list.", left.start
            )
        self._expect("(")
        values = dict.fromkeys(self._values(prop, self._operand(), "in"))
        length = 1
        while self._skip(","):
            length += 1
            if length > MAX_LIST:
                raise self.source.refuse(
                    f"The list of 'in' has more than {MAX_LIST} entries.", operator.start
                )
            values |= dict.fromkeys(self._values(prop, self._operand(), "in"))
        self._expect(")")
        return OneOf(prop, tuple(values))

    def _operand(self) -> _Operand:
        token = self._take()
        if token.kind == "text":
            return _Operand(token.start, literal=self._text(token))
        if token.kind != "word":
            raise self.source.syntax_error(token.start, "Expression expected")
        following = self.token
        if following.kind == "text" and following.start == token.start + len(token.text):
            if not TYPE_NAME.fullmatch(token.text):
                raise self.source.syntax_error(following.start, hint=hints.for_sign(token.text))
            self._take()
            text = self._text(following).text
            return _Operand(token.start, literal=Literal(LiteralKind.ENUM, text, token.text))
        if token.word in CONSTANTS:
            return _Operand(token.start, literal=CONSTANTS[token.word])
        if number := NUMBER.fullmatch(token.text):
            fraction = number["fraction"] or number["exponent"]
            kind = LiteralKind.NUMBER if fraction else LiteralKind.INTEGER
            return _Operand(token.start, literal=Literal(kind, token.text))
        if not PATH.fullmatch(token.text):
            hint = hints.for_word(token.text, self.entity.properties)
            raise self.source.syntax_error(token.start, hint=hint)
        return _Operand(token.start, path=token.text)

    def _text(self, token: Token) -> Literal:
        text = token.text[1:-1].replace("''", "'")
        if bad := UNSTORABLE.search(token.text):
            raise self.source.refuse(
                "The string literal has a character that no text can have.",
                token.start + bad.start(),
            )
        return Literal(LiteralKind.TEXT, text)

    def _property(self, operand: _Operand) -> Property | Complex:
        if not operand.path:
            raise self.source.refuse("One side of a comparison must be a property.", operand.start)
        prop = self.entity.properties.get(operand.path)
        if prop is None:
            raise self.source.refuse(
                self.entity.why_not(operand.path, "$filter"),
                operand.start,
                self.entity.instead(operand.path, "$filter"),
            )
        return prop

    def _values(self, prop: Property, operand: _Operand, word: str) -> tuple[Value, ...]:
        literal = operand.literal
        if literal is None:
            if operand.path in self.entity.properties:
                raise self.source.refuse(
                    "A property can be compared with a literal only, not with another property.",
                    operand.start,
                )
            literal = Literal(LiteralKind.WORD, operand.path)
        try:
            return prop.values(literal, unmask=self.unmask)
        except WrongType as error:
            raise self.source.refuse(
                str(error) or self._wrong_type(prop, literal, word), operand.start, error.hint
            ) from None

    def _wrong_type(self, prop: Property, literal: Literal, word: str) -> str:
        if literal.kind is LiteralKind.WORD:
            return self.entity.not_found(literal.text)
        found = literal.type_name or literal.kind.value
        return (
            "A binary operator with incompatible types was detected. Found operand types "
            f"'{prop.type_name}' and '{found[:60]}' for operator kind '{COMPARISONS[word][0]}'."
        )
