"""A plugin's parameters as the project sees them: its own model decides, in the worker.

The values that come back are plain and bounded; the plugin's class never exists here.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from pydantic import ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from torghut_assets.domain.candidates.strategy import StrategyParameters

if TYPE_CHECKING:
    from torghut_assets.resources.isolation.remote_strategy import Plugin

_MAX_TEXT: Final = 500
_MAX_PROBLEMS: Final = 50


class RemoteParameters(StrategyParameters):
    """Parameters that a plugin in another process has accepted."""

    plugin: ClassVar["Plugin"]

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Ask the plugin's own model.

        Raises
        ------
        ValidationError
            With the problems that the plugin's model found.
        """
        answer = cls.plugin.answer("validate", values=dict(obj))
        if isinstance(answer, dict) and isinstance(answer.get("problems"), list):
            raise ValidationError.from_exception_data(
                cls.__name__, [_problem(p) for p in answer["problems"][:_MAX_PROBLEMS]]
            )
        values = answer.get("values") if isinstance(answer, dict) else None
        if not isinstance(values, dict) or set(values) != set(cls.model_fields):
            raise cls.plugin.liar("other parameters than the plugin declared")
        if not all(_is_plain(value) for value in values.values()):
            raise cls.plugin.liar("a parameter that is no plain value")
        return cls.model_construct(**{name: values[name] for name in cls.model_fields})

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the schema that the plugin's own model states."""
        schema = cls.plugin.answer("schema")
        if not isinstance(schema, dict):
            raise cls.plugin.liar("a schema that is no object")
        return schema


def remote_parameters(
    plugin: "Plugin", name: str, fields: tuple[str, ...]
) -> type[RemoteParameters]:
    """Return the class that stands for a plugin's parameters here.

    Parameters
    ----------
    plugin : Plugin
    name : str
        Name of the plugin's class, an identifier.
    fields : tuple of str
        Its fields, identifiers.
    """
    described: Mapping[str, Any] = dict.fromkeys(fields, (Any, ...))
    made = create_model(name, __base__=RemoteParameters, **described)
    made.plugin = plugin
    return made


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_TEXT
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool) or (isinstance(value, int) and abs(value) < 1 << 63)


def _problem(found: Any) -> InitErrorDetails:
    """Rebuild one problem out of whatever was sent as one."""
    parts = found if isinstance(found, dict) else {}
    places = parts.get("loc")
    location = tuple(
        part if isinstance(part, int) else str(part)[:_MAX_TEXT]
        for part in (places if isinstance(places, list) else ())[:8]
    )
    words = str(parts.get("msg", "refused"))[:_MAX_TEXT].replace("{", "(").replace("}", ")")
    kind = PydanticCustomError("refused_by_plugin", words)
    return InitErrorDetails(type=kind, loc=location, input=None)
