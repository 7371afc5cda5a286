"""Running on a Slurm cluster: what is checked and kept before a job, what is decided after each of its attempts.

Standard library alone, because `mathcoder attempt` runs on the batch host, outside the container that has torch.
"""
