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
    """Return the vendors whose encoders of `codec` the worker of a standalone node can use."""
    from cinelog_common.settings import load
    from cinelog_transcode.domain.tables import tables_of_pool
    from cinelog_transcode.proofs import prove
    from cinelog_transcode.settings import Settings

    tables = tuple(table for table in tables_of_pool(load(Settings).pool) if table.codec == codec)
    if not any(table.pool in VENDORS for table in tables):
        return frozenset()
    return frozenset([proof.pool async for proof in prove(tables) if proof.usable])
