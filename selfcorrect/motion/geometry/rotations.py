"""Operations on many rotations, as quaternions xyzw.

They replace SciPy's `Rotation`, because each of its calls takes at least a quarter of a millisecond, and its import
takes as long as correcting several clips.
"""

import numpy as np

from .compiled import find_kernel
from .vectors import LAST, NEXT, cross, dot, empty_product, normalize_safely, norms, split_components

_CONJUGATE = np.array([-1.0, -1.0, -1.0, 1.0])

_GIMBAL_LOCK_RAD = 1e-7
"""Distance from gimbal lock, in rad. If the second Euler angle is closer to ±90°, only the sum or the difference of the
first and the third angle is determined."""


def compose(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Multiply quaternions (..., 4), with broadcasting.

    The product applies `second`, then `first`.
    """
    if kernel := find_kernel("compose", first, second):
        products = empty_product(first, second)
        kernel(first, second, products)
        return products
    x, y, z, w = split_components(first)
    a, b, c, d = split_components(second)
    products = (
        w * a + x * d + y * c - z * b,
        w * b - x * c + y * d + z * a,
        w * c + x * b - y * a + z * d,
        w * d - x * a - y * b - z * c,
    )
    return np.stack(products, axis=-1)


def rotate(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Rotate vectors (..., 3) by quaternions (..., 4), which are broadcast."""
    if kernel := find_kernel("rotate", rotations, vectors):
        turned = empty_product(rotations, vectors)
        kernel(rotations, vectors, turned)
        return turned
    x, y, z, w = split_components(rotations)
    a, b, c = split_components(vectors)
    # v + w t + q × t with t = 2 q × v
    tx = 2 * (y * c - z * b)
    ty = 2 * (z * a - x * c)
    tz = 2 * (x * b - y * a)
    turned_x = a + w * tx + y * tz - z * ty
    turned_y = b + w * ty + z * tx - x * tz
    turned_z = c + w * tz + x * ty - y * tx
    return np.stack([turned_x, turned_y, turned_z], axis=-1)


def identity_rotations(*shape: int) -> np.ndarray:
    """Return identity quaternions (*shape, 4)."""
    rotations = np.zeros((*shape, 4))
    rotations[..., 3] = 1.0
    return rotations


def invert(rotations: np.ndarray) -> np.ndarray:
    """Return the inverses of unit quaternions (..., 4)."""
    return rotations * _CONJUGATE


def normalize(rotations: np.ndarray) -> np.ndarray:
    """Scale quaternions (..., 4) to length 1."""
    return rotations / np.sqrt(np.einsum("...i,...i", rotations, rotations))[..., None]


def from_euler_angles(axes: str, angles_deg: np.ndarray) -> np.ndarray:
    """Convert intrinsic Euler angles to quaternions.

    The result agrees with SciPy's `from_euler` to the bit, but needs no import of SciPy.

    Args:
        axes: K letters out of XYZ, the outermost rotation first.
        angles_deg: (..., K) angles in degrees.

    Returns:
        (..., 4) quaternions xyzw.
    """
    numbers = list(map("XYZ".index, axes))
    half_rad = np.radians(np.moveaxis(angles_deg, -1, 0).copy()) / 2
    sines = np.sin(half_rad)
    cosines = np.cos(half_rad)
    turned = np.zeros((4, *half_rad.shape[1:]))
    turned[3] = 1
    products = np.empty_like(turned)
    for axis, sine, cosine in zip(numbers, sines, cosines, strict=True):
        after = NEXT[axis]
        last = LAST[axis]
        np.multiply(turned, sine, out=products)
        turned *= cosine
        turned[axis] += products[3]
        turned[3] -= products[axis]
        turned[after] += products[last]
        turned[last] -= products[after]
    return np.moveaxis(turned, 0, -1).copy()


def to_euler_angles(axes: str, rotations: np.ndarray) -> np.ndarray:
    """Convert quaternions (..., 4) to Euler angles (..., 3) in degrees.

    This is the inverse of `from_euler_angles` for three different axes. The second angle is between −90° and 90°, and
    the third is 0 if the second is at either bound (Bernardes and Viollet 2022).
    """
    outer, middle, inner = map("XYZ".index, axes)
    sign = 1.0 if (outer, middle) in ((0, 1), (1, 2), (2, 0)) else -1.0
    unit = _scale_to_unit(rotations)
    imaginary = unit[..., :3]
    real = unit[..., 3]
    along = -sign * imaginary[..., outer]
    a = real - imaginary[..., middle]
    b = imaginary[..., inner] + along
    c = imaginary[..., middle] + real
    d = along - imaginary[..., inner]
    tilt_rad = 2 * np.arctan2(np.hypot(c, d), np.hypot(a, b))
    half_sum = np.arctan2(b, a)
    half_difference = np.arctan2(d, c)
    last_rad = half_sum - half_difference
    first_rad = -sign * (half_sum + half_difference)
    is_low = np.abs(tilt_rad) < _GIMBAL_LOCK_RAD
    is_high = np.abs(tilt_rad - np.pi) < _GIMBAL_LOCK_RAD
    last_rad = np.where(is_low | is_high, 0.0, last_rad)
    first_rad = np.where(is_low, -sign * 2 * half_sum, np.where(is_high, -sign * 2 * half_difference, first_rad))
    angles_rad = np.stack([first_rad, tilt_rad - np.pi / 2, last_rad], axis=-1)
    angles_rad = np.where(angles_rad > np.pi, angles_rad - 2 * np.pi, angles_rad)
    return np.degrees(np.where(angles_rad < -np.pi, angles_rad + 2 * np.pi, angles_rad))


def slerp(first: np.ndarray, second: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Interpolate rotations along the shortest arcs.

    Args:
        first: (..., 4) quaternions xyzw at the start.
        second: (..., 4) quaternions xyzw at the end.
        share: (..., 1) position on the arc, from 0 to 1.

    Returns:
        (..., 4) quaternions xyzw.
    """
    start = normalize(first)
    arc = rotation_vectors(compose(invert(start), normalize(second)))
    return compose(start, quaternions(share * arc))


def steps_between(orientations: np.ndarray) -> np.ndarray:
    """Return rotation vectors (T − 1, ..., 3) between consecutive orientations (T, ..., 4).

    Vectors are in the outer frame, in radians.
    """
    return rotation_vectors(compose(orientations[1:], invert(orientations[:-1])))


def rotation_vectors(rotations: np.ndarray) -> np.ndarray:
    """Convert quaternions (..., 4) to rotation vectors (..., 3).

    Vectors are in radians and at most half a turn long.
    """
    x = rotations[..., 0]
    y = rotations[..., 1]
    z = rotations[..., 2]
    w = rotations[..., 3]
    sine = np.sqrt(x * x + y * y + z * z)
    half_angle = np.arctan2(sine, np.abs(w))
    half_turn = np.where(sine > 1e-12, half_angle / np.maximum(sine, 1e-12), 1.0)
    factor = np.where(w >= 0, 2.0, -2.0) * half_turn
    return factor[..., None] * rotations[..., :3]


def quaternions(vectors: np.ndarray) -> np.ndarray:
    """Convert rotation vectors (..., 3) in radians to unit quaternions (..., 4)."""
    half = 0.5 * norms(vectors)
    angle = half / np.pi
    angle = np.pi * np.where(angle == 0, 1e-20, angle)  # as `np.sinc` has it
    rotations = np.empty((*half.shape, 4), half.dtype)
    np.multiply((0.5 * (np.sin(angle) / angle))[..., None], vectors, out=rotations[..., :3])
    np.cos(half, out=rotations[..., 3])
    return rotations


def turn_angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return angles (...) between rotations (..., 4), which are broadcast.

    Angles are in radians and at most half a turn.
    """
    first_to_second = compose(invert(first), second)
    sine = norms(first_to_second[..., :3])
    cosine = np.abs(first_to_second[..., 3])
    return 2 * np.arctan2(sine, cosine)


def shortest_turn(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the smallest rotations (..., 4) from `before` (..., 3) to `after` (..., 3)."""
    before = normalize_safely(before)
    after = normalize_safely(after)
    return normalize_safely(np.concatenate([cross(before, after), 1 + dot(before, after)[..., None]], axis=-1))


def to_matrices(rotations: np.ndarray) -> np.ndarray:
    """Convert quaternions (..., 4) of any length to matrices (..., 3, 3)."""
    x, y, z, w = split_components(_scale_to_unit(rotations))
    xx = x * x
    yy = y * y
    zz = z * z
    ww = w * w
    matrices = np.empty((*rotations.shape[:-1], 3, 3))
    matrices[..., 0, 0] = xx - yy - zz + ww
    matrices[..., 1, 0] = 2 * (x * y + z * w)
    matrices[..., 2, 0] = 2 * (x * z - y * w)
    matrices[..., 0, 1] = 2 * (x * y - z * w)
    matrices[..., 1, 1] = -xx + yy - zz + ww
    matrices[..., 2, 1] = 2 * (y * z + x * w)
    matrices[..., 0, 2] = 2 * (x * z + y * w)
    matrices[..., 1, 2] = 2 * (y * z - x * w)
    matrices[..., 2, 2] = -xx - yy + zz + ww
    return matrices


def from_matrices(matrices: np.ndarray) -> np.ndarray:
    """Convert matrices (..., 3, 3) to quaternions (..., 4).

    Shepperd's method (1978) computes the largest component of each quaternion first.
    """
    flat = matrices.reshape(-1, 3, 3)
    trace = flat[:, 0, 0] + flat[:, 1, 1] + flat[:, 2, 2]
    sizes = np.stack([flat[:, 0, 0], flat[:, 1, 1], flat[:, 2, 2], trace], axis=-1)
    largest = sizes.argmax(axis=-1)
    rotations = np.empty((len(flat), 4))
    for axis in range(3):
        after = NEXT[axis]
        last = LAST[axis]
        chosen = largest == axis
        matrix = flat[chosen].transpose(1, 2, 0)
        rotations[chosen, axis] = 1 - trace[chosen] + 2 * matrix[axis, axis]
        rotations[chosen, after] = matrix[after, axis] + matrix[axis, after]
        rotations[chosen, last] = matrix[last, axis] + matrix[axis, last]
        rotations[chosen, 3] = matrix[last, after] - matrix[after, last]
    chosen = largest == 3
    matrix = flat[chosen].transpose(1, 2, 0)
    for axis in range(3):
        rotations[chosen, axis] = matrix[LAST[axis], NEXT[axis]] - matrix[NEXT[axis], LAST[axis]]
    rotations[chosen, 3] = 1 + trace[chosen]
    return _scale_to_unit(rotations).reshape(*matrices.shape[:-2], 4)


def _scale_to_unit(rotations: np.ndarray) -> np.ndarray:
    """Scale quaternions (..., 4) to length 1, summing the squares in order."""
    return rotations / norms(rotations)[..., None]


def matrix_columns(rotations: np.ndarray) -> np.ndarray:
    """Convert quaternions (..., 4) to 6-D rotations (..., 6).

    A 6-D rotation is the first two columns of the rotation matrix.
    """
    return to_matrices(rotations)[..., :2].reshape(*rotations.shape[:-1], 6)


def from_matrix_columns(columns: np.ndarray) -> np.ndarray:
    """Convert 6-D rotations (..., 6) to quaternions (..., 4).

    Columns are orthogonalised by Gram–Schmidt. If a column vanishes or both are parallel, a coordinate axis replaces
    it, so the result is always a rotation.
    """
    pairs = columns.reshape(*columns.shape[:-1], 3, 2)
    first = _unit(pairs[..., 0], fallback=np.array([1.0, 0.0, 0.0]))
    # The coordinate axis least aligned with the first column is never parallel to it.
    spare = np.eye(3)[np.argmin(np.abs(first), axis=-1)]
    second = _unit(_reject(pairs[..., 1], first), fallback=_reject(spare, first))
    matrices = np.stack([first, second, np.cross(first, second)], axis=-1)
    return from_matrices(matrices)


def _reject(vectors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Remove the part of vectors (..., 3) along unit directions (..., 3)."""
    return vectors - np.sum(vectors * directions, axis=-1, keepdims=True) * directions


def _unit(vectors: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Scale vectors (..., 3) to length 1, replacing those that vanish by `fallback`."""
    vectors = np.where(norms(vectors)[..., None] < 1e-9, fallback, vectors)
    return vectors / norms(vectors)[..., None]
