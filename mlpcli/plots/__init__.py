"""Figures, in one style: a function takes plain values and returns a `Drawing`, PNG and SVG.

`drawing` finishes a figure and writes it, `style` has its colours and sizes, `text` its names and titles;
`scatter` and `contours` are drawn in several.

Of a training: `learning_curves`, `model_diagram` (of a `diagram_layout`), `decision_boundary` with
`unit_patterns`, `reliability_curves`. Of an evaluation: `confusion_matrix`, `class_curves`, `residuals`,
`residuals_by_column`, `worst_images`, `group_intervals`. Of `explain`: `column_importance`,
`saliency_maps`. Of others: `compare_runs`, `drift_panels`, `more_data`.
"""
