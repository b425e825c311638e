"""SavedModels, each verified against the network it was exported from."""
