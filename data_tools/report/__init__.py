"""``mathcoder report``: what a dataset is made of, as one HTML page."""
