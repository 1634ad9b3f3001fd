"""Model: what all parts of the schema have in common.

Rule: frozen, and nothing passes that was not understood. A key that a model does not know is
either not yet supported, and refused by name, or a mistake, and answered with the nearest key.

What it does not do: say where in a file it happened. `validate.py` and `load.py` know.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails

from api_gateway.config.problems import Refusal, did_you_mean


class Model(BaseModel):
    """Base of every part of the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClassVar[str] = ""
    """The place's name in the table of what is not yet supported."""

    @model_validator(mode="wrap")
    @classmethod
    def _explain_unknown_keys(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            lines = [cls._explained(line) for line in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(error.title, lines) from None

    @classmethod
    def _explained(cls, line: ErrorDetails) -> InitErrorDetails:
        kind, context, location = line["type"], line.get("ctx", {}), line["loc"]
        if kind == "extra_forbidden" and len(location) == 1:
            kind, context = "value_error", {"error": cls.unknown(str(location[0]))}
        return InitErrorDetails(type=kind, loc=location, input=line["input"], ctx=context)

    @classmethod
    def unknown(cls, key: str) -> Refusal:
        """Why `key` cannot stand here."""
        return Refusal(f"unknown key {key!r}", did_you_mean(key, cls.model_fields, "the keys here are"), at_key=True)
