"""A network small enough for tests, and the commands of `lineage.stardist`."""

from typer.testing import CliRunner

from lineage.stardist.__main__ import app
from lineage.stardist.network import StarDistConfig

SMALL = StarDistConfig(
    unet_n_depth=2,
    unet_n_filter_base=4,
    net_conv_after_unet=8,
    unet_batch_norm=True,
    unshuffle=True,
    sparse=True,
)


def command(*words):
    return CliRunner().invoke(app, [str(w) for w in words])
