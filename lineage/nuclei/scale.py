"""A movie -> how large its nuclei are, and by how much its frames are resized for the network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.processes import in_order

if TYPE_CHECKING:
    from lineage.schema import FrameQuality, Video

FRAMES = 5  # from which the size of the nuclei is estimated
CREDIBLE_UM = (4.0, 60.0)  # diameters of interphase nuclei


@dataclass(frozen=True)
class Scale:
    """The size of the nuclei, and what follows from it."""

    diameter_px: float | None  # of an interphase nucleus; None where too few were found to tell
    zoom: float  # the frames are resized by this for the network
    given: bool  # the diameter was given, not estimated

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    def in_words(self, pixel_size_um: float) -> str:
        """One sentence for the screen; only where there is a diameter."""
        diameter = self.diameter_px or 0.0
        return (
            f"nuclei {'are given as' if self.given else 'are about'} {diameter:.0f} px "
            f"({diameter * pixel_size_um:.0f} um) across: the frames are "
            + ("taken as they are" if self.zoom == 1 else f"resized by {self.zoom:.2f} to find them")
        )

    def warnings(self, pixel_size_um: float) -> tuple[str, ...]:
        """What to be wary of: a pixel size that is wrong shows here."""
        if not self.diameter_px:
            return ("too few nuclei to tell their size: the frames are taken as they are",)
        um, (low, high) = self.diameter_px * pixel_size_um, CREDIBLE_UM
        if low <= um <= high:
            return ()
        return (
            f"nuclei would be {um:.3g} um across, and cells' are {low:g} to {high:g}: "
            "the pixel size is probably wrong; give --pixel-size-um",
        )


def estimate_scale(
    video: Video,
    quality: FrameQuality,
    *,
    model: str = "sir-dna",
    diameter_um: float | None = None,
    device: str = "auto",
    workers: int = 1,
) -> Scale:
    """Read the size of the nuclei from some frames.

    Args:
        video: the movie.
        quality: of its frames; usable ones are read.
        model: StarDist model, as in the settings.
        diameter_um: of an interphase nucleus, where it is known.
        device: as `lineage.device.device_of` knows it.
        workers: with more than one, the network is looked through in one of these processes, where it will be
            needed again, and not in this one, which thus stays small.
    """
    usable = np.flatnonzero(quality.usable)
    picked = usable[np.linspace(0, len(usable) - 1, min(FRAMES, len(usable))).astype(int)]
    known = diameter_um / video.pixel_size_um if diameter_um else None
    images = [] if known else [video.frame(int(t), video.nucleus) for t in picked]
    ((diameter, zoom),) = in_order(_measured, [(model, device, images, known)], workers=workers)
    return Scale(diameter, zoom, diameter_um is not None)


def _measured(
    model: str, device: str, images: list[np.ndarray], known: float | None
) -> tuple[float | None, float]:
    """Diameter in pixels, which may be known, and zoom."""
    from lineage.stardist.model import of_this_process
    from lineage.stardist.scale import diameter_px, zoom_of

    # One thread: five frames take a second; two take thirty where another process needs a core.
    network = of_this_process(model, device)
    diameter = known or diameter_px(network, images)
    return diameter, zoom_of(network, diameter)
