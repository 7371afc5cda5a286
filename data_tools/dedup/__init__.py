"""Finds documents that are copies of one another, and keeps one of each."""
