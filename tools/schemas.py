"""JSON Schemas of the contract's types: what msgspec knows, and the docstrings under the fields."""

import ast
import inspect
import itertools
import sys
from typing import Any

import msgspec
from cinelog_common.contract import options
from cinelog_common.contract.values import Options, Source, Value
from wiring import REQUEST

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_name(kind: type[Value]) -> str:
    """Return the file of a type's schema: a CloudEvent's type, else the type's name in kebab case."""
    wire = getattr(kind, "type", "")
    return f"{wire or kebab(kind.__name__)}.json"


def schema(kind: type[Value]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what `kind` encodes to, described by its docstrings."""
    document = msgspec.json.schema(_plain(kind), ref_template="#/$defs/{name}")
    components: dict[str, Any] = document.pop("$defs")
    for name, component in components.items():
        _describe(component, _class_named(name, kind))
    root: dict[str, Any] = components.pop(kind.__name__)
    wire = getattr(kind, "type", "")
    page: dict[str, Any] = {
        "$schema": DIALECT,
        "title": wire or kind.__name__,
    }
    page |= {key: value for key, value in root.items() if key != "title"}
    if components:
        page["$defs"] = dict(sorted(components.items()))
    return page


def request_schema() -> dict[str, Any]:
    """Return the JSON Schema of what other systems send to `cinelog.jobs.requested`."""
    source, wanted = schema(Source), schema(Options)
    names = {name: field for name, field in wanted["properties"].items() if name != "destination"}
    choices = {
        "profile": options.PROFILES,
        "codec": options.CODECS,
        "preset": options.PRESETS,
        "hardware": options.HARDWARE,
        "vendor": options.VENDORS,
        "priority": options.PRIORITIES,
    }
    for name, allowed in choices.items():
        field = names[name]
        for each in field.get("anyOf", [field]):
            if each.get("type") == "string":
                each["enum"] = list(allowed)
    source = {key: value for key, value in source.items() if key != "$schema"}
    return {
        "$schema": DIALECT,
        "title": REQUEST,
        "description": "A request for playable video. Account and job id are never taken from it.",
        "type": "object",
        "properties": {"source": {"anyOf": [{"type": "string"}, source]}, **names},
        "required": ["source"],
    }


def kebab(name: str) -> str:
    """Return a type's name in lower case with hyphens."""
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name).lstrip("-")


def _plain(kind: type[Value]) -> type[msgspec.Struct]:
    """Return `kind` with raw JSON as anything: what a schema can say."""
    fields = msgspec.structs.fields(kind)
    if not any(field.type is msgspec.Raw for field in fields):
        return kind
    made: list[Any] = []
    for field in fields:
        if field.type is msgspec.Raw:
            made.append((field.name, Any, None))
        elif field.required:
            made.append((field.name, field.type))
        else:
            default = field.default_factory if field.default is msgspec.NODEFAULT else field.default
            made.append((field.name, field.type, default() if callable(default) else default))
    plain = msgspec.defstruct(kind.__name__, made, kw_only=True)
    plain.__doc__ = kind.__doc__
    return plain


def _class_named(name: str, kind: type[Value]) -> type[Value]:
    module = sys.modules[kind.__module__]
    found: type[Value] = getattr(module, name, None) or kind
    return found


def _describe(component: dict[str, Any], kind: type[Value]) -> None:
    if "properties" not in component:
        return
    for owner in reversed(kind.__mro__):
        if issubclass(owner, Value) and owner is not Value:
            for name, text in _field_docs(owner).items():
                if name in component["properties"]:
                    component["properties"][name]["description"] = text


def _field_docs(kind: type[Value]) -> dict[str, str]:
    """Return the docstrings that stand under the fields of a class."""
    body = next(
        node.body
        for node in ast.parse(inspect.getsource(sys.modules[kind.__module__])).body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    found = {}
    for field, text in itertools.pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = " ".join(words.split())
    return found
