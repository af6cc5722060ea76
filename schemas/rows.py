"""The objects that events hold in lists: lines and tenders, of which there may be a thousand.

The rest of an event is a dictionary once it is validated. A row is a Struct, because there are many: the parser in C
builds one in half the time. Its annotations are the contract, as those of the other models are; the careful path
validates a row as a dictionary with the same annotations and then builds the same Struct.

Invariant: a field that was left out is UNSET, and UNSET is false
"""

from collections.abc import Sequence
from typing import Any, NotRequired, get_args, get_type_hints

from msgspec import Struct, UnsetType
from pydantic import ConfigDict, GetCoreSchemaHandler, with_config
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

_DICTIONARY: Any = TypedDict  # Untyped, because the fields are known at run time only.


class Row(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Base of all rows. A field that may be left out is `Annotated[...] | UnsetType = UNSET`."""

    @staticmethod
    def left_out(rows: Sequence[Any]) -> int:  # noqa: ARG004  no field of this row may be left out
        """Count the fields that were left out, over rows of this kind. Kinds with such fields say how."""
        return 0

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate a dictionary of the fields; unknown ones pass, as in every model, and are left behind."""
        hints = get_type_hints(cls, include_extras=True)
        fields = {name: _in_dictionary(hint) for name, hint in hints.items()}
        view = _DICTIONARY(cls.__name__, fields)
        view.__doc__ = cls.__doc__
        schema = handler.generate_schema(with_config(ConfigDict(strict=True))(view))
        return core_schema.no_info_after_validator_function(lambda found: cls(**found), schema)


def _in_dictionary(hint: Any) -> Any:
    """Say "may be left out" as a dictionary says it."""
    branches = get_args(hint)
    return NotRequired[branches[0]] if UnsetType in branches else hint
