"""JSON Schema: whether a document is what it must be, and where it is not.

Rule: compiled once, when the gateway is built; every decision is one call of the compiled schema. Only where that
says no is the place looked for (`schema_errors.py`), and only for the first few errors.

The library is jsonschema-rs, for what it leaves out as much as for its speed:

|                            | jsonschema-rs                   | jsonschema                              |
|----------------------------|---------------------------------|-----------------------------------------|
| 1 KiB, a typical schema    | 5 us                            | 800 us                                  |
| `pattern`                  | an automaton, linear            | `re`: `(a+)+$` stops the gateway        |
| formats                    | built in; an unknown one fails  | some need packages; unknown ones pass   |
| a remote `$ref`            | refused while compiling         | fetched, unless somebody says otherwise |

Its own listing of errors is not used: it collects them all before it gives the first (0.4 s for 10,000 bad
elements), and keeps every branch of every `anyOf` inside `anyOf`: 5 GB and 50 s for 100 bytes, 18 levels deep.

A schema that is itself costly (`anyOf` of itself, twice, at every level) costs what it says for each request: who
writes the configuration is trusted. What it does not do: read bytes (`body/json_limits.py`).

Source: JSON Schema 2020-12, with format assertion.
"""

from __future__ import annotations

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError, Validator, validator_map_for

from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.validation.schema_errors import Place, Search
from api_gateway.middleware.validation.schema_keywords import check_keywords

MOST_ERRORS = 10
"""How many errors one answer names."""

_LONGEST_CAUSE = 200


class JsonSchema:
    """A compiled schema."""

    __slots__ = ("_places", "_schema", "_validator")

    def __init__(self, schema: object) -> None:
        """Compile `schema`, which is what JSON would hold: a mapping, true or false.

        Raises:
            ConfigurationError: it is not a schema, with place and cause.
        """
        if not isinstance(schema, dict | bool):
            raise ConfigurationError("a schema is a mapping, or true or false")
        check_keywords(schema)
        self._schema = schema
        self._validator: Validator
        try:
            self._validator = Draft202012Validator(
                schema,
                validate_formats=True,
                ignore_unknown_formats=False,
                offline=True,
                pattern_options=RegexOptions(),
            )
        except ValidationError as error:
            place = "/" + "/".join(map(str, error.instance_path))
            raise ConfigurationError(f"{place}: {_cause(error.message)}") from None
        except ValueError as error:
            raise ConfigurationError(f"the schema cannot be used: {_cause(str(error))}") from None
        compiled = validator_map_for(schema, validate_formats=True, offline=True, pattern_options=RegexOptions())
        self._places = {pointer: Place(compiled[pointer]) for pointer in compiled.keys()}  # noqa: SIM118  # no Mapping

    def is_valid(self, document: object) -> bool:
        """Whether `document` is what it must be."""
        return self._validator.is_valid(document)

    def errors(self, document: object) -> list[tuple[str, str]]:
        """JSON pointer and message of up to `MOST_ERRORS` errors; none where the document is valid.

        Messages are made of the schema, never of values in the document. Names in it are shown, shortened.
        """
        if self._validator.is_valid(document):
            return []
        search = Search(self._schema, self._places, MOST_ERRORS)
        search.look("#", document, ())
        return search.found


def _cause(message: str) -> str:
    line = message.partition("\n")[0]
    return line if len(line) <= _LONGEST_CAUSE else line[:_LONGEST_CAUSE] + "..."
