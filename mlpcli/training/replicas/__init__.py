"""Replicas: several processes, on one machine or several, that train one network on shares of each batch.

Each worker computes the gradients of its share of every global batch; the gradients are summed, and all make
the same update. Worker 0 writes the run folder.
"""
