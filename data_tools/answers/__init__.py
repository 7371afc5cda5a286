"""What an answer means, and whether two answers mean the same: ``read.read_answer`` and ``compare.compare``. No torch."""
