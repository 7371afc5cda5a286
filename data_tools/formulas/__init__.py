"""Formulas in text: finding them, and turning what web pages hold into LaTeX between dollars."""
