"""What model and data show together before the training starts: rules of losses and metrics, and advice."""
