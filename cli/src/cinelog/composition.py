"""Which services there are, and how each is built: the only place that knows all five."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version

from cinelog_common.journal import Maker
from cinelog_common.platform import Platform, Service
from cinelog_common.settings import SettingsBase, load

from cinelog.settings import StandaloneSettings

DOOR = "gateway"
SERVICES = ("merge", "download", "transcode", "storage", DOOR)
"""In the order in which they matter to a job's first second. The last one is where others come in."""

_ENCODING_BY_S, _FILM_S = 2.0, 600.0
"""What joins and makes posters is started when encoding surely has begun, and kept to a film's end."""


def build(name: str, platform: Platform, **overrides: object) -> Service:
    """Return the service `name`, with settings from the environment; `overrides` win.

    Raises:
        SettingsError: The environment is wrong.
    """
    kind: type[SettingsBase] = import_module(f"cinelog_{name}.settings").Settings
    make: Callable[[SettingsBase, Platform], Service] = import_module(f"cinelog_{name}.main").build
    return make(load(kind, **overrides), platform)


def offered_pools(*, hardware: bool = True) -> tuple[str, ...]:
    """Return the pools whose encoders one process offers, the one that must work first.

    The processor's, and unless without `hardware` those whose devices may be here. Where the environment
    names a pool, it is that one alone.

    Raises:
        SettingsError: The environment names a pool that there is not.
    """
    from cinelog_transcode.adapters.devices import plausible_pools
    from cinelog_transcode.settings import Settings

    named = load(Settings)
    if "pool" in named.model_fields_set:
        return (named.pool,)
    return plausible_pools() if hardware else ("cpu",)


def sure_maker(settings: StandaloneSettings) -> Maker:
    """Return who encodes in a standalone node whatever devices are there: the pool that must work."""
    return Maker(family=offered_pools(hardware=settings.hardware)[0], build=version("av"))


def standalone_services(settings: StandaloneSettings, platform: Platform) -> tuple[Service, ...]:
    """Return the services of one process; without a host there is no gateway."""
    # Without a host there is one job, which comes at once, and whose end somebody waits for.
    alone = settings.host is None
    ending = {"warm_after_s": _ENCODING_BY_S, "child_idle_s": _FILM_S} if alone else {}
    overrides: dict[str, dict[str, object]] = {
        "merge": {**ending},
        "download": {
            "allow_private_sources": settings.allow_private_sources,
            "allow_local_cookies": settings.allow_local_cookies,
            # Not said here, the environment has its say.
            **({} if settings.limit_rate is None else {"limit_rate": settings.limit_rate}),
        },
        "storage": {**ending},
    }
    services = [build(name, platform, **values) for name, values in overrides.items()]
    encoding = {"slots": settings.slots, "nice": settings.nice, "warm": alone}
    services += [
        # The first one must work; of the others only the devices have been seen.
        build("transcode", platform, pool=pool, required=not at, **encoding)
        for at, pool in enumerate(offered_pools(hardware=settings.hardware))
    ]
    if settings.host is not None:
        services.append(build(DOOR, platform, host=settings.host, port=settings.port))
    return tuple(services)
