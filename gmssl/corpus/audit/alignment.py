"""Whether two images are one: they are laid on each other as well as can be, and compared tile by tile.

Brightness does not count, nor contrast, nor how they were cut. Both images are resampled to small squares and brought
into register by Gauss-Newton steps on shift and scale of each axis, with gain and offset of the greys (Evangelidis and
Psarakis, "Parametric image alignment using enhanced correlation coefficient maximization", 2008, solves the same
problem). Then each tile is judged by its own correlation, which any monotone change of greys leaves nearly as it is.
"""

from __future__ import annotations

import numba
import numpy as np

SIDE = 64
"""Side of the squares that are compared, in pixels."""
TILE = 8
"""Side of a tile, in pixels."""
FLOOR = 0.05
"""Spread within a tile, of that of the whole image, that is as much noise as it is content."""
STEEPEST = 4.0
"""How much equalisation stretches the differences of greys at most."""
LEAST = 0.5
"""Share of a tile, and of the whole square, that both images must cover."""
TILES = 4
"""Tiles with something to see that a judgement needs."""
_AROUND = 4
"""How often the surroundings are smoothed that are taken away."""
_COARSE, _FINE = 10, 5
"""Gauss-Newton steps on squares of half the side, and of the whole."""
_TURNED = 4
"""Orientations from this number on exchange rows and columns before they are mirrored."""


@numba.njit(cache=True, nogil=True)
def oriented(image: np.ndarray, orientation: int) -> np.ndarray:
    """A square image in one of 8 orientations: bit 0 mirrors columns, bit 1 rows, after bit 2 has exchanged the two."""
    n = image.shape[0]
    out = np.empty_like(image)
    for y in range(n):
        for x in range(n):
            v = n - 1 - y if orientation & 2 else y
            u = n - 1 - x if orientation & 1 else x
            out[y, x] = image[u, v] if orientation & _TURNED else image[v, u]
    return out


@numba.njit(cache=True, nogil=True)
def equalised(image: np.ndarray) -> np.ndarray:
    """Each grey of a uint8 image as about the share of pixels that are darker, float32.

    Increasing changes of greys leave it nearly as it is. A grey that is everywhere, such as a black ground, counts as
    `STEEPEST` ordinary ones, or the noise of JPEG around it would spread over half of the range; what it has more is
    divided among all greys.
    """
    counts = np.zeros(256)
    for value in image.ravel():
        counts[value] += 1
    most = STEEPEST * image.size / 256
    excess = 0.0
    for value in range(256):
        excess += max(counts[value] - most, 0.0)
        counts[value] = min(counts[value], most)
    ranks = np.empty(256, np.float32)
    below = 0.0
    for value in range(256):
        count = counts[value] + excess / 256
        ranks[value] = (below + 0.5 * count) / image.size
        below += count
    out = np.empty(image.shape, np.float32)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            out[y, x] = ranks[image[y, x]]
    return out


@numba.njit(cache=True, nogil=True)
def _smoothed(image: np.ndarray) -> np.ndarray:
    """Convolved with (1, 2, 1) / 4 along rows and columns; the border is repeated."""
    n, m = image.shape
    rows, out = np.empty_like(image), np.empty_like(image)
    for y in range(n):
        for x in range(m):
            rows[y, x] = 0.25 * (image[y, max(x - 1, 0)] + 2 * image[y, x] + image[y, min(x + 1, m - 1)])
    for y in range(n):
        for x in range(m):
            out[y, x] = 0.25 * (rows[max(y - 1, 0), x] + 2 * rows[y, x] + rows[min(y + 1, n - 1), x])
    return out


@numba.njit(cache=True, nogil=True)
def _halved(image: np.ndarray) -> np.ndarray:
    n = image.shape[0] // 2
    out = np.empty((n, n), np.float32)
    for y in range(n):
        for x in range(n):
            a, b = image[2 * y, 2 * x], image[2 * y, 2 * x + 1]
            c, d = image[2 * y + 1, 2 * x], image[2 * y + 1, 2 * x + 1]
            out[y, x] = 0.25 * (a + b + c + d)
    return out


