"""Floor 3: token files to samples, while training. Offline data is ``data_tools``."""
