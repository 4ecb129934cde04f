"""Read by the process from which others are forked: what they need, once and in memory that they share."""

import gc
from importlib import import_module

LIBRARIES = (
    *("numba", "torch", "safetensors.torch", "stardist.nms", "skimage.morphology"),
    *("lineage.nuclei.segment", "lineage.nuclei.scale"),
    *("lineage.nuclei.measure", "lineage.nuclei.appearance"),
    *("lineage.stardist.int8", "lineage.stardist.scale"),
    *("lineage.stardist.predict", "lineage.stardist.polygons"),
    *("classifier.learn", "classifier.model", "classifier.predict"),
    *("lineage.stages.verdicts", "lineage.mitosis.crops", "lineage.report.cards"),
)

for name in LIBRARIES:
    import_module(name)
# Python's search for garbage would else write into every object, and so give each process a copy of its own.
gc.collect()
gc.freeze()