@numba.njit(cache=True, nogil=True)
def _slopes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Central differences along rows and columns."""
    n, m = image.shape
    down, across = np.zeros_like(image), np.zeros_like(image)
    for y in range(n):
        for x in range(m):
            down[y, x] = 0.5 * (image[min(y + 1, n - 1), x] - image[max(y - 1, 0), x])
            across[y, x] = 0.5 * (image[y, min(x + 1, m - 1)] - image[y, max(x - 1, 0)])
    return down, across


@numba.njit(cache=True, nogil=True)
def _steps(test: np.ndarray, stored: np.ndarray, place: np.ndarray, steps: int) -> None:
    """Improve `place` in its place: centre and scale of rows, then of columns, see `registered`."""
    n = test.shape[0]
    down, across = _slopes(stored)
    gain = 1.0
    row = np.empty(6)
    for _ in range(steps):
        normal, right = np.zeros((6, 6)), np.zeros(6)
        inside = 0
        for y in range(n):
            v = (y + 0.5) / n - 0.5
            at_y = (place[0] + place[1] * v) * n - 0.5
            if at_y < 0 or at_y > n - 1:
                continue
            y0 = min(int(at_y), n - 2)
            dy = at_y - y0
            for x in range(n):
                u = (x + 0.5) / n - 0.5
                at_x = (place[2] + place[3] * u) * n - 0.5
                if at_x < 0 or at_x > n - 1:
                    continue
                x0 = min(int(at_x), n - 2)
                dx = at_x - x0
                a, b, c, d = (1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx
                value = (
                    a * stored[y0, x0] + b * stored[y0, x0 + 1] + c * stored[y0 + 1, x0] + d * stored[y0 + 1, x0 + 1]
                )
                gy = a * down[y0, x0] + b * down[y0, x0 + 1] + c * down[y0 + 1, x0] + d * down[y0 + 1, x0 + 1]
                gx = a * across[y0, x0] + b * across[y0, x0 + 1] + c * across[y0 + 1, x0] + d * across[y0 + 1, x0 + 1]
                row[0], row[1] = gain * gy * n, gain * gy * n * v
                row[2], row[3] = gain * gx * n, gain * gx * n * u
                row[4], row[5] = value, 1.0
                for i in range(6):
                    right[i] += row[i] * test[y, x]
                    for j in range(i + 1):
                        normal[i, j] += row[i] * row[j]
                inside += 1
        if inside < LEAST * n * n:
            return
        for i in range(6):
            for j in range(i):
                normal[j, i] = normal[i, j]
            normal[i, i] += 1e-3 * normal[i, i] + 1e-6
        found = np.linalg.solve(normal, right)
        gain = found[4]
        for i in range(4):
            place[i] += min(max(found[i], -0.05), 0.05)
        if np.abs(found[:4]).max() < 2e-4:
            return


@numba.njit(cache=True, nogil=True)
def _laid_on(stored: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The stored image where the test image has its pixels; NaN outside of it."""
    n = stored.shape[0]
    out = np.full((n, n), np.nan, np.float32)
    for y in range(n):
        at_y = (place[0] + place[1] * ((y + 0.5) / n - 0.5)) * n - 0.5
        if at_y < -0.5 or at_y > n - 0.5:
            continue
        at_y = min(max(at_y, 0.0), n - 1.0)
        y0 = min(int(at_y), n - 2)
        dy = at_y - y0
        for x in range(n):
            at_x = (place[2] + place[3] * ((x + 0.5) / n - 0.5)) * n - 0.5
            if at_x < -0.5 or at_x > n - 0.5:
                continue
            at_x = min(max(at_x, 0.0), n - 1.0)
            x0 = min(int(at_x), n - 2)
            dx = at_x - x0
            upper = (1 - dx) * stored[y0, x0] + dx * stored[y0, x0 + 1]
            lower = (1 - dx) * stored[y0 + 1, x0] + dx * stored[y0 + 1, x0 + 1]
            out[y, x] = (1 - dy) * upper + dy * lower
    return out


