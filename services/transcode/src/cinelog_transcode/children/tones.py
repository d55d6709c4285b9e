"""The filters that bring high dynamic range to ordinary screens."""

from pathlib import Path

from av.filter import Graph
from av.filter.context import FilterContext
from cinelog_common.contract.values import Recipe

from cinelog_transcode.domain.colours import tone_maps
from cinelog_transcode.domain.tonemapping import cube


def tone_table(recipe: Recipe, folder: Path) -> Path | None:
    """Write the table that the recipe's pictures need into `folder`; None if they need none."""
    return written_table(recipe.color_transfer, folder) if tone_maps(recipe) else None


def written_table(transfer: int, folder: Path) -> Path:
    """Write the table for pictures of this transfer characteristic into `folder`, unless it is there."""
    path = folder / f"tones-{transfer}.cube"
    if not path.exists():
        path.write_text(cube(transfer))
    return path


def tone_steps(graph: Graph, table: Path) -> list[FilterContext]:
    """Return filters, not linked yet, that turn pictures into BT.709 in RGB of 16 bits."""
    return [
        graph.add("format", "gbrp16le"),
        graph.add("lut3d", file=str(table), interp="tetrahedral"),
        graph.add("setparams", range="pc", color_primaries="bt709", color_trc="bt709", colorspace="gbr"),
    ]
