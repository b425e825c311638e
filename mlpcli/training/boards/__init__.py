"""What a run writes for TensorBoard beside Keras's own curves and histograms."""

from mlpcli.training.boards.board_callback import TensorBoard, extend_board

__all__ = ["TensorBoard", "extend_board"]
