"""What model and data together show before training starts: rules of losses and metrics, and advice."""
