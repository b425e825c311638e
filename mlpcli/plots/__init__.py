"""Figures: learning curves, model diagrams, runs side by side."""
