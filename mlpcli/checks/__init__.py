"""What model and data together show before training starts: rules of losses and metrics, and advice.

`built_model` tries the model on a few rows and asks the others. It sees each output as an `output_views`;
`loss_rules` with `other_losses` and `member_losses`, and `metric_rules` with `iou_rules`, say what does
not fit it; `broadcasting` tries those of plug-ins. `predict_rules` are of the section `predict`,
`id_rules` and `text_rules` of ids in the data, `weight_rules` of what is applied to weights,
`board_rules` of TensorBoard, `sparse_gradients` of a scaled loss. What callbacks monitor: `log_names`,
`meant_names`; what they write: `file_names`. A search:
`tuner_objective`. Data alone: `columns_alone`.

`advice`, with `average_advice`, `constant_targets`, `member_advice` and `unread_columns`, is of specs
that are valid.
"""
