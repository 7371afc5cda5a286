"""Finds benchmark items in documents, and drops those documents."""
