"""What every service's Settings share: frozen, from `CINELOG_*` variables, refused as a whole when wrong."""

from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from cinelog_common.errors import Category, PermanentError

PREFIX = "CINELOG_"
T = TypeVar("T", bound="SettingsBase")


class SettingsError(PermanentError):
    """One or more variables of the environment are wrong; the message names every one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, category=Category.INVALID_REQUEST, action="Correct the environment.")


class SettingsBase(BaseSettings):
    """Base of a service's one `Settings`, the only reader of its environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")


def load(kind: type[T], **overrides: object) -> T:
    """Return the settings of `kind` from the environment; `overrides` win.

    Raises:
        SettingsError: Naming every wrong variable and why, without its value: it may be a secret.
    """
    prefix = str(kind.model_config.get("env_prefix", PREFIX))
    try:
        return kind(**overrides)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        lines = [f"{_variable(prefix, problem['loc'])}: {problem['msg']}" for problem in problems]
        raise SettingsError("Wrong settings: " + "; ".join(lines) + ".") from error
    except UnreadableError as error:
        # A list or mapping that is no JSON; its text names the field, never the value.
        raise SettingsError(f"Wrong settings ({prefix}*): {error}.") from error


def _variable(prefix: str, place: tuple[int | str, ...]) -> str:
    if not place:
        # What a validator says of several variables together.
        return f"{prefix}*"
    field, *inner = place
    return (prefix + str(field)).upper() + "".join(f"[{each}]" for each in inner)
