"""A recipe of data: which corpora become which components of a blend, through which stages."""
