"""StarDist in torch: the network, its weights, and the labels it draws. No TensorFlow.

Source: Schmidt et al. 2018, Cell Detection with Star-convex Polygons (MICCAI).
"""
