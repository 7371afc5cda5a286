"""Values as TOML text: for the recipe a run keeps, and for the value an error shows.

Decides: how a section of the configuration is written out. Does not: read TOML; the standard library's ``tomllib`` does.
"""

import dataclasses
import json
from typing import Any


def table_lines(section: Any, key: str) -> list[str]:
    """Return a section's ``key = value`` lines, its arrays of tables last as TOML demands."""
    lines, tables = [], []
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            path = f"{key}.{field.name}"
            for element in value:
                tables += ["", f"[[{path}]]", *table_lines(element, path)]
        else:
            lines.append(f"{field.name} = {value_text(value)}")
    return lines + tables


def value_text(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but JSON leaves DEL as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(value_text, value))}]"
    return repr(value) if isinstance(value, (int, float)) else str(value)


def shown(value: Any) -> str:
    """Return a value as an error shows it: on one line, not too long."""
    text = "{…}" if isinstance(value, dict) else "[…]" if isinstance(value, list) else value_text(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
