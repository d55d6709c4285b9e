"""What every service's Settings share: frozen, from `CINELOG_*` variables, refused as a whole when wrong."""

from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

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
        SettingsError: Naming every wrong variable and why.
    """
    try:
        return kind(**overrides)
    except ValidationError as error:
        lines = [f"{_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
        raise SettingsError("Wrong settings: " + "; ".join(lines) + ".") from error


def _variable(place: tuple[int | str, ...]) -> str:
    return PREFIX + "_".join(str(part) for part in place).upper()
