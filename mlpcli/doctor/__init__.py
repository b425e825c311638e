"""What is wrong with a training: findings from its records and its network, and patches of its spec."""
