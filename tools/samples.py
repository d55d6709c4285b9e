"""Makes a value of any type of the contract: the same one for the same type."""

import types
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from cinelog_common.contract.values import Value

T = TypeVar("T", bound=Value)

_WORDS = {
    "job": "0b7dff6e-9f2a-5c1f-8a53-2f5d8c1f0001",
    "url": "https://video.example/film.mp4",
    "source_url": "https://video.example/film.mp4",
    "title": "A film, à la carte",
    "profile": "web",
    "codec": "h264",
    "hardware": "auto",
    "priority": "normal",
    "state": "encoding",
    "outcome": "completed",
    "category": "source_unreachable",
    "message": "The name video.example does not resolve.",
    "action": "Check the address.",
    "kind": "video",
    "stage": "encode",
    "unit": "frames",
    "worker": "transcode-host-1",
    "pool": "cpu",
    "video": "bundles",
    "verify": "full",
    "on_damage": "salvage",
}


def sample(kind: type[T], *, full: bool) -> T:
    """Return a value of `kind`: with every field set to something of its own, or the required ones only."""
    hints = get_type_hints(kind)
    fields = {
        field.name: _made(hints[field.name], field.name, full=full)
        for field in msgspec.structs.fields(kind)
        if field.required or full
    }
    return kind(**fields)


def _made(hint: Any, name: str, *, full: bool) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {types.UnionType, Union}:
        return _made(next(each for each in arguments if each is not type(None)), name, full=full)
    if origin is tuple:
        kinds = arguments[:1] if arguments[-1] is ... else arguments
        return tuple(_made(each, name, full=full) for each in kinds)
    if origin is frozenset:
        return frozenset({_made(arguments[0], name, full=full)})
    if origin is dict:
        return {_key(name): _made(arguments[1], name, full=full)}
    if isinstance(hint, type) and issubclass(hint, Value):
        return sample(hint, full=full)
    return _plain(hint, name)


def _key(name: str) -> str:
    return {"generations": "3", "regenerate": "3", "recipes": "0", "tracks": "a0", "timings_s": "probed"}.get(
        name, name
    )


def _plain(hint: Any, name: str) -> Any:
    number = 1 + sum(name.encode()) % 97
    made = {str: _WORDS.get(name, f"{name} of a sample"), int: number, float: number + 0.5, bool: True}
    if hint is msgspec.Raw:
        return msgspec.Raw(b'{"run":1}')
    return made[hint]
