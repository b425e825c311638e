"""What data and model together show before a training: `check`, advice, leaks."""
