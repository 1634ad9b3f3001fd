"""Expression: a document made of another, in JMESPath.

    merge(snake_case(@), {request_id: request_id(), timestamp: now()})
    {id: user_id, joined: format_date(created_at, '%b %-d, %Y')}

Rule: read once, and checked as far as that is possible without a document: the syntax, the functions' names and how
many arguments they take, and the pattern of a date that stands there as text. What is not there is null, and null has
no members, as JMESPath says. What a function does not take is an error of that one evaluation.

Cost: 14 us for four members, one function and a document of 1 KiB; linear in what it looks at.

What it does not do: bound its document or its result (`body_transform.py`). Its text comes from the configuration,
and is trusted not to double a document twenty times over.

Source: https://jmespath.org/specification.html.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError, LexerError, ParseError

from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.transform.date_format import date_pattern
from api_gateway.middleware.transform.expression_functions import ExpressionFunctions
from api_gateway.middleware.unknown_name import UnknownName

LONGEST_EXPRESSION = 10_000
"""Characters in one expression."""


class ExpressionFailed(ValueError):
    """A document is not what the expression takes; says what it is not, and no word of the document."""


class Expression:
    """Compiled JMESPath."""

    __slots__ = ("_compiled", "text")

    text: str
    """As it was written."""

    def __init__(self, text: str) -> None:
        """Read an expression.

        Raises:
            UnknownName: it calls a function that there is not.
            ConfigurationError: it is not JMESPath, or one of its calls can never succeed.
        """
        if len(text) > LONGEST_EXPRESSION:
            raise ConfigurationError(f"the expression has more than {LONGEST_EXPRESSION} characters; shorten it")
        self.text = text
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", PendingDeprecationWarning)  # of literals that are not JSON
                self._compiled = jmespath.compile(text)
            for node in _nodes(self._compiled.parsed):
                if node.get("type") == "function_expression":
                    _check_call(node)
        except (JMESPathError, PendingDeprecationWarning, RecursionError) as error:
            raise ConfigurationError(f"{_what_is_wrong(error)}; correct the JMESPath expression") from None

    def evaluate(self, document: object, functions: ExpressionFunctions) -> object:
        """What the expression makes of `document`.

        Raises:
            ExpressionFailed: a function was given what it does not take.
        """
        try:
            result: object = self._compiled.search(document, jmespath.Options(custom_functions=functions))
        except JMESPathTypeError as error:
            raise ExpressionFailed(f"gives {error.function_name}() what it does not take") from None
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            # The library lets what it meets in a document through as it is: a text in a sum of numbers, for example.
            raise ExpressionFailed(f"cannot be evaluated: {_kind(error)}") from None
        return result


def _nodes(node: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        children = cast("Sequence[object]", node.get("children", ()))
        waiting.extend(child for child in children if isinstance(child, dict))  # a slice has numbers there


def wrong_count(name: str, function: Mapping[str, object], given: int) -> str | None:
    """What is wrong with calling a function of the library's table with so many arguments; None if nothing is."""
    wanted = cast("Sequence[Mapping[str, object]]", function["signature"])
    endless = bool(wanted and wanted[-1].get("variadic"))
    if given < len(wanted) or (given > len(wanted) and not endless):
        return f"{name}() takes {'at least ' if endless else ''}{len(wanted)} arguments, not {given}"
    return None


def _check_call(node: Mapping[str, object]) -> None:
    name, arguments = str(node["value"]), cast("Sequence[Mapping[str, object]]", node["children"])
    table = cast("Mapping[str, Mapping[str, object]]", ExpressionFunctions.FUNCTION_TABLE)
    if name not in table:
        raise UnknownName("function", name, table)
    wrong = wrong_count(name, table[name], len(arguments))
    if wrong is not None:
        raise ConfigurationError(f"{wrong}; correct the JMESPath expression")
    pattern = arguments[1].get("value") if name == "format_date" and arguments[1].get("type") == "literal" else None
    if isinstance(pattern, str):
        try:
            date_pattern(pattern)
        except ValueError as error:
            cause, _, remedy = str(error).partition("; ")
            raise ConfigurationError(f"format_date(): {cause}; {remedy or 'shorten it'}") from None


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, LexerError):
        return f"the expression cannot be read at character {error.lexer_position + 1}: {error.message}"
    if isinstance(error, ParseError):
        return f"the expression cannot be read at character {error.lex_position + 1}"
    if isinstance(error, RecursionError):
        return "the expression is too deep"
    return "the expression has a literal between ` that is not JSON" if isinstance(error, Warning) else str(error)


def _kind(error: Exception) -> str:
    return "too deep" if isinstance(error, RecursionError) else "a value is not what a function takes"
