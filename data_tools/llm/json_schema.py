"""Whether a JSON value fits a JSON schema, for the few keywords our prompts use.

Decides: ``type``, ``properties``, ``required``, ``additionalProperties: false``, ``items``, ``minItems``, ``maxItems``, ``enum``
and ``const``.
Does not: know any other keyword; a schema with one is refused, because passing it over would be no check.

It exists to see that a server's constraint fired: vLLM answers an option it no longer knows with status 200 and free text.
"""

from typing import Any

KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "enum", "const"}
NOTES = {"title", "description"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Say whether ``value`` fits. Raises ValueError for a schema with a keyword this does not check."""
    if unknown := schema.keys() - KEYWORDS - NOTES:
        raise ValueError(f"JSON schema keywords {sorted(unknown)} are not checked here; known are {sorted(KEYWORDS)}")
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "type" in schema and not _is_type(value, schema["type"]):
        return False
    if isinstance(value, dict):
        return _object_fits(value, schema)
    if isinstance(value, list):
        enough = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return enough and all(fits(each, schema.get("items", {})) for each in value)
    return True


def _is_type(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name != "boolean":
        return False
    return isinstance(value, TYPES[name])


def _object_fits(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    properties: dict[str, Any] = schema.get("properties", {})
    if any(name not in value for name in schema.get("required", ())):
        return False
    if schema.get("additionalProperties", True) is False and value.keys() - properties.keys():
        return False
    return all(fits(each, properties[name]) for name, each in value.items() if name in properties)
