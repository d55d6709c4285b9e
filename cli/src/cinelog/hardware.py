"""What hardware may be required of the worker in this process."""

from cinelog_common.contract.options import VENDORS, settle
from cinelog_common.contract.values import Options


async def check_hardware(options: Options) -> None:
    """Refuse options that require hardware which is not here, before anything is asked of the source.

    Raises:
        InvalidOptionsError: No encoder of the vendor, or of any, has encoded a frame.
    """
    if options.hardware == "require":
        settle(options, vendors=await _proven(settle(options).codec))


async def _proven(codec: str) -> frozenset[str]:
    """Return the vendors whose encoders of `codec` a standalone node can use."""
    from cinelog_transcode.domain.tables import TABLES
    from cinelog_transcode.proofs import prove

    from cinelog.composition import offered_pools

    vendors = frozenset(offered_pools()) & frozenset(VENDORS)
    tables = tuple(table for table in TABLES.values() if table.pool in vendors and table.codec == codec)
    if not tables:
        return frozenset()
    return frozenset([proof.pool async for proof in prove(tables) if proof.usable])
