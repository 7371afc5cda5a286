"""What a model's answers are worth: graders, benchmarks, protocols and the report."""
