"""The filters that bring high dynamic range to ordinary screens."""

from pathlib import Path

from av.filter import Graph
from av.filter.context import FilterContext
from cinelog_common.contract.values import Recipe

from cinelog_transcode.domain.colours import tone_maps
from cinelog_transcode.domain.tonemapping import cube


def tone_table(recipe: Recipe, folder: Path) -> Path | None:
    """Write the table that the recipe's pictures need into `folder`; None if they need none."""
    if not tone_maps(recipe):
        return None
    path = folder / "tones.cube"
    path.write_text(cube(recipe.color_transfer))
    return path


def tone_steps(graph: Graph, table: Path) -> list[FilterContext]:
    """Return filters, not linked yet, that turn pictures into BT.709 in RGB of 16 bits."""
    return [
        graph.add("format", "gbrp16le"),
        graph.add("lut3d", file=str(table), interp="tetrahedral"),
        graph.add("setparams", range="pc", color_primaries="bt709", color_trc="bt709", colorspace="gbr"),
    ]
