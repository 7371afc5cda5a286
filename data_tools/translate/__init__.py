"""From mathematical text to reasoning steps with code: finds computations and writes the Python that recomputes each."""