@numba.njit(cache=True, nogil=True)
def _detail(image: np.ndarray) -> np.ndarray:
    """The image less its surroundings: what images of the same organ do not have in common, unlike its shape."""
    around = image
    for _ in range(_AROUND):
        around = _smoothed(around)
    return _smoothed(image) - around


@numba.njit(cache=True, nogil=True)
def _judged(test: np.ndarray, laid: np.ndarray) -> float:
    """Mean correlation of the tiles, weighted by how much there is to see in them; 0 where that is too little."""
    there = ~np.isnan(laid)
    spread, spread_laid = np.sqrt(_square_mean(test, there)), np.sqrt(_square_mean(laid, there))
    if spread < 1e-3 or spread_laid < 1e-3:
        return 0.0
    total = weights = 0.0
    for top in range(0, test.shape[0], TILE):
        for left in range(0, test.shape[1], TILE):
            count = 0
            a = b = aa = bb = ab = 0.0
            for y in range(top, top + TILE):
                for x in range(left, left + TILE):
                    if there[y, x]:
                        p, q = test[y, x] / spread, laid[y, x] / spread_laid
                        count += 1
                        a, b = a + p, b + q
                        aa, bb, ab = aa + p * p, bb + q * q, ab + p * q
            if count < LEAST * TILE * TILE:
                continue
            first, second = max(aa / count - (a / count) ** 2, 0.0), max(bb / count - (b / count) ** 2, 0.0)
            more = max(first, second)
            weight = more / (more + FLOOR**2)
            total += weight * (ab / count - a * b / count**2) / (np.sqrt(first * second) + FLOOR**2)
            weights += weight
    return total / weights if weights >= TILES else 0.0


@numba.njit(cache=True, nogil=True)
def _square_mean(image: np.ndarray, there: np.ndarray) -> float:
    total, count = 0.0, 0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            if there[y, x]:
                total += image[y, x] ** 2
                count += 1
    return total / max(count, 1)


@numba.njit(cache=True, nogil=True)
def score(test: np.ndarray, stored: np.ndarray, start: np.ndarray) -> float:
    """How alike two images are, from about 0 for any two to 1 for copies.

    Args:
        test: `[64,64]` uint8, turned the way round that the stored one is.
        stored: `[64,64]` uint8.
        start: where about the test image lies in the stored one: the middle of its rows and their extent, the middle of
            its columns and their extent, as shares of the stored image; it becomes where it was found.
    """
    first, second = _smoothed(equalised(test)), _smoothed(equalised(stored))
    _steps(_smoothed(_halved(first)), _smoothed(_halved(second)), start, _COARSE)
    _steps(first, second, start, _FINE)
    laid = _laid_on(_detail(stored.astype(np.float32)), start)
    return _judged(_detail(test.astype(np.float32)), laid)


@numba.njit(cache=True, nogil=True)
def scores(test: np.ndarray, stored: np.ndarray, orientations: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """`score` of P pairs `[P,64,64]`: test images are brought into the orientation first, + 8 for the negative."""
    found = np.zeros(len(test), np.float32)
    for i in range(len(test)):
        image = oriented(test[i], orientations[i] % 8)
        if orientations[i] >= 8:
            image = (255 - image).astype(np.uint8)
        found[i] = score(image, stored[i], starts[i])
    return found


@numba.njit(cache=True, nogil=True)
def equalised_all(squares: np.ndarray) -> np.ndarray:
    """`equalised` of uint8 squares `[N,S,S]`, float32."""
    out = np.empty(squares.shape, np.float32)
    for i in range(len(squares)):
        out[i] = equalised(squares[i])
    return out
