"""A training: the compiled loop, schedules, checkpoints, every kind of stop and what resumes it, replicas."""
