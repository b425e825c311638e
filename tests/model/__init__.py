"""The network: layers, losses, metrics, members, plug-ins, targets of every kind, images and sentences."""
