"""Where a unit belongs."""

from cinelog_common.contract.values import Value


class UnitPlace(Value, frozen=True, kw_only=True):
    """One generation of one work unit of one run."""

    job: str
    run: int
    n: int
    generation: int = 0
