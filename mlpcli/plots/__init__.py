"""Figures: learning curves, model diagram, decision boundary, runs side by side; one style for all."""
