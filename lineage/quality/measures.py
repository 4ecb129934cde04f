"""A frame -> brightness, saturation, contrast and focus; and which frames are bad by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

_LEVELS = 5  # block means of 2, 4, 8, 16 and 32 px: details from the edge of a nucleus to its full size
_OUTLYING_SPREADS = 6
_MAX_SATURATED = 0.5  # of the pixels, whatever the frames around have
_BIT_DEPTHS = (8, 10, 12, 14, 16, 32)


@dataclass(frozen=True)
class FrameMeasures:
    """What one frame of the nucleus channel looks like, in the movie's own grey values."""

    mean: float
    top: float  # the highest value
    at_top: float  # fraction of pixels with that value
    contrast: float  # standard deviation of 4 x 4 means
    peak_snr: float  # brightest 12-px spot above the median, in standard deviations of its noise
    focus: float  # curvature at 4 px, relative to the detail of 2 to 32 px, noise taken out of both


def measure(frame: np.ndarray) -> FrameMeasures:
    """Measure a frame.

    Detail is measured by block means: the variance of means over 2 x 2 px less that of means over 4 x 4 px is
    the detail of 2 to 4 px, and so on. White noise has a known share in each and is taken out, since it stays
    when the nuclei blur. A Gaussian blur of 2 px leaves 0.54 of the focus of the paper's nuclei, one of 3 px
    0.34.

    Args:
        frame: (Y, X), any grey values.
    """
    from scipy.ndimage import laplace

    image = frame.astype(np.float32)
    top = float(image.max())
    means = [image]
    for _ in range(_LEVELS):
        means.append(halved(means[-1]))
    shift = float(means[2].mean())  # so that variances are not those of large numbers
    power = [float(np.mean(np.square(m - shift, dtype=np.float32), dtype=np.float64)) for m in means]
    detail = -np.diff(power)  # [k]: between squares of 2**k and of 2**(k + 1) px
    signal = np.maximum(detail[1:] - detail[0] / 4.0 ** np.arange(1, _LEVELS), 0)
    noise = float(np.sqrt(max(detail[0], 0) / 0.75))  # of a pixel
    # The Laplacian's weights, squared, add up to 20; the means are over 16 pixels.
    curvature = max(float(np.mean(np.square(laplace(means[2])), dtype=np.float64)) - 20 * noise**2 / 16, 0)
    return FrameMeasures(
        mean=float(image.mean(dtype=np.float64)),
        top=top,
        at_top=float(np.mean(image == top)),
        contrast=float(means[2].std(dtype=np.float64)),
        peak_snr=_peak_snr(means[2], noise / 4),
        focus=curvature / float(signal.sum()) if signal.sum() > 0 else 0.0,
    )


def halved(image: np.ndarray) -> np.ndarray:
    """Means of 2 x 2; an odd last row or column is left out."""
    height, width = (n // 2 * 2 for n in image.shape)
    rows = image[:height:2, :width] + image[1:height:2, :width]
    return (rows[:, ::2] + rows[:, 1::2]) / 4


def _peak_snr(means: np.ndarray, noise: float) -> float:
    """How far the brightest 3 x 3 of the means stands out of noise."""
    from scipy.ndimage import uniform_filter

    if np.ptp(means) == 0:
        return 0.0
    smooth = uniform_filter(means, 3)
    height = float(smooth.max() - np.median(smooth))
    return height / (noise / 3) if noise > 0 else np.inf


def find_bad_frames(
    measures: list[FrameMeasures],
    dtype: np.dtype,
    *,
    min_peak_snr: float,
    min_relative_contrast: float,
    max_saturated_fraction: float,
    min_relative_focus: float,
    window_frames: int,
) -> pd.DataFrame:
    """Find the bad frames.

    Args:
        measures: of every frame.
        dtype: of the movie.
        min_peak_snr: this and the others as in `lineage.quality.assess`.
        min_relative_contrast: see there.
        max_saturated_fraction: see there.
        min_relative_focus: see there.
        window_frames: see there.

    Returns:
        A row a frame: usable, reason ("" where usable), saturated_fraction.
    """
    table = pd.DataFrame(measures)
    saturated = table["at_top"].where(table["top"] >= _ceiling(table["top"], dtype), 0.0)
    blank = table["peak_snr"] < min_peak_snr
    usual_contrast = _running_median(table["contrast"].where(~blank), window_frames)
    blank |= table["contrast"] < min_relative_contrast * usual_contrast
    # A movie whose nuclei are clipped throughout is badly exposed, but no single frame of it is bad.
    usual_saturation = _running_median(saturated.where(~blank), window_frames)
    clipped = saturated > np.minimum(1.5 * usual_saturation + max_saturated_fraction, _MAX_SATURATED)
    good = ~blank & ~clipped
    blurred = good & _is_outlying(table["focus"].where(good), min_relative_focus, window_frames)
    reason = np.select([blank, clipped, blurred], ["blank", "saturated", "out_of_focus"], "")
    return pd.DataFrame({"usable": reason == "", "reason": reason, "saturated_fraction": saturated})


def _is_outlying(focus: pd.Series, min_relative_focus: float, window_frames: int) -> pd.Series:
    """Frames much less sharp than those around them; where focus varies much the limit is lower."""
    relative = focus / _running_median(focus, window_frames).replace(0.0, np.nan)
    if relative.isna().all():
        return pd.Series(False, index=focus.index)
    spread = 1.4826 * float((relative - 1).abs().median())
    return relative < min(min_relative_focus, 1 - _OUTLYING_SPREADS * spread)


def _ceiling(tops: pd.Series, dtype: np.dtype) -> float:
    """The camera's highest value: the full scale of the bit depth that the movie needs.

    A float movie has no full scale; its highest value stands for it.

    >>> _ceiling(pd.Series([900.0, 4095.0]), np.dtype(np.uint16))   # a 12-bit camera
    4095.0
    """
    top = float(tops.max())
    if dtype.kind == "f":
        return top
    return next(float(2**b - 1) for b in _BIT_DEPTHS if 2**b - 1 >= top or b == _BIT_DEPTHS[-1])


def _running_median(values: pd.Series, window_frames: int) -> pd.Series:
    """Median of the frames around each; missing values are left out."""
    return values.rolling(window_frames, center=True, min_periods=1).median()
