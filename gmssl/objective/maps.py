"""Feature maps as vectors, with the way back to the pixels of the original images."""

from __future__ import annotations

import torch
from torch import nn

from gmssl.interfaces.affinity import Side
from gmssl.interfaces.views import ViewBatch


def attach_maps(
    sides: tuple[Side, Side], sources: tuple[torch.Tensor, torch.Tensor], maps: list[torch.Tensor], batch: ViewBatch
) -> tuple[Side, Side]:
    """Give both sides the maps of their nodes, with positions in original-image pixels and a mask of the padding."""
    vectors, positions, valid = flatten_maps(maps, batch)
    images = vectors.shape[1]
    attached = [
        Side(
            side.nodes,
            side.edges,
            vectors.flatten(0, 1)[source],
            positions.flatten(0, 1)[source],
            valid[source[:, 0] // images],
        )
        for side, source in zip(sides, sources, strict=True)
    ]
    return attached[0], attached[1]


def flatten_maps(maps: list[torch.Tensor], batch: ViewBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Maps as vectors `[V,B,P,C]`, positions `[V,B,P,2]`, and which of the P are no padding, `[V,P]`."""
    most = max(map_.shape[2] * map_.shape[3] for map_ in maps)
    vectors, positions, valid = [], [], []
    for view, map_ in enumerate(maps):
        count = map_.shape[2] * map_.shape[3]
        pad = (0, 0, 0, most - count)
        vectors.append(nn.functional.pad(cells(map_.float()), pad))
        where = positions_of(map_, batch, view)
        positions.append(nn.functional.pad(where, pad))
        valid.append(torch.arange(most, device=map_.device) < count)
    return torch.stack(vectors), torch.stack(positions), torch.stack(valid)


def positions_of(map_: torch.Tensor, batch: ViewBatch, view: int) -> torch.Tensor:
    """Centres of the cells of a view's map `[B,C,h,w]`, in pixels of the original images, `[B,h·w,2]`."""
    return cell_centres(map_.shape[2:], batch.images[view].shape[2:], batch.affines[view])


def cell_centres(grid: torch.Size, size: torch.Size, affine_B23: torch.Tensor) -> torch.Tensor:
    """Centres of the h×w map cells of a crop, in pixels of the original image, `[B,h·w,2]` as (x, y).

    Cell (row, column) of a crop of H×W pixels is centred at ((column + ½)·W/w, (row + ½)·H/h), in continuous
    coordinates where pixel k covers [k, k+1); `affine_B23` leads from there to the original image, the flip included.
    """
    (rows, columns), (height, width) = grid, size
    v, u = torch.meshgrid(
        (torch.arange(rows, dtype=torch.float32, device=affine_B23.device) + 0.5) * (height / rows),
        (torch.arange(columns, dtype=torch.float32, device=affine_B23.device) + 0.5) * (width / columns),
        indexing="ij",
    )
    homogeneous = torch.stack((u.flatten(), v.flatten(), torch.ones_like(u.flatten())), 1).to(affine_B23.dtype)
    return homogeneous @ affine_B23.mT


def cells(map_BChw: torch.Tensor) -> torch.Tensor:
    """Features of the cells of a map, row by row, `[B,h·w,C]`."""
    return map_BChw.flatten(2).mT
