"""What a run loads, loaded once, for processes that are forked from here; no thread is left to be forked."""

import btrack  # noqa: F401
import matplotlib.figure  # noqa: F401
import numba  # noqa: F401
import torch
import trackpy  # noqa: F401
import zarr  # noqa: F401

import classifier.checkpoint
import classifier.forest
import classifier.measures
import classifier.nuclei
import classifier.predict  # noqa: F401
import lineage.command
import lineage.config
import lineage.export.geff
import lineage.export.graphml
import lineage.mitosis.crops
import lineage.mitosis.events
import lineage.mitosis.micronuclei
import lineage.nuclei.appearance
import lineage.nuclei.fucci
import lineage.nuclei.light
import lineage.nuclei.masks
import lineage.nuclei.scale
import lineage.nuclei.segment
import lineage.quality
import lineage.report
import lineage.report.page
import lineage.run
import lineage.stardist.model
import lineage.stardist.predict
import lineage.tracking.resolve
import lineage.tracking.track
import lineage.video.tiff  # noqa: F401

torch.set_num_threads(1)
